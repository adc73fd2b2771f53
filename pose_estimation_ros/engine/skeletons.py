"""Skeletons: names of the joints, in the order of the models' outputs, and the bones between them.

Sources: COCO keypoints (Lin et al. 2014) and the sigmas of its evaluation
(https://cocodataset.org/#keypoints-eval); Human3.6M and MuCo orders as in ConvNeXtPose
(Nguyen et al. 2023) and 3DMPPE (Moon et al. 2019).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pose_estimation_ros.errors import ModelError


@dataclass(frozen=True, slots=True)
class Skeleton:
    """`roots` are the joints whose mean is the root; `pairs` swap under a mirror image.

    `sigmas` are the deviations of the annotators as shares of the person's size, for OKS.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    roots: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]

    def index(self, joint: str) -> int:
        """The number of a joint.

        Raises:
            KeyError: there is none of that name.
        """
        try:
            return self.joints.index(joint)
        except ValueError:
            known = ", ".join(self.joints)
            raise KeyError(f"no joint '{joint}' in {self.name}: choose of {known}") from None


def _pairs(joints: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Indices of (left, right) joints, read off the names."""
    found = []
    for index, name in enumerate(joints):
        for left, right in (("left_", "right_"), ("L_", "R_")):
            if name.startswith(left) and right + name[len(left) :] in joints:
                found.append((index, joints.index(right + name[len(left) :])))
    return tuple(found)


def _skeleton(
    name: str, joints: str, bones: str, roots: tuple[int, ...], sigmas: tuple[float, ...] = ()
) -> Skeleton:
    """Joints by name and bones as pairs of their numbers, such as "0-1 1-2".

    Where nobody has measured the sigmas, all are the mean of COCO's.
    """
    names = tuple(joints.split())
    first_and_second = (bone.split("-") for bone in bones.split())
    pairs = tuple((int(first), int(second)) for first, second in first_and_second)
    sigmas = sigmas or (sum(_COCO_SIGMAS) / len(_COCO_SIGMAS),) * len(names)
    return Skeleton(name, names, pairs, roots, _pairs(names), sigmas)


_COCO_SIGMAS = (
    *(0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062),
    *(0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
)

COCO17 = _skeleton(
    "coco17",
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow "
    "right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle "
    "right_ankle",
    "15-13 13-11 16-14 14-12 11-12 5-11 6-12 5-6 5-7 6-8 7-9 8-10 1-2 0-1 0-2 1-3 2-4 3-5 4-6",
    roots=(11, 12),
    sigmas=_COCO_SIGMAS,
)
H36M18 = _skeleton(
    "h36m18",
    "Pelvis R_Hip R_Knee R_Ankle L_Hip L_Knee L_Ankle Torso Neck Nose Head L_Shoulder L_Elbow "
    "L_Wrist R_Shoulder R_Elbow R_Wrist Thorax",
    "0-7 7-8 8-9 9-10 8-11 11-12 12-13 8-14 14-15 15-16 0-1 1-2 2-3 0-4 4-5 5-6",
    roots=(0,),
)
MUCO21 = _skeleton(
    "muco21",
    "Head_top Thorax R_Shoulder R_Elbow R_Wrist L_Shoulder L_Elbow L_Wrist R_Hip R_Knee R_Ankle "
    "L_Hip L_Knee L_Ankle Pelvis Spine Head R_Hand L_Hand R_Toe L_Toe",
    "0-16 16-1 1-15 15-14 14-8 14-11 8-9 9-10 10-19 11-12 12-13 13-20 1-2 2-3 3-4 4-17 1-5 "
    "5-6 6-7 7-18",
    roots=(14,),
)

SKELETONS = {skeleton.name: skeleton for skeleton in (COCO17, H36M18, MUCO21)}


def skeleton_named(name: str) -> Skeleton:
    """The skeleton of that name.

    Raises:
        ModelError: there is none.
    """
    if name not in SKELETONS:
        raise ModelError(f"unknown skeleton '{name}': choose one of {', '.join(SKELETONS)}")
    return SKELETONS[name]


def skeleton_of_model(
    joints: int,
    metadata: Mapping[str, str],
    source: str,
    asked: str = "",
    of_convnextpose: bool = False,
) -> Skeleton:
    """The skeleton of a model that estimates so many joints.

    The one that is asked for; else by the metadata: `skeleton`, or the joints' names. A model
    without them has COCO's joints if it has 17. ConvNeXtPose's own exports are also told by the
    number of joints; of other families, a hand has as many as some bodies have.

    Raises:
        ModelError: another number of joints is asked for, or the file leaves open what they are;
            `source` names the model.
    """
    if asked:
        named = skeleton_named(asked)
        if len(named.joints) != joints:
            raise ModelError(
                f"{source} estimates {joints} joints, and --skeleton {asked} has "
                f"{len(named.joints)}"
            )
        return named
    known = SKELETONS.get(metadata.get("skeleton", ""))
    if known is not None and len(known.joints) == joints:
        return known
    names = _joint_names(metadata)
    for skeleton in SKELETONS.values():
        if names and names == _normalised(skeleton.joints):
            return skeleton
    what = f"{source} estimates {joints} joints"
    if names or metadata.get("skeleton"):
        called = ", ".join(names[:4]) + ", ..." if names else f"a {metadata['skeleton'][:40]!r}"
        raise ModelError(
            f"{what}, by its metadata {called}: not those of {', '.join(SKELETONS)}; if they are, "
            "say so with --skeleton (parameter skeleton)"
        )
    if of_convnextpose or joints == len(COCO17.joints):
        return skeleton_of_size(joints, source)
    fitting = [one.name for one in SKELETONS.values() if len(one.joints) == joints]
    hint = f"say --skeleton {fitting[0]} if they are its" if fitting else ""
    hint = hint or f"no --skeleton has {joints}"
    raise ModelError(f"{what} and does not say which: {hint} (hands and animals have as many)")


def _joint_names(metadata: Mapping[str, str]) -> list[str]:
    """The joints' names in the metadata, normalised; empty where there are none."""
    for key in ("keypoint_names", "keypoints", "joint_names", "joints", "kpt_names"):
        text = metadata.get(key, "").strip()
        if text:
            try:
                names = ast.literal_eval(text)
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                names = re.split(r"\s*[,;]\s*" if re.search("[,;]", text) else r"\s+", text)
            if isinstance(names, dict):  # by class, as ultralytics writes them
                names = next(iter(names.values()), [])
            if isinstance(names, list | tuple) and len(names) > 1:
                return _normalised([str(name) for name in names])
    return []


def _normalised(names: Sequence[str]) -> list[str]:
    return [re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") for name in names]


def skeleton_of_size(joints: int, source: str) -> Skeleton:
    """The skeleton with that many joints; `source` names the model in the error.

    Raises:
        ModelError: no known skeleton has that many joints.
    """
    for skeleton in SKELETONS.values():
        if len(skeleton.joints) == joints:
            return skeleton
    known = ", ".join(f"{s.name} ({len(s.joints)})" for s in SKELETONS.values())
    raise ModelError(f"{source} estimates {joints} joints, which fits no known skeleton: {known}")
