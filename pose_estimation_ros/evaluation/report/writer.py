"""Writes the report of `compare`: report.json and report.html."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.engine.drawing import draw_poses
from pose_estimation_ros.evaluation.recommendation import Advice
from pose_estimation_ros.evaluation.report.comparison_page import page
from pose_estimation_ros.io.atomic_file import atomic_write
from pose_estimation_ros.io.pose_records import FrameRecord, from_json
from pose_estimation_ros.io.recordings import BagSequence, VideoSequence

_PICTURE_WIDTH = 560

REPORT_FILES = ("report.json", "report.html")


def write_report(
    folder: Path,
    about: dict[str, Any],
    figures: dict[str, dict[str, Any]],
    measured: dict[str, dict[str, Any]],
    records: dict[str, list[FrameRecord]],
    sequence: VideoSequence | BagSequence,
    advice: Sequence[Advice],
) -> None:
    """Writes report.json and report.html.

    Raises:
        ModelError: they cannot be written.
    """
    curves = {
        "latency": {name: measured[name]["latency_ms"] for name in figures},
        "poses": {name: [len(r["poses"]) for r in records[name]] for name in figures},
    }
    report = {
        "about": {key: value for key, value in about.items() if key != "line"},
        "pipelines": figures,
        "recommendation": _plain(advice[0]),
        "decision_matrix": [_plain(one) for one in advice[1:]],
    }
    pictures = _pictures(records, sequence)
    text = page(about, figures, curves, pictures, advice)
    contents = (json.dumps(report, indent=2), text)
    for name, content in zip(REPORT_FILES, contents, strict=True):
        with atomic_write(folder / name) as temporary:
            temporary.write_text(content, encoding="utf-8")


def _plain(advice: Advice) -> dict[str, Any]:
    need = advice.need
    return {
        "use_case": need.use_case,
        "need": {
            "max_persons": need.max_persons,
            "latency_ms": need.latency_ms,
            "memory_mb": need.memory_mb,
        },
        "pipeline": advice.pipeline,
        "met": advice.met,
        "why": advice.why,
    }


def _pictures(
    records: dict[str, list[FrameRecord]], sequence: VideoSequence | BagSequence
) -> dict[str, ByteArray]:
    """Draws each pipeline's poses on the frame with the highest sum of scores."""
    frames = min(len(rows) for rows in records.values())
    seen = [
        sum(pose["score"] for rows in records.values() for pose in rows[index]["poses"])
        for index in range(frames)
    ]
    chosen = int(np.argmax(seen))
    for index, (image, _) in enumerate(sequence.frames()):
        if index == chosen:
            pixels = image.pixels if image.order == "bgr" else image.pixels[..., ::-1]
            break
    pictures = {}
    for name, rows in records.items():
        drawn = np.array(pixels, order="C")
        draw_poses(drawn, from_json(rows[chosen]).poses)
        if drawn.shape[1] > _PICTURE_WIDTH:
            size = (_PICTURE_WIDTH, round(drawn.shape[0] * _PICTURE_WIDTH / drawn.shape[1]))
            drawn = np.asarray(cv2.resize(drawn, size, interpolation=cv2.INTER_AREA), np.uint8)
        pictures[name] = drawn
    return pictures
