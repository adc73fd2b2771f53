"""Checkpoints become .onnx and .tflite that say the same, and every runtime agrees."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from paths import ROOT

from pose_estimation_ros.cli.main import main
from pose_estimation_ros.engine.detection.network_detector import NetworkDetector
from pose_estimation_ros.engine.runtimes import load_runtime
from pose_estimation_ros.engine.types import Image
from pose_estimation_ros.errors import ModelError, RuntimeMissingError
from pose_estimation_ros.model_zoo import ensure_all_models_ready
from pose_estimation_ros.model_zoo.conversion import convert as conversions
from pose_estimation_ros.model_zoo.conversion import exporters as export
from pose_estimation_ros.model_zoo.conversion.convert import convert, is_current
from pose_estimation_ros.model_zoo.conversion.parity import sample_image
from pose_estimation_ros.model_zoo.conversion.quantize import write_int8
from pose_estimation_ros.model_zoo.provenance import read_provenance
from pose_estimation_ros.settings import DetectorOptions

pytest.importorskip("torch", reason="conversions need torch")
pytest.importorskip("onnx", reason="conversions need onnx")
pytestmark = pytest.mark.slow


@pytest.fixture
def pose_checkpoint(checkpoints: Path, tmp_path: Path) -> Path:
    """A checkpoint in a folder of the test's own."""
    path = tmp_path / "models" / "model_opt_XS.pth"
    path.parent.mkdir()
    path.write_bytes((checkpoints / "model_opt_XS.pth").read_bytes())
    return path


@pytest.mark.parametrize("variant", ["XS", "S"])
def test_four_runtimes_agree_on_a_converted_checkpoint(
    variant: str, checkpoints: Path, tmp_path: Path
) -> None:
    pytest.importorskip("litert_torch", reason="conversion to .tflite needs litert-torch")
    openvino = pytest.importorskip("openvino")
    source = checkpoints / f"model_opt_{variant}.pth"
    onnx = convert(source, source.with_suffix(".onnx")).path
    tflite = convert(source, tmp_path / f"model_opt_{variant}.tflite").path
    ir = tmp_path / f"model_opt_{variant}.xml"
    openvino.save_model(openvino.convert_model(onnx), ir, compress_to_fp16=False)
    crop = sample_image(7, (1, 256, 256, 3), np.dtype(np.uint8))
    expected = load_runtime(source, "torch", 1).run(crop)
    span = [float(np.abs(output).max()) for output in expected]
    assert np.ptp(expected[0][0, :, :2]) > 10, "the joints of the random network do not spread"
    for path, runtime in (
        (onnx, "onnxruntime"),
        (onnx, "openvino"),
        (ir, "openvino"),
        (tflite, "tflite"),
    ):
        actual = load_runtime(path, runtime, 2).run(crop)
        for one, two, largest in zip(expected, actual, span, strict=True):
            assert np.abs(one - two).max() / largest < 1e-3, (runtime, path.suffix)


def test_a_converted_model_takes_any_batch(checkpoints: Path) -> None:
    source = checkpoints / "model_opt_XS.pth"
    onnx = convert(source, source.with_suffix(".onnx")).path
    runtime = load_runtime(onnx, "onnxruntime", 1)
    crops = sample_image(1, (5, 256, 256, 3), np.dtype(np.uint8))
    together = runtime.run(crops)[0]
    alone = np.concatenate([runtime.run(crops[i : i + 1])[0] for i in range(5)])
    np.testing.assert_allclose(together, alone, atol=1e-3)


def ultralytics_boxes(path: Path, image: np.ndarray, options: DetectorOptions) -> np.ndarray:
    """Boxes and scores (n, 5) of persons as ultralytics itself finds them."""
    import torch

    try:
        import torchvision
    except RuntimeError:
        # A torchvision whose compiled operators do not fit this torch registers none of them.
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision
    from ultralytics import YOLO
    from ultralytics.utils.nms import TorchNMS

    torchvision.ops.nms = TorchNMS.nms  # ultralytics' own, in plain PyTorch
    result = YOLO(path).predict(
        image,
        conf=options.confidence_threshold,
        iou=options.iou_threshold,
        classes=[0],
        imgsz=320,
        verbose=False,
    )[0]
    return np.column_stack([result.boxes.xyxy.numpy(), result.boxes.conf.numpy()])


@pytest.mark.parametrize("size", [(480, 300), (201, 377)])
def test_yolov8_gives_the_boxes_that_ultralytics_gives(
    size: tuple[int, int], checkpoints: Path, photograph: np.ndarray
) -> None:
    image = cv2.resize(photograph, size)
    options = DetectorOptions(0.7, 0.45, 300)
    expected = ultralytics_boxes(checkpoints / "yolov8n.pt", image, options)
    assert len(expected) > 3
    onnx = convert(checkpoints / "yolov8n.pt", checkpoints / "yolov8n.onnx").path
    for path in (onnx, checkpoints / "yolov8n.pt"):
        detector = NetworkDetector(load_runtime(path, "auto", 2), size=320)
        found = detector.detect(Image(image), options, np.zeros((0, 4), np.float32))
        assert len(found) == len(expected), path.name
        inside = np.clip(expected[:, :4], 0, [size[0], size[1]] * 2)
        assert np.abs(found.boxes - inside).max() < 1.0, path.name
        np.testing.assert_allclose(found.scores, expected[:, 4], atol=1e-3)


