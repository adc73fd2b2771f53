"""Pseudo-labels: person boxes by YOLOX-nano and PicoDet-S, merged.

Both label the images once; no weight of theirs goes into the trained networks.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from training.common.boxes import box_iou, nms

PERSON = 0
YOLOX_SIDE, YOLOX_STRIDES = 416, (8, 16, 32)
PICODET_SIDE = 320
IMAGENET_MEAN = np.array((0.485, 0.456, 0.406), np.float32) * 255
IMAGENET_STD = np.array((0.229, 0.224, 0.225), np.float32) * 255


class YoloxNano:
    """YOLOX-nano: BGR in 0..255, letterbox 114 at the top left, boxes decoded by stride."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            str(folder / "yolox_nano.onnx"), options, providers=["CPUExecutionProvider"]
        )
        grids, strides = [], []
        for stride in YOLOX_STRIDES:
            side = YOLOX_SIDE // stride
            ys, xs = np.mgrid[:side, :side]
            grids.append(np.stack((xs, ys), -1).reshape(-1, 2))
            strides.append(np.full((side * side, 1), stride))
        self.grid = np.concatenate(grids).astype(np.float32)
        self.stride = np.concatenate(strides).astype(np.float32)

    def __call__(self, image: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (n, 4) xyxy in px and scores (n,) of the people in an RGB image."""
        height, width = image.shape[:2]
        scale = YOLOX_SIDE / max(height, width)
        canvas = np.full((YOLOX_SIDE, YOLOX_SIDE, 3), 114, np.uint8)
        size = (round(width * scale), round(height * scale))
        canvas[: size[1], : size[0]] = cv2.resize(image, size)
        tensor = canvas[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32)
        out = self.session.run(None, {"images": np.ascontiguousarray(tensor)})[0][0]
        scores = out[:, 4] * out[:, 5 + PERSON]
        keep = scores >= threshold
        centre = (out[keep, :2] + self.grid[keep]) * self.stride[keep]
        half = np.exp(out[keep, 2:4]) * self.stride[keep] / 2
        boxes = np.concatenate((centre - half, centre + half), 1) / scale
        return _finish(boxes, scores[keep], width, height)


class PicoDet:
    """PicoDet-S pedestrian, OpenVINO IR: RGB, ImageNet-normalised, resized without aspect."""

    def __init__(self, folder: Path) -> None:
        import openvino

        core = openvino.Core()
        self.model = core.compile_model(
            core.read_model(folder / "picodet_s_320_pedestrian.xml"),
            "CPU",
            {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"},
        )

    def __call__(self, image: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (n, 4) xyxy in px and scores (n,) of the people in an RGB image."""
        height, width = image.shape[:2]
        small = cv2.resize(image, (PICODET_SIDE, PICODET_SIDE)).astype(np.float32)
        tensor = ((small - IMAGENET_MEAN) / IMAGENET_STD).transpose(2, 0, 1)[None]
        out = self.model(np.ascontiguousarray(tensor))
        first, second = (np.asarray(out[i])[0] for i in range(2))
        boxes, scores = (first, second) if first.shape[-1] == 4 else (second, first)
        scores = scores.reshape(-1)
        keep = scores >= threshold
        scaled = boxes[keep] * np.array((width, height, width, height)) / PICODET_SIDE
        return _finish(scaled, scores[keep], width, height)


def _finish(
    boxes: np.ndarray, scores: np.ndarray, width: int, height: int
) -> tuple[np.ndarray, np.ndarray]:
    boxes = np.clip(boxes, 0, (width, height, width, height)).astype(np.float32)
    kept = nms(boxes, scores, 0.6)
    return boxes[kept].reshape(-1, 4), scores[kept].astype(np.float32)


def merge(
    yolox: tuple[np.ndarray, np.ndarray], picodet: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Merge the boxes of both.

    Returns:
        Boxes (n, 4) and confidence (n,): where both see a person, the mean box, weighted by
        score, and a confidence raised above either's; where one does, its own, lowered.
    """
    boxes, confidence = [], []
    iou = box_iou(yolox[0], picodet[0])
    taken = np.zeros(len(picodet[0]), bool)
    for i, (box, score) in enumerate(zip(*yolox, strict=True)):
        row = np.where(taken, 0, iou[i]) if len(taken) else np.zeros(1)
        j = int(row.argmax())
        if row[j] > 0.5:
            taken[j] = True
            other, other_score = picodet[0][j], picodet[1][j]
            boxes.append((box * score + other * other_score) / (score + other_score))
            confidence.append(1 - (1 - score) * (1 - other_score))
        else:
            boxes.append(box)
            confidence.append(score * 0.85)
    for box, score in zip(picodet[0][~taken], picodet[1][~taken], strict=True):
        boxes.append(box)
        confidence.append(score * 0.85)
    return (
        np.asarray(boxes, np.float32).reshape(-1, 4),
        np.asarray(confidence, np.float32),
    )
