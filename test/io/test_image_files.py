"""Pictures are read as viewers show them, or refused by name with the true reason."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_estimation_ros.errors import InputError
from pose_estimation_ros.io.image_files import (
    ImagesSource,
    find_pictures,
    read_annotated,
    read_picture,
)

PIL = pytest.importorskip("PIL.Image", reason="Pillow makes these pictures")
PICTURE = np.zeros((48, 64, 3), np.uint8)
PICTURE[:24, :32] = (200, 30, 60)  # RGB


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".webp", ".png"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied(suffix: str, orientation: int, tmp_path: Path) -> None:
    from PIL import ImageOps

    path = tmp_path / f"picture{suffix}"
    exif = PIL.Exif()
    exif[0x0112] = orientation
    PIL.fromarray(PICTURE).save(path, exif=exif, quality=95)
    with PIL.open(path) as stored:
        shown = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"))
    pixels = read_picture(path)[..., ::-1]
    assert pixels.shape == shown.shape
    assert np.abs(pixels.astype(int) - shown).max() < 60, "the bright quarter is where it belongs"


@pytest.mark.parametrize("order", ["<", ">"])
def test_floats_from_0_to_1(order: str, tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile", reason="it writes TIFF of floats")
    path = tmp_path / "float.tif"
    tifffile.imwrite(path, (PICTURE / 255).astype(np.float32), byteorder=order)
    np.testing.assert_array_equal(read_picture(path), PICTURE[..., ::-1])
    tifffile.imwrite(path, PICTURE.astype(np.float32), byteorder=order)
    with pytest.raises(InputError, match=r"numbers from 0 to 200: expected .* floats from 0 to 1"):
        read_picture(path)


def test_sixteen_bits(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    cv2.imwrite(str(path), PICTURE.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_picture(path), PICTURE)


@pytest.mark.parametrize("name", ["pages.tif", "animated.webp", "animated.png"])
def test_several_pictures_in_one_file_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    pictures = [PIL.fromarray(np.roll(PICTURE, step, axis=1)) for step in (0, 8, 16)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)
    with pytest.raises(InputError, match=rf"{name}' holds several pictures"):
        read_picture(path)


@pytest.mark.parametrize("name", ["one.tif", "one.webp", "one.png"])
def test_one_picture_is_not_several(name: str, tmp_path: Path) -> None:
    PIL.fromarray(PICTURE).save(tmp_path / name, lossless=True)
    np.testing.assert_array_equal(read_picture(tmp_path / name), PICTURE[..., ::-1])


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.heic", b"whatever", r"a kind that is not read \(HEIC\): convert it"),
        ("a.jpg", b"\0\0\0\x18ftypheic" + bytes(40), "a kind that is not read"),
        ("a.avif", b"\0\0\0\x18ftypavif" + bytes(40), "a kind that is not read"),
        ("a.png", b"", r"is empty \(0 bytes\)"),
        ("a.png", b"\x89PNG\r\n\x1a\nno more", "it is damaged or cut off"),
        ("a.tif", b"II*\0\xff\xff\xff\x7f", "it is damaged, or no image at all"),
        ("a.tif", b"II*\0", "it is damaged, or no image at all"),
        ("a.jpg", b"a text", "it is damaged, or no image at all"),
    ],
)
def test_what_cannot_be_read_is_named(name: str, data: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=rf"{name}' .*{words}|{name}' {words}"):
        read_picture(tmp_path / name)


def test_a_name_that_is_not_utf_8_is_read(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    path.write_bytes(cv2.imencode(".png", PICTURE)[1].tobytes())
    np.testing.assert_array_equal(read_picture(path), PICTURE)
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"caf\\xe9.png' is empty"):
        read_picture(path)


def test_what_is_left_out_is_named_at_the_end(tmp_path: Path) -> None:
    for name in ("1.png", "2.png", "10.png"):
        cv2.imwrite(str(tmp_path / name), PICTURE)
    (tmp_path / "2.png").write_bytes(b"")
    (tmp_path / "._1.png").write_bytes(b"")
    source = ImagesSource("pictures", find_pictures(tmp_path))
    seen = []
    with pytest.raises(InputError, match=r"1 of 3 left out: image '.*2.png' is empty"):
        seen.extend((image.name, image.time_s) for image in source.timed_frames())
    assert seen == [("1.png", 0.0), ("10.png", 0.2)]


def test_annotations_may_be_for_the_picture_before_it_is_turned(tmp_path: Path) -> None:
    path = tmp_path / "phone.jpg"
    exif = PIL.Exif()
    exif[0x0112] = 6
    PIL.fromarray(PICTURE).save(path, exif=exif, quality=95)
    height, width = PICTURE.shape[:2]
    assert read_annotated(path, None).shape[:2] == (width, height)
    assert read_annotated(path, (height, width)).shape[:2] == (width, height)
    assert read_annotated(path, (width, height)).shape[:2] == (height, width)
    with pytest.raises(InputError, match=r"48x64 px and its annotations are for 96x128"):
        read_annotated(path, (96, 128))
