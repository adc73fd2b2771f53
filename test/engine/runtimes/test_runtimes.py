"""Each runtime reads its files, from several threads, and `auto` takes the lightest."""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from pose_estimation_ros.engine.runtimes import (
    Cores,
    Runtime,
    automatic_choice,
    load_runtime,
    loader,
    measurement,
    runtimes_for,
)
from pose_estimation_ros.engine.runtimes.onnx_runtime import OnnxRuntime
from pose_estimation_ros.engine.runtimes.openvino_runtime import OpenVinoRuntime
from pose_estimation_ros.engine.runtimes.runtime import blank_inputs
from pose_estimation_ros.errors import ConfigError, ModelError, RuntimeMissingError
from pose_estimation_ros.settings import RUNTIMES

onnx = pytest.importorskip("onnx", reason="the small models are made with onnx")


def small_model(path: Path, batch: int | str = "n", layout: str = "NHWC", kind: int = 2) -> Path:
    """A .onnx that gives the mean over all pixels of each channel, times two; uint8 input."""
    shape = [batch, 16, 24, 3] if layout == "NHWC" else [batch, 3, 16, 24]
    axes = [1, 2] if layout == "NHWC" else [2, 3]
    nodes = [
        onnx.helper.make_node("Cast", ["image"], ["real"], to=1),
        onnx.helper.make_node("ReduceMean", ["real"], ["mean"], axes=axes, keepdims=0),
        onnx.helper.make_node("Add", ["mean", "mean"], ["twice"]),
    ]
    body = onnx.helper.make_graph(
        nodes,
        "small",
        [onnx.helper.make_tensor_value_info("image", kind, shape)],
        [onnx.helper.make_tensor_value_info("twice", 1, [batch, 3])],
    )
    opsets = [onnx.helper.make_opsetid("", 13)]
    model = onnx.helper.make_model(body, opset_imports=opsets, ir_version=8)
    onnx.helper.set_model_props(model, {"task": "pose", "skeleton": "coco17"})
    path.write_bytes(model.SerializeToString())
    return path


def both() -> list[str]:
    """Runtimes for .onnx that are installed here."""
    return [
        name
        for name in ("onnxruntime", "openvino")
        if name in loader.installed_for(Path("a.onnx"))
    ]


@pytest.mark.parametrize("runtime", both())
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("batch", ["n", 1, 4])
def test_size_layout_and_type_are_read_off_the_file(
    batch: int | str, layout: str, runtime: str, tmp_path: Path
) -> None:
    loaded = load_runtime(small_model(tmp_path / "a.onnx", batch, layout), runtime, 1)
    (spec,) = loaded.inputs
    assert spec.shape[0] == (None if batch == "n" else batch)
    assert spec.shape[3 if layout == "NHWC" else 1] == 3
    assert spec.dtype == np.uint8
    count = 2 if batch == "n" else int(batch)
    image = np.random.default_rng(0).integers(0, 256, (count, *spec.shape[1:]), np.uint8)
    (mean,) = loaded.run(image)
    axes = (1, 2) if layout == "NHWC" else (2, 3)
    np.testing.assert_allclose(mean, 2 * image.mean(axis=axes), rtol=1e-5)


@pytest.mark.parametrize("runtime", both())
def test_metadata_of_an_onnx_file_is_read(runtime: str, tmp_path: Path) -> None:
    loaded = load_runtime(small_model(tmp_path / "a.onnx"), runtime, 1)
    assert loaded.metadata == {"task": "pose", "skeleton": "coco17"}


def use_from_threads(runtime: Runtime, inputs: list[np.ndarray]) -> None:
    """Runs different inputs from four threads at once; each must get its own answer."""
    expected = [runtime.run(tensor)[0] for tensor in inputs]
    wrong: list[str] = []

    def work(index: int) -> None:
        for turn in range(20):
            which = (index + turn) % len(inputs)
            answer = runtime.run(inputs[which])[0]
            if not np.allclose(answer, expected[which], atol=1e-4):
                wrong.append(f"thread {index}, turn {turn}")

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("runtime", both())
def test_several_threads_get_their_own_answers(runtime: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (1, 16, 24, 3), np.uint8) for _ in range(3)]
    use_from_threads(load_runtime(small_model(tmp_path / "a.onnx"), runtime, 1), images)


