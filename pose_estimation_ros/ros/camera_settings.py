"""How a camera's topics are set up, the same for every camera."""

from __future__ import annotations

from dataclasses import dataclass

from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy

from pose_estimation_ros.ros.outputs.foreign_messages import AnnotationMessages, DetectionMessages

OUT = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=5, reliability=ReliabilityPolicy.RELIABLE)


def newest_only() -> QoSProfile:
    """The newest message only, from reliable and best-effort publishers alike.

    A new profile each time, since overrides are written into it.
    """
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT
    )


def every_one() -> QoSProfile:
    """Every message, in order: the publisher waits rather than lose one."""
    return QoSProfile(history=HistoryPolicy.KEEP_ALL, reliability=ReliabilityPolicy.RELIABLE)


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """Structural settings, the same for every camera.

    With `every_frame` nothing is replaced by newer images: they wait in the middleware, which
    holds the publisher back, and are answered in order, as a bag's should be.
    """

    compressed: bool = False
    use_depth: bool = False
    every_frame: bool = False
    publish_tf: bool = False
    publish_detections: bool = False
    publish_annotations: bool = False

    @property
    def foreign(self) -> list[type]:
        """What to publish in the messages of other packages."""
        asked = {
            DetectionMessages: self.publish_detections,
            AnnotationMessages: self.publish_annotations,
        }
        return [kind for kind, wanted in asked.items() if wanted]
