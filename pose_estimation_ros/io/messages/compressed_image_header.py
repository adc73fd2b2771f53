"""Reads the size of a compressed image from its header, before decoding.

An image of a few kilobytes can decode to gigabytes. Only the formats parsed here reach OpenCV, so
that publishers cannot reach its many other decoders.
"""

from __future__ import annotations

import struct

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
# Start-of-frame markers; C4, C8 and CC in that range have other meanings.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length


def image_size(data: bytes | memoryview) -> tuple[int, int] | None:
    """Width and height in px of a JPEG, PNG or WebP image; None if incomplete or unknown.

    A PNG's chunks must be as long as they declare: OpenCV allocates the declared length, up to
    4 GB, before reading.
    """
    head = bytes(data[:32])
    if head.startswith(_PNG):
        return _of_png(data)
    if head.startswith(_JPEG):
        return _of_jpeg(data)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _of_webp(head)
    return None


def _of_png(data: bytes | memoryview) -> tuple[int, int] | None:
    size, position = None, len(_PNG)
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        following = position + 12 + length
        if following > len(data) or kind == b"acTL":  # cut off; or animated, of several sizes
            return None
        if size is None:
            if kind != b"IHDR" or length != 13:
                return None
            width, height = struct.unpack_from(">II", data, position + 8)
            size = (width, height)
        if kind == b"IEND":
            return size
        position = following
    return None


def _of_jpeg(data: bytes | memoryview) -> tuple[int, int] | None:
    """The size in the first start-of-frame segment; segments are walked, not searched.

    A thumbnail inside an APP segment has its own start-of-frame, which must be ignored.
    """
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
        elif marker in _ALONE:
            position += 2
        elif marker in _FRAMES:
            if position + 9 > len(data):
                return None
            height, width = struct.unpack_from(">HH", data, position + 5)
            return width, height
        else:
            (length,) = struct.unpack_from(">H", data, position + 2)
            if length < 2 or marker == 0xDA:  # image data before any size
                return None
            position += 2 + length
    return None


def _of_webp(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if kind == b"VP8X" and len(head) >= 30:
        width = int.from_bytes(head[24:27], "little") + 1
        return width, int.from_bytes(head[27:30], "little") + 1
    if kind == b"VP8L" and len(head) >= 25 and head[20] == 0x2F:
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and len(head) >= 30 and head[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None