def test_tflite_reads_movenet_from_several_threads(shared: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    path = shared / "models" / "movenet_lightning_int8.tflite"
    runtime = load_runtime(path, "tflite", 1)
    (spec,) = runtime.inputs
    assert (spec.shape, spec.dtype) == ((1, 192, 192, 3), np.uint8)
    assert [output.shape for output in runtime.outputs] == [(1, 1, 17, 3)]
    rng = np.random.default_rng(0)
    images = [np.full(spec.shape, value, np.uint8) for value in (0, 128)]
    images.append(rng.integers(0, 256, spec.shape, np.uint8))
    use_from_threads(runtime, images)


def test_openvino_reads_its_own_files_in_both_precisions(shared: Path) -> None:
    pytest.importorskip("openvino")
    path = shared / "models" / "tinypose_256x192.xml"
    exact = load_runtime(path, "openvino", 1, "f32")
    fast = load_runtime(path, "openvino", 1, "auto")
    image = np.random.default_rng(0).standard_normal((1, 3, 256, 192)).astype(np.float32)
    one, two = exact.run(image)[0], fast.run(image)[0]
    assert one.shape == (1, 17, 64, 48)
    assert np.abs(one - two).max() < 0.1 * np.abs(one).max()


def test_openvino_has_a_stream_for_each_caller(tmp_path: Path) -> None:
    """In a single one the workers of V4 would wait for each other."""
    pytest.importorskip("openvino")
    loaded = load_runtime(small_model(tmp_path / "a.onnx"), "openvino", Cores(1, callers=2))
    assert isinstance(loaded, OpenVinoRuntime)
    assert loaded.streams == 2


def test_int8_convolutions_add_up_without_overflow(tmp_path: Path) -> None:
    """A pair of products, 2 x 255 x 127, is beyond the 16 bits in which AVX2 adds them up."""
    width = 64
    constants = {
        "one": np.float32(1),
        "scale": np.float32(255 * 127 * width / 200),
        "zero": np.uint8(0),
        "centre": np.int8(0),
        "kernel": np.full((width, width, 1, 1), 127, np.int8),
    }
    given = ["image", "one", "zero", "kernel", "one", "centre", "scale", "zero"]
    shape = [1, width, 4, 4]
    body = onnx.helper.make_graph(
        [onnx.helper.make_node("QLinearConv", given, ["sums"])],
        "int8",
        [onnx.helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, shape)],
        [onnx.helper.make_tensor_value_info("sums", onnx.TensorProto.UINT8, shape)],
        [onnx.numpy_helper.from_array(np.array(v), name) for name, v in constants.items()],
    )
    opsets = [onnx.helper.make_opsetid("", 13)]
    model = onnx.helper.make_model(body, opset_imports=opsets, ir_version=8)
    path = tmp_path / "int8.onnx"
    path.write_bytes(model.SerializeToString())
    (sums,) = OnnxRuntime(path, threads=1).run(np.full(shape, 255, np.uint8))
    assert (sums == 200).all()


def test_onnx_runtime_alone_takes_its_own_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    given: dict[str, object] = {}
    for kind in (OnnxRuntime, OpenVinoRuntime):
        monkeypatch.setattr(
            kind, "__init__", lambda self, _, cores, *__: given.update({self.name: cores})
        )
    monkeypatch.setattr(OnnxRuntime, "name", "onnxruntime", raising=False)
    cores = Cores(4, onnx_threads=1)
    for runtime in ("onnxruntime", "openvino"):
        load_runtime(small_model(tmp_path / "a.onnx"), runtime, cores)
    assert given == {"onnxruntime": 1, "openvino": cores}


# What is chosen, and why


def _refuse_to_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automatic_choice, "measure_apart", lambda *_: pytest.fail("measured"))


