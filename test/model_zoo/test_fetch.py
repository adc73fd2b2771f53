"""Fetching from a server on this machine: whole, resumed, damaged, moved, offline."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import io
import threading
import zipfile
from pathlib import Path

import pytest

from pose_estimation_ros.cli.main import main
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.model_zoo import fetch as fetching
from pose_estimation_ros.model_zoo.fetch import fetch
from pose_estimation_ros.model_zoo.manifest import ModelEntry, packaged_manifest
from pose_estimation_ros.model_zoo.provenance import read_provenance

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`, and can cut an answer short or know no ranges."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {"/model.onnx": CONTENT}
        self.cut_after: list[int] = []
        self.ranges = True
        self.asked: list[str] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "")
        self.server.asked.append(asked)
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "ftp://127.0.0.1/model.onnx")
            self.end_headers()
            return
        if self.path not in self.server.files:
            self.send_error(404)
            return
        content = self.server.files[self.path]
        start = int(asked[6:-1]) if asked and self.server.ranges else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = content[start:]
        if self.server.cut_after:
            body = body[: self.server.cut_after.pop(0)]
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Says nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(fetching, "_SCHEMES", {"http", "https"})
    running = Server()
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def entry(server: Server, home: Path) -> ModelEntry:
    return ModelEntry(
        name="some",
        task="detector",
        path=home / "model.onnx",
        sha256=SHA256,
        licence="MIT",
        description="",
        url=server.url("/model.onnx"),
    )


def test_a_model_arrives_whole_with_its_record_and_progress(entry: ModelEntry) -> None:
    shown: list[tuple[int, int | None]] = []
    said = fetch(entry, lambda done, total: shown.append((done, total)))
    assert entry.path.read_bytes() == CONTENT
    assert "checksum as published" in said
    assert shown[-1] == (len(CONTENT), len(CONTENT))
    assert shown == sorted(shown)
    record = read_provenance(entry.path.parent)["model.onnx"]
    assert record["sha256"] == SHA256
    assert record["source"] == entry.url
    assert sorted(p.name for p in entry.path.parent.iterdir()) == [
        "model.onnx",
        "model_records.yaml",
    ]


def test_a_model_that_is_there_is_not_fetched_again(entry: ModelEntry, server: Server) -> None:
    fetch(entry)
    asked = len(server.asked)
    assert "is there and whole" in fetch(entry)
    assert len(server.asked) == asked
    entry.path.write_bytes(b"damaged")
    with pytest.raises(ModelError, match="was damaged or replaced"):
        fetch(entry)
    fetch(entry, force=True)
    assert entry.path.read_bytes() == CONTENT


def test_a_broken_connection_is_resumed(entry: ModelEntry, server: Server) -> None:
    server.cut_after = [100_000, 50_000]
    fetch(entry)
    assert entry.path.read_bytes() == CONTENT
    assert server.asked == ["", "bytes=100000-", "bytes=150000-"]


def test_an_interrupted_fetch_is_resumed_by_the_next_one(
    entry: ModelEntry, server: Server
) -> None:
    def interrupt(done: int, _total: int | None) -> None:
        if done > 200_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(entry, interrupt)
    assert not entry.path.exists()
    fetch(entry)
    assert entry.path.read_bytes() == CONTENT
    assert server.asked[-1].startswith("bytes=")


def test_a_server_without_ranges_sends_everything_again(entry: ModelEntry, server: Server) -> None:
    server.ranges = False
    server.cut_after = [100_000]
    fetch(entry)
    assert entry.path.read_bytes() == CONTENT


def test_a_left_over_of_another_version_is_thrown_away(entry: ModelEntry) -> None:
    entry.path.parent.mkdir()
    (entry.path.parent / "model.onnx.download").write_bytes(CONTENT + b"more")
    fetch(entry)
    assert entry.path.read_bytes() == CONTENT


def test_a_file_with_another_checksum_is_not_kept(entry: ModelEntry, server: Server) -> None:
    server.files["/model.onnx"] = CONTENT[::-1]
    with pytest.raises(ModelError, match=r"expected .* it was not kept"):
        fetch(entry)
    assert list(entry.path.parent.iterdir()) == []


def test_an_unpublished_checksum_is_pinned_at_the_first_fetch(
    entry: ModelEntry, server: Server
) -> None:
    entry = dataclasses.replace(entry, sha256="")
    said = fetch(entry)
    assert "no published checksum" in said
    assert SHA256 in said
    entry.verify()
    server.files["/model.onnx"] = CONTENT[::-1]
    with pytest.raises(ModelError, match="it was not kept"):
        fetch(entry, force=True)
    assert entry.path.read_bytes() == CONTENT


def test_a_member_of_an_archive_is_taken_out(entry: ModelEntry, server: Server) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("20230831/rtmpose/end2end.onnx", CONTENT)
        file.writestr("20230831/rtmpose/detail.json", "{}")
    server.files["/model.zip"] = archive.getvalue()
    entry = dataclasses.replace(entry, url=server.url("/model.zip"), member="end2end.onnx")
    fetch(entry)
    assert entry.path.read_bytes() == CONTENT
    server.files["/model.zip"] = archive.getvalue()[:-100]
    with pytest.raises(ModelError, match="damaged archive"):
        fetch(entry, force=True)
    assert entry.path.read_bytes() == CONTENT


def test_a_file_that_moved_is_explained(entry: ModelEntry, server: Server) -> None:
    gone = dataclasses.replace(entry, url=server.url("/gone.onnx"))
    with pytest.raises(ModelError, match="answers 404"):
        fetch(gone)
    moved = dataclasses.replace(entry, url=server.url("/moved"))
    with pytest.raises(ModelError, match="unsafe address"):
        fetch(moved)


def test_an_offline_machine_is_told_so(entry: ModelEntry, server: Server) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(ModelError, match="seems to be offline") as caught:
        fetch(entry)
    assert str(entry.path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_only_https_is_fetched_from(entry: ModelEntry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_SCHEMES", {"https"})
    with pytest.raises(ModelError, match="is not an https address"):
        fetch(entry)
    for known in packaged_manifest().entries.values():
        assert known.url == "" or known.url.startswith("https://")


def test_models_without_an_address_say_where_a_person_gets_them(home: Path) -> None:
    entry = packaged_manifest().entries["convnextpose_s"]
    with pytest.raises(ModelError, match="download it by hand from https://") as caught:
        fetch(entry)
    assert str(home / "model_opt_S.pth") in str(caught.value)


def test_the_command_shows_and_sums_up(
    entry: ModelEntry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = packaged_manifest()
    monkeypatch.setitem(manifest.entries, "some", entry)
    assert main(["models", "fetch", "some"]) == 0
    said = capsys.readouterr()
    assert "fetched" in said.out
    assert "some, kB: 1024/1024" in said.err
    assert main(["models", "verify", "some"]) == 0
    assert main(["models", "fetch", "some", "convnextpose_s"]) == 1
    assert main(["models", "fetch", "nothing"]) == 1
    assert "choose one of" in capsys.readouterr().err
