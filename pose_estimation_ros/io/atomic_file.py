"""Atomic writes: files that appear complete or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from pose_estimation_ros.errors import InputError, ModelError

PART = ".part"


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields a temporary file in the same folder that replaces `path` on success.

    If the block fails or is interrupted, an existing file is left untouched and the temporary
    one is deleted. So are leftovers of killed processes. The
    temporary file has the suffix of `path`.

    Raises:
        ModelError: the folder cannot be written, or its disk is full.
    """
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        start, end = f".{path.name}.", f"{PART}{path.suffix}"
        for stale in path.parent.iterdir():
            ours = stale.name.startswith(start) and stale.name.endswith(end)
            owner = stale.name.removeprefix(start).split("-")[0]
            if ours and owner.isdigit() and not psutil.pid_exists(int(owner)):
                stale.unlink(missing_ok=True)
        handle, name = tempfile.mkstemp(end, f"{start}{os.getpid()}-", path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            # mkstemp makes the file private; apply the umask, as for other files.
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def check_disk_space(path: Path, need_bytes: int) -> None:
    """Checks that the folder of `path` is writable and has `need_bytes` of free space.

    Raises:
        ModelError: the folder is not writable, or its disk lacks the space.
    """
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
        room = os.statvfs(path.parent)
        if need_bytes > room.f_bavail * room.f_frsize:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextlib.contextmanager
def explain_os_errors(path: Path) -> Iterator[None]:
    """Converts OSErrors raised while writing `path` into ModelErrors that say what to do."""
    try:
        yield
    except OSError as error:
        folder = path.parent
        if error.errno == errno.ENOSPC:
            text = f"the disk of {folder} is full: free some space, or name another folder"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            text = f"the folder {folder} cannot be written ({error.strerror}): name another one"
        else:
            text = f"{error.strerror or error}: check the folder {folder}"
        raise ModelError(f"cannot write {path.name}: {text}") from error


def write_whole(path: Path, text: str) -> None:
    """Writes a text file, and its folder if needed: all of it, or what it held before stays.

    Devices and pipes, and files in folders where no other one can be made, are written directly.

    Raises:
        InputError: it cannot be written.
    """
    path = path.resolve()  # a link stays one
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _replaceable(path):
            path.write_text(text, encoding="utf-8")
            return
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except ModelError as error:
        raise InputError(str(error)) from error
    except OSError as error:
        raise unwritable(path, error) from error


def check_writable(path: Path) -> None:
    """Raises InputError where a file will not be writable; it is neither made nor changed."""
    path = path.resolve()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _replaceable(path):
            with path.open("a", encoding="utf-8") as file:
                file.write("\n" if not path.is_file() else "")
        elif path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> InputError:
    """The error that says why a file that was named as an output cannot be written."""
    full = error.errno == errno.ENOSPC
    return InputError(f"cannot write '{path}': {'the disk is full' if full else error.strerror}")


def _replaceable(path: Path) -> bool:
    there = path.exists()
    return (not there or path.is_file()) and os.access(path.parent, os.W_OK)
