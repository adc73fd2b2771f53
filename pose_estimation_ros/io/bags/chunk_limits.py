"""Limits on compressed chunks of a bag: their unpacked size, read before unpacking.

A few kilobytes can unpack to any amount of memory.
"""

from __future__ import annotations

import struct
from pathlib import Path

from pose_estimation_ros.errors import InputError

LARGEST_CHUNK = 2**30  # bytes; recorders close a chunk after a few megabytes
_MAGIC_BYTES = 8
_CHUNK = 0x06
_RECORD_HEAD = struct.Struct("<BQ")  # opcode, length of the content
# First time, last time, size, checksum, length of the compression name.
_CHUNK_HEAD = struct.Struct("<QQQII")
_ENOUGH = 128  # bytes of a chunk that hold its head and that of the compressed data
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def check_chunk(head: bytes) -> None:
    """Checks the size a chunk declares.

    Raises:
        ValueError: it unpacks to more than LARGEST_CHUNK.
    """
    if len(head) < _CHUNK_HEAD.size:
        return
    *_, size, _checksum, name_length = _CHUNK_HEAD.unpack_from(head)
    data = head[_CHUNK_HEAD.size + name_length + 8 : _ENOUGH]
    claimed = max(size, _zstd_size(data))
    if claimed > LARGEST_CHUNK:
        raise ValueError(
            f"a chunk unpacks to {claimed} bytes, more than the {LARGEST_CHUNK} that are taken"
        )


def _zstd_size(data: bytes) -> int:
    """Reads the content size of a Zstandard frame header (RFC 8878, 3.1.1.1); 0 if absent."""
    if len(data) < 6 or data[:4] != _ZSTD_MAGIC:
        return 0
    descriptor = data[4]
    single = descriptor >> 5 & 1
    width = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
    start = 5 + (not single) + (0, 1, 2, 4)[descriptor & 3]
    size = int.from_bytes(data[start : start + width], "little")
    return size + 256 if width == 2 else size


def check_chunks(path: Path) -> None:
    """Checks every chunk of an MCAP file without unpacking any.

    Raises:
        InputError: one unpacks to more than LARGEST_CHUNK.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        position = _MAGIC_BYTES
        while position + _RECORD_HEAD.size <= size:
            file.seek(position)
            opcode, length = _RECORD_HEAD.unpack(file.read(_RECORD_HEAD.size))
            if opcode == _CHUNK:
                try:
                    check_chunk(file.read(min(length, _ENOUGH)))
                except ValueError as error:
                    raise InputError(f"bag '{path}' is refused: {error}") from error
            position += _RECORD_HEAD.size + length
