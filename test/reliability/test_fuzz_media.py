"""Videos, pictures, annotations and records that were damaged, and arrays of every kind."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fuzzing import damaged, fuzz, grown_mb, within
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from rows import row
from videos import write_video

from pose_estimation_ros.engine.pipelines import build_pipeline
from pose_estimation_ros.engine.types import Frame, Image
from pose_estimation_ros.errors import InputError
from pose_estimation_ros.evaluation.coco_annotations import read_annotations
from pose_estimation_ros.evaluation.coco_metrics import coco_figures
from pose_estimation_ros.io.image_files import read_picture
from pose_estimation_ros.io.pose_records import read_records
from pose_estimation_ros.io.video_reader import VideoSource
from pose_estimation_ros.settings import PipelineOptions

AREA = "Fuzzing"
pytest.importorskip("av", reason="PyAV makes and reads these videos")


VIDEOS = row(
    AREA,
    "damaged videos: MP4, Matroska, transport streams, GIF",
    "frames up to the damage and one line, or one line; no crash, no hang, memory +300 MB at most",
    "fuzz_media::fuzz_videos",
)


def test_fuzz_videos(tmp_path: Path) -> None:
    times = [index / 10 for index in range(12)]
    kinds = {"a.mp4": "mpeg4", "b.mkv": "mpeg4", "c.ts": "mpeg4", "d.gif": "gif", "e.mp4": ""}
    seeds = []
    for name, codec in kinds.items():
        more = {"codec": codec} if codec else {"sound_s": 0.5}
        path = write_video(tmp_path / name, times, **more)
        seeds.append((path.suffix, path.read_bytes()))
    seen = {"whole": 0, "read up to the damage": 0, "refused": 0}

    @fuzz(short=60, full=1200)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        suffix, whole = data.draw(st.sampled_from(seeds))
        file = tmp_path / f"damaged{suffix}"
        file.write_bytes(data.draw(damaged([whole])))
        frames = 0
        with within(30):
            try:
                last = -1.0
                for image in VideoSource(str(file)).timed_frames():
                    assert image.pixels.dtype == np.uint8 and image.pixels.ndim == 3
                    assert image.time_s >= 0 and np.isfinite(image.time_s)
                    last = image.time_s
                    frames += 1
                assert last >= 0
            except InputError as error:
                assert "\n" not in str(error)
                seen["read up to the damage" if frames else "refused"] += 1
                return
        seen["whole"] += 1

    with grown_mb(run) as grown:
        run()
    assert grown() < 300
    VIDEOS.saw(", ".join(f"{count} {what}" for what, count in seen.items()))


PICTURES = row(
    AREA,
    "damaged picture files: JPEG, PNG, WebP, TIFF, BMP, HEIC, animations",
    "pixels, or one line; no crash, no hang, memory +300 MB at most",
    "fuzz_media::fuzz_pictures",
)


def test_fuzz_pictures(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
    seeds = [
        cv2.imencode(suffix, pixels)[1].tobytes()
        for suffix in (".jpg", ".png", ".webp", ".tif", ".bmp", ".ppm")
    ]
    seeds += [b"\0\0\0\x18ftypheic" + bytes(40), b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\x02"]
    file, seen = tmp_path / "picture.tif", {"read": 0, "refused": 0}

    @fuzz(short=300, full=4000)
    @given(damaged(seeds))
    def run(data: bytes) -> None:
        file.write_bytes(data)
        with within(10):
            try:
                read = read_picture(file)
            except InputError as error:
                assert "\n" not in str(error) and "picture.tif" in str(error)
                seen["refused"] += 1
                return
        assert read.ndim == 3 and read.shape[2] == 3 and read.dtype == np.uint8
        seen["read"] += 1

    with grown_mb(run) as grown:
        run()
    assert grown() < 300
    PICTURES.saw(", ".join(f"{count} {what}" for what, count in seen.items()))


ANNOTATIONS = row(
    AREA,
    "COCO files: any value in any field",
    "figures, or one line; no crash, no hang",
    "fuzz_media::fuzz_annotations",
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 300), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)


@st.composite
def _spoilt(draw: st.DrawFn, value: Any) -> Any:
    """The value with something else in one to three places."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        place = value
        while isinstance(place, dict | list) and place:
            key = draw(
                st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place)))
            )
            inner = place[key]
            if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
                if isinstance(place, dict) and draw(st.booleans()):
                    del place[key]
                else:
                    place[key] = draw(ANYTHING)
                break
            place = inner
    return value


