"""Reads image files as a sequence, and writes images."""

from __future__ import annotations

import errno
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.engine.types import LARGEST_SIDE
from pose_estimation_ros.errors import InputError
from pose_estimation_ros.io.messages.compressed_image_header import image_size
from pose_estimation_ros.io.timed_image import TimedImage

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm")
# Pictures that OpenCV does not read, or not as a viewer shows them; refused by name.
REFUSED_SUFFIXES = (".heic", ".heif", ".avif", ".jxl", ".dng", ".cr2", ".nef", ".arw", ".gif")
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1", b"avif", b"avis")
_WEBP_ANIMATED = 0x02
_PNG = b"\x89PNG"
_MOST_PAGES = 100


def by_number(path: Path) -> list[tuple[bool, Any]]:
    """Sort key that puts image2 before image10."""
    parts = re.split(r"(\d+)", path.name)
    return [(part.isdecimal(), int(part) if part.isdecimal() else part) for part in parts]


class ImagesSource:
    """A sequence of image files, ordered by the numbers in their names.

    Attributes:
        left_out: files that cannot be read, each with the reason; known when all are read.
    """

    def __init__(self, name: str, files: list[Path], fps: float = 10.0) -> None:
        """Reads the first image for the size.

        Raises:
            InputError: none can be read.
        """
        self.name, self.files, self.fps = name, files, fps
        self.left_out: dict[str, str] = {}
        self.length: int | None = len(files)
        first = next(self._readable(), None)
        if first is None:
            raise InputError(next(iter(self.left_out.values())))
        self.height, self.width = first.pixels.shape[:2]

    def frames(self) -> Iterator[ByteArray]:
        """Yields the pixels of `timed_frames`."""
        for image in self.timed_frames():
            yield image.pixels

    def timed_frames(self) -> Iterator[TimedImage]:
        """Yields the images that can be read, `fps` a second.

        Raises:
            InputError: after the last one, where some were left out; the message names them.
        """
        yield from self._readable()
        if self.left_out:
            reasons = "; ".join(self.left_out.values())
            raise InputError(f"{len(self.left_out)} of {len(self.files)} left out: {reasons}")

    def _readable(self) -> Iterator[TimedImage]:
        self.left_out = {}
        for index, path in enumerate(self.files):
            try:
                pixels = read_picture(path)
            except InputError as error:
                self.left_out[path.name] = str(error)
                continue
            yield TimedImage(pixels, index / self.fps, path.name)


def find_pictures(folder: Path) -> list[Path]:
    """The pictures of a folder in order, also those of kinds that are refused; no hidden files.

    Raises:
        InputError: there are none.
    """
    kinds = (*IMAGE_SUFFIXES, *REFUSED_SUFFIXES)
    files = [
        file
        for file in folder.iterdir()
        if file.suffix.lower() in kinds and not file.name.startswith(".")
    ]
    if not files:
        expected = ", ".join(IMAGE_SUFFIXES)
        raise InputError(f"no image in the folder '{folder}': expected files of {expected}")
    return sorted(files, key=by_number)


def read_picture(path: Path) -> ByteArray:
    """BGR pixels (height, width, 3) of an image file, turned as a viewer shows it.

    Raises:
        InputError: it is missing, damaged, of an unknown kind, or holds several pictures.
    """
    name = _shown(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"image '{name}' cannot be read: {error.strerror}") from error
    if not data:
        raise InputError(f"image '{name}' is empty (0 bytes): remove it, or copy it again")
    _check_kind(data, name, path.suffix.lower())
    if data.startswith(_PNG) and image_size(data) is None:
        # OpenCV would make room for whatever length a chunk claims.
        raise InputError(f"image '{name}' cannot be read: it is damaged or cut off")
    try:
        # From memory, since OpenCV opens names of UTF-8 alone.
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if pixels is None:
            pixels = _from_floats(data, name)
    except cv2.error as error:
        reason = " ".join(error.err.split()) if error.err else "OpenCV refuses it"
        raise InputError(f"image '{name}' cannot be read: {reason}") from error
    if pixels is None:
        raise InputError(f"image '{name}' cannot be read: it is damaged, or no image at all")
    if max(pixels.shape[:2]) > LARGEST_SIDE:
        raise InputError(
            f"image '{name}' has {pixels.shape[1]}x{pixels.shape[0]} px: expected sides of at "
            f"most {LARGEST_SIDE} px; make it smaller, or cut it"
        )
    return np.asarray(pixels, np.uint8)


