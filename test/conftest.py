"""What every test may use."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

# A domain of their own, on this machine only, before any test imports rclpy.
os.environ["ROS_DOMAIN_ID"] = str(20 + os.getpid() % 80)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

# A run started in the background by a script ignores Ctrl-C, and so would all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent
os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"] = str(ROOT / "config" / "fastdds_images.xml")

# Folders whose tests are processes that talk over DDS. On a machine whose few cores are taken by
# others, discovery and start-up may outlast any patience; such a test is run again, up to twice,
# and pytest's summary counts the reruns. What fails three times in a row is a fault.
_PROCESS_TESTS = (ROOT / "test" / "ros", ROOT / "test" / "launch", ROOT / "test" / "cli")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        within = any(folder in item.path.parents for folder in _PROCESS_TESTS)
        if within and item.get_closest_marker("flaky") is None:
            item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of third-party models, clips and data beside the checkout."""
    folder = ROOT.parent / "shared"
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
