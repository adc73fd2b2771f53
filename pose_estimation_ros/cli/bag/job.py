"""Estimates the poses of one bag and writes them to another."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pose_estimation_ros.cli._interrupt import Interruption
from pose_estimation_ros.cli._limits import LimitNotes
from pose_estimation_ros.cli._model_usage import ModelUsage
from pose_estimation_ros.cli._options import engine_options
from pose_estimation_ros.cli._progress import Progress
from pose_estimation_ros.engine.arrays import FloatArray
from pose_estimation_ros.engine.camera_model import Calibration, CameraModel, is_rectified
from pose_estimation_ros.engine.drawing import draw_poses
from pose_estimation_ros.engine.pipelines import Models, Pipeline, build_pipeline
from pose_estimation_ros.engine.types import Frame, Image
from pose_estimation_ros.errors import InputError
from pose_estimation_ros.io.bags.depth_join import DepthJoin
from pose_estimation_ros.io.bags.pose_messages import (
    COMPRESSED_IMAGE,
    jpeg_image,
    pose_array,
)
from pose_estimation_ros.io.bags.reader import BagReader
from pose_estimation_ros.io.bags.salvage import BagMessage
from pose_estimation_ros.io.bags.writer import POSE_ARRAY, BagWriter, typestore
from pose_estimation_ros.io.messages.camera_info import to_calibration
from pose_estimation_ros.io.messages.image import to_image, to_image_compressed
from pose_estimation_ros.io.messages.message_types import seconds
from pose_estimation_ros.io.prefetch import prefetched
from pose_estimation_ros.settings import EngineConfig

IMAGE = "sensor_msgs/msg/Image"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
_COMPRESSED = "/compressed"


def wants_images(topic: str, kind: str, asked: Sequence[str], depth: str) -> bool:
    """Whether poses are estimated in a topic's images; `asked` is empty for all topics."""
    if kind not in (IMAGE, COMPRESSED_IMAGE) or topic == depth:
        return False
    return not asked or topic in asked


def decoded(message: BagMessage) -> tuple[Any, Image]:
    """The header and the pixels of an image.

    Raises:
        InputError: it is damaged, or of an encoding that is not known.
    """
    try:
        received = typestore().deserialize_cdr(message.data, message.kind)
    except Exception as error:  # corrupt data raises many kinds of errors
        raise InputError(f"not a {message.kind} ({error})") from error
    image = to_image(received) if message.kind == IMAGE else to_image_compressed(received)
    return received.header, image


@dataclass
class _Topic:
    """State of one image topic of the bag."""

    name: str
    kind: str
    poses: str
    pipeline: Pipeline
    frames: int = 0
    unusable: int = 0
    went_back: int = 0  # images that are stamped a little before the one before
    reason: str = field(default="")


