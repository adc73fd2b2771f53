"""Plays a rosbag2 of images with simulated time, as `ros2 bag play --clock` does.

Reliable and without a limit to the history, so that a slow subscriber loses nothing. With
`--rate R` in R times its own time, else as fast as it goes.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

TOPIC, TYPE = "/camera/image_raw", "sensor_msgs/msg/Image"
STORE = get_typestore(Stores.ROS2_JAZZY)


def write_bag(path: Path, frames: list, fps: float) -> Path:
    """A bag of BGR images (height, width, 3), the first at 1000 s."""
    types = STORE.types
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(TOPIC, TYPE, typestore=STORE)
        for index, pixels in enumerate(frames):
            stamp_ns = 1_000_000_000_000 + round(index * 1e9 / fps)
            stamp = types["builtin_interfaces/msg/Time"](
                sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9
            )
            header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="bag_camera")
            height, width = pixels.shape[:2]
            data = np.ascontiguousarray(pixels).reshape(-1)
            message = types[TYPE](header, height, width, "bgr8", 0, 3 * width, data)
            writer.write(connection, stamp_ns, STORE.serialize_cdr(message, TYPE))
    return path


def _option(name: str, default: str) -> str:
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default


def main() -> None:
    import rclpy
    from builtin_interfaces.msg import Time
    from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
    from rosgraph_msgs.msg import Clock
    from sensor_msgs.msg import Image

    loops = int(_option("--loops", "1"))
    rate = float(_option("--rate", "inf"))
    rclpy.init(args=sys.argv)
    node = rclpy.create_node("bag_player")
    qos = QoSProfile(history=HistoryPolicy.KEEP_ALL, reliability=ReliabilityPolicy.RELIABLE)
    images = node.create_publisher(Image, "image", qos)
    clock = node.create_publisher(Clock, "/clock", 10)
    while images.get_subscription_count() == 0:
        time.sleep(0.02)
    time.sleep(0.5)
    for _ in range(loops):
        began, first_ns = time.monotonic(), None
        with Reader(Path(sys.argv[1])) as reader:
            for _connection, stamp_ns, data in reader.messages():
                recorded = STORE.deserialize_cdr(data, TYPE)
                first_ns = stamp_ns if first_ns is None else first_ns
                due = began + (stamp_ns - first_ns) * 1e-9 / rate
                time.sleep(max(0.0, due - time.monotonic()))
                stamp = Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
                clock.publish(Clock(clock=stamp))
                message = Image(height=recorded.height, width=recorded.width, encoding="bgr8")
                message.header.stamp, message.header.frame_id = stamp, "bag_camera"
                message.step, message.data = recorded.step, recorded.data.tobytes()
                images.publish(message)
    images.wait_for_all_acked(rclpy.duration.Duration(seconds=60))
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
