"""3D accuracy on sets in 3DMPPE's format (MuPoTS-3D, Human3.6M): COCO's, with `keypoints_cam`.

Sources: MPJPE and its aligned form as in Ionescu et al. 2014 (protocols 1 and 2); 3DPCK at 150 mm
as in Mehta et al. 2017; alignment by Umeyama 1991.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, ByteArray
from pose_estimation_ros.engine.camera_model import CameraModel
from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.pipelines import Models
from pose_estimation_ros.engine.pose.positions_3d import positions_in_metres
from pose_estimation_ros.engine.skeletons import COCO17, Skeleton
from pose_estimation_ros.engine.types import Frame, Image
from pose_estimation_ros.errors import InputError

_CLOSE_MM = 150.0
_MIN_JOINTS = 3  # an alignment needs this many joints


@dataclass(frozen=True)
class Truth:
    """A person: box x, y, w, h px; joints (k, 3) mm in the camera's frame; which count."""

    image_id: int
    box: AnyArray
    joints_mm: AnyArray
    counted: AnyArray


def has_3d(listing: dict[str, Any]) -> bool:
    """Tells whether the annotations hold 3D joints."""
    rows = listing.get("annotations")
    rows = rows if isinstance(rows, list) else []
    return any(isinstance(row, dict) and "keypoints_cam" in row for row in rows)


def read_truth(listing: dict[str, Any]) -> tuple[tuple[str, ...], list[Truth]]:
    """Reads the joint names and the annotated people.

    Raises:
        InputError: fields are missing or malformed.
    """
    try:
        names = tuple(listing.get("categories", [{}])[0].get("keypoints", ())) or COCO17.joints
        people = []
        for row in listing["annotations"]:
            joints = np.array(row["keypoints_cam"], float).reshape(-1, 3)
            seen = np.array(row.get("keypoints_vis", np.ones(len(joints))), float) > 0
            if len(joints) != len(names) or len(seen) != len(names):
                raise ValueError(f"{len(joints)} joints, but {len(names)} names in categories")
            people.append(Truth(row["image_id"], np.array(row["bbox"], float), joints, seen))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(
            f"the 3D annotations cannot be used ({error}): expected bbox, image_id and "
            "keypoints_cam (mm) in each, and the joints' names in categories"
        ) from error
    return names, people


def camera_of(row: dict[str, Any]) -> CameraModel:
    """Reads the intrinsics of an image's entry: `intrinsic` (fx, fy, cx, cy) or `cam_param`.

    Raises:
        InputError: it has none.
    """
    try:
        if "intrinsic" in row:
            fx, fy, cx, cy = (float(value) for value in row["intrinsic"])
        else:
            (fx, fy), (cx, cy) = row["cam_param"]["focal"], row["cam_param"]["princpt"]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"image {row.get('file_name')} has no intrinsics: expected 'intrinsic' (fx, fy, cx, "
            "cy) or 'cam_param' (focal, princpt)"
        ) from error
    return CameraModel(fx, fy, cx, cy)


def align(points: AnyArray, target: AnyArray) -> AnyArray:
    """Aligns points (k, 3) to targets (k, 3) by a least-squares similarity transform."""
    centre, goal = points.mean(axis=0), target.mean(axis=0)
    a, b = points - centre, target - goal
    u, sizes, vt = np.linalg.svd(a.T @ b)
    mirror = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt)) or 1.0])
    scale = (sizes * np.diag(mirror)).sum() / max(float((a**2).sum()), 1e-12)
    return scale * a @ (u @ mirror @ vt) + goal


def errors_mm(
    estimate: AnyArray, truth: AnyArray, counted: AnyArray, roots: Sequence[int]
) -> tuple[AnyArray, AnyArray]:
    """Computes errors (k,) after root alignment, and after full alignment; NaN if not counted."""
    valid = counted & np.isfinite(estimate).all(axis=1)
    plain, aligned = np.full(len(truth), np.nan), np.full(len(truth), np.nan)
    if valid.sum() < _MIN_JOINTS:
        return plain, aligned
    anchors = [root for root in roots if valid[root]] or np.flatnonzero(valid).tolist()
    moved = estimate - estimate[anchors].mean(axis=0) + truth[anchors].mean(axis=0)
    plain[valid] = np.linalg.norm(moved - truth, axis=1)[valid]
    fitted = align(estimate[valid], truth[valid])
    aligned[valid] = np.linalg.norm(fitted - truth[valid], axis=1)
    return plain, aligned


