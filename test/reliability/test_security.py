"""What strangers may send, and what comes of it: models, bags, addresses, code."""

from __future__ import annotations

import ast
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from paths import ROOT
from rows import row

from pose_estimation_ros.engine.pose.top_down import TopDownPose
from pose_estimation_ros.engine.runtimes import load_runtime
from pose_estimation_ros.engine.runtimes.runtime import LARGEST_MODEL
from pose_estimation_ros.errors import InputError, PoseEstimationError
from pose_estimation_ros.io.atomic_file import atomic_write
from pose_estimation_ros.io.bags.chunk_limits import LARGEST_CHUNK
from pose_estimation_ros.io.bags.reader import BagReader
from pose_estimation_ros.model_zoo import fetch
from pose_estimation_ros.model_zoo.manifest import ModelEntry

AREA = "Security"
PACKAGE = ROOT / "pose_estimation_ros"

CODE = row(
    AREA,
    "pickles that run a program, as .pt and as .pth",
    "refused with one line, nothing runs",
    "security::checkpoints_run_no_code",
)


def test_checkpoints_run_no_code(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="checkpoints need torch")

    class Harmful:
        def __reduce__(self) -> tuple:
            return eval, (f"open({str(tmp_path / 'harmed')!r}, 'w')",)

    for name in ("model.pt", "model.pth"):
        torch.save({"model": Harmful(), "network": Harmful()}, tmp_path / name)
        with pytest.raises(PoseEstimationError) as caught:
            load_runtime(tmp_path / name, "torch")
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "harmed").exists()
    CODE.saw("both refused, nothing ran")


SIZES = row(
    AREA,
    "model files of 3 GB, and with inputs of 100000x100000 px",
    "refused with one line before memory is taken",
    "security::models_that_would_fill_the_memory",
)


def test_models_that_would_fill_the_memory(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="the model is made with onnx")
    large = tmp_path / "large.onnx"
    with large.open("wb") as file:
        file.write(b"\x08\x09")
        file.truncate(LARGEST_MODEL + 2**30)  # sparse: it takes no room
    with pytest.raises(PoseEstimationError, match=r"3\.0 GB, more than the 2 GB"):
        load_runtime(large)
    node = onnx.helper.make_node("GlobalAveragePool", ["x"], ["y"])
    image = onnx.helper.make_tensor_value_info("x", 1, [1, 3, 100_000, 100_000])
    mean = onnx.helper.make_tensor_value_info("y", 1, [1, 3, 1, 1])
    graph = onnx.helper.make_graph([node], "wide", [image], [mean])
    opset = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=9)
    (tmp_path / "wide.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(PoseEstimationError, match="larger than any"):
        TopDownPose(load_runtime(tmp_path / "wide.onnx", "onnxruntime"))
    SIZES.saw("both refused")


OUTSIDE = row(
    AREA,
    "an ONNX model whose weights are said to lie at ../../secret",
    "refused with one line; the file outside is not read",
    "security::a_model_reads_no_file_outside_its_folder",
)


def test_a_model_reads_no_file_outside_its_folder(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="the model is made with onnx")
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (tmp_path / "secret").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[4])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secret")
    node = onnx.helper.make_node("Identity", ["w"], ["y"])
    out = onnx.helper.make_tensor_value_info("y", 1, [4])
    graph = onnx.helper.make_graph([node], "outside", [], [out], [tensor])
    opset = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(PoseEstimationError) as caught:
        load_runtime(folder / "model.onnx", "onnxruntime")
    OUTSIDE.saw(f"refused by ONNX Runtime: “{str(caught.value).partition(': ')[2][:70]}…”")


BAGS = row(
    AREA,
    "bags whose metadata name ../secret.mcap, and whose chunks unpack to 1 TB",
    "only files of the bag's own folder are opened; the chunk is refused before it is unpacked",
    "security::bags_stay_in_their_folder_and_in_memory",
)


def test_bags_stay_in_their_folder_and_in_memory(tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    bag.mkdir()
    (tmp_path / "secret.mcap").write_bytes(b"\x89MCAP0\r\n" + bytes(99))
    information = {
        "version": 9,
        "storage_identifier": "mcap",
        "relative_file_paths": ["../secret.mcap"],
        "duration": {"nanoseconds": 0},
        "starting_time": {"nanoseconds_since_epoch": 0},
        "message_count": 0,
        "topics_with_message_count": [],
        "compression_format": "",
        "compression_mode": "",
    }
    import yaml

    text = yaml.safe_dump({"rosbag2_bagfile_information": information})
    (bag / "metadata.yaml").write_text(text)
    with pytest.raises(InputError, match="missing"):
        BagReader(bag)
    data = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 2**40) + bytes(64)
    for claimed in (2**40, 100):  # said by the chunk, or only by the compressed data itself
        name = struct.pack("<I", 4) + b"zstd"
        chunk = struct.pack("<QQQI", 0, 1, claimed, 0) + name + struct.pack("<Q", len(data)) + data
        record = struct.pack("<BQ", 6, len(chunk)) + chunk
        (tmp_path / "bomb.mcap").write_bytes(b"\x89MCAP0\r\n" + record)
        with pytest.raises(InputError, match=f"more than the {LARGEST_CHUNK} that are taken"):
            BagReader(tmp_path / "bomb.mcap")
    BAGS.saw("as expected")


