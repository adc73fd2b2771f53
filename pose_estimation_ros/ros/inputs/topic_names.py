"""The names of a camera's topics, as image_transport derives one from another."""

from __future__ import annotations

from rclpy.node import Node

_COMPRESSED = "/compressed"


def image_topic(node: Node, prefix: str, compressed: bool) -> str:
    """The full name of the image topic.

    A remapping of `image` applies to compressed images, too, unless they have one of their own,
    and may name them itself.
    """
    base = str(node.resolve_topic_name(f"{prefix}image"))
    if not compressed:
        return base
    if own := _remapped(node, f"{prefix}image{_COMPRESSED}"):
        return own
    return base if base.endswith(_COMPRESSED) else base + _COMPRESSED


def camera_info_topic(node: Node, prefix: str, compressed: bool) -> str:
    """The full name of the topic of camera_info: as remapped, else beside the image topic."""
    if own := _remapped(node, f"{prefix}camera_info"):
        return own
    base = image_topic(node, prefix, compressed).removesuffix(_COMPRESSED)
    return f"{base.rpartition('/')[0]}/camera_info"


def other_transport(topic: str) -> str:
    """The topic of the same images, sent compressed where this one has them raw, or raw."""
    if topic.endswith(_COMPRESSED):
        return topic.removesuffix(_COMPRESSED)
    return topic + _COMPRESSED


def _remapped(node: Node, name: str) -> str:
    """The full name that a remapping gives; empty where there is none."""
    resolved = str(node.resolve_topic_name(name))
    return resolved if resolved != str(node.resolve_topic_name(name, only_expand=True)) else ""