def evaluate_3d(
    models: Models,
    listing: dict[str, Any],
    image_ids: Sequence[int],
    image: Callable[[int], ByteArray],
    show: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """Computes MPJPE, PA-MPJPE and 3DPCK of the pose model in the annotated boxes.

    `show` is called with the number of images done.

    Raises:
        InputError: fields are missing, or the data shares too few joints with the model.
    """
    names, people = read_truth(listing)
    rows = {row["id"]: row for row in listing["images"]}
    skeleton = models.pose.load().skeleton
    common = [name for name in skeleton.joints if name in names]
    if len(common) < _MIN_JOINTS:
        raise InputError(
            f"the data and the pose model ({skeleton.name}) share {len(common)} joints by name: "
            "use a model with the data's skeleton"
        )
    ours = [skeleton.joints.index(name) for name in common]
    theirs = [names.index(name) for name in common]
    roots = [common.index(name) for name in _roots(skeleton) if name in common]
    plain, aligned = [], []
    for done, image_id in enumerate(image_ids, 1):
        persons = [person for person in people if person.image_id == image_id]
        frame = Frame(Image(image(image_id)), camera=camera_of(rows[image_id]))
        boxes = np.array([np.append(p.box[:2], p.box[:2] + p.box[2:]) for p in persons])
        boxes = boxes.reshape(-1, 4).astype(np.float32)
        joints = models.estimate(frame, boxes, CancelToken()).joints
        positions, _ = positions_in_metres(frame, joints, boxes, skeleton, models.root_depth)
        for person, position in zip(persons, positions, strict=True):
            estimate = 1000.0 * position[ours].astype(float)
            truth, counted = person.joints_mm[theirs], person.counted[theirs]
            first, second = errors_mm(estimate, truth, counted, roots)
            plain.append(first)
            aligned.append(second)
        show(done)
    return figures_3d(np.array(plain), np.array(aligned), common)


def _roots(skeleton: Skeleton) -> list[str]:
    return [skeleton.joints[root] for root in skeleton.roots]


def figures_3d(plain: AnyArray, aligned: AnyArray, joints: Sequence[str]) -> dict[str, Any]:
    """Averages the errors (persons, joints) in mm.

    Raises:
        InputError: no error is known, for instance because the model has no depth.
    """
    known = np.isfinite(plain)
    if not known.any():
        raise InputError(
            "no joint has a 3D position: the pose model estimates no depth, or nobody is "
            "annotated in these images"
        )
    per_joint = {
        name: {
            "annotated": int(known[:, index].sum()),
            "mpjpe_mm": float(np.nanmean(plain[:, index])),
            "pa_mpjpe_mm": float(np.nanmean(aligned[:, index])),
        }
        for index, name in enumerate(joints)
        if known[:, index].any()
    }
    return {
        "people": int(known.any(axis=1).sum()),
        "mpjpe_mm": float(np.nanmean(plain)),
        "pa_mpjpe_mm": float(np.nanmean(aligned)),
        "pck3d@150mm": float((plain[known] <= _CLOSE_MM).mean()),
        "joints": per_joint,
    }


def table_3d(figures: dict[str, Any]) -> str:
    """Formats the figures as text."""
    lines = [f"{figures['people']} persons in annotated boxes, roots aligned", ""]
    lines += [f"{'MPJPE':<30}{figures['mpjpe_mm']:>8.1f} mm"]
    lines += [f"{'PA-MPJPE':<30}{figures['pa_mpjpe_mm']:>8.1f} mm"]
    lines += [f"{'3DPCK at 150 mm':<30}{figures['pck3d@150mm']:>8.3f}", ""]
    lines += [f"{'joint':<18}{'annotated':>10}{'MPJPE':>10}{'PA-MPJPE':>10}"]
    for name, joint in figures["joints"].items():
        values = f"{joint['mpjpe_mm']:>10.1f}{joint['pa_mpjpe_mm']:>10.1f}"
        lines.append(f"{name:<18}{joint['annotated']:>10}{values}")
    return "\n".join(lines)
