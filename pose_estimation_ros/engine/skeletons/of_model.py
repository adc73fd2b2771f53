"""Which skeleton a model estimates: what its file says, else what the user says, else its size."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence

from pose_estimation_ros.engine.skeletons.skeleton import Skeleton
from pose_estimation_ros.engine.skeletons.table import COCO17, H36M18, MUCO21, SKELETONS
from pose_estimation_ros.errors import ModelError

CONVNEXTPOSE_SKELETONS = (COCO17, H36M18, MUCO21)
# Numbers that hands and OpenPose's COCO-18 have, too, so that they say nothing by themselves.
_SHARED_NUMBERS = (18, 21)


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
    published: str = "",
    of_convnextpose: bool = False,
) -> Skeleton:
    """The skeleton of a model that estimates so many joints.

    The one that is `asked` for; else by the metadata: `skeleton`, or the joints' names; else the
    one that is to be `published`, if it has as many joints; else by their number, where only one
    skeleton has it. ConvNeXtPose's own exports are always told by the number.

    Raises:
        ModelError: another number of joints is asked for, or others than the file says, or the
            file leaves open what they are; `source` names the model.
    """
    known = SKELETONS.get(metadata.get("skeleton", ""))
    if known is not None and len(known.joints) != joints:
        known = None
    names = _joint_names(metadata)
    if known is None and names:
        fitting = [one for one in SKELETONS.values() if names == _normalised(one.joints)]
        known = fitting[0] if fitting else None
    if asked:
        named = skeleton_named(asked)
        if len(named.joints) != joints:
            raise ModelError(
                f"{source} estimates {joints} joints, and --model-skeleton {asked} has "
                f"{len(named.joints)}"
            )
        if known not in (None, named):
            raise ModelError(
                f"{source} has the joints of {known.name} by its metadata, not of "
                f"--model-skeleton {asked}: leave it out"
            )
        return named
    if known is not None:
        return known
    if published and len(skeleton_named(published).joints) == joints:
        return skeleton_named(published)
    what = f"{source} estimates {joints} joints"
    # --skeleton is what is published, and tells the model's, too, where nothing else does.
    flag = "--model-skeleton" if published else "--skeleton"
    if names or metadata.get("skeleton"):
        called = ", ".join(names[:4]) + ", ..." if names else f"a {metadata['skeleton'][:40]!r}"
        raise ModelError(
            f"{what}, by its metadata {called}: not those of a known skeleton; if they are, say "
            f"which with {flag} (parameter {flag[2:].replace('-', '_')})"
        )
    if of_convnextpose:
        return skeleton_of_size(joints, source)
    fitting = [one for one in SKELETONS.values() if len(one.joints) == joints]
    if joints == len(COCO17.joints) or (len(fitting) == 1 and joints not in _SHARED_NUMBERS):
        return fitting[0]
    options = " or ".join(one.name for one in fitting)
    hint = f"say {flag} {options} if they are its" if fitting else ""
    hint = hint or f"no {flag} has {joints}"
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
    """ConvNeXtPose's skeleton with that many joints; `source` names the model in the error.

    Raises:
        ModelError: it has none with that many.
    """
    for skeleton in CONVNEXTPOSE_SKELETONS:
        if len(skeleton.joints) == joints:
            return skeleton
    known = ", ".join(f"{s.name} ({len(s.joints)})" for s in CONVNEXTPOSE_SKELETONS)
    raise ModelError(f"{source} estimates {joints} joints, which fits no known skeleton: {known}")
