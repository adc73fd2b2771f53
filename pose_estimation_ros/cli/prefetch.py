"""Reads ahead in a thread, so that reading and decoding cost the models no time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
_WAIT_S = 0.1


def prefetched(items: Iterator[T], ahead: int = 4) -> Generator[T, None, None]:
    """The same items in the same order; at most so many wait. Raises what `items` raises.

    Close it before what the items are read from.
    """
    ready: queue.Queue[tuple[str, Any]] = queue.Queue(ahead)
    stop = threading.Event()

    def put(kind: str, value: Any) -> None:
        while not stop.is_set():
            try:
                ready.put((kind, value), timeout=_WAIT_S)
            except queue.Full:
                continue
            break

    def read() -> None:
        try:
            for item in items:
                put("item", item)
                if stop.is_set():
                    return
            put("end", None)
        except BaseException as error:  # carried to whoever takes the items
            put("error", error)

    reader = threading.Thread(target=read, name="prefetch", daemon=True)
    reader.start()
    try:
        while True:
            kind, value = ready.get()
            if kind == "item":
                yield value
            elif kind == "error":
                raise value
            else:
                return
    finally:
        stop.set()
        # What is read from may be closed once the reader is out of it.
        reader.join(timeout=5.0)