def test_fuzz_annotations(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools", reason="it computes the figures")
    joints = [float(v) for v in np.random.default_rng(0).integers(1, 90, 51)]
    person = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 80, 80], "area": 3000}
    person |= {"iscrowd": 0, "num_keypoints": 17, "keypoints": joints}
    listing = {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 99, "height": 99} for i in (1, 2)],
        "annotations": [person, {**person, "id": 2, "image_id": 2}],
        "categories": [{"id": 1, "name": "person"}],
    }
    result = {"image_id": 1, "category_id": 1, "keypoints": joints, "score": 0.9}
    file, seen = tmp_path / "people.json", {"measured": 0, "refused": 0}

    @fuzz(short=150, full=3000)
    @given(_spoilt(listing))
    def run(content: Any) -> None:
        file.write_text(json.dumps(content))
        with within(20):
            try:
                read, names, people = read_annotations(file)
            except InputError as error:
                assert "\n" not in str(error) and "people.json" in str(error)
                seen["refused"] += 1
                return
            for one in people:
                assert np.isfinite(one.joints).all() and np.isfinite(one.box).all()
            coco_figures(read, list(names), [result] if 1 in names else [])
        seen["measured"] += 1

    run()
    assert min(seen.values()) > 0
    ANNOTATIONS.saw(", ".join(f"{count} {what}" for what, count in seen.items()))


RECORDS = row(
    AREA,
    "damaged files of pose records (`--resume`)",
    "the records before the damage, or one line; nothing of the file is changed",
    "fuzz_media::fuzz_records",
)


def test_fuzz_records(tmp_path: Path) -> None:
    person = {"track_id": 0, "score": 0.5, "box": [1, 2, 3, 4], "keypoints": [[1, 2, 0.5]] * 17}
    lines = [
        json.dumps(
            {
                "frame": i,
                "time_s": i / 10,
                "pipeline": "v4",
                "skeleton": "coco17",
                "poses": [person],
            }
        )
        for i in range(4)
    ]
    whole = ("\n".join(lines) + "\n").encode()
    file, seen = tmp_path / "poses.jsonl", {"continued": 0, "refused": 0}

    @fuzz(short=200, full=4000)
    @given(damaged([whole]))
    def run(data: bytes) -> None:
        file.write_bytes(data)
        try:
            earlier = read_records(file)
        except InputError as error:
            assert "\n" not in str(error) and "poses.jsonl" in str(error)
            seen["refused"] += 1
            return
        finally:
            assert file.read_bytes() == data
        assert 0 <= earlier.end <= len(data)
        assert [record["frame"] for record in earlier.records] == list(range(len(earlier.records)))
        seen["continued"] += 1

    run()
    assert min(seen.values()) > 0
    RECORDS.saw(", ".join(f"{count} {what}" for what, count in seen.items()))


ARRAYS = row(
    AREA,
    "arrays of any type and shape, and what is no array, for images and depth of the Python API",
    "an answer or one line; no model counts as failed",
    "fuzz_media::fuzz_arrays",
)


def test_fuzz_arrays(embedded_models: Any) -> None:
    pipeline = build_pipeline("v4", embedded_models, PipelineOptions())
    kinds = st.sampled_from([np.uint8, np.uint8, np.uint16, np.int32, np.float32, bool, object])
    shapes = st.one_of(
        st.tuples(st.integers(0, 60), st.integers(0, 60), st.sampled_from([3, 3, 1, 4])),
        arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=6),
    )
    given_arrays = st.builds(lambda kind, shape: np.zeros(shape, kind), kinds, shapes)
    other = st.one_of(st.none(), st.text(), st.integers(), st.lists(st.integers(), max_size=3))
    images = st.builds(
        lambda height, width: np.full((height, width, 3), 90, np.uint8),
        st.integers(1, 60),
        st.integers(1, 60),
    )
    finite = st.floats(-1e9, 1e9)
    stamps = st.one_of(st.none(), finite, finite, st.floats(), st.integers(), st.text(max_size=3))
    depths = st.one_of(st.none(), st.none(), given_arrays, other)
    seen = {"answered": 0, "refused": 0}

    @fuzz(short=200, full=3000)
    @given(st.one_of(images, images, given_arrays, other), stamps, depths)
    def run(pixels: Any, stamp_s: Any, depth: Any) -> None:
        try:
            frame = Frame(Image(pixels), stamp_s, None, depth)
        except InputError as error:
            assert "\n" not in str(error)
            seen["refused"] += 1
            return
        result = pipeline.process(frame)
        assert np.isfinite(result.poses.boxes).all()
        seen["answered"] += 1

    run()
    assert min(seen.values()) > 0
    assert not any(status.failures for status in embedded_models.statuses().values())
    ARRAYS.saw(", ".join(f"{count} {what}" for what, count in seen.items()))
