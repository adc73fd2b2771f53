"""Crops, overlap and the camera model."""

import cv2
import numpy as np
import pytest

from pose_estimation_ros.engine.camera_model import CameraModel
from pose_estimation_ros.engine.geometry import (
    box_iou,
    crop_affine,
    crop_boxes,
    crop_to_image,
)


def test_crop_boxes_keep_centre_and_contain_the_box() -> None:
    boxes = np.array([[10, 20, 50, 140], [0, 0, 200, 20]], np.float32)
    for aspect in (1.0, 0.75):
        crops = crop_boxes(boxes, aspect, 1.25)
        size = crops[:, 2:] - crops[:, :2]
        np.testing.assert_allclose(size[:, 0] / size[:, 1], aspect, rtol=1e-5)
        np.testing.assert_allclose(
            crops[:, :2] + crops[:, 2:], boxes[:, :2] + boxes[:, 2:], rtol=1e-5
        )
        assert (crops[:, :2] <= boxes[:, :2]).all() and (crops[:, 2:] >= boxes[:, 2:]).all()


def test_a_point_of_the_crop_comes_back_to_the_image() -> None:
    box = np.array([100.0, 50.0, 300.0, 250.0], np.float32)
    affine = crop_affine(box, 192, 192)
    image = np.zeros((400, 400, 3), np.uint8)
    cv2.circle(image, (180, 130), 3, (255, 255, 255), -1)
    crop = cv2.warpAffine(image, affine, (192, 192))
    y, x = np.argwhere(crop[..., 0] > 128).mean(axis=0)
    back = crop_to_image(np.array([[[x, y]]]), box[None], 192, 192)[0, 0]
    np.testing.assert_allclose(back, (180, 130), atol=0.7)


def test_iou() -> None:
    boxes = np.array([[0, 0, 10, 10], [20, 20, 30, 30]], np.float32)
    others = np.array([[0, 0, 10, 10], [5, 0, 15, 10]], np.float32)
    np.testing.assert_allclose(box_iou(boxes, others), [[1, 1 / 3], [0, 0]], atol=1e-6)


@pytest.mark.parametrize("distortion", [(), (-0.3, 0.1, 0.001, -0.002, 0.01)])
def test_back_projection_inverts_projection(distortion: tuple) -> None:
    camera = CameraModel(600, 610, 320, 240, distortion)
    points = np.array([[0.4, -0.2, 2.0], [-0.5, 0.3, 1.5], [0, 0, 4]])
    matrix = np.array([[600, 0, 320], [0, 610, 240], [0, 0, 1.0]])
    coefficients = np.array(distortion) if distortion else None
    pixels = cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, coefficients)[0][:, 0]
    np.testing.assert_allclose(camera.back_project(pixels, points[:, 2]), points, atol=2e-3)
