"""What this processor can do."""

from __future__ import annotations

import platform
from functools import lru_cache
from pathlib import Path

# Dot products of bytes in one instruction: Intel and AMD since about 2019, ARM since v8.2.
_DOT_PRODUCTS = frozenset({"avx512_vnni", "avx_vnni", "asimddp"})
_CPUINFO = Path("/proc/cpuinfo")


@lru_cache(maxsize=1)
def cpu_flags() -> frozenset[str]:
    """The instruction sets that Linux names, empty where it does not say."""
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

    Without dot products of bytes they do not. Apple's processors have them all, and do not say
    so in /proc.
    """
    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    return apple or bool(_DOT_PRODUCTS & cpu_flags())
