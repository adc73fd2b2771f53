"""Giving memory back to the system."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable

_M_ARENA_MAX = -8  # of glibc's malloc.h
_hoards: list[Callable[[], None]] = []


def on_return(empty: Callable[[], None]) -> None:
    """Has `return_free_memory` also empty what a library keeps for itself."""
    _hoards.append(empty)


def return_free_memory() -> None:
    """Returns what is freed but still held by the runtimes and, where it is glibc, the C library.

    Loading a model takes several times its size for a moment. glibc keeps that for later, which
    never comes: about 40 MB with the embedded models.
    """
    gc.collect()
    for empty in _hoards:
        empty()
    _glibc("malloc_trim", 0)


def share_one_heap() -> None:
    """Lets all threads of this process share one heap of the C library; call it before any starts.

    glibc gives threads heaps of their own, whose free parts the others cannot use: 10 to 15 MB
    with the node's dozen threads. Does nothing where it is not glibc.
    """
    _glibc("mallopt", _M_ARENA_MAX, 1)


def _glibc(function: str, *arguments: int) -> None:
    try:
        getattr(ctypes.CDLL("libc.so.6"), function)(*arguments)
    except (OSError, AttributeError):
        return