ADDRESSES = row(
    AREA,
    "models to be fetched from http, ftp and file addresses, and archives that unpack to 1 TB",
    "refused before a connection is opened, or before anything is unpacked",
    "security::only_https_and_only_so_much_is_fetched",
)


def _entry(folder: Path, url: str, member: str = "") -> ModelEntry:
    made = ModelEntry("m", "pose", folder / "m.onnx", "0" * 64, "none", "a model", url=url)
    object.__setattr__(made, "member", member)
    return made


def test_only_https_and_only_so_much_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_connection(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr("socket.create_connection", no_connection)
    urls = ["http://localhost/m", "ftp://localhost/m", "file:///etc/passwd", "HTTP://x/m", "//x/m"]
    for url in urls:
        with pytest.raises(PoseEstimationError, match="is not an https address"):
            fetch.fetch(_entry(tmp_path, url))
        assert not (tmp_path / "m.onnx").exists()
    with zipfile.ZipFile(tmp_path / "part", "w") as archive:
        archive.writestr("m.onnx", b"0" * 100)
    monkeypatch.setattr(fetch, "LARGEST_BYTES", 99)
    with pytest.raises(PoseEstimationError, match="which is not a model: not fetched"):
        fetch._unpack(_entry(tmp_path, "https://x/m.zip", "m.onnx"), tmp_path / "part")
    assert not (tmp_path / "m.onnx").exists()
    ADDRESSES.saw(f"{len(urls)} addresses and the archive refused")


PRIVATE = row(
    AREA,
    "another user looks at files while they are written",
    "temporary files are readable by their owner alone",
    "security::temporary_files_are_private",
)


def test_temporary_files_are_private(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "m.onnx") as temporary:
        mode = temporary.stat().st_mode & 0o777
    assert mode == 0o600
    PRIVATE.saw(f"mode {mode:o}")


WORDS = row(
    AREA,
    "the code of the package, read as a tree",
    "no eval, exec, os.system, shell=True, pickle.load, yaml.load, or torch.load without "
    "weights_only=True; no finding of bandit",
    "security::the_code_does_nothing_of_the_kind",
)


def _calls(tree: ast.AST) -> list[tuple[str, dict[str, object]]]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            words = {k.arg or "**": getattr(k.value, "value", None) for k in node.keywords}
            found.append((ast.unparse(node.func), words))
    return found


def test_the_code_does_nothing_of_the_kind() -> None:
    forbidden = re.compile(
        r"(builtins\.)?(eval|exec)|os\.(system|popen|exec\w+|spawn\w+)|pickle\.loads?|"
        r"pickle\.Unpickler|yaml\.(load|load_all|unsafe_\w+|full_\w+)|marshal\.loads?|"
        r"(np|numpy)\.load|socket\.socket|tempfile\.mktemp|shelve\.open|joblib\.load"
    )
    files = sorted(PACKAGE.rglob("*.py"))
    loads = 0
    for file in files:
        for name, words in _calls(ast.parse(file.read_text(encoding="utf-8"))):
            if name == "np.load":  # of .npz without objects
                assert words.get("allow_pickle", False) is False, file
                continue
            assert not forbidden.fullmatch(name), (file, name)
            assert words.get("shell") in (None, False), (file, name)
            if name == "torch.load":
                assert words.get("weights_only") is True, file
                loads += 1
    assert len(files) > 90 and loads > 0
    command = [sys.executable, "-m", "bandit", "-q", "-c", "pyproject.toml", "-r", PACKAGE.name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    WORDS.saw(f"{len(files)} files, {loads} torch.load, none of the others; bandit finds nothing")


PINS = row(
    AREA,
    "what is installed tomorrow",
    "every package of scripts/requirements has one exact version, but for those that a sourced "
    "ROS decides",
    "security::versions_are_pinned",
)


def test_versions_are_pinned() -> None:
    pinned, loose = 0, []
    for file in sorted((ROOT / "scripts" / "requirements").glob("*.txt")):
        for line in file.read_text(encoding="utf-8").splitlines():
            text = line.partition("#")[0].strip()
            if not text or text.startswith("-r "):
                continue
            if re.match(r"[\w.-]+(\[\w+\])?==[\w.]+(; .*)?$", text):
                pinned += 1
            else:
                loose.append(f"{file.name}: {text}")
    assert loose == [
        *("sourced.txt: numpy<2", "sourced.txt: psutil", "sourced.txt: PyYAML"),
        "test.txt: setuptools<80",
    ], loose
    PINS.saw(f"{pinned} pinned; not pinned: {', '.join(loose)}")
