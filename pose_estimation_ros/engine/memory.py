"""Giving memory back to the system."""

from __future__ import annotations

import ctypes
import gc


def return_free_memory() -> None:
    """Returns what is freed but still held by the C library; does nothing where it is not glibc.

    Loading a model takes several times its size for a moment. glibc keeps that for later, which
    never comes: about 40 MB with the embedded models.
    """
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        return
