"""What exporters write into or beside model files is read, whatever else is there."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from pose_estimation_ros.engine.detection.person_classes import person_classes
from pose_estimation_ros.engine.runtimes.file_metadata import file_metadata

NAMES = {0: "head", 1: "person"}


def _tflite(folder: Path, name: str, text: str) -> Path:
    path = folder / "model.tflite"
    path.write_bytes(b"\x00\x00\x00\x00TFL3" + bytes(200))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, text)
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [("metadata.json", json.dumps({"names": NAMES})), ("temp_meta.txt", str({"names": NAMES}))],
)
def test_the_zip_at_the_end_of_a_tflite_file(name: str, text: str, tmp_path: Path) -> None:
    assert person_classes(file_metadata(_tflite(tmp_path, name, text)), (), "the model") == (1,)


def test_the_file_beside_an_xml_file(tmp_path: Path) -> None:
    (tmp_path / "metadata.yaml").write_text("task: detect\nnames:\n  0: head\n  1: person\n")
    metadata = file_metadata(tmp_path / "model.xml")
    assert metadata["task"] == "detect"
    assert person_classes(metadata, (), "the model") == (1,)
    assert file_metadata(tmp_path / "model.onnx") == {}


@pytest.mark.parametrize("text", ["", "[", "3", "{'a':", "[" * 5000])
def test_what_cannot_be_read_is_none(text: str, tmp_path: Path) -> None:
    for name in ("metadata.json", "temp_meta.txt", "other.txt"):
        assert file_metadata(_tflite(tmp_path, name, text)) == {}
    (tmp_path / "metadata.yaml").write_text(text)
    assert file_metadata(tmp_path / "model.xml") == {}
    assert file_metadata(tmp_path / "none" / "model.xml") == {}
    assert file_metadata(tmp_path / "none.tflite") == {}
