"""The annotated image and the markers: made only while somebody listens."""

from __future__ import annotations

import array

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Vector3
from sensor_msgs.msg import Image as ImageMsg
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from pose_estimation_ros.engine.drawing import draw_poses, track_colour
from pose_estimation_ros.engine.skeletons import skeleton_named
from pose_estimation_ros.engine.types import Image, PoseResult

_LIFETIME = Duration(nanosec=500_000_000)
_BONE_WIDTH_M = 0.03


def annotated_image(header: Header, image: Image, result: PoseResult) -> ImageMsg:
    """A copy of the image, bgr8, with the poses drawn on it."""
    pixels = np.ascontiguousarray(
        image.pixels if image.order == "bgr" else image.pixels[..., ::-1]
    )
    if np.shares_memory(pixels, image.pixels):
        pixels = pixels.copy()
    draw_poses(pixels, result)
    message = ImageMsg(header=header, encoding="bgr8", height=image.height, width=image.width)
    message.step = 3 * image.width
    # An array.array is taken as it is; bytes would be converted element by element.
    data = array.array("B")
    data.frombytes(pixels.tobytes())
    message.data = data
    return message


def pose_markers(header: Header, result: PoseResult) -> MarkerArray:
    """The bones of every person that has metric positions, as line lists for RViz."""
    skeleton = skeleton_named(result.skeleton)
    markers = MarkerArray()
    for person in range(len(result.poses)):
        points = result.poses.positions_m[person]
        known = np.isfinite(points).all(axis=1)
        track = int(result.poses.track_ids[person])
        blue, green, red = track_colour(track)
        marker = Marker(
            header=header,
            ns="pose",
            id=track if track >= 0 else 1_000_000 + person,
            type=Marker.LINE_LIST,
            action=Marker.ADD,
            lifetime=_LIFETIME,
            scale=Vector3(x=_BONE_WIDTH_M),
            color=ColorRGBA(r=red / 255, g=green / 255, b=blue / 255, a=1.0),
        )
        marker.pose.orientation.w = 1.0
        for bone in skeleton.bones:
            if known[list(bone)].all():
                for joint in bone:
                    x, y, z = points[joint].tolist()
                    marker.points.append(Point(x=x, y=y, z=z))
        if marker.points:
            markers.markers.append(marker)
    return markers
