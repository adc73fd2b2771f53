"""Results as vision_msgs and foxglove_msgs, which are imported only if they are asked for."""

from __future__ import annotations

import importlib
from typing import Any, TypeAlias

import numpy as np
from std_msgs.msg import Header

from pose_estimation_ros.engine.drawing import track_colour
from pose_estimation_ros.engine.poses import TRACK_LOST, Poses
from pose_estimation_ros.engine.skeletons import skeleton_named
from pose_estimation_ros.engine.types import PoseResult
from pose_estimation_ros.ros.outputs.person_place import person_boxes, person_positions, set_xyz

_LEAST_SCORE = 0.2
_LINE_PX, _TEXT_PX = 2.0, 14.0


class _PackageMessages:
    """Makes the messages `array` of another package.

    `in_metres` says whether they hold positions, in the frame of these.
    """

    topic: str
    package: str
    array: str
    in_metres: bool

    def __init__(self) -> None:
        """Raises ImportError where the package is not installed."""
        self._msg: Any = importlib.import_module(f"{self.package}.msg")
        self.kind: Any = getattr(self._msg, self.array)


class DetectionMessages(_PackageMessages):
    """Makes vision_msgs/Detection2DArray: every person seen, with box, score and identity."""

    topic, package, array, in_metres = "detections", "vision_msgs", "Detection2DArray", False

    def make(self, header: Header, result: PoseResult) -> Any:
        msg, poses = self._msg, result.poses
        array = msg.Detection2DArray(header=header)
        for person in np.flatnonzero(poses.track_states != TRACK_LOST).tolist():
            x1, y1, x2, y2 = poses.boxes[person].tolist()
            detection = msg.Detection2D(header=header)
            detection.bbox.center.position.x = (x1 + x2) / 2
            detection.bbox.center.position.y = (y1 + y2) / 2
            detection.bbox.size_x, detection.bbox.size_y = x2 - x1, y2 - y1
            detection.id = _identity(poses, person)
            detection.results.append(_person(msg, float(poses.scores[person])))
            array.detections.append(detection)
        return array


class Detection3DMessages(_PackageMessages):
    """Makes vision_msgs/Detection3DArray: every person whose position is known.

    The box is along the axes of the frame, around the joints; the pose of the hypothesis is the
    person's position, with the axes of the frame.
    """

    topic, package, array, in_metres = "detections_3d", "vision_msgs", "Detection3DArray", True

    def make(self, header: Header, result: PoseResult) -> Any:
        msg, poses = self._msg, result.poses
        array = msg.Detection3DArray(header=header)
        places, (centres, sizes) = person_positions(poses), person_boxes(poses)
        for person in np.flatnonzero(np.isfinite(places).all(axis=1)).tolist():
            detection = msg.Detection3D(header=header)
            set_xyz(detection.bbox.center.position, centres[person])
            set_xyz(detection.bbox.size, sizes[person])
            detection.id = _identity(poses, person)
            guess = _person(msg, float(poses.scores[person]))
            set_xyz(guess.pose.pose.position, places[person])
            detection.results.append(guess)
            array.detections.append(detection)
        return array


def _identity(poses: Poses, person: int) -> str:
    track = int(poses.track_ids[person])
    return str(track) if track >= 0 else ""


def _person(msg: Any, score: float) -> Any:
    guess = msg.ObjectHypothesisWithPose()
    guess.hypothesis.class_id, guess.hypothesis.score = "person", score
    return guess


class AnnotationMessages(_PackageMessages):
    """Makes foxglove_msgs/ImageAnnotations: boxes, bones and labels to lay over the image."""

    topic, package, array, in_metres = "annotations", "foxglove_msgs", "ImageAnnotations", False

    def make(self, header: Header, result: PoseResult) -> Any:
        poses, skeleton = result.poses, skeleton_named(result.skeleton)
        array = self._msg.ImageAnnotations()
        for person in range(len(poses)):
            track = int(poses.track_ids[person])
            colour = self._colour(track_colour(track))
            x1, y1, x2, y2 = poses.boxes[person].tolist()
            corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
            box = self._points(header, self._msg.PointsAnnotation.LINE_LOOP, corners, colour)
            xy = poses.joints.xy[person].tolist()
            seen = (poses.joints.scores[person] >= _LEAST_SCORE).tolist()
            # Joints count from the centre of the first pixel, annotations from its corner.
            shown = [bone for bone in skeleton.bones if seen[bone[0]] and seen[bone[1]]]
            ends = [(xy[j][0] + 0.5, xy[j][1] + 0.5) for bone in shown for j in bone]
            bones = self._points(header, self._msg.PointsAnnotation.LINE_LIST, ends, colour)
            bones.outline_colors = [self._colour(skeleton.bone_colour(bone)) for bone in shown]
            array.points += [box, bones] if ends else [box]
            text = self._msg.TextAnnotation(timestamp=header.stamp, font_size=_TEXT_PX)
            text.position.x, text.position.y = x1, y1
            text.text = f"{track} " if track >= 0 else ""
            text.text += f"{poses.scores[person]:.2f}"
            text.text_color = colour
            text.background_color.a = 0.6
            array.texts.append(text)
        return array

    def _points(
        self, header: Header, kind: int, points: list[tuple[float, float]], colour: Any
    ) -> Any:
        annotation = self._msg.PointsAnnotation(timestamp=header.stamp, type=kind)
        annotation.points = [self._msg.Point2(x=x, y=y) for x, y in points]
        annotation.outline_color, annotation.thickness = colour, _LINE_PX
        return annotation

    def _colour(self, bgr: tuple[int, int, int]) -> Any:
        blue, green, red = (value / 255 for value in bgr)
        return self._msg.Color(r=red, g=green, b=blue, a=1.0)


ForeignMessages: TypeAlias = (
    type[DetectionMessages] | type[Detection3DMessages] | type[AnnotationMessages]
)
