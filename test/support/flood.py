"""Floods an image topic with 1080p, at a rate in Hz or as fast as it goes: flood.py RATE SECONDS.

Prints how many were sent and the seconds it took. Serialised once, so that the rate is high.
"""

from __future__ import annotations

import array
import sys
import time

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image


def main() -> None:
    rate, seconds = float(sys.argv[1]), float(sys.argv[2])
    rclpy.init(args=sys.argv)
    node = rclpy.create_node("flood")
    qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    publisher = node.create_publisher(Image, "image", qos)
    while publisher.get_subscription_count() == 0:
        time.sleep(0.02)
    message = Image(height=1080, width=1920, encoding="bgr8", step=5760)
    message.header.stamp = node.get_clock().now().to_msg()
    message.data = array.array("B", bytes([120]) * (1080 * 5760))
    data = serialize_message(message)
    start, sent = time.monotonic(), 0
    while (spent := time.monotonic() - start) < seconds:
        publisher.publish(data)
        sent += 1
        time.sleep(max(0.0, start + sent / rate - time.monotonic()))
    print(sent, spent, flush=True)
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
