"""Instruction sets of this processor, and whether it computes int8 faster than float."""

from __future__ import annotations

import platform
from functools import lru_cache
from pathlib import Path

# Dot products of bytes in one instruction: Intel and AMD since about 2019, ARM since v8.2.
_DOT_PRODUCTS = frozenset({"avx512_vnni", "avx_vnni", "asimddp"})
_CPUINFO = Path("/proc/cpuinfo")


@lru_cache(maxsize=1)
def cpu_flags() -> frozenset[str]:
    """The instruction sets that Linux lists; empty where it lists none."""
    try:
        lines = _CPUINFO.read_text(errors="replace").splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def computes_int8_fast() -> bool:
    """Whether int8 networks run faster here than float ones.

    They do with dot products of bytes. Apple's processors all have these, but do not list them in
    /proc.
    """
    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    return apple or bool(_DOT_PRODUCTS & cpu_flags())
