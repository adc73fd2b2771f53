"""Loads PyTorch checkpoints: the network of a .pth or .pt file and the input that it takes.

Imports torch at its top: import it only where a checkpoint is really used.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pose_estimation_ros.engine.networks.convnextpose import ExportedPose, load_checkpoint
from pose_estimation_ros.engine.skeletons.of_model import CONVNEXTPOSE_SKELETONS
from pose_estimation_ros.errors import ModelError, RuntimeMissingError

PUBLISHED_SIZE = 256  # px, side of the published networks' crops


@dataclass
class Checkpoint:
    """A network ready to be run or exported; sizes of the input are None where free."""

    module: nn.Module
    task: str
    input_shape: tuple[int | None, ...]
    input_dtype: str
    output_names: list[str]
    metadata: dict[str, str] = field(default_factory=dict)


def load_module(path: Path) -> Checkpoint:
    """The network of a file: ConvNeXtPose from a .pth, ultralytics' from a .pt.

    Raises:
        ModelError: the file holds neither.
        RuntimeMissingError: a .pt, and ultralytics is not installed.
    """
    return _load_pose(path) if path.suffix.lower() == ".pth" else _load_ultralytics(path)


def _load_pose(path: Path) -> Checkpoint:
    try:
        network = load_checkpoint(path)
        known = {len(skeleton.joints): skeleton.name for skeleton in CONVNEXTPOSE_SKELETONS}
        if network.joints not in known:
            # The depth axis may be of another length than the published one of its variant.
            channels = network.joints * network.depth_dim
            joints = next((n for n in (18, 21, 17) if channels % n == 0), network.joints)
            network = load_checkpoint(path, joints=joints)
    except (ValueError, OSError) as error:
        raise ModelError(" ".join(str(error).split())[:300]) from error
    module = ExportedPose(network, PUBLISHED_SIZE, cell_centres=False)
    shape = (None, PUBLISHED_SIZE, PUBLISHED_SIZE, 3)
    joints = network.joints
    metadata = {"task": "pose", "skeleton": known.get(joints, f"{joints} joints")}
    return Checkpoint(module, "pose", shape, "uint8", ["joints", "scores"], metadata)


_POSE_HEADS = ("Pose", "Pose26")
# Classes of ultralytics' heads that are read.
HEADS = ("Detect", "v10Detect", *_POSE_HEADS)


class _FirstOutput(nn.Module):
    """An ultralytics model reduced to its decoded output: boxes, scores and perhaps joints."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Map RGB in [0, 1] (n, 3, h, w), multiples of 32, to (n, 4 + classes + ..., cells)."""
        result = self.network(image)
        return result[0] if isinstance(result, tuple | list) else result


def quiet_ultralytics() -> None:
    """Forbids ultralytics downloads, installations and reports, then imports it.

    Raises:
        RuntimeMissingError: it is not installed.
    """
    if importlib.util.find_spec("ultralytics") is None:
        raise RuntimeMissingError(
            "a .pt file needs ultralytics (AGPL-3.0), which is not installed: "
            "pip install ultralytics, or use the model's .onnx"
        )
    os.environ["YOLO_OFFLINE"] = "true"
    os.environ["YOLO_AUTOINSTALL"] = "false"
    os.environ.setdefault("YOLO_VERBOSE", "false")
    threads = os.environ.get("OMP_NUM_THREADS")
    try:
        from ultralytics import settings
    except ImportError as error:
        raise RuntimeMissingError(
            f"ultralytics is installed but does not start ({error}): install it again"
        ) from error
    finally:
        # It sets this for the whole process, which does not belong to it.
        if threads is None:
            os.environ.pop("OMP_NUM_THREADS", None)
    dict.update(settings, {"sync": False})  # in memory only; update() would write the user's file


_SAFE_MODULES = (
    "torch.nn.modules.",
    "ultralytics.nn.",
    "ultralytics.utils.loss.",
    "ultralytics.utils.tal.",
)


def _safe_classes(path: Path) -> list[Any]:
    """The classes that a .pt file is made of, if each is a layer or belongs to one.

    Raises:
        ModelError: it needs anything else; unpickling that could run any code.
    """
    try:
        needed = torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
    except (ValueError, RuntimeError, OSError, pickle.UnpicklingError) as error:
        raise ModelError(f"{path} is not a complete PyTorch checkpoint: get it again") from error
    found: list[Any] = []
    for name in needed:
        module, _, attribute = name.rpartition(".")
        if module.split(".")[0] in ("models", "utils"):
            raise ModelError(
                f"{path} is of the old YOLOv5 project, whose classes are not installed: use "
                "yolov5su.pt, or that project's export to .onnx"
            )
        value = None
        if f"{module}.".startswith(_SAFE_MODULES):
            value = getattr(importlib.import_module(module), attribute, None)
        if not isinstance(value, type):
            raise ModelError(
                f"{path} needs '{name}', which is not a layer of a detector; it is not unpickled, "
                "since that could run any code: use the model's export to .onnx"
            )
        found.append((value, name))
    return found


def _load_ultralytics(path: Path) -> Checkpoint:
    quiet_ultralytics()
    try:
        with torch.serialization.safe_globals(_safe_classes(path)):
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (ImportError, RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{path} is not an ultralytics model that loads safely: {reason}"
        ) from error
    network = (content.get("ema") or content.get("model")) if isinstance(content, dict) else None
    if not isinstance(network, nn.Module):
        raise ModelError(
            f"{path} holds no ultralytics model: expected the .pt file of a YOLO detector"
        )
    network = network.float().eval()
    layers = getattr(network, "model", None)
    head = type(layers[-1]).__name__ if isinstance(layers, nn.Sequential) else "unknown"
    if head not in HEADS:
        raise ModelError(
            f"{path} is a model of the kind '{head}': expected a YOLO detector or pose model"
        )
    fuse: Any = getattr(network, "fuse", None)
    network = fuse(verbose=False) if callable(fuse) else network
    task = "pose" if head in _POSE_HEADS else "detector"
    metadata = {"task": task, "strides": "8,16,32"}
    if task == "pose":
        metadata["kpt_shape"] = str(list(layers[-1].kpt_shape))  # type: ignore[index]
        metadata["names"] = str(getattr(network, "names", {0: "person"}))
    return Checkpoint(
        _FirstOutput(network), task, (None, 3, None, None), "float32", ["boxes"], metadata
    )
