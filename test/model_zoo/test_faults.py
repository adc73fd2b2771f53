"""Every fault is answered by another model within a frame, and docs/faults.md says how."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from model_faults import Fault, Outcome, explode, hang, nan, run, strike, table, truncate
from paths import ROOT

from pose_estimation_ros.model_zoo.manifest import packaged_manifest
from pose_estimation_ros.settings import EngineConfig

PAGE = ROOT / "docs" / "faults.md"

onnx = pytest.importorskip("onnx", reason="the faults are made with onnx")
pytest.importorskip("torch", reason="some faults need torch")
pytest.importorskip("ultralytics", reason="some faults need ultralytics")

Make = Callable[[Path], EngineConfig]


def embedded(task: str) -> Path:
    entry = packaged_manifest().default(task)
    assert entry is not None
    return entry.path


def detector(name: str, *fallbacks: str) -> EngineConfig:
    return EngineConfig(yolo_model=name, fallback_models=list(fallbacks))


def written(name: str, content: bytes) -> Make:
    """A detector file of that content."""

    def make(folder: Path) -> EngineConfig:
        (folder / name).write_bytes(content)
        return detector(str(folder / name))

    return make


def named(name: str) -> Make:
    """A detector that is nowhere."""
    return lambda folder: detector(str(folder / name) if "." in name else name)


def graph(
    inputs: list, outputs: list, nodes: list, opset: int = 17, task: str = "detector"
) -> Make:
    """A small .onnx of that graph."""

    def make(folder: Path) -> EngineConfig:
        body = onnx.helper.make_graph(nodes, "small", inputs, outputs)
        opsets = [onnx.helper.make_opsetid("", opset)]
        model = onnx.helper.make_model(body, opset_imports=opsets, ir_version=9)
        path = folder / f"{task}.onnx"
        path.write_bytes(model.SerializeToString())
        return detector(str(path)) if task == "detector" else EngineConfig(model_path=str(path))

    return make


def tensor(name: str, shape: list, kind: int = 1):
    return onnx.helper.make_tensor_value_info(name, kind, shape)


def pool(shape: list, task: str = "detector", opset: int = 17) -> Make:
    """A model whose output is the mean of its input over all pixels."""
    node = onnx.helper.make_node("GlobalAveragePool", ["x"], ["y"])
    out = [shape[0], shape[1], 1, 1]
    return graph([tensor("x", shape)], [tensor("y", out)], [node], opset, task)


def truncated(task: str) -> Make:
    def make(folder: Path) -> EngineConfig:
        whole = embedded(task).read_bytes()
        path = folder / "half.onnx"
        path.write_bytes(whole[: len(whole) // 2])
        return detector(str(path)) if task == "detector" else EngineConfig(model_path=str(path))

    return make


def as_detector(folder: Path) -> EngineConfig:
    shutil.copy(embedded("pose"), folder / "pose.onnx")
    return detector(str(folder / "pose.onnx"))


def as_pose(folder: Path) -> EngineConfig:
    shutil.copy(embedded("detector"), folder / "detector.onnx")
    return EngineConfig(model_path=str(folder / "detector.onnx"))


def pickled(folder: Path) -> EngineConfig:
    """A .pt that would run a program when it is unpickled."""
    import torch

    class Harmful:
        def __reduce__(self):
            return eval, (f"open({str(folder / 'harmed')!r}, 'w')",)

    torch.save({"model": Harmful()}, folder / "harmful.pt")
    return detector(str(folder / "harmful.pt"))


def classifier(folder: Path) -> EngineConfig:
    import torch

    torch.save({"model": torch.nn.Linear(2, 2)}, folder / "linear.pt")
    return detector(str(folder / "linear.pt"))


def other_network(folder: Path) -> EngineConfig:
    import torch

    torch.save({"network": {"weight": torch.zeros(3)}}, folder / "model_opt_S.pth")
    return EngineConfig(model_path=str(folder / "model_opt_S.pth"))


def fine_detector(folder: Path) -> EngineConfig:
    shutil.copy(embedded("detector"), folder / "first.onnx")
    return detector(str(folder / "first.onnx"))


def fine_pose(folder: Path) -> EngineConfig:
    shutil.copy(embedded("pose"), folder / "first.onnx")
    return EngineConfig(model_path=str(folder / "first.onnx"))


def fine_embedded(_folder: Path) -> EngineConfig:
    return EngineConfig()


def faults(checkpoints: Path) -> list[Fault]:
    """All of them, those at load first."""

    def yolo(*broken: str, home_is_a_file: bool = False, content: bytes = b"not a model") -> Make:
        def make(folder: Path) -> EngineConfig:
            shutil.copy(checkpoints / "yolov8n.pt", folder / "yolov8n.pt")
            for name in broken:
                (folder / name).write_bytes(content)
            if home_is_a_file:
                from pose_estimation_ros.model_zoo.user_folder import models_folder

                models_folder().write_text("")
            return detector(str(folder / (broken[0] if broken else "yolov8n.onnx")))

        return make

    def pth(folder: Path) -> EngineConfig:
        shutil.copy(checkpoints / "model_opt_XS.pth", folder)
        return EngineConfig(model_path=str(folder / "model_opt_XS.pth"))

    def stale(folder: Path) -> EngineConfig:
        from pose_estimation_ros.model_zoo.provenance import write_provenance

        shutil.copy(checkpoints / "yolov8n.pt", folder / "yolov8n.pt")
        shutil.copy(embedded("detector"), folder / "yolov8n.onnx")
        write_provenance(folder / "yolov8n.onnx", source="yolov8n.pt", source_sha256="0" * 64)
        return detector(str(folder / "yolov8n.pt"))

    half_pth = (checkpoints / "model_opt_XS.pth").read_bytes()[:100_000]
    half_pt = (checkpoints / "yolov8n.pt").read_bytes()[:100_000]
    seen, posed = (lambda m: m.detector), (lambda m: m.pose)
    picture = ["n", 3, 320, 320]
    no_operator = [onnx.helper.make_node("Conjure", ["x"], ["y"])]
    abi = "libtorch_cpu.so: undefined symbol: _ZN2at4_ops"
    return [
        Fault("the file does not exist", "detector", named("gone.onnx")),
        Fault("a model of the manifest that was not fetched", "detector", named("yolox_nano")),
        Fault("half a file", "detector", truncated("detector")),
        Fault("an empty file", "detector", written("empty.onnx", b"")),
        Fault("wrong magic in a .onnx", "detector", written("text.onnx", b"hello" * 99)),
        Fault(
            "a Git LFS pointer",
            "detector",
            written("lfs.onnx", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        ),
        Fault("a web page", "detector", written("page.onnx", b"<!DOCTYPE html><html></html>")),
        Fault("a kind that no runtime reads", "detector", written("model.engine", b"0" * 99)),
        Fault("wrong magic in a .tflite", "detector", written("model.tflite", b"0" * 99)),
        Fault("half a .tflite", "detector", written("half.tflite", b"\x20\0\0\0TFL3" + b"\0" * 9)),
        Fault("a .xml without its .bin", "detector", written("model.xml", b"<net/>")),
        Fault("an opset of the future", "detector", pool(picture, opset=99)),
        Fault(
            "an operator that does not exist",
            "detector",
            graph([tensor("x", picture)], [tensor("y", picture)], no_operator),
        ),
        Fault("an input of one channel", "detector", pool(["n", 1, 320, 320])),
        Fault("outputs of no detector", "detector", pool(picture)),
        Fault("a pose model for a detector", "detector", as_detector),
        Fault("wrong magic in a .pt", "detector", written("text.pt", b"hello" * 99)),
        Fault("half a .pt", "detector", written("half.pt", half_pt)),
        Fault("a .pt that runs code when it is read", "detector", pickled),
        Fault("a .pt of no detector", "detector", classifier),
        Fault("a broken .onnx, its .pt beside it", "detector", yolo("yolov8n.onnx")),
        Fault("no .onnx, its .pt there", "detector", yolo()),
        Fault("a .onnx of another .pt", "detector", stale),
        Fault(
            "no .onnx, and nowhere to convert the .pt to",
            "detector",
            yolo(home_is_a_file=True),
        ),
        Fault(
            "a .pt, and ultralytics is not installed",
            "detector",
            yolo("yolov8n.onnx"),
            blocked=["ultralytics"],
        ),
        Fault(
            "OpenVINO is not installed",
            "detector",
            lambda folder: with_weights(folder),
            blocked=["openvino"],
        ),
        Fault(
            "LiteRT is built for another NumPy",
            "detector",
            written("model.tflite", b"\x20\0\0\0TFL3" + b"\0" * 9),
            blocked=["ai_edge_litert=numpy.core.multiarray failed to import"],
        ),
        Fault("a .pth, and torch is not installed", "pose", pth, blocked=["torch"]),
        Fault("a .pth, and torch fits another libc", "pose", pth, blocked=[f"torch={abi}"]),
        Fault("half a .pth", "pose", lambda folder: half(folder, half_pth)),
        Fault("a .pth of another network", "pose", other_network),
        Fault("half a pose model", "pose", truncated("pose")),
        Fault("a detector for a pose model", "pose", as_pose),
        Fault("a pose model of free size", "pose", pool(["n", 3, "h", "w"], task="pose")),
        Fault("a detector throws", "detector", fine_detector, strike(seen, explode)),
        Fault("a detector gives NaN", "detector", fine_detector, strike(seen, nan)),
        Fault("a detector loses an output", "detector", fine_detector, strike(seen, truncate)),
        Fault("a detector hangs", "detector", fine_detector, strike(seen, hang)),
        Fault("the only detector throws", "detector", fine_embedded, strike(seen, explode)),
        Fault("a pose model throws", "pose", fine_pose, strike(posed, explode)),
        Fault("a pose model gives NaN", "pose", fine_pose, strike(posed, nan)),
        Fault("a pose model loses an output", "pose", fine_pose, strike(posed, truncate)),
        Fault("a pose model hangs", "pose", fine_pose, strike(posed, hang)),
    ]


def with_weights(folder: Path) -> EngineConfig:
    (folder / "model.bin").write_bytes(b"0")
    return written("model.xml", b"<net/>")(folder)


def half(folder: Path, content: bytes) -> EngineConfig:
    (folder / "model_opt_XS.pth").write_bytes(content)
    return EngineConfig(model_path=str(folder / "model_opt_XS.pth"))


@pytest.mark.slow
def test_every_fault_costs_at_most_one_frame_and_the_page_says_so(
    checkpoints: Path,
    tmp_path: Path,
    scene_frames: list[np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows: list[tuple[Fault, Outcome]] = []
    for number, fault in enumerate(faults(checkpoints)):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.setenv("POSE_ESTIMATION_MODELS", str(folder / "home"))
        packaged_manifest.cache_clear()
        outcome = run(fault, folder, scene_frames)
        rows.append((fault, outcome))
        assert not (folder / "harmed").exists(), "unpickling ran code"
        assert outcome.lost <= 1, (fault.name, outcome)
        assert outcome.answered, fault.name
        assert outcome.log, (fault.name, "nothing was said")
        for line in outcome.log:
            assert "next try in" in line, (fault.name, line)
            assert "; using " in line, (fault.name, line)
    assert len(rows) >= 25
    page = table(rows)
    if os.environ.get("WRITE_TABLE"):
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page, "write the page anew: see its head"