class BagJob:
    """Estimates the poses of every image of a bag and writes them to another."""

    def __init__(
        self,
        reader: BagReader,
        args: argparse.Namespace,
        config: EngineConfig,
        models: Models,
        usage: ModelUsage,
    ) -> None:
        self._reader, self._models, self._config = reader, models, config
        self._usage = usage
        self._options = engine_options(args)
        self._limits = LimitNotes(config, self._options)
        self._depth = DepthJoin(args.depth)
        self._asked, self._images = list(args.topic), bool(args.images)
        self._topics: dict[str, _Topic] = {}
        self._calibrations: dict[str, Calibration | None] = {}
        self._warned: set[tuple[str, str]] = set()
        if reader.counts:
            self._check_topics()

    @property
    def answered(self) -> int:
        """Number of frames processed so far."""
        return sum(topic.frames - topic.unusable for topic in self._topics.values())

    def _wants_images(self, topic: str, kind: str) -> bool:
        return wants_images(topic, kind, self._asked, self._depth.topic)

    def _wants(self, topic: str, kind: str) -> bool:
        is_depth = topic == self._depth.topic
        return kind == CAMERA_INFO or is_depth or self._wants_images(topic, kind)

    def _check_topics(self) -> None:
        """Raises InputError if a requested topic is missing or the bag has no images."""
        seen = self._reader.seen
        images = [topic for topic in seen if seen[topic] in (IMAGE, COMPRESSED_IMAGE)]
        there = f"its image topics: {', '.join(sorted(images)) or 'none'}"
        for topic in (*self._asked, *filter(None, [self._depth.topic])):
            if topic not in seen:
                raise InputError(f"bag '{self._reader.path}' has no topic '{topic}'; {there}")
            if topic not in images:
                raise InputError(
                    f"topic '{topic}' of bag '{self._reader.path}' holds {seen[topic]}, expected "
                    f"Image or CompressedImage; {there}"
                )
        if seen.get(self._depth.topic) == COMPRESSED_IMAGE:
            raise InputError(f"--depth: '{self._depth.topic}' is compressed: expected raw images")
        if not images:
            topics = ", ".join(f"{topic} ({kind})" for topic, kind in sorted(seen.items()))
            raise InputError(
                f"bag '{self._reader.path}' has no images; its topics: {topics or 'none'}"
            )

    def run(self, writer: BagWriter, interruption: Interruption) -> None:
        """Processes every image, in order.

        Raises:
            InputError: there are no images, or the bag cannot be written.
            KeyboardInterrupt: on Ctrl-C.
        """
        counts = self._reader.counts
        seen = self._reader.seen
        total = sum(n for topic, n in counts.items() if self._wants_images(topic, seen[topic]))
        progress = Progress("images", total or None)
        done = 0
        ahead = contextlib.closing(prefetched(self._reader.messages(self._wants)))
        with ahead as messages:
            for message in messages:
                if message.kind == CAMERA_INFO:
                    self._take_camera(message)
                    continue
                for image in self._joined(message):
                    self._answer(image, writer)
                    done += 1
                    progress.show(done)
                    interruption.check()
            for image in self._depth.rest():
                self._answer(image, writer)
                done += 1
        progress.close()
        self._check_topics()
        bad = [topic for topic in self._topics.values() if topic.unusable]
        for topic in bad:
            print(
                f"{topic.name}: {topic.unusable} of {topic.frames} images unusable: "
                f"{topic.reason}",
                file=sys.stderr,
            )
        for line in self._limits.lines():
            print(f"note: {line}", file=sys.stderr)
        for topic in self._topics.values():
            if topic.went_back:
                print(
                    f"{topic.name}: {topic.went_back} of {topic.frames} stamps went back a "
                    "little, which is taken for jitter",
                    file=sys.stderr,
                )
        if done and not self.answered:
            raise InputError(f"no image of bag '{self._reader.path}' is usable: {bad[0].reason}")

    def _joined(self, message: BagMessage) -> list[BagMessage]:
        """The images whose depth image, if they have one, has been read by now."""
        try:
            return self._depth.take(message)
        except InputError as error:
            self._warn_once(message.topic, str(error))
            return []

    def _depth_for(self, message: BagMessage, image: Image, stamp_s: float) -> FloatArray | None:
        try:
            return self._depth.depth_for(image, stamp_s, message.stamp_ns * 1e-9)
        except InputError as error:
            self._warn_once(self._depth.topic, f"depth image not used: {error}")
            return None

    def _take_camera(self, message: BagMessage) -> None:
        calibration = None
        try:
            calibration = to_calibration(typestore().deserialize_cdr(message.data, CAMERA_INFO))
        except Exception as error:  # corrupt data raises many kinds of errors
            self._warn_once(message.topic, f"no positions: {error}")
        self._calibrations[_namespace(message.topic)] = calibration

    def _camera_for(self, topic: str, image: Image) -> CameraModel | None:
        """The camera model of an image; None, with a warning, where camera_info is wrong."""
        calibration = self._calibrations.get(_namespace(topic))
        if calibration is None:
            return None
        try:
            return calibration.camera_for(image.width, image.height, is_rectified(topic))
        except InputError as error:
            self._warn_once(topic, f"no positions: {error}")
            return None

    def _warn_once(self, topic: str, text: str) -> None:
        kind = (topic, "".join(letter for letter in text if not letter.isdigit()))
        if kind not in self._warned:
            print(f"{topic}: {text}", file=sys.stderr)
        self._warned.add(kind)

    def _topic(self, message: BagMessage) -> _Topic:
        if message.topic not in self._topics:
            taken = {topic.poses for topic in self._topics.values()}
            poses = f"{_namespace(message.topic)}/poses"
            if poses in taken:
                poses = f"{message.topic}/poses"
            pipeline = build_pipeline(self._config.pipeline, self._models, self._options)
            self._topics[message.topic] = _Topic(message.topic, message.kind, poses, pipeline)
        return self._topics[message.topic]

    def _answer(self, message: BagMessage, writer: BagWriter) -> None:
        topic = self._topic(message)
        sequence = topic.frames
        topic.frames += 1
        try:
            header, image = decoded(message)
        except InputError as error:
            topic.unusable += 1
            topic.reason = topic.reason or str(error)
            return
        stamp_s = seconds(header.stamp) or message.stamp_ns * 1e-9
        depth = self._depth_for(message, image, seconds(header.stamp))
        frame = Frame(image, stamp_s, self._camera_for(message.topic, image), depth)
        result = topic.pipeline.process(frame)
        self._usage.note(self.answered - 1)
        topic.went_back += result.stamp_went_back
        self._limits.note(result, image.width, image.height)
        data = pose_array(header, image.width, image.height, result, sequence, topic.unusable)
        writer.write(topic.poses, POSE_ARRAY, message.stamp_ns, data)
        if self._images:
            pixels = image.pixels if image.order == "bgr" else image.pixels[..., ::-1]
            drawn = np.array(pixels, order="C")
            draw_poses(drawn, result.poses)
            name = topic.poses.removesuffix("/poses") + "/image_annotated" + _COMPRESSED
            writer.write(name, COMPRESSED_IMAGE, message.stamp_ns, jpeg_image(header, drawn))

    def summary(self) -> str:
        """A one-line summary."""
        topics: Sequence[Any] = list(self._topics.values())
        places = ", ".join(f"{t.frames - t.unusable} on {t.poses}" for t in topics)
        return f"{self.answered} images answered ({places or 'none'})"


def _namespace(topic: str) -> str:
    """The namespace that a camera's image and camera_info topics share."""
    return topic.removesuffix(_COMPRESSED).rpartition("/")[0]
