"""What every test may use."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import missing_extras
import pytest
from domains import claim_domain
from paths import ROOT, SHARED, TESTS

# A domain of their own, on this machine only, before any test imports rclpy.
os.environ["ROS_DOMAIN_ID"] = str(claim_domain())
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"] = str(ROOT / "config" / "fastdds_images.xml")

# Workers share the cores. OpenMP's threads (torch's, NumPy's) wait for each other actively, which
# makes a training of 7 s one of 80 s where others want the cores, too.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
_workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0"))
if _workers:
    _threads = max(1, len(os.sched_getaffinity(0)) // _workers)
    os.environ.setdefault("OMP_NUM_THREADS", str(_threads))

# A run started in the background by a script ignores Ctrl-C, and so would all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

if missing_extras.ASKED:
    from missing_extras import (  # noqa: F401
        pytest_make_collect_report,
        pytest_runtest_makereport,
    )

# Whose tests start processes, by folder or by fixture; all others are part of `make check`.
_PROCESS_FOLDERS = [TESTS / name for name in ("cli", "launch", "reliability")]
_PROCESS_FIXTURES = {"rig"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        parents = item.path.resolve().parents  # the workspace may hold a link to the checkout
        in_folder = any(folder in parents for folder in _PROCESS_FOLDERS)
        fixtures = getattr(item, "fixturenames", ())
        if in_folder or not _PROCESS_FIXTURES.isdisjoint(fixtures):
            item.add_marker(pytest.mark.processes)
    if _workers:  # the long ones first, so that no worker is left alone with one
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(optionalhook=True)  # where pytest-xdist is installed
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from scheduling import Scheduling

    return Scheduling(config, log)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of third-party models, clips and data beside the checkout."""
    folder = SHARED
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent: it holds third-party models and clips")
    return folder


@pytest.fixture(scope="session")
def scene_frames() -> list:
    """Half a second of the bundled scene: three persons, BGR."""
    from pose_estimation_ros.io.demo_scene import SceneSource

    return list(SceneSource(seconds=0.5).frames())


@pytest.fixture(scope="session")
def embedded_models():
    """The embedded detector and pose model, loaded once, over two workers."""
    from pose_estimation_ros.model_zoo import build_models
    from pose_estimation_ros.settings import EngineConfig

    models = build_models(EngineConfig(pipeline="v4", num_workers=2, runtime="onnxruntime"))
    models.load()
    yield models
    models.close()
