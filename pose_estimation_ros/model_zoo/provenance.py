"""Provenance of the model files that this package fetched or converted.

A small YAML file beside them says where each came from, its checksum, when and by which tools.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import yaml

from pose_estimation_ros.errors import ConfigError
from pose_estimation_ros.io.atomic_file import atomic_write

FILE_NAME = "model_records.yaml"
_HEAD = "# Written by `pose_estimation models`: where the files of this folder came from.\n"
_BLOCK = 1 << 20


def sha256_of(path: Path) -> str:
    """The checksum of a file, in hexadecimal."""
    import hashlib  # OpenSSL takes 4 MB; a node that only runs models needs none

    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def read_provenance(folder: Path) -> dict[str, dict[str, Any]]:
    """What is recorded of a folder's model files, by file name.

    Raises:
        ConfigError: the folder's record cannot be read or is not such a list.
    """
    path = folder / FILE_NAME
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read ({error}): delete it") from error
    files = content.get("files") if isinstance(content, dict) else None
    if not isinstance(files, dict):
        raise ConfigError(f"{path}: expected 'files:' and what is known of each: delete it")
    return {str(name): record for name, record in files.items() if isinstance(record, dict)}


def write_provenance(path: Path, **record: Any) -> None:
    """Records where a model file came from, with its checksum and the date.

    Raises:
        ModelError: the folder cannot be written.
    """
    files = read_provenance(path.parent)
    date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    files[path.name] = {"sha256": sha256_of(path), "date": date, **record}
    text = _HEAD + yaml.safe_dump({"files": files}, sort_keys=True, allow_unicode=True)
    with atomic_write(path.parent / FILE_NAME) as temporary:
        temporary.write_text(text, encoding="utf-8")