def test_auto_takes_the_lightest_on_the_processor_unmeasured_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _refuse_to_measure(monkeypatch)
    monkeypatch.setattr(loader, "installed_for", lambda _: ["onnxruntime", "openvino"])
    path = small_model(tmp_path / "a.onnx")
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            assert load_runtime(path, "auto", 1).name == "onnxruntime"
    (line,) = [line for line in caplog.messages if line.startswith("runtime for")]
    assert line.startswith(
        "runtime for a.onnx: onnxruntime, the lightest (installed too: openvino"
    )


def test_nothing_is_measured_while_a_frame_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _refuse_to_measure(monkeypatch)
    path = small_model(tmp_path / "a.onnx")
    names = ["onnxruntime", "onnxruntime-cuda"]
    assert automatic_choice.choose(path, names, Cores(), "f32", urgent=True) == "onnxruntime"
    monkeypatch.setattr(loader, "installed_for", lambda _: names)
    assert load_runtime(path, "auto", urgent=True).name == "onnxruntime"


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"onnxruntime": 10.0, "onnxruntime-cuda": 5.0}, "onnxruntime-cuda"),
        ({"onnxruntime": 10.0, "onnxruntime-cuda": 9.5}, "onnxruntime"),  # not worth its memory
        ({"onnxruntime": 10.0, "onnxruntime-cuda": "fails (no driver)"}, "onnxruntime"),
        ({"onnxruntime": "fails (opset)", "onnxruntime-cuda": 30.0}, "onnxruntime-cuda"),
        ({"onnxruntime": "fails (opset)", "onnxruntime-cuda": "fails (opset)"}, "onnxruntime"),
    ],
)
def test_a_gpu_is_taken_where_it_is_clearly_faster(
    times: dict[str, float | str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Measured times are made up, as a test machine has no GPU."""

    def measured(path: Path, runtime: str, *_: object) -> measurement.Measurement | str:
        time = times[runtime]
        return measurement.Measurement(time, 1.0, 100.0) if isinstance(time, float) else time

    monkeypatch.setattr(automatic_choice, "measure_apart", measured)
    path = small_model(tmp_path / "a.onnx")
    installed = [*times, "openvino"]
    with caplog.at_level(logging.INFO):
        assert automatic_choice.choose(path, installed, Cores(), "f32") == expected
    for name, answer in times.items():
        said = f"{answer:.1f} ms" if isinstance(answer, float) else answer
        assert f"{name} {said}" in caplog.messages[0]


def test_what_one_runtime_cannot_load_another_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")

    def fails(*_: object) -> None:
        raise ModelError("an opset of the future")

    monkeypatch.setattr(OnnxRuntime, "__init__", fails)
    monkeypatch.setattr(loader, "installed_for", lambda _: ["onnxruntime", "openvino"])
    path = small_model(tmp_path / "a.onnx")
    assert load_runtime(path, "auto", 1).name == "openvino"
    with pytest.raises(ModelError, match="opset"):
        load_runtime(path, "auto", 1, urgent=True)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_measurement_says_what_a_runtime_costs(runtime: str, tmp_path: Path) -> None:
    if runtime not in both():
        pytest.skip(f"{runtime} is not installed")
    path = small_model(tmp_path / "a.onnx")
    measured = measurement.measure_apart(path, runtime, Cores(), "f32", give_up_s=120.0)
    assert isinstance(measured, measurement.Measurement), measured
    assert measured.run_ms > 0
    assert measured.start_s > 0
    assert measured.memory_mb > 1


def test_a_runtime_that_crashes_while_it_is_measured_says_why(tmp_path: Path) -> None:
    path = small_model(tmp_path / "broken.onnx")
    path.write_bytes(path.read_bytes()[:50])
    answer = measurement.measure_apart(path, "onnxruntime", Cores(), "f32", give_up_s=120.0)
    assert isinstance(answer, str)
    assert answer.startswith("fails (")
    assert "\n" not in answer


def test_a_broken_model_leaves_no_other_runtime_in_this_process(tmp_path: Path) -> None:
    """`auto` must not cost V3 the memory of a runtime that it does not use."""
    import subprocess

    path = small_model(tmp_path / "a.onnx")
    path.write_bytes(path.read_bytes()[:50])
    code = f"""
import sys
from pathlib import Path
from pose_estimation_ros.engine.runtimes import load_runtime
from pose_estimation_ros.errors import ModelError
try:
    load_runtime(Path({str(path)!r}), "auto", 1)
except ModelError as error:
    assert "ONNX Runtime cannot load" in str(error)
else:
    raise AssertionError("loaded")
print(*[m for m in ("openvino", "torch", "ai_edge_litert", "ultralytics") if m in sys.modules])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


# What cannot be loaded


def test_unknown_settings_are_refused(tmp_path: Path) -> None:
    path = small_model(tmp_path / "a.onnx")
    with pytest.raises(ConfigError, match="unknown runtime 'abacus': choose one of auto"):
        load_runtime(path, "abacus", 1)
    with pytest.raises(ConfigError, match="unknown precision 'f8'"):
        load_runtime(path, "onnxruntime", 1, "f8")
    with pytest.raises(ModelError, match=r"tflite cannot read a\.onnx: use onnxruntime"):
        load_runtime(path, "tflite", 1)


@pytest.mark.parametrize("provider", ["cuda", "tensorrt", "openvino"])
def test_a_provider_that_is_not_built_in_is_named(provider: str, tmp_path: Path) -> None:
    from pose_estimation_ros.engine.runtimes.onnx_runtime import installed_providers

    name = f"onnxruntime-{provider}"
    if name in installed_providers():
        pytest.skip(f"this ONNX Runtime has {name}")
    with pytest.raises(RuntimeMissingError, match="install a build that does"):
        load_runtime(small_model(tmp_path / "a.onnx"), name, 1)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.onnx", b"", "is empty"),
        ("a.onnx", b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        ("a.onnx", b"\n<html>", "is a web page"),
        ("a.onnx", b"\x08\x07nonsense", "ONNX Runtime cannot load"),
        ("a.tflite", b"0123TFL2", "is not a TensorFlow Lite model"),
        ("a.pth", b"nonsense", "is not a PyTorch checkpoint"),
        ("a.engine", b"nonsense", "is of an unknown kind: expected one of .onnx"),
    ],
)
def test_a_file_that_is_no_model_says_what_it_is(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        load_runtime(path, "auto", 1)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("library", "name"),
    [
        ("onnxruntime", "a.onnx"),
        ("openvino", "a.onnx"),
        ("ai_edge_litert", "a.tflite"),
        ("torch", "a.pt"),
    ],
)
def test_a_missing_library_is_named_with_what_installs_it(
    library: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = (".onnx_runtime", ".torch_runtime", ".checkpoints", ".convnextpose")
    for module in list(sys.modules):
        if module.split(".")[0] == library or module.endswith(ours):
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, library, None)
    path = small_model(tmp_path / "a.onnx")
    if name != "a.onnx":
        path = tmp_path / name
        path.write_bytes(b"PK00" + b"TFL3" + b"0" * 99)
    runtime = {"ai_edge_litert": "tflite"}.get(library, library)
    with pytest.raises(RuntimeMissingError, match=f"pip install {library.replace('_', '-')}"):
        load_runtime(path, runtime, 1)


def test_without_onnx_runtime_another_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    monkeypatch.delitem(
        sys.modules, "pose_estimation_ros.engine.runtimes.onnx_runtime", raising=False
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert load_runtime(small_model(tmp_path / "a.onnx"), "auto", 1).name == "openvino"


def test_every_runtime_reads_some_kind_of_file() -> None:
    kinds = [runtimes_for(Path(f"a{suffix}")) for suffix in (".onnx", ".xml", ".tflite", ".pth")]
    assert {name for able in kinds for name in able} == set(RUNTIMES) - {"auto"}


def test_blank_inputs_fit_free_sizes(tmp_path: Path) -> None:
    loaded = load_runtime(small_model(tmp_path / "a.onnx"), "onnxruntime", 1)
    (blank,) = blank_inputs(loaded.inputs)
    assert blank.shape == (1, 16, 24, 3)
