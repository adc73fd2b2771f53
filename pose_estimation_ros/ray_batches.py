"""Poses as a step of a Ray Data pipeline.

import ray
from pose_estimation_ros.ray_batches import PoseBatches

images = ray.data.read_images("pictures/")
poses = images.map_batches(PoseBatches, batch_size=16, concurrency=2, num_cpus=1)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.errors import InputError
from pose_estimation_ros.estimator import PoseEstimator


class PoseBatches:
    """Adds the poses of each image of a batch, each image on its own.

    Ray makes one for each of its workers, so the models are loaded once there. What comes out has
    a column for each part, with a row for each image, in which persons are listed best first.
    """

    def __init__(
        self,
        image: str = "image",
        order: str = "rgb",
        prefix: str = "pose_",
        pipeline: str = "v4",
        **settings: Any,
    ) -> None:
        """Loads the models.

        Args:
            image: the column of the images (height, width, 3) uint8.
            order: "rgb" as Ray reads them, or "bgr" as OpenCV does.
            prefix: of the new columns: `boxes` (n, 4) px, `scores` (n,), `keypoints` (n, k, 3)
                x px, y px, score.
            pipeline, settings: as for `PoseEstimator`.

        Raises:
            InputError: the order is another.
        """
        if order not in ("rgb", "bgr"):
            raise InputError(f"order '{order}': expected rgb or bgr")
        self._image, self._order, self._prefix = image, order, prefix
        self._estimator = PoseEstimator(pipeline, **{"threads": 1, "num_workers": 1, **settings})

    def __call__(self, batch: Mapping[str, AnyArray]) -> dict[str, Any]:
        """The batch with the new columns.

        Raises:
            InputError: there is no such column, or it holds no images.
        """
        if self._image not in batch:
            raise InputError(f"no column '{self._image}': there are {', '.join(batch)}")
        columns: dict[str, list[list[Any]]] = {"boxes": [], "scores": [], "keypoints": []}
        for pixels in batch[self._image]:
            given = np.asarray(pixels)
            bgr = given[..., ::-1] if self._order == "rgb" else given
            poses = self._estimator(np.ascontiguousarray(bgr))
            joints = np.concatenate([poses.joints.xy, poses.joints.scores[..., None]], axis=2)
            columns["boxes"].append(poses.boxes.tolist())
            columns["scores"].append(poses.scores.tolist())
            columns["keypoints"].append(joints.tolist())
        made = {f"{self._prefix}{name}": _ragged(rows) for name, rows in columns.items()}
        return {**batch, **made}


def _ragged(rows: list[list[Any]]) -> AnyArray:
    """Rows of different lengths as a column."""
    column = np.empty(len(rows), object)
    column[:] = rows
    return column
