"""Poses of persons whose pixels did not change, used again.

A surveillance camera sees people who sit and stand for minutes, and a paused video nothing else.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from itertools import count

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, ByteArray, FloatArray
from pose_estimation_ros.engine.geometry import crop_affine, crop_boxes
from pose_estimation_ros.engine.pose.top_down import CROP_ENLARGE
from pose_estimation_ros.engine.poses import JointEstimates
from pose_estimation_ros.engine.types import Image

_SIDE = 64  # samples a side of the crop that is compared
_BLOCK = 8
_NOISE = 3.0  # most mean difference of a block of samples, grey levels
_SPECK = 24  # most difference of any one sample: an edge that moved by a pixel makes more
_SAME_BOX = 0.02  # of the box's longer side


@dataclass(slots=True)
class ReuseOptions:
    """`cache_size` is the number of poses that are remembered; 0 estimates every pose anew."""

    cache_size: int = 50


@dataclass(frozen=True, slots=True)
class _Entry:
    box: AnyArray
    shown: AnyArray  # the area that was compared, (4,) px
    samples: ByteArray
    joints: JointEstimates  # of one person


class PoseReuse:
    """The last poses of one camera's persons with the pixels they were estimated from.

    A pose is used again where the box is where it was and every sample of the crop is as it was,
    up to the noise of a good sensor. The comparison is always with the pixels of the estimate
    itself, so slow movement adds up until it shows. Not thread-safe.

    Attributes:
        used, estimated: poses of the last frame that were used again, and that were not.
    """

    def __init__(self, options: ReuseOptions) -> None:
        self.options = options
        self._entries: OrderedDict[int, _Entry] = OrderedDict()
        self._numbers = count()
        self._model: object = None
        self.used = self.estimated = 0

    def clear(self) -> None:
        """Forgets every pose."""
        self._entries.clear()

    def find(self, image: Image, boxes: FloatArray, model: object) -> list[JointEstimates | None]:
        """For each box (n, 4) px the joints of the person in it where nothing changed, else None.

        Poses estimated by another model than this one are none.
        """
        if model is not self._model or not self._entries or not self.options.cache_size:
            return [None] * len(boxes)
        numbers = list(self._entries)
        stored = np.stack([self._entries[number].box for number in numbers])
        away = np.abs(boxes[:, None] - stored[None]).max(axis=2)
        reach = _SAME_BOX * (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
        nearest = away.argmin(axis=1)
        found: list[JointEstimates | None] = []
        for index, which in enumerate(nearest.tolist()):
            entry = self._entries[numbers[which]]
            near = away[index, which] <= reach[index]
            if near and _same(_sample(image, entry.shown), entry.samples):
                self._entries.move_to_end(numbers[which])
                found.append(entry.joints)
            else:
                found.append(None)
        return found

    def keep(
        self,
        image: Image,
        boxes: FloatArray,
        joints: JointEstimates,
        model: object,
        enlarge: float = CROP_ENLARGE,
    ) -> None:
        """Remembers freshly estimated joints of the persons in the boxes (n, 4) px.

        `enlarge` is how much larger than a box the model's crop was.
        """
        if model is not self._model:
            self._entries.clear()
            self._model = model
        if not self.options.cache_size:
            self._entries.clear()
            return
        for index, shown in enumerate(crop_boxes(boxes, 1.0, enlarge)):
            pose = joints.take([index])
            samples = _sample(image, shown)
            self._entries[next(self._numbers)] = _Entry(boxes[index], shown, samples, pose)
        while len(self._entries) > self.options.cache_size:
            self._entries.popitem(last=False)


def _sample(image: Image, shown: AnyArray) -> ByteArray:
    """An area (4,) of the image as (64, 64, 3) single pixels, unsmoothed."""
    affine = crop_affine(shown, _SIDE, _SIDE)
    picture = cv2.warpAffine(image.pixels, affine, (_SIDE, _SIDE), flags=cv2.INTER_NEAREST)
    return np.asarray(picture, np.uint8)


def _same(samples: ByteArray, before: ByteArray) -> bool:
    difference = cv2.absdiff(samples, before)
    if difference.max() > _SPECK:
        return False
    blocks = cv2.resize(difference, (_SIDE // _BLOCK,) * 2, interpolation=cv2.INTER_AREA)
    return bool(blocks.max() <= _NOISE)
