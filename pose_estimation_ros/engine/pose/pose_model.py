"""A pose model of any kind, whichever a file is: top-down in crops, or one-stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from pose_estimation_ros.engine.detection.canvas_network import DEFAULT_SIZE, CanvasNetwork
from pose_estimation_ros.engine.pose.blazepose import BlazePose
from pose_estimation_ros.engine.pose.one_stage import OneStagePose
from pose_estimation_ros.engine.pose.one_stage_heads import one_stage_head
from pose_estimation_ros.engine.pose.top_down import TopDownPose
from pose_estimation_ros.engine.runtimes import Runtime

CropModel: TypeAlias = TopDownPose | BlazePose
PoseModel: TypeAlias = CropModel | OneStagePose


def pose_model(
    runtime: Runtime,
    skeleton: str = "",
    published: str = "",
    size: int = DEFAULT_SIZE,
    letterbox: bool = True,
    classes: Sequence[int] = (),
) -> PoseModel:
    """The model of a file, of the kind that its outputs show.

    `skeleton` and `published` as for `TopDownPose`; `size`, `letterbox` and `classes`, as for
    detectors, are for one-stage models.

    Raises:
        ModelError: its outputs are of no known kind, or it is open what they are.
    """
    if BlazePose.fits(runtime):
        return BlazePose(runtime)
    if _has_only_crops_outputs(runtime):
        return TopDownPose(runtime, skeleton, published)
    network = CanvasNetwork(runtime, letterbox, size)
    try:
        outputs = network.blank_outputs()
    except Exception:  # whatever a runtime may throw
        if network.input.height is None or network.input.width is None:
            return TopDownPose(runtime, skeleton, published)  # which needs to know the size
        raise
    head = one_stage_head(
        outputs,
        network.height,
        network.width,
        runtime.metadata,
        str(runtime.path),
        classes,
    )
    if head is None:
        return TopDownPose(runtime, skeleton, published)
    return OneStagePose(network, head, skeleton, published)


def _has_only_crops_outputs(runtime: Runtime) -> bool:
    """Whether the declared outputs are joints of crops, so that no run is needed to see it.

    As our own exports and the published ones of ConvNeXtPose: (n, joints, 3), perhaps scores.
    """
    shapes = [spec.shape for spec in runtime.outputs]
    return (
        bool(shapes)
        and all(len(shape) == 2 or (len(shape) == 3 and shape[2] == 3) for shape in shapes)
        and any(len(shape) == 3 for shape in shapes)
    )
