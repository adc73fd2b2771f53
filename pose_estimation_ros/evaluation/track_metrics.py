"""Identities against annotated ones: HOTA, IDF1, MOTA and identity switches.

Sources: Luiten et al., "HOTA", IJCV 2021; Ristani et al., "Performance Measures and a Data Set for
Multi-Target, Multi-Camera Tracking", ECCV workshops 2016 (IDF1); Bernardin and Stiefelhagen,
"CLEAR MOT", JIVP 2008 (MOTA). As TrackEval computes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.geometry import box_iou
from pose_estimation_ros.errors import RuntimeMissingError

_ALPHAS = np.arange(0.05, 0.99, 0.05)
_MATCH_IOU = 0.5
_EPSILON = 1e-9


class TrackedImage(NamedTuple):
    """One image of a sequence: annotated identities (n,) and boxes (n, 4) px, found ones (m,)."""

    true_ids: AnyArray
    true_boxes: AnyArray
    found_ids: AnyArray
    found_boxes: AnyArray


class _Image(NamedTuple):
    """Indices of the annotated persons (n,) and found tracks (m,), and their overlap (n, m)."""

    true: AnyArray
    found: AnyArray
    overlap: AnyArray


def track_figures(images: Sequence[TrackedImage]) -> dict[str, float | int]:
    """HOTA, IDF1 and MOTA in [.., 1], and the counts they come from; NaN where nobody is.

    Raises:
        RuntimeMissingError: SciPy is not installed.
    """
    true = sorted({int(i) for image in images for i in image.true_ids})
    found = sorted({int(i) for image in images for i in image.found_ids})
    known = [
        _Image(
            np.array([true.index(int(i)) for i in image.true_ids], int),
            np.array([found.index(int(i)) for i in image.found_ids], int),
            box_iou(image.true_boxes.reshape(-1, 4), image.found_boxes.reshape(-1, 4)),
        )
        for image in images
    ]
    shape = (len(true), len(found))
    persons = sum(len(image.true) for image in known)
    answers = sum(len(image.found) for image in known)
    matches, switches = _clear(known)
    idtp = _identity_matches(known, shape)
    errors = persons - matches + answers - matches + switches
    return {
        "hota": _hota(known, shape) if persons else float("nan"),
        "idf1": 2 * idtp / (persons + answers) if persons else float("nan"),
        "mota": 1 - errors / persons if persons else float("nan"),
        "switches": switches,
        "missed": persons - matches,
        "false_positives": answers - matches,
        "persons": len(true),
        "identities": len(found),
    }


def _assign(score: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Rows and columns of the assignment with the largest sum."""
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise RuntimeMissingError("HOTA, IDF1 and MOTA need SciPy: pip install scipy") from error
    rows, columns = linear_sum_assignment(score, maximize=True)
    return rows, columns


def _hota(images: Sequence[_Image], shape: tuple[int, int]) -> float:
    alike, true, found = np.zeros(shape), np.zeros(shape[0]), np.zeros(shape[1])
    for image in images:
        total = image.overlap.sum(0)[None] + image.overlap.sum(1)[:, None] - image.overlap
        alike[np.ix_(image.true, image.found)] += image.overlap / np.maximum(total, _EPSILON)
        true[image.true] += 1
        found[image.found] += 1
    together = alike / np.maximum(true[:, None] + found[None] - alike, _EPSILON)
    counts = np.zeros((len(_ALPHAS), *shape))
    for image in images:
        rows, columns = _assign(together[np.ix_(image.true, image.found)] * image.overlap)
        for number, alpha in enumerate(_ALPHAS):
            good = image.overlap[rows, columns] >= alpha - _EPSILON
            counts[number, image.true[rows[good]], image.found[columns[good]]] += 1
    hits = counts.sum(axis=(1, 2))
    detection = hits / np.maximum(true.sum() + found.sum() - hits, 1)
    share = counts / np.maximum(true[:, None] + found[None] - counts, 1)
    association = (counts * share).sum(axis=(1, 2)) / np.maximum(hits, 1)
    return float(np.sqrt(detection * association).mean())


def _identity_matches(images: Sequence[_Image], shape: tuple[int, int]) -> int:
    """Images in which persons have the one identity that is given to them over the sequence."""
    counts = np.zeros(shape)
    for image in images:
        counts[np.ix_(image.true, image.found)] += image.overlap >= _MATCH_IOU
    return int(counts[_assign(counts)].sum())


def _clear(images: Sequence[_Image]) -> tuple[int, int]:
    """Matches, and how often a person is matched to another identity than the last time."""
    last: dict[int, int] = {}
    before: dict[int, int] = {}
    matches = switches = 0
    for image in images:
        going_on = np.array([[before.get(t) == f for f in image.found] for t in image.true], float)
        good = image.overlap >= _MATCH_IOU
        score = np.where(good, 1000 * going_on.reshape(good.shape) + image.overlap, 0.0)
        rows, columns = _assign(score)
        kept = score[rows, columns] > 0
        before = {}
        for t, f in zip(image.true[rows[kept]], image.found[columns[kept]], strict=True):
            switches += last.get(int(t), int(f)) != int(f)
            last[int(t)] = before[int(t)] = int(f)
        matches += int(kept.sum())
    return matches, switches
