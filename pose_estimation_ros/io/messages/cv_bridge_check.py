"""Finds out whether cv_bridge works here: it may be missing, or crash Python."""

from __future__ import annotations

import subprocess
import sys
from functools import lru_cache
from typing import Any

_TRIAL_S = 30.0
# Tries a conversion, since a broken C++ part may import well and crash on first use.
_TRIAL = """
from cv_bridge import CvBridge
from sensor_msgs.msg import Image
image = Image(height=2, width=2, encoding="rgb8", step=6, data=bytes(12))
assert CvBridge().imgmsg_to_cv2(image, "bgr8").shape == (2, 2, 3)
"""


def why_unusable() -> str:
    """Returns one line saying why cv_bridge is unusable; empty if it works.

    Tried in a subprocess, since a build for another NumPy may crash the process.
    """
    try:
        run = subprocess.run(
            [sys.executable, "-c", _TRIAL], capture_output=True, text=True, timeout=_TRIAL_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"it cannot be tried: {error}"
    if run.returncode == 0:
        return ""
    lines = [line.strip() for line in run.stderr.splitlines() if line.strip()]
    why = lines[-1][:160] if lines else ""
    if run.returncode < 0:
        why = f"it ends Python with signal {-run.returncode}"
    if "numpy" in run.stderr.lower() or "_ARRAY_API" in run.stderr:
        why += "; it is built against another NumPy: pip install 'numpy<2'"
    return why


@lru_cache(maxsize=1)
def cv_bridge() -> tuple[Any, str]:
    """Returns a CvBridge, or None and the reason. The first call takes about a second."""
    why = why_unusable()
    if why:
        return None, why
    from cv_bridge import CvBridge

    return CvBridge(), ""
