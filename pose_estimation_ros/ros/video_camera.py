"""A video, a webcam, a stream or the demo's scene as a camera: a first launch needs no driver.

`pose_estimation_camera demo` publishes `image` (bgr8) and `camera_info`, as a driver does. Videos
start again at their end.
"""

from __future__ import annotations

import argparse
import itertools
import signal
import sys
import threading
import time
from collections.abc import Iterator

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image as ImageMsg
from std_msgs.msg import Header

from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.engine.camera_model import assumed_camera
from pose_estimation_ros.errors import PoseEstimationError
from pose_estimation_ros.io.demo_scene import SceneSource
from pose_estimation_ros.io.live_camera import CameraSource
from pose_estimation_ros.io.sources import open_frames
from pose_estimation_ros.io.timed_image import TimedImage
from pose_estimation_ros.ros.bringup.topics import VIDEO_FRAME
from pose_estimation_ros.ros.log_folder import provide_log_folder
from pose_estimation_ros.ros.outputs.visualisation import image_message

DEMO = "demo"
_DEMO_FPS = 15.0
_ENDLESS_S = 1e7
_POLL_S = 0.1


def frames_of(name: str) -> Iterator[TimedImage]:
    """Yields the images of a source with ever growing times; only a live one ends.

    Raises:
        InputError: there is no such source, it cannot be read, or a live one ended.
    """
    if name == DEMO:
        scene = SceneSource(fps=_DEMO_FPS, seconds=_ENDLESS_S)
        for index, pixels in enumerate(scene.frames()):
            yield TimedImage(pixels, index / scene.fps)
        return
    source = open_frames(name)
    if isinstance(source, CameraSource) and not source.is_file:
        yield from source.timed_frames()
        return
    offset_s = 0.0
    for run in itertools.count():
        last_s = offset_s
        if run and isinstance(source, CameraSource):  # a file behind an address is read once
            source = open_frames(name)
        for image in source.timed_frames():
            last_s = offset_s + image.time_s
            yield image._replace(time_s=last_s)
        offset_s = last_s + 1 / max(source.fps, 1.0)


def assumed_intrinsics(width: int, height: int) -> CameraInfo:
    """The camera_info of a camera that nobody calibrated, for images of that size in px."""
    camera = assumed_camera(width, height)
    k = [camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]
    return CameraInfo(width=width, height=height, distortion_model="plumb_bob", d=[0.0] * 5, k=k)


class VideoCamera(Node):
    """Publishes images the way a driver does."""

    def __init__(self) -> None:
        super().__init__("video_camera")
        qos = QoSProfile(depth=2)
        self._image = self.create_publisher(ImageMsg, "image", qos)
        self._info = self.create_publisher(CameraInfo, "camera_info", qos)

    def publish(self, pixels: ByteArray) -> None:
        """Publishes a BGR image (height, width, 3) and its intrinsics, stamped now."""
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=VIDEO_FRAME)
        height, width = pixels.shape[:2]
        info = assumed_intrinsics(width, height)
        info.header = header
        self._info.publish(info)
        self._image.publish(image_message(header, pixels))


def main(argv: list[str] | None = None) -> int:
    """Plays until it is interrupted; the exit code is 1 where the source cannot be read."""
    parser = argparse.ArgumentParser(prog="pose_estimation_camera", description=__doc__)
    parser.add_argument(
        "source",
        nargs="?",
        default=DEMO,
        help="a video file, a folder of images, a webcam's number, a stream's address, or demo",
    )
    args, ros_args = parser.parse_known_args(argv)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):  # a launch file's Ctrl-C comes twice
        signal.signal(number, lambda *_: stop.set())
    words = [*ros_args, *provide_log_folder()]
    rclpy.init(args=words, signal_handler_options=SignalHandlerOptions.NO)
    camera = VideoCamera()
    try:
        _play(camera, frames_of(args.source), stop)
    except PoseEstimationError as error:
        camera.get_logger().fatal(str(error))
        return 1
    finally:
        camera.destroy_node()
        rclpy.try_shutdown()
    return 0


def _play(camera: VideoCamera, frames: Iterator[TimedImage], stop: threading.Event) -> None:
    """Publishes the images when they are due, and runs the node's callbacks in between."""
    executor = SingleThreadedExecutor()
    executor.add_node(camera)
    start_s = None
    for image in frames:
        if start_s is None:
            start_s = time.perf_counter() - image.time_s
            height, width = image.pixels.shape[:2]
            camera.get_logger().info(f"playing images of {width}x{height} px")
        while not stop.is_set():
            wait_s = start_s + image.time_s - time.perf_counter()
            executor.spin_once(timeout_sec=min(max(wait_s, 0.0), _POLL_S))
            if wait_s <= 0:
                break
        if stop.is_set():
            return
        camera.publish(image.pixels)


if __name__ == "__main__":
    sys.exit(main())
