"""Plays a video, or the bundled scene, as a camera.

Publishes `image` (bgr8) and `camera_info` at the source's rate and, like a camera, never waits for
slow subscribers.
"""

from __future__ import annotations

import argparse
import array
import itertools
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image as ImageMsg

from pose_estimation_ros.cli._options import parse_size
from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.errors import PoseEstimationError
from pose_estimation_ros.io.demo_scene import SceneSource, forth_and_back
from pose_estimation_ros.io.sources import FrameSource
from pose_estimation_ros.io.video_reader import VideoSource
from pose_estimation_ros.ros.log_folder import provide_log_folder

_FRAME_ID = "demo_camera"
_LISTENER_S = 20.0
_PREPARED = 30
# Assumed for an uncalibrated webcam: about 60 degrees horizontally.
_FOCAL_WIDTHS = 0.87


def open_source(video: str) -> FrameSource:
    """Opens a video, or the bundled scene if the path is empty."""
    return VideoSource(video) if video else SceneSource()


def _source(args: argparse.Namespace) -> FrameSource:
    if args.video:
        return VideoSource(args.video)
    width, height = args.size
    return SceneSource(width, height, args.rate, args.seconds, args.persons)


class Player(Node):
    """Publishes frames the way a camera driver does."""

    def __init__(self, source: FrameSource, encoding: str, reliable: bool = False) -> None:
        super().__init__("video_player")
        reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        qos = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=2, reliability=reliability)
        self._image = self.create_publisher(ImageMsg, "image", qos)
        self._info = self.create_publisher(CameraInfo, "camera_info", qos)
        self._encoding = encoding
        focal = _FOCAL_WIDTHS * source.width
        centre_x, centre_y = (source.width - 1) / 2, (source.height - 1) / 2
        self._camera_info = CameraInfo(
            width=source.width,
            height=source.height,
            distortion_model="plumb_bob",
            d=[0.0] * 5,
            k=[focal, 0.0, centre_x, 0.0, focal, centre_y, 0.0, 0.0, 1.0],
        )

    def listened_to(self) -> bool:
        return self._image.get_subscription_count() > 0

    def publish(self, pixels: ByteArray) -> int:
        """Publishes a BGR image; returns its stamp in nanoseconds."""
        height, width = pixels.shape[:2]
        if self._encoding == "rgb8":
            pixels = pixels[..., ::-1].copy()
        now = self.get_clock().now()
        message = ImageMsg(height=height, width=width, encoding=self._encoding, step=3 * width)
        message.header.frame_id = _FRAME_ID
        message.header.stamp = now.to_msg()
        data = array.array("B")
        data.frombytes(pixels.tobytes())
        message.data = data
        self._camera_info.header = message.header
        self._info.publish(self._camera_info)
        self._image.publish(message)
        return int(now.nanoseconds)


def _prepared(source: FrameSource) -> Iterator[ByteArray]:
    """Yields as many frames as the source has, repeating a few rendered in advance."""
    first = list(itertools.islice(source.frames(), _PREPARED))
    return itertools.islice(itertools.cycle(forth_and_back(first)), source.length)


def main(argv: list[str] | None = None) -> int:
    """Plays the source once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", default="", help="a video file (default: the bundled scene)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the bundled scene")
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
        waited = time.monotonic()
        while not player.listened_to():
            if time.monotonic() - waited > _LISTENER_S:
                print(f"play: error: nobody subscribed in {_LISTENER_S:.0f} s", file=sys.stderr)
                return 1
            time.sleep(0.02)
        time.sleep(0.2)  # discovery of the second topic
        frames = _prepared(source) if args.prepared else source.frames()
        start = time.perf_counter()
        for index, pixels in enumerate(frames):
            time.sleep(max(0.0, start + index / source.fps - time.perf_counter()))
            stamps.append(player.publish(pixels))
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except PoseEstimationError as error:  # a truncated video
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
