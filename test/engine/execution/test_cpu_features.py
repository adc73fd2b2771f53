"""A container's quota counts as the affinity does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pose_estimation_ros.engine.execution import cpu_features
from pose_estimation_ros.engine.execution.cpu_features import usable_cores


@pytest.mark.parametrize(
    ("own", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "200000 100000"}, 2),
        ("0::/\n", {"cpu.max": "350000 100000"}, 3),
        ("0::/\n", {"cpu.max": "50000 100000"}, 1),
        ("0::/\n", {"cpu.max": "max 100000"}, 8),
        ("0::/\n", {"cpu.max": "9900000 100000"}, 8),
        ("0::/a/b\n", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000"}, 3),
        ("0::/a/b\n", {"cpu.max": "200000 100000"}, 2),
        (
            "4:memory:/m\n3:cpu,cpuacct:/docker/x\n",
            {
                "cpu/docker/x/cpu.cfs_quota_us": "400000",
                "cpu/docker/x/cpu.cfs_period_us": "100000",
            },
            4,
        ),
        ("3:cpu:/x\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ("nonsense\n", {}, 8),
        ("0::/\n", {"cpu.max": "some text"}, 8),
        ("0::/\n", {"cpu.max": ""}, 8),
    ],
)
def test_the_quota(
    own: str, files: dict[str, str], cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own").write_text(own)
    for name, text in files.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(cpu_features, "_OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(cpu_features, "_GROUPS", tmp_path / "groups")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert usable_cores() == cores
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert usable_cores() == 1, "the affinity holds, too"
