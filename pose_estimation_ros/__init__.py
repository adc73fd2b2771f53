"""Human poses from camera images, for ROS 2 and for plain Python.

    with PoseEstimator() as estimator:
        poses = estimator(cv2.imread("people.jpg"))

`PoseEstimator`, `Poses` and `Person` are imported when they are first used: a program that only
wants the messages (`pose_estimation_ros.msg`) pays for nothing else.
"""

import os
from pkgutil import extend_path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pose_estimation_ros.engine.poses import Person, Poses
    from pose_estimation_ros.estimator import PoseEstimator

__all__ = ["Person", "PoseEstimator", "Poses"]

_HOMES = {
    "Person": "pose_estimation_ros.engine.poses",
    "PoseEstimator": "pose_estimation_ros.estimator",
    "Poses": "pose_estimation_ros.engine.poses",
}

# ONNX Runtime's wheels report their use to Microsoft (since 1.32 on Linux, too), under a device
# number that they keep in ~/.cache. It is asked when the library is imported, hence here.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# The generated messages live in the installed package; with this, they are found also when Python
# runs inside a checkout and takes the Python sources from there.
__path__ = extend_path(__path__, __name__)


def __getattr__(name: str) -> Any:
    """The public names, each from its module."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
