"""A ROS domain for each process of tests, so that nothing from elsewhere is heard."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path

# Up to 101, the default ports lie below those that Linux hands out to anybody; 0 is the user's.
DOMAINS = range(1, 102)
# Kept for the life of this process: the kernel frees the lock when it ends, however it ends.
_claimed: list[int] = []


def claim_domain() -> int:
    """A domain that no other process of tests on this machine has, for the life of this one."""
    folder = Path(tempfile.gettempdir()) / f"pose_estimation_ros_domains_{os.getuid()}"
    folder.mkdir(exist_ok=True)
    # From a place of its own on, since a killed run may have left nodes in the domain it had.
    start = os.getpid() % len(DOMAINS)
    for index in range(len(DOMAINS)):
        domain = DOMAINS[(start + index) % len(DOMAINS)]
        lock = os.open(folder / str(domain), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        _claimed.append(lock)
        return domain
    raise RuntimeError(f"all {len(DOMAINS)} ROS domains are in use by other runs of the tests")
