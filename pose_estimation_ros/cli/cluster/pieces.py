"""Answers of segments on disk, so that an interrupted run goes on where it ended."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pose_estimation_ros.cli.cluster.answers import Arrays
from pose_estimation_ros.cli.cluster.worker import Recording
from pose_estimation_ros.io.atomic_file import atomic_write


class Pieces:
    """A folder with a file for each segment, below one for each recording and way to make it."""

    def __init__(self, folder: Path, made_by: Mapping[str, Any]) -> None:
        """`made_by` is what the answers depend on: settings, models, size of the segments."""
        self._folder = folder
        self._made_by = json.dumps(made_by, sort_keys=True, default=str)

    def read(self, recording: Recording, put: Callable[[Arrays], Any]) -> dict[int, Any]:
        """What `put` makes of the segments of an earlier run, by their numbers."""
        found = {}
        for file in sorted(self._of(recording).glob("*.npz")):
            # One that is cut off is answered anew.
            with contextlib.suppress(Exception), np.load(file, allow_pickle=False) as arrays:
                found[int(file.stem)] = put({name: arrays[name] for name in arrays})
        return found

    def keep(
        self, recording: Recording, number: int, arrays: Arrays, put: Callable[[Arrays], Any]
    ) -> Any:
        """Writes a segment; returns what `put` makes of it."""
        with atomic_write(self._of(recording) / f"{number:06d}.npz") as temporary:
            np.savez(temporary, allow_pickle=False, **arrays)
        return put(arrays)

    def forget(self, recording: Recording) -> None:
        """The recording is done."""
        shutil.rmtree(self._of(recording), ignore_errors=True)
        with contextlib.suppress(OSError):  # others are still in it
            self._folder.rmdir()

    def _of(self, recording: Recording) -> Path:
        key = hashlib.sha256(f"{recording.place}\n{self._made_by}".encode()).hexdigest()[:16]
        return self._folder / f"{recording.name}-{key}"
