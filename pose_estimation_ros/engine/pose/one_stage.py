"""One-stage pose models: everybody with their joints in one inference over the whole image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pose_estimation_ros.engine.arrays import FloatArray
from pose_estimation_ros.engine.detection.canvas_network import (
    CanvasNetwork,
    PreparedImage,
    check_rows,
)
from pose_estimation_ros.engine.detection.suppression import are_scores, staying
from pose_estimation_ros.engine.geometry import box_iou
from pose_estimation_ros.engine.pose.one_stage_heads import OneStageHead
from pose_estimation_ros.engine.poses import JointEstimates
from pose_estimation_ros.engine.runtimes import Runtime
from pose_estimation_ros.engine.skeletons import Skeleton, skeleton_of_model
from pose_estimation_ros.engine.types import Detections, Image
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.settings import DetectorOptions

# In boxes that somebody else found: whom the model is less sure of counts, too.
_NEVER = 1.0  # overlap of two boxes
_LEAST_SCORE_IN_BOX, _MOST_OVERLAP_IN_BOX, _LEAST_IOU = 0.05, 0.6, 0.3


class People(NamedTuple):
    """Persons of an image, best first, and their joints in the same order."""

    found: Detections
    joints: JointEstimates

    def best(self, most: int) -> People:
        """The first ones, at most that many."""
        kept = np.arange(min(len(self.found), most))
        return People(self.found.best(most), self.joints.take(kept))


class OneStagePose:
    """A one-stage model over any runtime. May be used from several threads at once.

    Its cost does not depend on how many people there are. Skeleton and layout of the outputs are
    read off the model.
    """

    gives_depth = False  # of the joints, so that there are no positions in metres

    def __init__(
        self,
        network: CanvasNetwork,
        head: OneStageHead,
        skeleton: str = "",
        published: str = "",
    ) -> None:
        """`skeleton` and `published` as for `TopDownPose`.

        Raises:
            ModelError: it is open which joints the model estimates.
        """
        runtime = network.runtime
        self.name = runtime.path.name
        self._network, self._head = network, head
        self.skeleton: Skeleton = skeleton_of_model(
            head.joints, runtime.metadata, str(runtime.path), skeleton, published
        )

    @property
    def runtime(self) -> Runtime:
        """What runs the model."""
        return self._network.runtime

    def prepare(self, image: Image) -> PreparedImage:
        """The model's input for an image."""
        return self._network.prepare(image, self._head.feeding)

    def people(self, image: Image, options: DetectorOptions) -> People:
        """Everyone in the image, at most `max_persons`.

        Raises:
            ModelError: the model's outputs are not finite, or of another shape than at first.
        """
        return self._people(image, options.confidence_threshold, options.iou_threshold).best(
            options.max_persons
        )

    def estimate(self, image: Image, boxes: FloatArray) -> JointEstimates:
        """Joints of the persons in the boxes (n, 4) px, each person in one box at most.

        Those whom the model does not see have scores of 0, and their joints in the box's middle.

        Raises:
            ModelError: as for `people`.
        """
        seen = self._people(image, _LEAST_SCORE_IN_BOX, _MOST_OVERLAP_IN_BOX)
        k = len(self.skeleton.joints)
        middle = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
        xy = np.repeat(middle, k, axis=1).astype(np.float32)
        joints = JointEstimates(
            xy, np.zeros((len(boxes), k), np.float32), np.full((len(boxes), k), np.nan, np.float32)
        )
        overlap = box_iou(boxes, seen.found.boxes)
        while overlap.size and overlap.max() >= _LEAST_IOU:
            box, person = divmod(int(overlap.argmax()), overlap.shape[1])
            joints.xy[box], joints.scores[box] = seen.joints.xy[person], seen.joints.scores[person]
            overlap[box], overlap[:, person] = 0.0, 0.0
        return joints

    def _people(self, image: Image, least_score: float, most_overlap: float) -> People:
        tensor, transform, height, width = self.prepare(image)
        outputs = self._network.run(tensor, height, width)
        boxes, scores, joints_of = self._head.decode(outputs, height, width)
        check_rows(self.name, outputs, boxes, scores)
        # Who was selected in the graph has been compared with the others there.
        overlap = _NEVER if self._head.selected else most_overlap
        kept = staying(boxes, scores, least_score, overlap)
        boxes, scores = boxes[kept].astype(np.float32), scores[kept].astype(np.float32)
        joints = joints_of(kept)
        if not all(np.isfinite(values).all() for values in (boxes, scores, joints)):
            raise ModelError(f"{self.name} gave boxes or joints that are not numbers")
        if not are_scores(scores):
            raise ModelError(
                f"{self.name} gave scores up to {scores.max():.4g}: expected 0 to 1, so export it "
                "with such scores"
            )
        found = Detections(transform.to_image(boxes, image.width, image.height), scores)
        xy = transform.points_to_image(joints[..., :2])
        sure = np.clip(joints[..., 2], 0.0, 1.0).astype(np.float32)
        return People(found, JointEstimates(xy, sure, np.full_like(sure, np.nan)))
