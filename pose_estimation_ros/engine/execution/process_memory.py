"""Memory of this process: how much is resident, and how free memory goes back to the system."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable

import psutil

MEGABYTE = 1e6

_M_ARENA_MAX = -8  # of glibc's malloc.h
_trimmers: list[Callable[[], None]] = []


def resident_mb() -> float:
    """Resident memory of this process in megabytes (10^6 bytes)."""
    return float(psutil.Process().memory_info().rss / MEGABYTE)


def register_trimmer(trim: Callable[[], None]) -> None:
    """Has `return_free_memory` call `trim`, which frees what a library keeps for later."""
    _trimmers.append(trim)


def return_free_memory() -> None:
    """Returns to the system what is free but held by a runtime or by glibc.

    Loading a model takes several times its size for a moment. glibc keeps that for later, which
    never comes: about 40 MB with the embedded models.
    """
    gc.collect()
    for trim in _trimmers:
        trim()
    _glibc("malloc_trim", 0)


def share_one_heap() -> None:
    """Lets all threads of this process share one heap of glibc; call it before any starts.

    glibc gives threads heaps of their own, whose free parts the others cannot use: 10 to 15 MB
    with the node's dozen threads. Does nothing with another C library.
    """
    _glibc("mallopt", _M_ARENA_MAX, 1)


def _glibc(function: str, *arguments: int) -> None:
    try:
        getattr(ctypes.CDLL("libc.so.6"), function)(*arguments)
    except (OSError, AttributeError):
        return
