"""How many cores this process may use, and what they compute fast."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

# Dot products of bytes in one instruction: Intel and AMD since about 2019, ARM since v8.2.
_DOT_PRODUCTS = frozenset({"avx512_vnni", "avx_vnni", "asimddp"})
_CPUINFO = Path("/proc/cpuinfo")
_OWN_GROUPS, _GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


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


def processor_name() -> str:
    """What the processor calls itself, such as "AMD Ryzen 7 5800U"."""
    name = platform.processor() or platform.machine()
    try:
        lines = _CPUINFO.read_text(errors="replace").splitlines()
    except OSError:
        return name
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), name)


def computes_int8_fast() -> bool:
    """Whether int8 networks run faster here than float ones.

    They do with dot products of bytes. Apple's processors all have these, but do not list them in
    /proc.
    """
    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    return apple or bool(_DOT_PRODUCTS & cpu_flags())


def usable_cores() -> int:
    """Cores that this process may use: by its affinity, and by the quota of its container."""
    cores = len(os.sched_getaffinity(0))
    quota = min(_quotas(), default=float(cores))
    # With half a core more than whole ones, a further thread would be stopped half of the time.
    return max(1, min(cores, int(quota)))


def _quotas() -> Iterator[float]:
    """The limits in cores of this process's control groups (cgroup v1 and v2) and those above."""
    try:
        lines = _OWN_GROUPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = _GROUPS / "cpu" if controllers else _GROUPS
        group = root / path.strip("/")
        # In a container the groups above are not to be seen, and its own is the root.
        for folder in (group, *group.parents):
            quota = _quota_of(folder)
            if quota is not None:
                yield quota
            if folder == root:
                break


def _quota_of(folder: Path) -> float | None:
    try:
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text().split()[:2]
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        limit = float(quota) / float(period)
    except (OSError, ValueError, ZeroDivisionError):  # absent, or "max": no limit
        return None
    return limit if limit > 0 else None
