"""What is logged to Rerun is what was there to see, read back with Rerun's reader."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from metric_persons import WHOLE, poses_at
from rerun_files import Rows, blueprints, component, read

from pose_estimation_ros.engine.camera_model import assumed_camera
from pose_estimation_ros.engine.poses import Poses
from pose_estimation_ros.view.frame import ViewFrame, as_jpeg
from pose_estimation_ros.view.recording import ViewRecording

SIZE = 64, 48
PICTURE = np.full((48, 64, 3), (200, 100, 50), np.uint8)
MAP_FROM_CAMERA = np.array([[0, 0, 1, 3.0], [-1, 0, 0, 4.0], [0, -1, 0, 5.0]])


def _frame(time_s: float, poses: Poses, **more: object) -> ViewFrame:
    options: dict = {"times_ms": {"detect": 4.0, "pose": 6.0}, "age_ms": 12.5, "dropped": 7}
    return ViewFrame(time_s, SIZE, poses, **{**options, **more})


def _record(path: Path, *frames: tuple[str, ViewFrame], since_epoch: bool = False) -> Rows:
    import rerun as rr

    stream = rr.RecordingStream("test")
    stream.save(str(path))
    recording = ViewRecording(stream, since_epoch)
    recording.log_memory(1.0)  # before any frame: of no moment
    for camera, frame in frames:
        recording.log(camera, frame)
    recording.log_rate(frames[-1][0], 14.5)
    recording.log_memory(210.0)
    stream.flush()
    stream.disconnect()
    return read(path)


def test_people_figures_and_the_image(tmp_path: Path) -> None:
    poses = poses_at(WHOLE, WHOLE).poses
    camera = assumed_camera(*SIZE)
    rows = _record(
        tmp_path / "run.rrd",
        ("", _frame(0.5, poses, jpeg=as_jpeg(PICTURE), camera=camera)),
        ("", _frame(0.6, Poses.empty(), age_ms=np.nan)),
    )
    place = "/cameras/camera"
    assert [time_s for time_s, _ in rows[f"{place}/boxes"]] == [0.5, 0.6]
    ids, nobody = component(rows, f"{place}/boxes", "track_id")
    assert ids.tolist() == [3, 4] and nobody.size == 0
    assert component(rows, f"{place}/boxes", "Boxes2D:centers")[0].tolist() == [[5, 5], [5, 5]]
    labels = component(rows, f"{place}/boxes", "Boxes2D:labels")[0]
    assert labels.tolist() == ["3: 0.90", "4: 0.90"]
    blob = component(rows, f"{place}/image", "EncodedImage:blob")[0].astype(np.uint8)
    decoded = cv2.imdecode(blob.reshape(-1), cv2.IMREAD_COLOR)
    assert decoded.shape == PICTURE.shape and abs(decoded.astype(int) - PICTURE).max() < 10
    metres = component(rows, "/people/camera/joints", "Points3D:positions")
    sure = poses.positions_m[poses.joints.scores >= 0.2]
    assert np.allclose(metres[0], sure) and metres[1].size == 0
    assert component(rows, "/plots/camera/stages", "Scalars:scalars")[0].tolist() == [4.0, 6.0]
    assert np.ravel(component(rows, "/plots/camera/age", "Scalars:scalars")).tolist() == [12.5]
    persons = np.ravel(component(rows, "/plots/camera/persons", "Scalars:scalars"))
    assert persons.tolist() == [2, 0]
    assert np.ravel(component(rows, "/plots/camera/dropped", "Scalars:scalars")).tolist() == [7, 7]
    assert np.ravel(component(rows, "/plots/camera/fps", "Scalars:scalars")).tolist() == [14.5]
    assert np.ravel(component(rows, "/process/memory", "Scalars:scalars")).tolist() == [210.0]
    assert blueprints(tmp_path / "run.rrd") == 1


def test_only_joints_that_are_sure_are_drawn(tmp_path: Path) -> None:
    poses = poses_at(WHOLE).poses
    poses.joints.xy[0] = np.arange(34).reshape(17, 2)
    poses.joints.scores[0] = np.where(np.arange(17) % 2, 0.1, 0.8)
    poses.joints.xy[0, 4] = np.nan
    rows = _record(tmp_path / "run.rrd", ("", _frame(0.0, poses)))
    (joints,) = component(rows, "/cameras/camera/joints", "joint")
    assert joints.tolist() == [0, 2, 6, 8, 10, 12, 14, 16]
    (points,) = component(rows, "/cameras/camera/joints", "Points2D:positions")
    assert np.array_equal(points, poses.joints.xy[0, joints])
    (strips,) = component(rows, "/cameras/camera/bones", "LineStrips2D:strips")
    ends = [(a, b) for a, b in poses.skeleton.bones if {a, b} <= set(joints.tolist())]
    assert np.array_equal(
        strips, [[poses.joints.xy[0, a], poses.joints.xy[0, b]] for a, b in ends]
    )


def test_cameras_that_share_a_frame_stand_where_they_are(tmp_path: Path) -> None:
    shared = {"frame": "map", "place": MAP_FROM_CAMERA, "camera": assumed_camera(*SIZE)}
    poses = poses_at(WHOLE).poses
    rows = _record(
        tmp_path / "run.rrd",
        ("front", _frame(1e9, poses, **shared)),
        ("rear/left", _frame(1e9 + 0.1, poses, **{**shared, "place": None})),
        since_epoch=True,
    )
    (moved,) = component(rows, "/cameras/front", "Transform3D:translation")
    assert moved.reshape(-1).tolist() == [3.0, 4.0, 5.0]
    assert "/cameras/rear_left" not in rows, "nobody knows where it is"
    assert rows["/people/rear_left/joints"][0][0] == pytest.approx(1e9 + 0.1, abs=1e-6)
