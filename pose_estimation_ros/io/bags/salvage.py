"""Reads damaged rosbag2 files: truncated, or never closed by the recorder.

Intact bags are read by rosbags through their index. A damaged bag has none, so its records are
read in file order, up to the damage.
"""

from __future__ import annotations

import io
import sqlite3
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pose_estimation_ros.errors import InputError
from pose_estimation_ros.io.bags.chunk_limits import LARGEST_CHUNK, check_chunk

_MAGIC = b"\x89MCAP0\r\n"
_CHUNK = 0x06
_RECORD_HEAD = struct.Struct("<BQ")  # MCAP: opcode, length of the content
# MCAP chunk header: first time, last time, size, checksum, length of the compression name.
_CHUNK_HEAD = struct.Struct("<QQQII")
_LARGEST_RECORD = 2**31


@dataclass(frozen=True, slots=True)
class BagMessage:
    """A recorded message, CDR-serialised; `stamp_ns` is the recording time."""

    topic: str
    kind: str
    stamp_ns: int
    data: bytes


class DamageError(Exception):
    """The file is damaged from here on; the text says where."""


Wanted = Callable[[str, str], bool]  # of a topic and its message type


def salvage(path: Path, wanted: Wanted) -> Iterator[BagMessage]:
    """Yields the messages of one storage file up to the damage.

    Raises:
        DamageError: at the damage.
        InputError: it is not a bag, or a library is missing.
    """
    if path.suffix == ".mcap":
        return _salvage_mcap(path, wanted)
    if path.suffix == ".db3":
        return _salvage_sqlite(path, wanted)
    raise InputError(f"'{path}' is not a rosbag2 storage file: expected .mcap or .db3")


def _salvage_mcap(path: Path, wanted: Wanted) -> Iterator[BagMessage]:
    try:
        from mcap.exceptions import McapError
        from mcap.records import Channel, Header, Message, Schema
    except ImportError as error:
        raise InputError(
            f"bag '{path}' has no index, as after a crash; reading it anyway needs: "
            "pip install mcap"
        ) from error
    kinds: dict[int, str] = {}
    topics: dict[int, tuple[str, str]] = {}
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise InputError(f"'{path}' is not an MCAP file: it lacks the magic bytes")
        try:
            for record in _records(file):
                if isinstance(record, Header):
                    _check_profile(path, record.profile)
                elif isinstance(record, Schema):
                    kinds[record.id] = record.name
                elif isinstance(record, Channel):
                    topics[record.id] = (record.topic, kinds.get(record.schema_id, ""))
                elif isinstance(record, Message):
                    topic, kind = topics.get(record.channel_id, ("", ""))
                    if topic and wanted(topic, kind):
                        yield BagMessage(topic, kind, record.log_time, record.data)
        except (McapError, struct.error, ValueError, RuntimeError, EOFError, OverflowError) as err:
            reason = " ".join(str(err).split()) or type(err).__name__
            raise DamageError(f"{path.name} is damaged at byte {file.tell()} ({reason})") from err


def _check_profile(path: Path, profile: str) -> None:
    if profile not in ("", "ros2"):
        raise InputError(
            f"'{path}' is an MCAP file of the profile '{profile}': expected one of ROS 2; convert "
            "a ROS 1 recording with rosbags-convert"
        )


def _records(file: IO[bytes]) -> Iterator[Any]:
    """Yields the records of an MCAP file after the magic, including those inside chunks.

    Raises what the mcap library raises, once the damage is reached.
    """
    from mcap.records import Footer
    from mcap.stream_reader import StreamReader

    while True:
        start = file.tell()
        head = file.read(_RECORD_HEAD.size)
        opcode, length = _RECORD_HEAD.unpack(head)  # struct.error at the end of the file
        body = file.read(min(length, _LARGEST_RECORD))
        reader = StreamReader(io.BytesIO(head + body), skip_magic=True, validate_crcs=True)
        if opcode == _CHUNK:
            check_chunk(body)
            if len(body) < length:
                yield from _intact_records(body)
                file.seek(start)
                raise EOFError(f"the file ends within a chunk of {length} bytes")
            # Without a footer, StreamReader ends with an error after the chunk.
            yield from _until_end(reader.records)
        elif len(body) < length:
            file.seek(start)
            raise EOFError(f"the file ends within a record of {length} bytes")
        else:
            record = next(_until_end(reader.records), None)
            if isinstance(record, Footer):
                return
            if record is not None:
                yield record


def _until_end(records: Iterator[Any]) -> Iterator[Any]:
    from mcap.exceptions import EndOfFile

    try:
        yield from records
    except EndOfFile:
        return


def _intact_records(body: bytes) -> Iterator[Any]:
    """Yields the intact records at the start of a truncated chunk."""
    from mcap.stream_reader import StreamReader

    if len(body) < _CHUNK_HEAD.size:
        return
    name_length = _CHUNK_HEAD.unpack_from(body)[-1]
    name = body[_CHUNK_HEAD.size : _CHUNK_HEAD.size + name_length]
    data = body[_CHUNK_HEAD.size + name_length + 8 :]
    if name == b"zstd":
        import zstandard

        with zstandard.ZstdDecompressor().stream_reader(data) as stream:
            data = stream.read(LARGEST_CHUNK)
    elif name == b"lz4":
        import lz4.frame

        data = lz4.frame.LZ4FrameDecompressor().decompress(data, LARGEST_CHUNK)
    yield from _until_end(StreamReader(io.BytesIO(data), skip_magic=True).records)


def _salvage_sqlite(path: Path, wanted: Wanted) -> Iterator[BagMessage]:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    last = 0
    try:
        # SQLite refuses a truncated file unless writable_schema is on.
        connection.execute("PRAGMA writable_schema = ON")
        topics = {
            number: (name, kind)
            for number, name, kind in connection.execute("SELECT id, name, type FROM topics")
        }
        for number, topic_id, stamp_ns, data in connection.execute(
            "SELECT id, topic_id, timestamp, data FROM messages NOT INDEXED"
        ):
            topic, kind = topics.get(topic_id, ("", ""))
            if topic and wanted(topic, kind):
                yield BagMessage(topic, kind, stamp_ns, data)
            last = number
    except sqlite3.DatabaseError as error:
        if last == 0 and not path.read_bytes()[:15] == b"SQLite format 3":
            raise InputError(f"'{path}' is not an SQLite file: {error}") from error
        raise DamageError(f"{path.name} is damaged after message {last} ({error})") from error
    finally:
        connection.close()
