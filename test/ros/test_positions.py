"""Positions in metres: intrinsics, distortion, a depth image, and nothing that is guessed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from pose_estimation_ros.msg import PersonPose, PoseArray
from processes import Rig
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image as ImageMsg

FOCAL = 835.0
DISTORTION = [-0.3, 0.1, 0.001, -0.002, 0.0]
NEAR_M, FAR_M = 2.5, 7.0


class _DepthCamera:
    """Publishes a still picture with what else is asked for, from the test's own process."""

    def __init__(self, rig: Rig, pixels: np.ndarray) -> None:
        self._rig, self._pixels = rig, pixels
        node = rig.client.node
        self._image = node.create_publisher(ImageMsg, "image", 1)
        self._info = node.create_publisher(CameraInfo, "camera_info", 1)
        self._depth = node.create_publisher(ImageMsg, "depth", 1)

    def answer(self, info: CameraInfo | None, depth_mm: np.ndarray | None) -> PoseArray:
        """The answer to an image that came with these."""
        for _ in range(40):
            stamp = self._rig.client.node.get_clock().now().to_msg()
            if info is not None:
                info.header.stamp = stamp
                self._info.publish(info)
            if depth_mm is not None:
                self._depth.publish(_message(depth_mm, "16UC1", stamp))
            self._rig.client.spin_for(0.1)  # the image last: it is answered as soon as it comes
            self._image.publish(_message(self._pixels, "bgr8", stamp))
            self._rig.client.spin_for(0.2)
            if self._rig.client.poses and self._rig.client.poses[-1].header.stamp == stamp:
                answer = self._rig.client.poses[-1]
                if answer.poses:
                    return answer
        raise AssertionError("no answer")


def _message(pixels: np.ndarray, encoding: str, stamp: Time) -> ImageMsg:
    message = ImageMsg(height=pixels.shape[0], width=pixels.shape[1], encoding=encoding)
    message.header.stamp, message.step = stamp, pixels.strides[0]
    message.data = pixels.tobytes()
    return message


def _info(distortion: list[float]) -> CameraInfo:
    k = [FOCAL, 0.0, 479.5, 0.0, FOCAL, 269.5, 0.0, 0.0, 1.0]
    return CameraInfo(width=960, height=540, distortion_model="plumb_bob", d=distortion, k=k)


def _positions(person: PersonPose) -> np.ndarray:
    return np.array([(k.position.x, k.position.y, k.position.z) for k in person.keypoints])


def _joints(person: PersonPose) -> np.ndarray:
    return np.array([(k.x, k.y) for k in person.keypoints])


def test_positions_are_as_good_as_what_is_known(rig: Rig, scene_frames: list) -> None:
    rig.start_node(pipeline="v4", use_depth=True, cache_size=0, enable_smoothing=False)
    camera = _DepthCamera(rig, np.ascontiguousarray(scene_frames[0]))

    answer = camera.answer(None, None)
    for person in answer.poses:
        assert person.depth_source == PersonPose.DEPTH_NONE
        assert np.isnan(_positions(person)).all(), "without intrinsics nothing is guessed"

    answer = camera.answer(_info([0.0] * 5), None)
    assert {p.depth_source for p in answer.poses} == {PersonPose.DEPTH_BOX}
    assert np.isfinite(_positions(answer.poses[0])).all()

    # A wall, and before it everybody at the same distance; with holes, as stereo cameras have.
    depth = np.full((540, 960), round(1000 * FAR_M), np.uint16)
    around = 10  # px; the hips of whoever is cut off there may lie on the box's border
    for person in answer.poses:
        left, top = person.box.x_offset, person.box.y_offset
        right, bottom = left + person.box.width + around, top + person.box.height + around
        depth[max(top - around, 0) : bottom, max(left - around, 0) : right] = round(1000 * NEAR_M)
    depth[np.random.default_rng(0).random(depth.shape) < 0.4] = 0
    hips = slice(11, 13)
    answer = camera.answer(_info(DISTORTION), depth)
    for person in answer.poses:
        assert person.depth_source == PersonPose.DEPTH_DEPTH_IMAGE
        positions, matrix = _positions(person), np.array(_info([]).k).reshape(3, 3)
        scores = np.array([k.score for k in person.keypoints])
        # Of whom the hips are out of sight it is what is seen that is at this distance.
        sought = hips if scores[hips].min() >= 0.1 else np.argsort(-scores)[:5]
        assert np.median(positions[sought, 2]) == pytest.approx(NEAR_M, abs=0.05)
        # Along the rays that OpenCV says these pixels have.
        rays = cv2.undistortPoints(_joints(person)[:, None], matrix, np.array(DISTORTION))[:, 0]
        np.testing.assert_allclose(positions[:, :2], rays * positions[:, 2:], atol=2e-3)

    answer = camera.answer(_info(DISTORTION), np.zeros_like(depth))
    assert {p.depth_source for p in answer.poses} == {PersonPose.DEPTH_BOX}, "holes everywhere"
