"""Reading in a background thread: ahead of time, or only the newest item."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any, TypeVar

from pose_estimation_ros.engine.execution.mailbox import Mailboxes

T = TypeVar("T")
_WAIT_S = 0.1
_JOIN_S = 5.0


def prefetched(items: Iterator[T], ahead: int = 4) -> Generator[T, None, None]:
    """Yields the items in order; up to `ahead` are read in advance. Raises what `items` raises.

    Close the generator before the source of the items.
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
        except BaseException as error:  # re-raised in the consumer
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
        # The caller may close the source once the reader has stopped.
        reader.join(_JOIN_S)


def newest(
    items: Generator[T, None, None], skipped: Callable[[], None]
) -> Generator[T, None, None]:
    """Yields the newest item of a live source, skipping those that were not taken in time.

    Calls `skipped` for each that made room for a newer one. Raises what `items` raises, after the
    last item. Closes `items`.
    """
    boxes: Mailboxes[T] = Mailboxes(1)
    errors: list[BaseException] = []
    stop = threading.Event()

    def read() -> None:
        try:
            for item in items:
                if boxes.put(0, item):
                    skipped()
                if stop.is_set():
                    break
        except BaseException as error:  # re-raised in the consumer
            errors.append(error)
        finally:
            items.close()
            boxes.close()

    reader = threading.Thread(target=read, name="newest", daemon=True)
    reader.start()
    try:
        while (taken := boxes.take()) is not None:
            yield taken[1]
        if (last := boxes.take_newer(0, 0.0)) is not None:
            yield last
        for error in errors:
            raise error
    finally:
        stop.set()
        reader.join(_JOIN_S)
