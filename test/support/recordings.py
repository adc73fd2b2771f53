"""Small bags of images for the tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer

from pose_estimation_ros.io.bags.writer import typestore

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
START_NS = 1_700_000_000_000_000_000


def header(stamp_ns: int) -> Any:
    """The header of a camera's message."""
    store = typestore()
    time = store.types["builtin_interfaces/msg/Time"](stamp_ns // 10**9, stamp_ns % 10**9)
    return store.types["std_msgs/msg/Header"](stamp=time, frame_id="camera")


def image_message(pixels: np.ndarray, stamp_ns: int, kind: str = IMAGE) -> bytes:
    """Serialised BGR pixels."""
    store = typestore()
    if kind == IMAGE:
        height, width = pixels.shape[:2]
        message = store.types[kind](
            header(stamp_ns), height, width, "bgr8", 0, 3 * width, pixels.reshape(-1)
        )
    else:
        data = cv2.imencode(".jpg", pixels)[1].reshape(-1)
        message = store.types[kind](header(stamp_ns), "jpeg", data)
    return bytes(store.serialize_cdr(message, kind))


def camera_info(
    width: int, height: int, stamp_ns: int, changes: dict[str, Any] | None = None
) -> bytes:
    """A serialised CameraInfo of a plain pinhole, with some fields changed."""
    store = typestore()
    kind = store.types["sensor_msgs/msg/CameraInfo"]
    roi = store.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    k = np.array([width, 0, width / 2, 0, width, height / 2, 0, 0, 1], float)
    blank = np.zeros(9), np.zeros(12)
    message = kind(header(stamp_ns), height, width, "plumb_bob", np.zeros(5), k, *blank, 0, 0, roi)
    for name, value in (changes or {}).items():
        setattr(message, name, value)
    return bytes(store.serialize_cdr(message, "sensor_msgs/msg/CameraInfo"))


def write_bag(
    folder: Path,
    topics: dict[str, str],
    frames: Sequence[np.ndarray],
    storage: str = "MCAP",
    zstd: bool = False,
    every_ns: int = 33_000_000,
    info: str = "",
    info_changes: dict[str, Any] | None = None,
) -> Path:
    """A bag with the frames on each topic (name to kind), and a CameraInfo topic by name.

    `info_changes` are fields of the CameraInfo that differ from a plain pinhole's.
    """
    writer = Writer(folder, version=9, storage_plugin=StoragePlugin[storage])
    if zstd:
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    store = typestore()
    with writer:
        places = {t: writer.add_connection(t, kind, typestore=store) for t, kind in topics.items()}
        if info:
            place = writer.add_connection(info, "sensor_msgs/msg/CameraInfo", typestore=store)
            height, width = frames[0].shape[:2]
            data = camera_info(width, height, START_NS, info_changes)
            writer.write(place, START_NS, data)
        for index, pixels in enumerate(frames):
            stamp_ns = START_NS + index * every_ns
            for topic, place in places.items():
                # Recorded a little after it was taken.
                writer.write(
                    place, stamp_ns + 5000, image_message(pixels, stamp_ns, topics[topic])
                )
    return folder


def read_poses(folder: Path) -> dict[str, list[tuple[int, Any]]]:
    """By topic, the times and messages of a bag, with the definitions that it holds itself."""
    from rosbags.highlevel import AnyReader

    found: dict[str, list[tuple[int, Any]]] = {}
    with Reader(folder) as reader:
        assert all(connection.msgdef.data for connection in reader.connections)
    with AnyReader([folder]) as reader:
        for connection, stamp_ns, data in reader.messages():
            message = reader.deserialize(data, connection.msgtype)
            found.setdefault(connection.topic, []).append((stamp_ns, message))
    return found
