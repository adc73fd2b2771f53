"""Fast DDS shared memory: segments left behind by killed processes, and the space there is.

Every participant has a segment, 32 MB with the profile for large images, and holds a lock on the
file beside it for as long as it lives. Nobody removes the segment of a process that was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from pathlib import Path

FOLDER = Path("/dev/shm")  # nosec B108: where POSIX has it, not a temporary file
_PREFIX, _PORT, _LOCK = "fastrtps_", "fastrtps_port", "_el"
# A node and a camera with the profile for large images, and the ports.
ENOUGH_BYTES = 128 * 2**20


def abandoned(folder: Path = FOLDER) -> list[Path]:
    """Segments whose process has exited."""
    locks = sorted(folder.glob(f"{_PREFIX}*{_LOCK}"))
    found = [(lock, lock.with_name(lock.name.removesuffix(_LOCK))) for lock in locks]
    return [segment for lock, segment in found if segment.is_file() and not _held(lock)]


def _held(lock: Path) -> bool:
    try:
        file = os.open(lock, os.O_RDONLY)
    except OSError:
        return True  # its process ends just now, or it is another user's and not ours to judge
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def own() -> list[Path]:
    """This process's segments, by the locks that it holds open; not those of its ports."""
    links = []
    for file in list(Path("/proc/self/fd").iterdir()):
        with contextlib.suppress(OSError):  # the listing's own, closed again
            links.append(file.readlink())
    return [
        link.with_name(link.name.removesuffix(_LOCK))
        for link in links
        if link.name.startswith(_PREFIX)
        and link.name.endswith(_LOCK)
        and not link.name.startswith(_PORT)
    ]


def remove(segments: list[Path]) -> list[Path]:
    """Removes abandoned segments and their locks; returns those that could not be removed.

    Whoever still reads from one keeps it in memory until then.
    """
    left = []
    for segment in segments:
        try:
            segment.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                segment.with_name(segment.name + _LOCK).unlink()
        except OSError:
            left.append(segment)
    return left


def total_bytes(folder: Path = FOLDER) -> int:
    """Size of the shared memory file system."""
    return shutil.disk_usage(folder).total
