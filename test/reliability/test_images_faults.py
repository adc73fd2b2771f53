"""Images that no camera should send, into a node that goes on."""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from rows import Row, row
from sensor_msgs.msg import CameraInfo, CompressedImage
from sensor_msgs.msg import Image as ImageMsg
from stage import Stage, open_stage

AREA = "Images that no camera should send"
REPEAT = 3
Make = Callable[[Stage], ImageMsg]


def refused(fault: str, words: str, make: Make) -> tuple[Row, str, Make]:
    text = f"each refused and counted, one line with “{words}”; no other image lost"
    return row(AREA, fault, text, "images_faults::bad_images_cost_only_themselves"), words, make


def _large(stage: Stage) -> ImageMsg:
    message = ImageMsg(height=8192, width=8192, encoding="mono8", step=8192)
    message.header.stamp = stage.watcher.node.get_clock().now().to_msg()
    message.data = bytes(8192 * 64)  # the claim is enough; 64 MB more would only fill the machine
    return message


BAD = [
    refused("width and height 0", "has no pixels", lambda s: s.image(width=0, height=0)),
    refused("height 0", "has no pixels", lambda s: s.image(height=0)),
    refused("data cut off in the middle", "was cut off", lambda s: s.image(data=bytes(1000))),
    refused("no data at all", "was cut off", lambda s: s.image(data=b"")),
    refused("a step smaller than the width", "has a step of", lambda s: s.image(step=960)),
    refused("the largest step there is", "was cut off", lambda s: s.image(step=2**32 - 1)),
    refused("an unknown encoding", "is not supported", lambda s: s.image(encoding="klingon")),
    refused("8192x8192 px", "is over the limit of", _large),
    refused(
        "a claim of 4294967295x4294967295 px",
        "is over the limit of",
        lambda s: s.image(width=2**32 - 1, height=2**32 - 1),
    ),
    refused("nv12 with an odd width", "must be even", lambda s: s.image(encoding="nv12", width=7)),
]


@pytest.mark.parametrize("case", BAD, ids=lambda case: case[0].fault)
def test_bad_images_cost_only_themselves(stage: Stage, case: tuple[Row, str, Make]) -> None:
    entry, words, make = case
    mark = stage.log_length
    with stage.never_silent() as silence:
        received, dropped = stage.swallow([make(stage) for _ in range(REPEAT)])
        # The middleware may have lost some of them on the way, though not the two good ones.
        assert 0 < received <= REPEAT and dropped == received
    lines = [line for line in stage.said(mark).splitlines() if words in line]
    # Another row may have made the same kind of line within the last ten seconds.
    assert len(lines) <= 1 and (lines or words in stage.node.output), stage.said(mark)
    entry.saw(f"{dropped} of {received} refused, none else lost; {silence()}")


TINY = row(
    AREA,
    "1x1 px",
    "answered, with nobody in it",
    "images_faults::an_image_of_one_pixel_is_answered",
)


def test_an_image_of_one_pixel_is_answered(stage: Stage) -> None:
    message = stage.message(np.full((1, 1, 3), 90, np.uint8))
    with stage.never_silent() as silence:
        answer = stage.ask(message)
        assert answer is not None and (answer.image_width, answer.image_height) == (1, 1)
        stage.good()
    entry_persons = len(answer.poses)
    assert entry_persons == 0
    TINY.saw(f"answered, {entry_persons} persons; {silence()}")


LONG = row(
    AREA,
    "1x20000 px and 20000x1 px",
    "answered, with nobody in it",
    "images_faults::an_image_of_one_line_is_answered",
)


def test_an_image_of_one_line_is_answered(stage: Stage) -> None:
    with stage.never_silent() as silence:
        for shape in ((1, 20_000, 3), (20_000, 1, 3)):
            answer = stage.ask(stage.message(np.full(shape, 90, np.uint8)))
            assert answer is not None and len(answer.poses) == 0
        stage.good()
    LONG.saw(f"both answered; {silence()}")


NAN_DEPTH = row(
    AREA,
    "a depth image of NaN, infinities and negative numbers",
    "answered; distances by the box instead; no NaN but in positions",
    "images_faults::depth_without_a_number_is_not_believed",
)


def _info(width: int = 960, height: int = 540, **changes: object) -> CameraInfo:
    k = [800.0, 0.0, width / 2, 0.0, 800.0, height / 2, 0.0, 0.0, 1.0]
    info = CameraInfo(width=width, height=height, distortion_model="plumb_bob", d=[0.0] * 5, k=k)
    for name, value in changes.items():
        setattr(info, name, value)
    return info


def _depths(answer: object) -> list[float]:
    return [k.position.z for p in answer.poses for k in p.keypoints]  # type: ignore[attr-defined]


