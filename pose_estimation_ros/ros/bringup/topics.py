"""Which topics each camera of a launch file listens to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pose_estimation_ros.errors import ConfigError
from pose_estimation_ros.ros.bringup.arguments import split

VIDEO_FRAME = "demo_camera"  # of the images that are played instead of a camera's
_COMPRESSED = "/compressed"


@dataclass(frozen=True, slots=True)
class CameraTopics:
    """What one camera's topics are remapped to; empty where they are not.

    `prefix` is the camera's name and a slash, or empty for the only camera. `video` is what to
    play as this camera.
    """

    prefix: str
    image: str = ""
    camera_info: str = ""
    depth: str = ""
    video: str = ""
    compressed: bool = False

    def remappings(self) -> list[tuple[str, str]]:
        """The rules for the node."""
        rules = []
        if self.image:
            rules.append((f"{self.prefix}image", self.image))
            rules.append((f"{self.prefix}image{_COMPRESSED}", f"{self.image}{_COMPRESSED}"))
        if self.camera_info:
            rules.append((f"{self.prefix}camera_info", self.camera_info))
        if self.depth:
            rules.append((f"{self.prefix}depth", self.depth))
        return rules

    def of_player(self) -> list[tuple[str, str]]:
        """The rules for what plays a video as this camera."""
        image = self.image or f"{self.prefix}image"
        beside = image[: image.rfind("/") + 1]
        info = self.camera_info or f"{beside}camera_info"
        return [("image", image), ("camera_info", info)]


def camera_topics(values: Mapping[str, str], cameras: Sequence[str]) -> list[CameraTopics]:
    """The topics of every camera; `cameras` are their names, none for a single one.

    Raises:
        ConfigError: there are not as many topics as cameras.
    """
    names = list(cameras) or [""]
    lists = {
        name: _one_each(name, values.get(name, ""), names)
        for name in ("image", "camera_info", "depth", "video")
    }
    found = []
    for index, camera in enumerate(names):
        prefix = f"{camera}/" if camera else ""
        own = {
            name: (camera and values.get(f"{prefix}{name}", "")) or given[index]
            for name, given in lists.items()
        }
        compressed = own["image"].endswith(_COMPRESSED)
        own["image"] = own["image"].removesuffix(_COMPRESSED)
        found.append(CameraTopics(prefix, **own, compressed=compressed))
    return found


def _one_each(name: str, text: str, cameras: list[str]) -> list[str]:
    items = split(text)
    if not items:
        return [""] * len(cameras)
    if len(items) != len(cameras):
        expected = f"one for each of the cameras {', '.join(cameras)}, separated by commas"
        if len(cameras) == 1:
            expected = "one: name several cameras with cameras:="
        raise ConfigError(f"{name}:={text}: expected {expected}")
    return items