def read_annotated(path: Path, size: tuple[int, int] | None) -> ByteArray:
    """BGR pixels (height, width, 3) as their annotations see them.

    `size` is the width and height that the annotations are for. Annotators may have seen the image
    before it is turned as its EXIF data say: then it is left so.

    Raises:
        InputError: as `read_picture`, or the image is of another size.
    """
    pixels = read_picture(path)
    height, width = pixels.shape[:2]
    if size is None or size == (width, height):
        return pixels
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    stored = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), flags)
    if stored is not None and size == (stored.shape[1], stored.shape[0]):
        return np.asarray(stored, np.uint8)
    raise InputError(
        f"image '{_shown(path)}' has {width}x{height} px and its annotations are for "
        f"{size[0]}x{size[1]}: take the images that were annotated, or scale the annotations"
    )


def _shown(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _check_kind(data: bytes, name: str, suffix: str) -> None:
    """Raises InputError for what would give other pixels than a viewer shows."""
    if suffix in REFUSED_SUFFIXES or (data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS):
        kind = (suffix.lstrip(".") or "heif").upper()
        raise InputError(
            f"image '{name}' is of a kind that is not read ({kind}): convert it to JPEG or PNG"
        )
    count = _pictures_in(data)
    if count > 1:
        raise InputError(
            f"image '{name}' holds several pictures (an animation, or pages): expected one; save "
            "each in a file of its own, or convert it to a video"
        )


def _pictures_in(data: bytes) -> int:
    """How many pictures a file holds, 2 standing for any larger number."""
    if data.startswith(_PNG):  # an animation says so before the pixels
        return 2 if b"acTL" in data[: max(0, data.find(b"IDAT"))] else 1
    if data[:4] == b"RIFF" and data[8:16] == b"WEBPVP8X" and len(data) > 20:
        return 2 if data[20] & _WEBP_ANIMATED else 1
    if data[:4] in (b"II*\0", b"MM\0*"):
        return _pages_of_tiff(data)
    return 1


def _pages_of_tiff(data: bytes) -> int:
    """Full pages: what is marked as a smaller copy (a thumbnail) is none."""
    order = "<" if data[:2] == b"II" else ">"
    pages = 0
    try:
        (place,) = struct.unpack_from(f"{order}I", data, 4)
        for _ in range(_MOST_PAGES):
            if place == 0:
                break
            (entries,) = struct.unpack_from(f"{order}H", data, place)
            reduced = False
            for entry in range(entries):
                at = place + 2 + 12 * entry
                tag, _, _, value = struct.unpack_from(f"{order}HHII", data, at)
                reduced |= tag == 254 and bool(value & 1)
            pages += not reduced
            (place,) = struct.unpack_from(f"{order}I", data, place + 2 + 12 * entries)
    except struct.error:  # OpenCV will say whether it is damaged
        return 1
    return min(pages, 2)


def _from_floats(data: bytes, name: str) -> Any:
    """8-bit pixels of an image of floats in [0, 1]; None where it is no image."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype.kind != "f":
        return None
    low, high = float(np.nanmin(pixels)), float(np.nanmax(pixels))
    if not (low >= 0 and high <= 1):
        raise InputError(
            f"image '{name}' holds numbers from {low:g} to {high:g}: expected 8 or 16 bits, or "
            "floats from 0 to 1"
        )
    pixels = np.round(np.nan_to_num(pixels) * 255).astype(np.uint8)
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    return np.ascontiguousarray(pixels[..., :3])


def write_picture(path: Path, pixels: ByteArray) -> None:
    """Writes BGR pixels (height, width, 3) in the format given by the suffix.

    Raises:
        InputError: no such format, or the file cannot be written.
    """
    try:
        _, data = cv2.imencode(path.suffix or ".", pixels)
    except cv2.error as error:
        raise InputError(f"cannot write '{path}': expected a name like x.png or x.jpg") from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.tobytes())
    except OSError as error:
        if error.errno == errno.ENOSPC:
            path.unlink(missing_ok=True)  # do not leave a truncated file
        full = "the disk is full: free some space, or name another folder"
        reason = full if error.errno == errno.ENOSPC else error.strerror
        raise InputError(f"cannot write '{path}': {reason}") from error
