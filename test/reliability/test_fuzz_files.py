"""Files that somebody else wrote: manifests, bags, models."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
import yaml
from fuzzing import damaged, fuzz, grown_mb, within
from hypothesis import example, given
from hypothesis import strategies as st
from replay import STORE, TOPIC, TYPE
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rows import row

from pose_estimation_ros.engine.runtimes import load_runtime
from pose_estimation_ros.errors import InputError, PoseEstimationError
from pose_estimation_ros.io.bags.reader import BagReader
from pose_estimation_ros.io.bags.writer import typestore
from pose_estimation_ros.io.messages.image import to_image
from pose_estimation_ros.model_zoo.manifest import Manifest, packaged_manifest

AREA = "Fuzzing"

MANIFESTS = row(
    AREA,
    "model manifests: any YAML, any value in any field",
    "one line, or models whose files lie in their folder; no crash, no path out of it",
    "fuzz_files::fuzz_manifests",
)
names = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["../x.onnx", "/etc/passwd", "..", ".", "", "a/../../b", "x.onnx", "a\0b"]),
)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
fields = {
    "task": st.one_of(st.sampled_from(["detector", "pose"]), anything),
    "file": st.one_of(names, names, anything),
    "sha256": anything,
    "licence": anything,
    "description": anything,
}
more = {
    "url": st.one_of(st.sampled_from(["https://x/y", "http://x/y", "file:///x"]), anything),
    "page": anything,
    "size": anything,
    "aliases": anything,
    "member": anything,
    "default": anything,
    "skeleton": anything,
}
entries = st.one_of(st.fixed_dictionaries(fields, optional=more), anything)
contents = st.one_of(
    st.fixed_dictionaries(
        {
            "format": st.sampled_from([1, 1, 1, 2, "1"]),
            "models": st.one_of(st.dictionaries(names, entries, max_size=3), anything),
        }
    ),
    anything,
)


def test_fuzz_manifests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("POSE_ESTIMATION_MODELS", str(home))
    seen = {"read": 0, "refused": 0}
    file = tmp_path / "manifest.yaml"

    @fuzz(short=200, full=1500)
    @given(st.one_of(contents.map(yaml.safe_dump), st.text(max_size=60)))
    @example(
        "format: 1\nmodels: {m: {task: pose, file: '..', sha256: '', licence: '', "
        "description: ''}}"
    )
    @example("format: 1\nmodels: [1, 2]")
    @example("a: &a [1]\nb: &b [*a, *a]\nformat: 1\nmodels: !!python/object/apply:os.system [ls]")
    def run(text: str) -> None:
        with contextlib.suppress(UnicodeEncodeError):
            file.write_text(text, encoding="utf-8")
        with within(10):
            try:
                manifest = Manifest(file)
            except PoseEstimationError:
                seen["refused"] += 1
                return
        seen["read"] += 1
        for entry in manifest.entries.values():
            folder = home if entry.url or entry.page else tmp_path
            assert entry.path.parent == folder and entry.path.name not in ("", ".", "..")
            assert not entry.url or entry.url.startswith("https://")

    run()
    assert min(seen.values()) > 0
    MANIFESTS.saw(f"{seen['read']} read, {seen['refused']} refused")


BAGS = row(
    AREA,
    "damaged bags: MCAP, MCAP with zstd, SQLite, and their metadata",
    "read up to the damage, or one line; no crash, no hang, memory +200 MB at most",
    "fuzz_files::fuzz_bags",
)


def _bag(folder: Path, plugin: StoragePlugin, compressed: bool) -> Path:
    writer = Writer(folder, version=9, storage_plugin=plugin)
    if compressed:
        writer.set_compression(CompressionMode.MESSAGE, CompressionFormat.ZSTD)
    types = STORE.types
    with writer:
        connection = writer.add_connection(TOPIC, TYPE, typestore=STORE)
        for index in range(4):
            stamp = types["builtin_interfaces/msg/Time"](sec=index, nanosec=0)
            header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="c")
            data = np.full(8 * 6 * 3, index, np.uint8)
            message = types[TYPE](header, 6, 8, "bgr8", 0, 24, data)
            writer.write(connection, index * 10**9, STORE.serialize_cdr(message, TYPE))
    return folder


def test_fuzz_bags(tmp_path: Path) -> None:
    kinds = [
        _bag(tmp_path / "mcap", StoragePlugin.MCAP, False),
        _bag(tmp_path / "zstd", StoragePlugin.MCAP, True),
        _bag(tmp_path / "sqlite", StoragePlugin.SQLITE3, False),
    ]
    sources = [file for bag in kinds for file in sorted(bag.iterdir()) if file.is_file()]
    contents = {file: file.read_bytes() for file in sources}
    seen = {"whole": 0, "read up to the damage": 0, "refused": 0}

    @fuzz(short=90, full=1000)
    @given(
        st.sampled_from(sources).flatmap(
            lambda file: st.tuples(st.just(file), damaged([contents[file]]))
        )
    )
    def run(case: tuple[Path, bytes]) -> None:
        file, data = case
        file.write_bytes(data)
        try:
            with within(20):
                seen[_read(file.parent)] += 1
        finally:
            file.write_bytes(contents[file])

    with grown_mb(run) as grown:
        run()
    assert min(seen.values()) > 0 and grown() < 200
    said = ", ".join(f"{count} {what}" for what, count in seen.items())
    BAGS.saw(f"{said}; memory {grown():+.0f} MB")


def _read(bag: Path) -> str:
    try:
        with BagReader(bag) as reader:
            for message in reader.messages(lambda _topic, kind: kind == TYPE):
                with contextlib.suppress(Exception):  # as the command counts it: unusable
                    image = to_image(typestore().deserialize_cdr(message.data, TYPE))
                    assert image.pixels.nbytes < 10**9
            return "read up to the damage" if reader.damage else "whole"
    except InputError:
        return "refused"


MODELS = row(
    AREA,
    "damaged model files (ONNX)",
    "one line, or a model that loads; no crash, no hang, memory +1 GB at most (ONNX Runtime folds "
    "constants)",
    "fuzz_files::fuzz_model_files",
)


def test_fuzz_model_files(tmp_path: Path) -> None:
    entry = packaged_manifest().default("detector")
    assert entry is not None
    whole = entry.path.read_bytes()
    seen = {"loaded": 0, "refused": 0}
    file = tmp_path / "model.onnx"

    @fuzz(short=25, full=300)
    @given(damaged([whole]))
    def run(data: bytes) -> None:
        file.write_bytes(data)
        with within(30):
            try:
                load_runtime(file, "onnxruntime")
            except PoseEstimationError as error:
                assert "\n" not in str(error)
                seen["refused"] += 1
                return
        seen["loaded"] += 1

    with grown_mb(run) as grown:
        run()
    assert grown() < 1000
    MODELS.saw(f"{seen['loaded']} loaded, {seen['refused']} refused; memory {grown():+.0f} MB")
