"""Keeps commands from writing onto, into or over what they read."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path

from pose_estimation_ros.errors import ConfigError


def check_outputs(inputs: Iterable[Path], outputs: Mapping[str, Path | None]) -> None:
    """Checks what a command is going to write, before it opens anything for writing.

    Args:
        inputs: the files and folders that are read.
        outputs: the files and folders that are written, by the name that the user knows them by
            (a flag); None where one is not asked for.

    Raises:
        ConfigError: an output is an input, by whatever name (links, case, `./`), lies in an input
            folder or holds an input, or two outputs are one.
    """
    read = {_identity(path): path for path in inputs if path.exists()}
    read_folders = {identity: path for identity, path in read.items() if path.is_dir()}
    above_inputs = {
        _identity(folder): path for path in read.values() for folder in path.resolve().parents
    }
    taken: dict[Hashable, str] = {}
    for name, out in outputs.items():
        if out is None:
            continue
        identity = _identity(out)
        if identity in read:
            raise ConfigError(f"{name}: '{out}' is the input '{read[identity]}': name another")
        for folder in out.resolve().parents:
            if (path := read_folders.get(_identity(folder))) is not None:
                raise ConfigError(
                    f"{name}: '{out}' lies in the input '{path}': name a place outside of it"
                )
        if identity in above_inputs:
            raise ConfigError(
                f"{name}: the input '{above_inputs[identity]}' lies in '{out}', which would be "
                "replaced: name another place"
            )
        if identity in taken:
            raise ConfigError(f"{name}: '{out}' is that of {taken[identity]}, too: name another")
        taken[identity] = name


def _identity(path: Path) -> Hashable:
    """The same for every name of a file or folder, which need not exist."""
    try:
        status = path.stat()
    except OSError:
        return str(path.resolve())
    return status.st_dev, status.st_ino
