"""From frames to Rerun's entities, the same for a node and for a clip.

cameras/CAMERA            Pinhole, and where the camera is
cameras/CAMERA/image      the image (JPEG)
cameras/CAMERA/boxes      everyone's box, labelled with the identity; track_id, score
cameras/CAMERA/bones      bones in the image
cameras/CAMERA/joints     joints that are drawn: person (the number of the box), joint, score
people/CAMERA     the same bones and joints in metres
plots/CAMERA      scalars: stages, age, persons, dropped, fps; process/memory
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.camera_model import CameraModel
from pose_estimation_ros.engine.drawing import track_colour
from pose_estimation_ros.engine.poses import Poses
from pose_estimation_ros.view.frame import ViewFrame
from pose_estimation_ros.view.layout import TIMELINE, ShownCamera, blueprint

APPLICATION = "pose_estimation"
_LEAST_SCORE = 0.2  # of a joint that is drawn, as on annotated images
_FRUSTUM_M = 0.6
_BONE_M, _JOINT_M = 0.012, 0.022


class ViewRecording:
    """Logs frames to a stream of Rerun's (a RecordingStream)."""

    def __init__(self, stream: Any, since_epoch: bool) -> None:
        """`since_epoch`: the frames' times are those of a clock, else of a clip from its start."""
        self._stream, self._kind = stream, "timestamp" if since_epoch else "duration"
        self._cameras: dict[str, ShownCamera] = {}
        self._intrinsics: dict[str, tuple[CameraModel, tuple[int, int]]] = {}
        self._places: dict[str, AnyArray] = {}
        self._stages: dict[str, tuple[str, ...]] = {}
        # What was logged by whatever moment it was is on no time line of its own.
        for switch in ("set_log_time_enabled", "set_log_tick_enabled"):
            getattr(stream, switch, lambda _: None)(False)

    def log(self, camera: str, frame: ViewFrame) -> None:
        """Logs an answered image of a camera (empty: the only one)."""
        import rerun as rr

        name = _path_of(camera)
        self._stream.set_time(TIMELINE, **{self._kind: frame.time_s})
        self._show(name, frame)
        if frame.camera is not None and frame.place is not None:
            self._log_camera(name, frame)
        if frame.jpeg is not None:
            image = rr.EncodedImage(contents=frame.jpeg, media_type="image/jpeg")
            self._stream.log(f"cameras/{name}/image", image)
        self._log_in_image(name, frame)
        self._log_in_metres(name, frame.poses)
        self._log_figures(name, frame)

    def log_rate(self, camera: str, frames_a_second: float) -> None:
        """Logs how many frames a second are answered, at the moment of the last frame."""
        self._scalar(f"plots/{_path_of(camera)}/fps", frames_a_second)

    def log_memory(self, memory_mb: float) -> None:
        """Logs the memory of the process that answers, at the moment of the last frame."""
        self._scalar("process/memory", memory_mb)

    def _show(self, name: str, frame: ViewFrame) -> None:
        """Lays the views out anew where something has come that has none."""
        import rerun as rr

        placed = frame.camera is not None and frame.place is not None
        before = self._cameras.get(name)
        # Where TF fails for a moment, the views stay as they are.
        placed |= before is not None and before.placed
        shown = ShownCamera(name, placed, frame.frame)
        if before == shown:
            return
        self._cameras[name] = shown
        # REP 103: robots have x forward and z up, cameras z forward and y down.
        axes = rr.ViewCoordinates.FLU if frame.frame else rr.ViewCoordinates.RDF
        self._stream.log("/", axes, static=True)
        self._stream.send_blueprint(blueprint(list(self._cameras.values())))

    def _log_camera(self, name: str, frame: ViewFrame) -> None:
        import rerun as rr

        camera, place = frame.camera, frame.place
        assert camera is not None and place is not None
        if self._intrinsics.get(name) != (camera, frame.size):
            self._intrinsics[name] = (camera, frame.size)
            pinhole = rr.Pinhole(
                focal_length=(camera.fx, camera.fy),
                principal_point=(camera.cx, camera.cy),
                resolution=frame.size,
                camera_xyz=rr.ViewCoordinates.RDF,
                image_plane_distance=_FRUSTUM_M,
            )
            self._stream.log(f"cameras/{name}", pinhole, static=True)
        before = self._places.get(name)
        if before is None or not np.array_equal(place, before):
            self._places[name] = place
            moved = rr.Transform3D(mat3x3=place[:, :3], translation=place[:, 3])
            self._stream.log(f"cameras/{name}", moved)

    def _log_in_image(self, name: str, frame: ViewFrame) -> None:
        import rerun as rr

        poses = frame.poses
        ids, scores = poses.track_ids.tolist(), poses.scores.tolist()
        labels = [
            f"{f'{track}: ' if track >= 0 else ''}{score:.2f}"
            for track, score in zip(ids, scores, strict=True)
        ]
        boxes = rr.Boxes2D(
            array=np.nan_to_num(poses.boxes).reshape(-1, 4),
            array_format=rr.Box2DFormat.XYXY,
            labels=labels,
            colors=_colours(poses),
            show_labels=True,
        )
        identities = rr.AnyValues(track_id=poses.track_ids, score=poses.scores)
        self._stream.log(f"cameras/{name}/boxes", boxes, identities)
        known = np.isfinite(poses.joints.xy).all(axis=2)
        sure = known & (poses.joints.scores >= _LEAST_SCORE)
        bones, _, numbers = _bones(poses, poses.joints.xy, sure)
        sides = [poses.skeleton.bone_colour(bone)[::-1] for bone in poses.skeleton.bones]
        colours = np.array(sides, np.uint8).reshape(-1, 3)[numbers]
        self._stream.log(
            f"cameras/{name}/bones", rr.LineStrips2D(bones, colors=colours, radii=-1.5)
        )
        person, joint = np.nonzero(sure)
        joints = rr.Points2D(
            poses.joints.xy[sure],
            radii=-2.5,
            colors=[poses.skeleton.colours[index][::-1] for index in joint],
        )
        values = rr.AnyValues(person=person, joint=joint, score=poses.joints.scores[sure])
        self._stream.log(f"cameras/{name}/joints", joints, values)

    def _log_in_metres(self, name: str, poses: Poses) -> None:
        import rerun as rr

        points = poses.positions_m
        known = np.isfinite(points).all(axis=2)
        sure = known & (poses.joints.scores >= _LEAST_SCORE)
        colours = np.array(_colours(poses), np.uint8).reshape(-1, 3)
        bones, owners, _ = _bones(poses, points, sure)
        lines = rr.LineStrips3D(bones, colors=colours[owners], radii=_BONE_M)
        self._stream.log(f"people/{name}/bones", lines)
        person, joint = np.nonzero(sure)
        dots = rr.Points3D(points[sure], colors=colours[person], radii=_JOINT_M)
        self._stream.log(f"people/{name}/joints", dots, rr.AnyValues(person=person, joint=joint))

    def _log_figures(self, name: str, frame: ViewFrame) -> None:
        import rerun as rr

        stages = tuple(frame.times_ms)
        if stages and self._stages.get(name) != stages:
            self._stages[name] = stages
            lines = rr.SeriesLines(names=list(stages))
            self._stream.log(f"plots/{name}/stages", lines, static=True)
        if stages:
            values = rr.Scalars(list(frame.times_ms.values()))
            self._stream.log(f"plots/{name}/stages", values)
        if math.isfinite(frame.age_ms):
            self._scalar(f"plots/{name}/age", frame.age_ms)
        self._scalar(f"plots/{name}/persons", int(frame.poses.in_sight.sum()))
        self._scalar(f"plots/{name}/dropped", frame.dropped)

    def _scalar(self, path: str, value: float) -> None:
        import rerun as rr

        if self._cameras:  # before the first frame there is no moment that it could belong to
            self._stream.log(path, rr.Scalars(float(value)))


def _path_of(camera: str) -> str:
    """A camera's name as a part of entities' paths."""
    return re.sub(r"\W", "_", camera) or "camera"


def _colours(poses: Poses) -> list[tuple[int, ...]]:
    """Everyone's RGB colour."""
    return [track_colour(track)[::-1] for track in poses.track_ids.tolist()]


def _bones(poses: Poses, points: AnyArray, sure: AnyArray) -> tuple[AnyArray, AnyArray, AnyArray]:
    """The bones between sure joints: ends (m, 2, d), persons (m,), numbers in the skeleton (m,).

    `points` is (n, k, d), `sure` (n, k).
    """
    ends = np.array(poses.skeleton.bones, int).reshape(-1, 2)
    person, bone = np.nonzero(sure[:, ends[:, 0]] & sure[:, ends[:, 1]])
    return points[person[:, None], ends[bone]], person, bone
