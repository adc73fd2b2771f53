"""What plays a video as a camera: endlessly."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest
from processes import Rig

from pose_estimation_ros.errors import InputError
from pose_estimation_ros.ros.video_camera import frames_of


def test_the_scene_goes_on() -> None:
    first, second = itertools.islice(frames_of("demo"), 2)
    assert first.pixels.shape == (540, 960, 3) and first.pixels.std() > 20
    assert second.time_s > first.time_s


def test_a_source_that_is_not_there() -> None:
    with pytest.raises(InputError, match="nowhere"):
        next(frames_of("/nowhere.mp4"))


@pytest.mark.processes
def test_a_video_starts_again_at_its_end_as_a_driver_would_send_it(
    rig: Rig, tmp_path: Path
) -> None:
    pytest.importorskip("av", reason="PyAV, which writes the video, is not installed")
    from videos import write_video

    file = write_video(tmp_path / "short.mp4", [index / 10 for index in range(6)])
    times = [image.time_s for image in itertools.islice(frames_of(str(file)), 15)]
    assert times == sorted(set(times))
    node = rig.start_node(pipeline="v3")
    words = ["-m", "pose_estimation_ros.ros.video_camera", str(file)]
    camera = rig.start(
        [sys.executable, *words, "--ros-args", "-r", f"__ns:={rig.namespace}"], "camera"
    )
    rig.client.spin_until(lambda: len(rig.client.poses) > 12 or not camera.running)
    assert rig.client.poses[-1].header.frame_id == "demo_camera"
    assert camera.interrupt() == 0, camera.output
    assert "Traceback" not in camera.output and node.interrupt() == 0
