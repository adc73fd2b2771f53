"""Builds the node's messages for bags with rosbags' types, without ROS."""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.engine.skeletons import skeleton_named
from pose_estimation_ros.engine.types import PoseResult
from pose_estimation_ros.io.bags.writer import POSE_ARRAY, typestore
from pose_estimation_ros.package_files import PACKAGE

COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
_NAN = float("nan")
_JPEG_QUALITY = 90


@lru_cache(maxsize=16)
def _type(name: str) -> Any:
    return typestore().types[name]


def pose_array(
    header: Any, width: int, height: int, result: PoseResult, sequence: int, dropped: int
) -> bytes:
    """Builds a serialised PoseArray.

    Its times are NaN: processing times say nothing about the recording, and repeated runs must
    produce the same bytes.
    """
    skeleton = skeleton_named(result.skeleton)
    times = _type(f"{PACKAGE}/msg/StageTimes")
    message = _type(POSE_ARRAY)(
        header=header,
        pipeline=result.pipeline,
        skeleton=skeleton.name,
        keypoint_names=list(skeleton.joints),
        bones=np.array(skeleton.bones, np.uint16).ravel(),
        image_width=width,
        image_height=height,
        poses=_persons(result, width, height),
        times=times(**{field.name: _NAN for field in fields(times) if field.init}),
        sequence=sequence,
        dropped=dropped,
    )
    return bytes(typestore().serialize_cdr(message, POSE_ARRAY))


def _persons(result: PoseResult, width: int, height: int) -> list[Any]:
    person, keypoint = _type(f"{PACKAGE}/msg/PersonPose"), _type(f"{PACKAGE}/msg/Keypoint")
    region, point = _type("sensor_msgs/msg/RegionOfInterest"), _type("geometry_msgs/msg/Point")
    poses = result.poses
    limit = np.array([width, height, width, height])
    inner = np.clip(np.nan_to_num(poses.boxes), 0, limit)
    corners = np.concatenate([np.floor(inner[:, :2]), np.ceil(inner[:, 2:])], axis=1).astype(int)
    # The message has no place for a negative size: one person must not cost all the others.
    corners[:, 2:] = np.maximum(corners[:, :2], corners[:, 2:])
    scores = np.clip(poses.joints.scores, 0.0, 1.0)
    persons = []
    for index in range(len(poses)):
        x1, y1, x2, y2 = corners[index].tolist()
        keypoints = [
            keypoint(x, y, score, point(*position))
            for (x, y), score, position in zip(
                poses.joints.xy[index].tolist(),
                scores[index].tolist(),
                poses.positions_m[index].tolist(),
                strict=True,
            )
        ]
        persons.append(
            person(
                track_id=int(poses.track_ids[index]),
                track_state=int(poses.track_states[index]),
                score=float(poses.scores[index]),
                box=region(x1, y1, y2 - y1, x2 - x1, False),
                keypoints=keypoints,
                depth_source=int(poses.depth_sources[index]),
            )
        )
    return persons


def jpeg_image(header: Any, pixels: ByteArray) -> bytes:
    """Builds a serialised CompressedImage from BGR pixels (height, width, 3)."""
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    message = _type(COMPRESSED_IMAGE)(header=header, format="jpeg", data=data.reshape(-1))
    return bytes(typestore().serialize_cdr(message, COMPRESSED_IMAGE))
