"""Frames with their times, from a video, images or a bag alike."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pose_estimation_ros.engine.types import Image
from pose_estimation_ros.errors import ConfigError, InputError
from pose_estimation_ros.io.bags.pose_messages import COMPRESSED_IMAGE
from pose_estimation_ros.io.bags.reader import STORAGES, BagReader
from pose_estimation_ros.io.bags.writer import typestore
from pose_estimation_ros.io.image_files import ImagesSource
from pose_estimation_ros.io.live_camera import is_live
from pose_estimation_ros.io.messages.image import to_image, to_image_compressed
from pose_estimation_ros.io.sources import open_frames

_IMAGE = "sensor_msgs/msg/Image"


def open_sequence(name: str, topic: str = "") -> VideoSequence | BagSequence:
    """Opens a video file, a folder of images, or a bag (its first image topic, or `topic`).

    Raises:
        InputError: it is none of these.
        ConfigError: it is a camera, which cannot be replayed.
    """
    path = Path(name)
    if path.suffix in STORAGES or (
        path.is_dir()
        and any(file.name == "metadata.yaml" or file.suffix in STORAGES for file in path.iterdir())
    ):
        return BagSequence(path, topic)
    if topic:
        raise ConfigError(f"--topic: '{name}' is not a bag, and only bags have topics")
    return VideoSequence(name)


class VideoSequence:
    """A video file or a folder of images."""

    damage = ""  # a damaged video is refused

    def __init__(self, name: str) -> None:
        if is_live(name):
            raise ConfigError(f"'{name}' is a camera, which cannot be replayed: record it first")
        source = open_frames(name)
        self.name, self._source = name, source
        self.fps: float = source.fps
        self.length = source.length
        self.width, self.height = source.width, source.height

    @property
    def file_names(self) -> list[str]:
        """The files' names if the source is images; empty for a video."""
        source = self._source
        return [file.name for file in source.files] if isinstance(source, ImagesSource) else []

    def frames(self) -> Iterator[tuple[Image, float]]:
        """Yields every image with its time in s."""
        for image in self._source.timed_frames():
            yield Image(image.pixels), image.time_s


class BagSequence:
    """One image topic of a bag; images that cannot be decoded are skipped."""

    file_names: tuple[str, ...] = ()

    def __init__(self, path: Path, topic: str) -> None:
        self.name = str(path)
        self.damage = ""  # why the last reading stopped early
        self._path, self._topic = path, topic
        stamps: list[float] = []
        with BagReader(path) as reader:
            kinds = (_IMAGE, COMPRESSED_IMAGE)
            images = sorted(t for t, kind in reader.seen.items() if kind in kinds)
            if not topic:
                if reader.counts and not images:
                    raise InputError(f"bag '{path}' has no images")
                self._topic = images[0] if images else ""
            if reader.counts and self._topic not in reader.seen:
                there = ", ".join(images) or "none"
                raise InputError(f"bag '{path}' has no topic '{topic}'; its image topics: {there}")
            self.length: int | None = reader.counts.get(self._topic)
        first: Image | None = None
        for image, stamp_s in self.frames():
            first = first or image
            stamps.append(stamp_s)
            if len(stamps) == 2:
                break
        if first is None:
            raise InputError(f"bag '{path}' has no usable images on topic '{self._topic}'")
        self.width, self.height = first.width, first.height
        apart = stamps[-1] - stamps[0]
        self.fps = 1 / apart if apart > 0 else 30.0

    def _wanted(self, topic: str, kind: str) -> bool:
        return kind in (_IMAGE, COMPRESSED_IMAGE) and self._topic in ("", topic)

    def frames(self) -> Iterator[tuple[Image, float]]:
        """Yields every image with its time in s."""
        with BagReader(self._path) as reader:
            for message in reader.messages(self._wanted):
                decode = to_image if message.kind == _IMAGE else to_image_compressed
                image: Image | None = None
                with contextlib.suppress(Exception):  # corrupt data raises many kinds of errors
                    received = typestore().deserialize_cdr(message.data, message.kind)
                    image = decode(received)
                if image is None:
                    continue
                stamp = received.header.stamp
                yield image, stamp.sec + stamp.nanosec * 1e-9 or message.stamp_ns * 1e-9
            self.damage = reader.damage