def test_a_conversion_is_recorded_and_not_repeated(pose_checkpoint: Path) -> None:
    target = pose_checkpoint.with_suffix(".onnx")
    first = convert(pose_checkpoint, target)
    assert not first.skipped
    assert first.error < 1e-3
    record = read_provenance(target.parent)[target.name]
    assert record["source"] == pose_checkpoint.name
    assert record["tools"]["torch"]
    assert {"sha256", "date", "source_sha256", "max_relative_error"} <= set(record)
    before = target.stat().st_mtime_ns
    assert convert(pose_checkpoint, target).skipped
    assert target.stat().st_mtime_ns == before
    # Another checkpoint under the same name makes it stale.
    import torch

    content = torch.load(pose_checkpoint, weights_only=True)
    content["network"]["module.head.final_layer.bias"] += 1
    torch.save(content, pose_checkpoint)
    assert not is_current(target, pose_checkpoint)


def test_the_command_and_the_function_do_the_same(
    pose_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = pose_checkpoint.parent
    assert main(["models", "convert", str(folder), "--to", "onnx"]) == 0
    said = capsys.readouterr().out
    assert "converted from model_opt_XS.pth" in said
    (done,) = ensure_all_models_ready([folder], ["onnx"])
    assert done.path == folder / "model_opt_XS.onnx"
    assert done.skipped
    assert main(["models", "convert", str(pose_checkpoint), "--to", "onnx"]) == 0
    assert "is current" in capsys.readouterr().out


def test_int8_is_made_where_images_are_given(
    pose_checkpoint: Path, photograph: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    images = pose_checkpoint.parent / "images"
    images.mkdir()
    for index in range(8):
        cv2.imwrite(str(images / f"{index}.png"), photograph[index * 8 :, index * 8 :])
    arguments = ["models", "convert", str(pose_checkpoint), "--to", "onnx", "--int8"]
    main([*arguments, str(images)])
    said = capsys.readouterr().out
    target = pose_checkpoint.with_name("model_opt_XS_int8.onnx")
    if target.is_file():
        assert "accuracy lost" in said
        assert target.stat().st_size < 0.5 * pose_checkpoint.stat().st_size
    else:  # a random network may lose more than is allowed, and then says so
        assert "of its accuracy" in said
    (images / "0.png").unlink()
    assert main([*arguments, str(images)]) == 1
    assert "calibration needs at least 8" in capsys.readouterr().out


def test_a_detectors_last_layer_stays_in_float_so_that_boxes_have_no_steps(
    photograph: np.ndarray, tmp_path: Path
) -> None:
    model = ROOT / "models" / "person_detector.onnx"
    pixels = cv2.resize(photograph, (416, 416))[..., ::-1]
    pictures = np.stack([np.roll(pixels, 8 * i, axis=1) for i in range(8)])[:, None]
    errors = {}
    for kept in (True, False):
        path = tmp_path / f"{kept}.onnx"
        write_int8(model, path, iter(pictures), float_outputs=kept)
        assert load_runtime(path, "onnxruntime").metadata["task"] == "detector"
        (boxes, scores), (wanted, _) = (
            load_runtime(file, "onnxruntime").run(pictures[0]) for file in (path, model)
        )
        errors[kept] = np.abs(boxes - wanted)[scores > 0.1].mean()
    assert errors[True] < 0.7 * errors[False]


def test_a_result_that_differs_is_refused(
    pose_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = pose_checkpoint.with_suffix(".onnx")
    target.write_bytes(b"the old one")
    real = export._write_onnx

    def write_other_weights(checkpoint, path):
        checkpoint.module.network.head.final_layer.bias.data += 3
        checkpoint.module.network.head.final_layer.weight.data *= 0.5
        real(checkpoint, path)

    monkeypatch.setattr(export, "_write_onnx", write_other_weights)
    with pytest.raises(ModelError, match="was not kept"):
        convert(pose_checkpoint, target)
    assert target.read_bytes() == b"the old one"
    assert sorted(p.name for p in target.parent.iterdir()) == [target.name, pose_checkpoint.name]


def test_a_missing_converter_is_named(
    pose_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeMissingError, match="pip install litert-torch"):
        convert(pose_checkpoint, pose_checkpoint.with_suffix(".tflite"))


def mounted(folder: Path, options: str) -> None:
    """Mounts a small file system there, or skips the test where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"mount cannot be run: {error}")
    if done.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")


@pytest.fixture
def unmount():
    """Folders to unmount at the end."""
    folders: list[Path] = []
    yield folders
    for folder in folders:
        subprocess.run(["umount", str(folder)], check=False)


def test_a_full_disk_leaves_the_old_file(
    pose_checkpoint: Path, tmp_path: Path, unmount: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    small = tmp_path / "small"
    mounted(small, "size=2m")
    unmount.append(small)
    (small / "model_opt_XS.onnx").write_bytes(b"the old one")
    arguments = ["models", "convert", str(pose_checkpoint), "--to", "onnx", "--out", str(small)]
    assert main(arguments) == 1
    said = capsys.readouterr().out
    assert "the disk of" in said
    assert "is full" in said
    assert [p.name for p in small.iterdir()] == ["model_opt_XS.onnx"]
    assert (small / "model_opt_XS.onnx").read_bytes() == b"the old one"


def test_a_disk_that_fills_up_meanwhile_leaves_the_old_file(
    pose_checkpoint: Path,
    tmp_path: Path,
    unmount: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = tmp_path / "small"
    mounted(small, "size=8m")
    unmount.append(small)
    target = small / "model_opt_XS.onnx"
    target.write_bytes(b"the old one")
    monkeypatch.setattr(conversions, "check_disk_space", lambda path, need: None)
    with pytest.raises(ModelError, match=r"is full|cannot be converted"):
        convert(pose_checkpoint, target)
    assert [p.name for p in small.iterdir()] == [target.name]
    assert target.read_bytes() == b"the old one"


def test_a_read_only_folder_is_explained(
    pose_checkpoint: Path, tmp_path: Path, unmount: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sealed"
    mounted(folder, "size=32m")
    unmount.append(folder)
    source = folder / pose_checkpoint.name
    source.write_bytes(pose_checkpoint.read_bytes())
    (folder / "model_opt_XS.onnx").write_bytes(b"the old one")
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    assert main(["models", "convert", str(source), "--to", "onnx"]) == 1
    assert "cannot be written (Read-only file system)" in capsys.readouterr().out
    assert (folder / "model_opt_XS.onnx").read_bytes() == b"the old one"


# An interrupt that reaches the exporter inside one of its callbacks may be swallowed there.
@pytest.mark.flaky(reruns=3)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_conversion_leaves_the_old_file(
    how: signal.Signals, pose_checkpoint: Path
) -> None:
    folder = pose_checkpoint.parent
    target = pose_checkpoint.with_suffix(".onnx")
    target.write_bytes(b"the old one")
    command = [sys.executable, "-m", "pose_estimation_ros.cli.main", "models", "convert"]
    process = subprocess.Popen(
        [*command, str(pose_checkpoint), "--to", "onnx"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ,
    )
    # Its temporary file shows that it is at work.
    for _ in range(1200):
        if any(folder.glob(".model_opt_XS.onnx.*.part.onnx")) or process.poll() is not None:
            break
        time.sleep(0.05)
    assert process.poll() is None, "it ended before it could be interrupted"
    process.send_signal(how)
    process.wait(timeout=60)
    assert process.returncode != 0
    assert target.read_bytes() == b"the old one"
    if how == signal.SIGINT:
        assert not list(folder.glob(".*"))
    convert(pose_checkpoint, target)  # what a killed one left behind goes with the next
    assert not list(folder.glob(".*"))
    assert target.stat().st_size > 1_000_000


def test_the_published_export_the_checkpoint_and_our_conversion_agree(
    checkpoints: Path, tmp_path: Path, photograph: np.ndarray
) -> None:
    """The published script exports batch 1, float NCHW in, (1, joints, 3) in cells out."""
    import torch

    from pose_estimation_ros.engine.networks.convnextpose import load_checkpoint
    from pose_estimation_ros.engine.pose.top_down import TopDownPose

    source = checkpoints / "model_opt_S.pth"
    published = tmp_path / "Convnext.onnx"
    network = load_checkpoint(source)
    sample = torch.zeros(1, 3, 256, 256)
    with torch.no_grad():
        torch.onnx.export(network, (sample,), str(published), opset_version=12, dynamo=False)
    ours = convert(source, source.with_suffix(".onnx")).path
    boxes = np.array([[100, 20, 350, 500], [200, 100, 300, 400]], np.float32)
    image = Image(photograph)
    expected = TopDownPose(load_runtime(published, "onnxruntime", 2)).estimate(image, boxes)
    assert expected.scores.min() == 1.0
    for path in (source, ours):
        model = TopDownPose(load_runtime(path, "auto", 2))
        assert model.skeleton.name == "h36m18"
        found = model.estimate(image, boxes)
        assert np.abs(found.xy - expected.xy).max() < 0.1, path.name
        assert np.abs(found.z_m - expected.z_m).max() < 1e-3, path.name
        assert 0 < found.scores.min() <= found.scores.max() <= 1
