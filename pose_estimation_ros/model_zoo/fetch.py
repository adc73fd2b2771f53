"""Downloads the models of the manifest that do not come with the package.

The only place of this project that opens a connection; it runs when a user types
`pose_estimation models fetch`, never at launch.
"""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.io.atomic_file import atomic_write, explain_os_errors
from pose_estimation_ros.model_zoo.manifest import ModelEntry
from pose_estimation_ros.model_zoo.provenance import sha256_of, write_provenance

Show = Callable[[int, int | None], None]  # bytes so far, bytes in total

TIMEOUT_S = 30.0
_BLOCK = 1 << 16
_TRIES = 3
# Models of the kinds that this package runs are smaller.
LARGEST_BYTES = 4 * 2**30
# Schemes that may be fetched from; the tests add http for a server on this machine.
_SCHEMES = {"https"}


def fetch(entry: ModelEntry, show: Show = lambda done, total: None, force: bool = False) -> str:
    """Downloads a model, resuming an interrupted download, verifies it and puts it in its place.

    `show` is called with the bytes that are there and the total, None where the server does not
    say. Returns a line that says what was done.

    Raises:
        ModelError: there is no address, no connection or no room, or the file is not the expected
            one.
    """
    if entry.embedded:
        return f"{entry.name} comes with the package: {entry.path}"
    if entry.in_package:
        entry.verify()
        return f"{entry.name} comes with the installed {entry.package}: {entry.path}"
    if not entry.url:
        raise ModelError(
            f"model '{entry.name}' has no address for a program: download it by hand from "
            f"{entry.page} and put it at {entry.path}"
        )
    expected = entry.expected_sha256
    if entry.path.is_file() and not force:
        if not expected:
            return f"{entry.path} is there; put by hand, its checksum is unknown"
        entry.verify()
        return f"{entry.path} is there and whole"
    part = entry.path.with_name(f"{entry.path.name}.download")
    with explain_os_errors(entry.path):
        entry.path.parent.mkdir(parents=True, exist_ok=True)
        _download(entry, part, show)
    _unpack(entry, part)
    pinned = sha256_of(entry.path)
    write_provenance(
        entry.path,
        source=entry.url,
        checksum="published" if entry.sha256 else "pinned at the first fetch",
        licence=entry.licence,
    )
    if entry.sha256:
        return f"{entry.path}: fetched, checksum as published"
    return (
        f"{entry.path}: fetched; no published checksum is known, so this one is pinned: "
        f"sha256 {pinned}"
    )


def _unpack(entry: ModelEntry, part: Path) -> None:
    """Verifies what was downloaded and moves it, or its member, to the model's place."""
    expected = entry.expected_sha256
    with atomic_write(entry.path) as temporary:
        if entry.member:
            try:
                with zipfile.ZipFile(part) as archive:
                    names = [n for n in archive.namelist() if Path(n).name == entry.member]
                    if not names:
                        raise ModelError(
                            f"model '{entry.name}': there is no {entry.member} in {entry.url}"
                        )
                    _check_size(entry, archive.getinfo(names[0]).file_size)
                    with archive.open(names[0]) as source, temporary.open("wb") as target:
                        shutil.copyfileobj(source, target)  # zipfile checks the size
            except zipfile.BadZipFile as error:
                part.unlink(missing_ok=True)
                raise ModelError(
                    f"model '{entry.name}': {entry.url} gave a damaged archive: fetch it again"
                ) from error
        else:
            shutil.copyfile(part, temporary)
        actual = sha256_of(temporary)
        if expected and actual != expected:
            part.unlink(missing_ok=True)
            raise ModelError(
                f"model '{entry.name}': {entry.url} gave a file with the checksum "
                f"{actual[:12]}..., expected {expected[:12]}...: it was not kept"
            )
    part.unlink(missing_ok=True)


def _download(entry: ModelEntry, part: Path, show: Show) -> None:
    for attempt in range(_TRIES):
        have = part.stat().st_size if part.is_file() else 0
        try:
            _download_rest(entry, part, have, show)
            return
        except urllib.error.HTTPError as error:
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
                part.unlink()  # longer than the file at the address: of another version
                continue
            raise ModelError(
                f"model '{entry.name}': the server answers {error.code} {error.reason} for "
                f"{entry.url}: the file may have moved; look for it at its project"
            ) from error
        except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno in (28, 30, 13):  # disk, not network
                raise
            if attempt + 1 < _TRIES and not _is_offline(error):
                continue
            raise ModelError(_unreachable(entry, error)) from error
    raise ModelError(f"model '{entry.name}': {entry.url} could not be fetched: try again")


def _download_rest(entry: ModelEntry, part: Path, have: int, show: Show) -> None:
    parts = urllib.parse.urlsplit(entry.url)
    if parts.scheme not in _SCHEMES:
        raise ModelError(f"model '{entry.name}': {entry.url} is not an https address")
    request = urllib.request.Request(entry.url, headers={"User-Agent": "pose_estimation_ros"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    opener = urllib.request.build_opener(_OnlySafeRedirects())
    with contextlib.closing(opener.open(request, timeout=TIMEOUT_S)) as answer:
        resumed = answer.status == http.client.PARTIAL_CONTENT
        have = have if resumed else 0  # a server that knows no ranges sends everything
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        _check_size(entry, total or 0)
        if total is not None:
            room = shutil.disk_usage(part.parent).free
            if total - have > room:
                raise ModelError(
                    f"model '{entry.name}': {(total - have) / 1e6:.0f} MB are to come and "
                    f"{room / 1e6:.0f} MB are free in {part.parent}: free some space"
                )
        with part.open("ab" if resumed else "wb") as file:
            while block := answer.read(_BLOCK):
                file.write(block)
                have += len(block)
                _check_size(entry, have)
                show(have, total)
        if total is not None and have < total:
            raise http.client.IncompleteRead(b"", total - have)


def _check_size(entry: ModelEntry, size: int) -> None:
    if size > LARGEST_BYTES:
        raise ModelError(
            f"model '{entry.name}': {entry.url} gives more than {LARGEST_BYTES / 1e9:.1f} GB, "
            "which is not a model: not fetched"
        )


class _OnlySafeRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses redirects away from https."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        if urllib.parse.urlsplit(newurl).scheme not in _SCHEMES:
            raise urllib.error.HTTPError(
                newurl, code, "redirected to an unsafe address", headers, fp
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_offline(error: Exception) -> bool:
    reason = getattr(error, "reason", error)
    return isinstance(reason, socket.gaierror | ConnectionRefusedError | ssl.SSLError)


def _unreachable(entry: ModelEntry, error: Exception) -> str:
    host = urllib.parse.urlsplit(entry.url).hostname
    reason = getattr(error, "reason", error)
    by_hand = f"or download {entry.url} on another machine and put it at {entry.path}"
    if entry.member:
        by_hand = (
            f"or take {entry.member} out of {entry.url} on another machine and put it at "
            f"{entry.path}"
        )
    if isinstance(reason, ssl.SSLError):
        return f"model '{entry.name}': {host} has no valid certificate ({reason}): not fetched"
    return (
        f"model '{entry.name}': {host} cannot be reached ({reason}): this machine seems to be "
        f"offline; connect it and fetch again (what is there is kept), {by_hand}"
    )
