"""Recordings and results at URLs, through fsspec: s3://, gs://, memory://, file:// and others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pose_estimation_ros.errors import InputError


def is_url(place: str) -> bool:
    """Whether it is a URL rather than a path."""
    return "://" in place


def file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it.

    Raises:
        InputError: fsspec, or the package for this kind of URL, is not installed.
    """
    kind = url.partition("://")[0]
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise InputError(f"'{url}' needs fsspec: pip install fsspec") from error
    try:
        system, path = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise InputError(f"'{url}': {kind}:// cannot be used: {error}") from error
    return system, path


@contextlib.contextmanager
def explained(url: str) -> Iterator[None]:
    """Says which URL failed, and why.

    Raises:
        InputError: anything went wrong; storage services raise errors of many kinds.
    """
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"'{url}' does not exist: check the URL") from error
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"'{url}' cannot be used: {reason}") from error


def name_of(place: str) -> str:
    """The last part of a path or URL."""
    return PurePosixPath(place.rstrip("/")).name


def lies_here(url: str) -> bool:
    """Whether only this process can read it, and not the other machines."""
    return url.startswith("memory://")


def content(url: str) -> dict[str, bytes]:
    """The files of a URL, a single one or all of a folder, by their names below it.

    Raises:
        InputError: it cannot be read.
    """
    system, path = file_system(url)
    with explained(url):
        if not system.isdir(path):
            return {name_of(path): system.cat_file(path)}
        files = [file for file in system.find(path) if not system.isdir(file)]
        start = len(path.rstrip("/")) + 1
        return {f"{name_of(path)}/{file[start:]}": system.cat_file(file) for file in files}


def fetch(url: str, folder: Path, given: Mapping[str, bytes] | None) -> Path:
    """Brings a file, or a folder with what is in it, into a folder; returns its path there.

    `given` are the files by name where they came otherwise.

    Raises:
        InputError: it cannot be read.
    """
    here = folder / name_of(url)
    if given is None:
        system, path = file_system(url)
        with explained(url):
            system.get(path, str(here), recursive=system.isdir(path))
        return here
    for name, data in given.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return here


def recordings_at(url: str, suffixes: tuple[str, ...]) -> list[str]:
    """The URL itself, or the recordings in its folder: files of these kinds, and bags.

    Raises:
        InputError: there is none.
    """
    system, path = file_system(url)
    kind = url.partition("://")[0]
    with explained(url):
        if not system.exists(path):
            raise FileNotFoundError(url)
        if not system.isdir(path) or system.exists(f"{path}/metadata.yaml"):
            return [url]
        found = []
        for inner in sorted(system.ls(path, detail=False)):
            is_bag = system.isdir(inner) and system.exists(f"{inner}/metadata.yaml")
            if inner.lower().endswith(suffixes) or is_bag:
                found.append(f"{kind}://{inner.lstrip('/') if kind != 'file' else inner}")
        if not found:
            raise InputError(f"no recording in '{url}': expected {', '.join(suffixes)}")
    return found


def write(place: str, files: Mapping[str, bytes]) -> None:
    """Writes the files of one recording into a folder at a URL, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    system, path = file_system(place)
    with explained(place):
        for name, data in files.items():
            target = f"{path.rstrip('/')}/{name}"
            system.makedirs(target.rpartition("/")[0], exist_ok=True)
            # Object stores show an object only when it is whole; on disks a move does.
            with system.transaction, system.open(target, "wb") as file:
                file.write(data)
