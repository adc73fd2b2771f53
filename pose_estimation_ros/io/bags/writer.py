"""Pose bags: rosbag2, with the message definitions inside."""

from __future__ import annotations

import contextlib
import errno
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

from pose_estimation_ros.errors import InputError
from pose_estimation_ros.package_files import PACKAGE, share_folder

_MESSAGES = ("Keypoint", "PersonPose", "StageTimes", "PoseArray")
POSE_ARRAY = f"{PACKAGE}/msg/PoseArray"
NAME = "poses"  # of the storage file
PARTIAL = ".partial"
STORAGES = {"mcap": "MCAP", "sqlite3": "SQLITE3"}
# Disk space reserved while writing, so that the bag can be closed on a full disk.
_RESERVE_BYTES = 4 * 2**20


@lru_cache(maxsize=1)
def typestore() -> Any:
    """Returns the message types of Jazzy and of this package.

    Raises:
        InputError: rosbags is not installed.
    """
    try:
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore
    except ImportError as error:
        raise InputError("bags need rosbags: pip install rosbags") from error
    store = get_typestore(Stores.ROS2_JAZZY)
    for name in _MESSAGES:
        text = (share_folder() / "msg" / f"{name}.msg").read_text(encoding="utf-8")
        store.register(get_types_from_msg(text, f"{PACKAGE}/msg/{name}"))
    return store


class BagWriter:
    """Writes a new bag. Until it is complete its folder is called NAME.partial.

    Leaving the context normally closes the bag and moves it to its final name. After an error or
    Ctrl-C the messages written so far stay readable in NAME.partial.
    """

    def __init__(self, folder: Path, storage: str = "mcap", replace: bool = False) -> None:
        """Creates the bag.

        Raises:
            InputError: rosbags is not installed, the folder, or what an earlier run left of it, is
                there already (unless `replace`), or it cannot be made.
        """
        try:
            from rosbags.rosbag2 import StoragePlugin, Writer
        except ImportError as error:
            raise InputError("writing bags needs rosbags: pip install rosbags") from error
        if folder.exists() and not replace:
            raise InputError(f"'{folder}' exists already: remove it, or use --force")
        self.folder = folder
        if folder.exists() and not folder.is_dir():
            raise InputError(f"'{folder}' is a file, and a bag is a folder: name another")
        self.partial = folder.with_name(folder.name + PARTIAL)
        if self.partial.exists() and not replace:
            raise InputError(
                f"'{self.partial}' holds what an earlier run left: move it away, or use --force"
            )
        # The file is named after the folder it is written in: the same name for every bag, so
        # that the same poses are the same bytes.
        self._work = self.partial / NAME
        self._reserve = self.partial / "reserve"
        self._connections: dict[str, Any] = {}
        self._storage = storage
        self._end: int | None = None
        self._written = 0
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(self.partial, ignore_errors=True)
            plugin = StoragePlugin[STORAGES[storage]]
            self._writer: Any = Writer(self._work, version=9, storage_plugin=plugin)
            self._writer.open()
            self._reserve.write_bytes(bytes(_RESERVE_BYTES))
            self._remember_end()
        except OSError as error:
            shutil.rmtree(self.partial, ignore_errors=True)  # nothing is in it yet
            raise self._explained(error) from error

    def write(self, topic: str, kind: str, stamp_ns: int, data: Any) -> None:
        """Adds a serialised message.

        Raises:
            InputError: it cannot be written.
        """
        try:
            if topic not in self._connections:
                self._connections[topic] = self._writer.add_connection(
                    topic, kind, typestore=typestore()
                )
            self._writer.write(self._connections[topic], stamp_ns, data)
            self._remember_end()
            self._written += 1
        except OSError as error:
            raise self._explained(error) from error

    def _remember_end(self) -> None:
        """The size up to which the file is valid, so that half a record can be cut off."""
        if self._storage == "mcap":
            self._end = self._writer.storage.bio.tell()

    def _explained(self, error: OSError) -> InputError:
        full = error.errno == errno.ENOSPC
        what = "the disk is full: free some space, or name another folder"
        return InputError(f"cannot write the bag '{self.folder}': {what if full else error}")

    def _close(self) -> None:
        self._reserve.unlink(missing_ok=True)
        if self._end is not None:
            file = self._writer.storage.bio
            if file.tell() != self._end:
                file.seek(self._end)
                file.truncate()
        self._writer.close()

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            # The original error matters more than one from closing.
            with contextlib.suppress(Exception):
                self._close()
            if not self._written:
                shutil.rmtree(self.partial, ignore_errors=True)
                return
            with contextlib.suppress(OSError):
                for file in self._work.iterdir():
                    file.replace(self.partial / file.name)
                self._work.rmdir()
            return
        try:
            self._close()
            if self.folder.is_dir():
                shutil.rmtree(self.folder)
            self._work.replace(self.folder)
            self.partial.rmdir()
        except OSError as error:
            raise self._explained(error) from error


def write_pose_bag(folder: Path, topic: str, messages: list[tuple[int, bytes]]) -> Path:
    """Writes serialised PoseArrays, with times in ns, as a bag in a folder.

    It then holds poses.mcap and the metadata.yaml that `ros2 bag` reads; other files in it stay.

    Raises:
        InputError: rosbags is not installed, or the folder cannot be written.
    """
    work = folder / NAME
    file, metadata = folder / f"{NAME}.mcap", folder / "metadata.yaml"
    try:
        with BagWriter(work, replace=True) as writer:
            for stamp_ns, data in messages:
                writer.write(topic, POSE_ARRAY, stamp_ns, data)
        (work / file.name).replace(file)
        (work / metadata.name).replace(metadata)
    except OSError as error:
        raise InputError(f"cannot write the bag {file}: {error.strerror}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return file