def test_depth_without_a_number_is_not_believed(stage: Stage) -> None:
    stage.info.publish(_info())
    with stage.never_silent() as silence:
        for value in (np.nan, np.inf, -np.inf, -3.0):
            image = stage.image()
            depth = np.full((540, 960), value, np.float32)
            message = ImageMsg(height=540, width=960, encoding="32FC1", step=3840)
            message.header, message.data = image.header, depth.tobytes()
            stage.depth.publish(message)
            time.sleep(0.2)
            answer = stage.ask(image)
            assert answer is not None and len(answer.poses) >= 3
            person = answer.poses[0]
            assert person.depth_source == person.DEPTH_BOX, value
            assert all(np.isfinite(z) and 0 < z < 100 for z in _depths(answer))
    NAN_DEPTH.saw(f"4 of 4 answered, distances by the box; {silence()}")


INFO = row(
    AREA,
    "camera_info of NaN, of negative focal lengths, with 3 coefficients, of another image size",
    "answered without positions, one line each with the reason; positions again with a right one",
    "images_faults::wrong_intrinsics_give_no_positions",
)


def test_wrong_intrinsics_give_no_positions(stage: Stage) -> None:
    nan = [float("nan")] * 9
    wrong = [
        (_info(k=nan), "expected finite numbers"),
        (_info(k=[-800.0, 0, 480, 0, 800, 270, 0, 0, 1]), "expected finite numbers"),
        (_info(d=[0.1, 0.2, 0.3]), "has 3 coefficients"),
        (_info(d=[float("inf")] * 5), "expected finite numbers"),
        (_info(640, 480), "camera_info is for 640x480 px"),
    ]
    with stage.never_silent() as silence:
        for info, words in wrong:
            stage.info.publish(info)
            time.sleep(0.3)
            answer = stage.good()
            assert all(np.isnan(z) for z in _depths(answer)), words
            assert words in stage.node.output
        stage.info.publish(_info())
        time.sleep(0.3)
        assert all(np.isfinite(z) for z in _depths(stage.good()))
    INFO.saw(f"{len(wrong)} of {len(wrong)} named, no image lost; {silence()}")


def _jpeg(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", pixels)[1].tobytes()


BROKEN = row(
    AREA,
    "CompressedImage: broken JPEGs, no image at all, a GIF",
    "each refused and counted, one line; the JPEGs and PNGs between them answered",
    "images_faults::compressed_images",
)
BOMB = row(
    AREA,
    "CompressedImage: PNGs of a megabyte that unpack to 200 MB and to 12 GB",
    "refused by their headers, one line; memory grows by less than 20 MB",
    "images_faults::compressed_images",
)


def _bomb(side: int) -> bytes:
    """A PNG whose header claims side x side px, of which the first rows are there."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    rows = zlib.compress(bytes(min(side * (side + 1), 200_000_000)), 1)
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_compressed_images(name: str, tmp_path, scene_frames: list[np.ndarray]) -> None:
    with open_stage(name, tmp_path, scene_frames, compressed=True) as stage:

        def compressed(data: bytes, kind: str = "jpeg") -> CompressedImage:
            message = CompressedImage(format=kind, data=data)
            message.header.stamp = stage.watcher.node.get_clock().now().to_msg()
            return message

        whole = _jpeg(scene_frames[0])
        png = cv2.imencode(".png", scene_frames[1])[1].tobytes()
        stage.image = lambda index=0: compressed(whole if index % 2 == 0 else png)  # type: ignore
        bad = [b"", b"text" * 99, whole[:150], b"\xff\xd8\xff\xd9", b"GIF89a" + bytes(99)]
        with stage.never_silent() as silence:
            for data in (whole, png):
                answer = stage.ask(compressed(data))
                assert answer is not None and len(answer.poses) >= 3
            received, dropped = stage.swallow([compressed(data) for data in bad])
            assert 0 < received <= len(bad) and dropped == received
            assert "cannot be decoded: expected a whole JPEG, PNG or WebP" in stage.node.output
        BROKEN.saw(f"{dropped} of {received} refused, none else lost; {silence()}")
        bombs = [_bomb(14_200), _bomb(110_000)]
        before, *_ = stage.resources()
        with stage.never_silent() as silence:
            received, dropped = stage.swallow([compressed(data, "png") for data in bombs])
            assert 0 < received <= len(bombs) and dropped == received
        after, *_ = stage.resources()
        assert "is over the limit of" in stage.node.output
        assert after - before < 20
        kilobytes = max(len(data) for data in bombs) / 1e3
        BOMB.saw(
            f"{dropped} of {received} refused ({kilobytes:.0f} kB), memory "
            f"{after - before:+.1f} MB; {silence()}"
        )
