"""Protocols for the fields read from camera messages, both ROS's and rosbags' objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias


class Stamp(Protocol):
    """builtin_interfaces/Time."""

    sec: int
    nanosec: int


class Header(Protocol):
    """std_msgs/Header."""

    stamp: Stamp
    frame_id: str


class CameraMessage(Protocol):
    """Any message with a header."""

    header: Header


class ImageMessage(CameraMessage, Protocol):
    """sensor_msgs/Image; `data` is a buffer of bytes."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


class CompressedImageMessage(CameraMessage, Protocol):
    """sensor_msgs/CompressedImage; `data` is a buffer of bytes."""

    format: str
    data: Any


CameraImage: TypeAlias = ImageMessage | CompressedImageMessage


class RegionOfInterest(Protocol):
    """sensor_msgs/RegionOfInterest: the fields in use."""

    x_offset: int
    y_offset: int
    height: int
    width: int


class CameraInfoMessage(CameraMessage, Protocol):
    """sensor_msgs/CameraInfo: the fields in use."""

    height: int
    width: int
    distortion_model: str
    d: Sequence[float]
    k: Sequence[float]
    p: Sequence[float]
    binning_x: int
    binning_y: int
    roi: RegionOfInterest


def seconds(stamp: Stamp) -> float:
    """Converts a stamp to seconds."""
    return float(stamp.sec) + float(stamp.nanosec) * 1e-9
