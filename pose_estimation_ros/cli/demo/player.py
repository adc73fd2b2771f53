"""Plays a video, a webcam, or the bundled scene, as a camera.

Publishes `image` (bgr8) and `camera_info` at the source's rate and, like a camera, never waits for
slow subscribers. With --keep-pace it does: it starts when the first image has been answered and
its standard input is closed, and sends each image when the one before has been answered.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import select
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image as ImageMsg
from std_msgs.msg import Header

from pose_estimation_ros.cli._options import parse_size
from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.errors import InputError, PoseEstimationError
from pose_estimation_ros.io.demo_scene import SceneSource, forth_and_back
from pose_estimation_ros.io.live_camera import CameraSource, is_live
from pose_estimation_ros.io.sources import FrameSource
from pose_estimation_ros.io.video_reader import VideoSource
from pose_estimation_ros.io.video_writer import VideoWriter
from pose_estimation_ros.ros.bringup.topics import VIDEO_FRAME
from pose_estimation_ros.ros.log_folder import provide_log_folder
from pose_estimation_ros.ros.outputs.visualisation import image_message
from pose_estimation_ros.ros.video_camera import assumed_intrinsics

_LISTENER_S = 20.0
_PREPARED = 30
# With --keep-pace: for the models to load and the first answer to come, and for any other answer
# before the image counts as lost.
_FIRST_ANSWER_S, _ANSWER_S = 60.0, 2.0
_LIVE_S = 10.0


def open_source(video: str) -> FrameSource:
    """Opens a video, or the bundled scene if the path is empty."""
    return VideoSource(video) if video else SceneSource()


def _source(args: argparse.Namespace) -> FrameSource | CameraSource:
    if is_live(args.video):
        return CameraSource(args.video)
    if args.video:
        return VideoSource(args.video)
    width, height = args.size
    return SceneSource(width, height, args.rate, args.seconds or 10.0, args.persons)


class Player(Node):
    """Publishes frames the way a camera driver does."""

    def __init__(
        self, source: FrameSource | CameraSource, encoding: str, reliable: bool = False
    ) -> None:
        super().__init__("video_player")
        reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        qos = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=2, reliability=reliability)
        self._image = self.create_publisher(ImageMsg, "image", qos)
        self._info = self.create_publisher(CameraInfo, "camera_info", qos)
        self._encoding = encoding
        self._camera_info = assumed_intrinsics(source.width, source.height)

    def listened_to(self) -> bool:
        return self._image.get_subscription_count() > 0

    def publish(self, pixels: ByteArray) -> int:
        """Publishes a BGR image; returns its stamp in nanoseconds."""
        if self._encoding == "rgb8":
            pixels = pixels[..., ::-1].copy()
        now = self.get_clock().now()
        message = image_message(Header(stamp=now.to_msg(), frame_id=VIDEO_FRAME), pixels)
        message.encoding = self._encoding
        self._camera_info.header = message.header
        self._info.publish(self._camera_info)
        self._image.publish(message)
        return int(now.nanoseconds)


class AnswerWatch:
    """Waits for the poses of the images that a player sent."""

    def __init__(self, player: Player) -> None:
        from pose_estimation_ros.msg import PoseArray

        self._player, self._answered_ns = player, -1
        player.create_subscription(PoseArray, "poses", self._on_poses, 10)

    def _on_poses(self, message: Any) -> None:
        stamp = message.header.stamp
        self._answered_ns = stamp.sec * 1_000_000_000 + stamp.nanosec

    def wait(self, stamp_ns: int, at_most_s: float) -> bool:
        """Waits until the image of that stamp, or a later one, is answered."""
        end = time.monotonic() + at_most_s
        while self._answered_ns < stamp_ns and time.monotonic() < end:
            rclpy.spin_once(self._player, timeout_sec=max(0.0, end - time.monotonic()))
        return self._answered_ns >= stamp_ns


def _frames(
    source: FrameSource | CameraSource, args: argparse.Namespace
) -> Generator[ByteArray, None, None]:
    """The images to play; those of a live source are also written to the file --record names."""
    if isinstance(source, CameraSource):
        yield from _live_frames(source, args.seconds or _LIVE_S, args.record)
        return
    frames = source.frames()
    if args.prepared:
        # As many as the source has, repeating a few drawn in advance.
        first = list(itertools.islice(frames, _PREPARED))
        frames = itertools.islice(itertools.cycle(forth_and_back(first)), source.length)
    most = max(1, round(args.seconds * source.fps)) if args.seconds else None
    yield from itertools.islice(frames, most)


def _live_frames(
    source: CameraSource, seconds: float, record: Path | None
) -> Generator[ByteArray, None, None]:
    writer = VideoWriter(record, source.fps, source.width, source.height) if record else None
    began_s = time_s = None
    with writer or contextlib.nullcontext(), contextlib.closing(source.timed_frames()) as images:
        for image in images:
            if time_s is None:
                time_s = 0.0
            else:
                # The first one is sent until it is answered, and the time starts after it.
                began_s = image.time_s - 1 / source.fps if began_s is None else began_s
                time_s = image.time_s - began_s
            if time_s >= seconds:
                return
            if writer is not None:
                writer.write_at(image.pixels, time_s)
            yield image.pixels


def _told_to_start() -> bool:
    return bool(select.select([sys.stdin], [], [], 0.2)[0])


def play(
    player: Player,
    frames: Iterator[ByteArray],
    fps: float,
    watch: AnswerWatch | None,
    stamps: list[int],
) -> None:
    """Publishes the frames, `fps` of them a second (0: as they come); adds their stamps in ns.

    With a watch the first one is sent until it is answered and standard input is closed, and only
    then the time starts.

    Raises:
        InputError: the source is damaged, or the first image is never answered.
    """
    pixels = next(frames, None)
    if watch is not None and pixels is not None:
        end = time.monotonic() + _FIRST_ANSWER_S
        while not (watch.wait(player.publish(pixels), _ANSWER_S) and _told_to_start()):
            if time.monotonic() > end:
                raise InputError(f"no image was answered within {_FIRST_ANSWER_S:.0f} s")
    due = time.perf_counter()
    while pixels is not None:
        now = time.perf_counter()
        time.sleep(max(0.0, due - now) if fps else 0.0)
        # A camera goes on at its times; who waits for answers does not catch up.
        due = (due if watch is None else max(due, now)) + (1 / fps if fps else 0.0)
        stamps.append(player.publish(pixels))
        pixels = next(frames, None)  # drawn or decoded while the node works
        if watch is not None:
            watch.wait(stamps[-1], _ANSWER_S)


def main(argv: list[str] | None = None) -> int:
    """Plays the source once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--video", default="", help="a video, a camera's number or a stream (default: the scene)"
    )
    parser.add_argument(
        "--seconds", type=float, help="stop after this time (default: 10, or a whole video)"
    )
    parser.add_argument("--size", type=parse_size, default=(960, 540), help="its size, 960x540")
    parser.add_argument("--rate", type=float, default=30.0, help="its frames a second")
    parser.add_argument(
        "--prepared",
        action="store_true",
        help="draw one second beforehand and repeat it, forth and back",
    )
    parser.add_argument("--persons", type=int, default=3, help="persons in it")
    parser.add_argument("--encoding", default="bgr8", choices=("bgr8", "rgb8"))
    parser.add_argument("--reliable", action="store_true", help="publish reliably")
    parser.add_argument(
        "--keep-pace", action="store_true", help="wait for the poses of each image"
    )
    parser.add_argument("--record", type=Path, help="write what a live source gives, .mp4")
    parser.add_argument("--log", type=Path, help="write [stamp ns, ...] of the frames, JSON")
    args, ros_args = parser.parse_known_args(argv)
    try:
        source = _source(args)
    except PoseEstimationError as error:
        print(f"play: error: {error}", file=sys.stderr)
        return 1
    stamps: list[int] = []
    player = None
    try:
        rclpy.init(args=[*ros_args, *provide_log_folder()])
        player = Player(source, args.encoding, args.reliable)
        watch = AnswerWatch(player) if args.keep_pace else None
        waited = time.monotonic()
        listener_s = _FIRST_ANSWER_S if args.keep_pace else _LISTENER_S
        while not player.listened_to():
            if time.monotonic() - waited > listener_s:
                print(f"play: error: nobody subscribed in {listener_s:.0f} s", file=sys.stderr)
                return 1
            time.sleep(0.02)
        time.sleep(0.2)  # discovery of the second topic
        fps = 0.0 if isinstance(source, CameraSource) else source.fps
        with contextlib.closing(_frames(source, args)) as frames:
            play(player, frames, fps, watch, stamps)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except PoseEstimationError as error:  # a truncated video, a camera that was unplugged
        print(f"play: error: {error}", file=sys.stderr)
    except Exception:
        if rclpy.ok():
            raise  # otherwise the error is a consequence of the interruption
    finally:
        if args.log:
            args.log.write_text(json.dumps(stamps))
        if player is not None:
            player.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
