"""Reads the messages of a rosbag2, MCAP or SQLite, whole or damaged."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pose_estimation_ros.errors import InputError
from pose_estimation_ros.io.bags.chunk_limits import check_chunks
from pose_estimation_ros.io.bags.salvage import BagMessage, DamageError, Wanted, salvage

STORAGES = (".mcap", ".db3")
_PROFILE = "Profile is not ros2"  # rosbags refuses an MCAP file of no or another profile so


def find_bags(path: Path) -> list[Path]:
    """Finds the bags at a path: the path itself if it is a bag, else those in the folder.

    Raises:
        InputError: there is no bag.
    """
    if not path.exists():
        raise InputError(f"bag '{path}' does not exist: check the path")
    if path.is_file():
        if path.suffix in STORAGES:
            return [path]
        _refuse_other_kinds(path)
        raise InputError(
            f"'{path}' is not a bag: expected a rosbag2 folder, or a file {' or '.join(STORAGES)}"
        )
    if _is_bag(path):
        return [path]
    bags = [inner for inner in sorted(path.iterdir()) if inner.is_dir() and _is_bag(inner)]
    if not bags:
        for file in sorted(path.iterdir()):
            _refuse_other_kinds(file)
        raise InputError(
            f"no bag in the folder '{path}': expected metadata.yaml, .mcap or .db3 in it, or "
            "folders that hold them"
        )
    return bags


def _refuse_other_kinds(file: Path) -> None:
    """Raises InputError for recordings that have to be converted or unpacked first."""
    if file.suffix == ".bag":
        raise InputError(
            f"'{file}' is a ROS 1 bag: convert it with rosbags-convert --src {file.name} "
            f"--dst {file.stem} (pip install rosbags)"
        )
    if file.suffix in (".zstd", ".zst") and Path(file.stem).suffix in STORAGES:
        raise InputError(
            f"'{file}' is compressed as a whole, and no metadata.yaml says so: unpack it with "
            f"zstd -d --rm {file.name} (or ros2 bag reindex its folder)"
        )


def _is_bag(folder: Path) -> bool:
    return (folder / "metadata.yaml").is_file() or bool(_storage_files(folder))


def _storage_files(bag: Path) -> list[Path]:
    """Lists the files of a bag in the order of recording (bag_2 before bag_10)."""
    if bag.is_file():
        return [bag]
    files = [file for file in bag.iterdir() if file.suffix in STORAGES]

    def numbered(file: Path) -> list[Any]:
        return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", file.name)]

    return sorted(files, key=numbered)


class BagReader:
    """One bag. `damage` tells where reading had to stop; empty if it did not."""

    def __init__(self, path: Path) -> None:
        """Opens the bag.

        Raises:
            InputError: it is not a bag, its chunks are too large, or rosbags is not installed.
        """
        try:
            from rosbags.rosbag2 import Reader
        except ImportError as error:
            raise InputError("reading bags needs rosbags: pip install rosbags") from error
        self.path = path
        self.damage = ""
        self.seen: dict[str, str] = {}  # topic -> type, as far as read
        self.counts: dict[str, int] = {}  # messages per topic, if the bag has an index
        self._reader: Any = None
        for file in _storage_files(path) if path.exists() else ():
            if file.suffix == ".mcap":
                check_chunks(file)
        try:
            reader = Reader(path)
            reader.open()
        except Exception as error:  # rosbags raises many kinds of errors on damaged bags
            self.damage = " ".join(str(error).split())
            if not _storage_files(path):
                raise InputError(f"bag '{path}' cannot be read: {self.damage}") from error
        else:
            self._reader = reader
            for connection in reader.connections:
                self.seen[connection.topic] = connection.msgtype
                count = self.counts.get(connection.topic, 0)
                self.counts[connection.topic] = count + connection.msgcount

    def messages(self, wanted: Wanted) -> Iterator[BagMessage]:
        """Yields the messages of the wanted topics by recording time, up to any damage."""
        return self._indexed(wanted) if self._reader else self._salvaged(wanted)

    def _indexed(self, wanted: Wanted) -> Iterator[BagMessage]:
        chosen = [c for c in self._reader.connections if wanted(c.topic, c.msgtype)]
        if not chosen:
            return
        stamp_ns = None
        try:
            for connection, stamp_ns, data in self._reader.messages(chosen):
                yield BagMessage(connection.topic, connection.msgtype, stamp_ns, data)
        except GeneratorExit:
            raise
        except Exception as error:  # from the storage, or from a decompressor
            after = "at its first message"
            if stamp_ns is not None:
                start_s = (stamp_ns - self._reader.start_time) * 1e-9
                after = f"{start_s:.3f} s after its start (message of {stamp_ns} ns)"
            self.damage = f"damaged {after}: {' '.join(str(error).split())}"

    def _salvaged(self, wanted: Wanted) -> Iterator[BagMessage]:
        reason, self.damage = self.damage, ""
        first_ns = last_ns = None

        def noting(topic: str, kind: str) -> bool:
            self.seen[topic] = kind
            return wanted(topic, kind)

        try:
            for file in _storage_files(self.path):
                for message in salvage(file, noting):
                    first_ns = message.stamp_ns if first_ns is None else first_ns
                    last_ns = message.stamp_ns
                    yield message
        except DamageError as error:
            self.damage = str(error)
            if first_ns is not None and last_ns is not None:
                seconds = (last_ns - first_ns) * 1e-9
                self.damage += f", {seconds:.3f} s after its first image (message of {last_ns} ns)"
        else:
            # Only the index is missing: no message is lost. And a profile may be left empty.
            if _PROFILE not in reason:
                self.damage = f"{reason}; all its messages were read without"

    def close(self) -> None:
        if self._reader is not None:
            with contextlib.suppress(Exception):
                self._reader.close()

    def __enter__(self) -> BagReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
