"""What is known of the model files in a folder that this package put there itself.

A small YAML file beside them: where each came from, its checksum, when, by which tools.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import yaml

from pose_estimation_ros.errors import ConfigError
from pose_estimation_ros.io.atomic_file import replacing

RECORDS = "model_records.yaml"
_HEAD = "# Written by `pose_estimation models`: where the files of this folder came from.\n"
_BLOCK = 1 << 20


def sha256_of(path: Path) -> str:
    """The checksum of a file, in hexadecimal."""
    import hashlib  # OpenSSL takes 4 MB, and a node that only runs models needs no checksum

    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def read_records(folder: Path) -> dict[str, dict[str, Any]]:
    """The records of a folder by file name; none where there are none.

    Raises:
        ConfigError: the file is no such list.
    """
    path = folder / RECORDS
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


def write_record(path: Path, **record: Any) -> None:
    """Notes what is known of a model file, with its checksum and the date.

    Raises:
        ModelError: the folder cannot be written.
    """
    files = read_records(path.parent)
    date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    files[path.name] = {"sha256": sha256_of(path), "date": date, **record}
    text = _HEAD + yaml.safe_dump({"files": files}, sort_keys=True, allow_unicode=True)
    with replacing(path.parent / RECORDS) as temporary:
        temporary.write_text(text, encoding="utf-8")
