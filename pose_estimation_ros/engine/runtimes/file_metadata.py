"""Metadata that exporters put into or beside model files whose format has no place for them."""

from __future__ import annotations

import ast
import json
import zipfile
from pathlib import Path

_LARGEST = 2**20  # bytes
_IN_TFLITE = ("metadata.json", "temp_meta.txt")  # of ultralytics: now, and until 2024
_BESIDE_XML = "metadata.yaml"


def file_metadata(path: Path) -> dict[str, str]:
    """Names and values of a .tflite file (in a zip at its end) or an .xml one (in a file beside).

    Empty where there are none, or none that can be read: a model works without.
    """
    try:
        if path.suffix.lower() == ".tflite":
            return _of_tflite(path)
        if path.suffix.lower() == ".xml":
            return _of_xml(path.with_name(_BESIDE_XML))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError, zipfile.BadZipFile):
        pass
    return {}


def _of_tflite(path: Path) -> dict[str, str]:
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:
        for name in _IN_TFLITE:
            if name in archive.namelist() and archive.getinfo(name).file_size <= _LARGEST:
                text = archive.read(name).decode("utf-8")
                read = json.loads if name.endswith(".json") else ast.literal_eval
                return _texts(read(text))
    return {}


def _of_xml(beside: Path) -> dict[str, str]:
    if not beside.is_file() or beside.stat().st_size > _LARGEST:
        return {}
    import yaml

    try:
        return _texts(yaml.safe_load(beside.read_text(encoding="utf-8")))
    except yaml.YAMLError:
        return {}


def _texts(values: object) -> dict[str, str]:
    if not isinstance(values, dict):
        return {}
    return {str(name): str(value) for name, value in values.items()}
