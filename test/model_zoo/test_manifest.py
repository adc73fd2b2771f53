"""Names become files, and files are checked."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from pathlib import Path

import pytest

from pose_estimation_ros.cli.main import main
from pose_estimation_ros.engine.skeletons import SKELETONS
from pose_estimation_ros.errors import ConfigError, ModelError
from pose_estimation_ros.model_zoo.fetch import fetch
from pose_estimation_ros.model_zoo.manifest import (
    Manifest,
    packaged_manifest,
    require_model,
    resolve_model,
    source_of,
)

ENTRY = """
format: 1
models:
  one:
    task: pose
    file: one.onnx
    sha256: ""
    licence: MIT
    description: Something.
"""


def test_the_packaged_manifest_has_the_models_that_are_promised() -> None:
    entries = packaged_manifest().entries
    wanted = {"yolov8n", "yolov5s", "yolo11n", "yolox_nano", "rtmpose_t", "convnextpose_s"}
    assert wanted <= set(entries)
    for task in ("detector", "pose"):
        default = packaged_manifest().default(task)
        assert default is not None
        assert default.embedded
    for entry in entries.values():
        assert entry.licence
        assert len(entry.sha256) in (0, 64)
        assert entry.task == "detector" or entry.skeleton in SKELETONS


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("format: 1", "format: 9", "expected 'format: 1'"),
        ("task: pose", "task: dance", "is none of detector, pose"),
        ("file: one.onnx", "file: ../one.onnx", "must be a plain name"),
        ("    licence: MIT\n", "", "licence missing"),
        ("models:\n", "sets:\n  all: [one, two]\nmodels:\n", "set 'all': no model 'two'"),
        ("    licence: MIT\n", "    licence: MIT\n    url: http://x/y\n", "begin with https"),
    ],
)
def test_a_wrong_manifest_says_where(old: str, new: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.yaml"
    path.write_text(ENTRY.replace(old, new))
    with pytest.raises(ConfigError, match=message) as caught:
        Manifest(path)
    assert str(path) in str(caught.value)


def test_names_files_and_aliases_are_found(home: Path, tmp_path: Path) -> None:
    assert resolve_model("yolov8n") == home / "yolov8n.pt"
    assert resolve_model("yolov8n.pt") == home / "yolov8n.pt"
    assert resolve_model("yolov5s.pt") == home / "yolov5su.pt"
    mine = tmp_path / "yolov8n.pt"
    mine.write_bytes(b"PK")
    assert resolve_model(str(mine)) == mine
    home.mkdir()
    (home / "other.onnx").write_bytes(b"x")
    assert resolve_model("other.onnx") == home / "other.onnx"
    assert resolve_model("nowhere.onnx") == Path("nowhere.onnx")


def test_the_names_of_exports_lead_to_their_source(tmp_path: Path) -> None:
    for source, exports in {
        "yolov8n.pt": ("yolov8n.onnx", "yolov8n_optimized_conf0.3_iou0.45.onnx"),
        "model_opt_S.pth": ("model_opt_S.onnx", "model_opt_S.tflite", "model_opt_S_int8.onnx"),
    }.items():
        (tmp_path / source).write_bytes(b"PK")
        for export in exports:
            assert source_of(tmp_path / export) == tmp_path / source
            assert require_model("--model", str(tmp_path / export)) == tmp_path / export
    assert source_of(tmp_path / "other.onnx") is None


def test_a_model_that_is_not_here_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="run: pose_estimation models fetch yolox_nano"):
        require_model("--yolo-model", "yolox_nano")
    with pytest.raises(ModelError, match="give the path of a file, or a name out of"):
        require_model("--yolo-model", str(tmp_path / "nothing.onnx"))


def test_list_and_info_tell_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["yolov8n"]["licence"] == "AGPL-3.0"
    assert not rows["yolov8n"]["here"]
    assert (rows["rtmw_l"]["joints"], rows["rtmw_l"]["measured_ms"]) == (133, None)
    assert all(
        "http" in row["accuracy"] or "this project" in row["accuracy"] for row in rows.values()
    )
    assert main(["models", "list"]) == 0
    said = capsys.readouterr().out
    assert "6.5 MB to fetch" in said
    assert re.search(r"rtmpose_s +pose +17 +20.5 MB to fetch +Apache-2.0 +AP 69.7 on COCO", said)
    assert "set accurate: yolox_s, rtmpose_m (not here: pose_estimation models fetch acc" in said
    assert main(["models", "info", "rtmpose_t"]) == 0
    said = capsys.readouterr().out
    assert "sha256: none published" in said
    assert "input: 256x192 RGB" in said
    assert main(["models", "info", "convnextpose_xs_coco17"]) == 0
    assert "output joints: ?x17x3 float32" in capsys.readouterr().out
    assert main(["models", "info", "nothing"]) == 1


def test_a_damaged_file_is_found(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.mkdir()
    (home / "yolov8n.pt").write_bytes(b"PK damaged")
    assert main(["models", "verify", "yolov8n"]) == 1
    assert "was damaged or replaced, run: pose_estimation" in capsys.readouterr().out
    (home / "rtmpose_t.onnx").write_bytes(b"by hand")
    assert main(["models", "verify", "rtmpose_t"]) == 1
    assert "no checksum is known" in capsys.readouterr().out


@pytest.fixture
def packaged(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A manifest whose model lies in a package that is on the path, and that may be installed."""
    path = tmp_path / "manifest.yaml"
    path.write_text(
        ENTRY.replace("one.onnx", "landmarks.onnx").replace(
            'sha256: ""', f"sha256: {hashlib.sha256(b'whole').hexdigest()}"
        )
        + "    package: landmark_package==1.2\n    inside: modules/landmarks.onnx\n"
        "    url: https://nowhere/landmark_package.whl\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return path


def install(folder: Path, content: bytes) -> Path:
    file = folder / "landmark_package" / "modules" / "landmarks.onnx"
    file.parent.mkdir(parents=True)
    (folder / "landmark_package" / "__init__.py").write_text("raise ImportError('not imported')")
    file.write_bytes(content)
    importlib.invalidate_caches()
    return file


def test_a_model_in_an_installed_package_is_its_file(packaged: Path, tmp_path: Path) -> None:
    file = install(tmp_path, b"whole")
    entry = Manifest(packaged).entries["one"]
    assert (entry.path, entry.in_package) == (file, True)
    entry.verify()
    assert "comes with the installed landmark_package==1.2" in fetch(entry, force=True)


def test_a_package_of_another_version_is_told(packaged: Path, tmp_path: Path) -> None:
    install(tmp_path, b"other")
    entry = Manifest(packaged).entries["one"]
    with pytest.raises(ModelError, match=r"pip install --no-deps landmark_package==1\.2"):
        entry.verify()


def test_without_the_package_the_model_is_fetched(packaged: Path, home: Path) -> None:
    entry = Manifest(packaged).entries["one"]
    assert (entry.path, entry.in_package) == (home / "landmarks.onnx", False)


@pytest.mark.parametrize("inside", ["", "/etc/passwd", "../other/file"])
def test_a_package_is_named_with_a_path_inside_it(packaged: Path, inside: str) -> None:
    packaged.write_text(packaged.read_text().replace("modules/landmarks.onnx", repr(inside)))
    with pytest.raises(ConfigError, match="needs the path of the file as 'inside'"):
        Manifest(packaged)
