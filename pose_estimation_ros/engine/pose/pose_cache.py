"""The pose cache: persons whose pixels did not change keep their pose, the others are estimated.

A surveillance camera sees people who sit and stand for minutes, and a paused video nothing else.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from itertools import count

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, BoolArray, ByteArray, FloatArray
from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.execution.fallback_chain import FallbackChain
from pose_estimation_ros.engine.execution.worker_pool import WorkerPool, chunk_sizes
from pose_estimation_ros.engine.geometry import box_iou, crop_affine, crop_boxes
from pose_estimation_ros.engine.pose.blazepose import BlazePose
from pose_estimation_ros.engine.pose.one_stage import OneStagePose
from pose_estimation_ros.engine.pose.pose_model import CropModel, PoseModel
from pose_estimation_ros.engine.poses import JointEstimates
from pose_estimation_ros.engine.skeletons import Skeleton
from pose_estimation_ros.engine.types import Image
from pose_estimation_ros.settings import PoseCacheOptions

_SIDE = 64  # samples a side of the crop that is compared
_BLOCK = 8
_NOISE = 3.0  # largest mean difference of a block of samples, grey levels
_SPECK = 24  # largest difference of one sample: an edge that moved by a pixel makes more
_SAME_BOX = 0.02  # of the box's longer side
_SAME_PERSON_IOU = 0.4  # of boxes in two frames


@dataclass(frozen=True, slots=True)
class EstimatedJoints:
    """Joints of n persons; `cache_hits` of them were taken from the cache."""

    joints: JointEstimates
    skeleton: Skeleton
    cache_hits: int = 0

    def __len__(self) -> int:
        return len(self.joints)


@dataclass(frozen=True, slots=True)
class _Entry:
    box: AnyArray
    shown: AnyArray  # the area that was compared, (4,) px
    samples: ByteArray
    joints: JointEstimates  # of one person


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What one pose model made of a frame: cached joints by person, and new ones in order."""

    model: PoseModel
    cached: list[JointEstimates | None]
    is_new: BoolArray
    new: JointEstimates


class PoseCache:
    """The last poses of one camera's persons with the pixels they were estimated from.

    A pose is used again where the box is where it was and every sample of the crop is as it was,
    up to the noise of a good sensor. The comparison is always with the pixels of the estimate
    itself, so slow movement adds up until it shows. Not thread-safe.
    """

    def __init__(self, options: PoseCacheOptions) -> None:
        self.options = options
        self._entries: OrderedDict[int, _Entry] = OrderedDict()
        self._numbers = count()
        self._model: object = None
        # Of the last frame: everybody's box, and the crop that an aligning model wants next.
        self._last: tuple[FloatArray, FloatArray] | None = None

    def clear(self) -> None:
        """Forgets every pose."""
        self._entries.clear()
        self._last = None

    def estimate(
        self,
        image: Image,
        boxes: FloatArray,
        models: FallbackChain[PoseModel],
        workers: WorkerPool,
        cancel: CancelToken,
    ) -> EstimatedJoints:
        """Joints of the persons in the boxes (n, 4) px, in their order.

        Those who are not cached are estimated in chunks over the workers.

        Raises:
            ModelError: no pose model is usable.
            CancelledError: the token was cancelled.
        """
        if len(boxes) == 0:
            skeleton = models.load().skeleton
            return EstimatedJoints(JointEstimates.empty(len(skeleton.joints)), skeleton)

        def attempt(model: PoseModel) -> _Attempt:
            if isinstance(model, OneStagePose):  # one look at the image answers for everybody
                everybody = np.ones(len(boxes), bool)
                joints = model.estimate(image, boxes)
                return _Attempt(model, [None] * len(boxes), everybody, joints)
            cached = self.find(image, boxes, model)
            is_new = np.array([joints is None for joints in cached], bool)
            crops = self._crops_of(boxes[is_new]) if isinstance(model, BlazePose) else None
            new = _in_chunks(model, image, boxes[is_new], workers, cancel, crops)
            return _Attempt(model, cached, is_new, new)

        done = models.call(attempt)
        # Here rather than in `attempt`, which runs on in its thread after a time-out.
        if not isinstance(done.model, OneStagePose):
            self.keep(image, boxes[done.is_new], done.new, done.model, done.model.enlarge)
        known = [joints for joints in done.cached if joints is not None]
        order = np.argsort(np.concatenate([done.is_new.nonzero()[0], (~done.is_new).nonzero()[0]]))
        joints = JointEstimates.concatenate([done.new, *known]).take(order)
        self._last = None if joints.crops is None else (boxes, joints.crops)
        return EstimatedJoints(joints, done.model.skeleton, len(known))

    def _crops_of(self, boxes: FloatArray) -> FloatArray:
        """The crops (n, 4) that the model wanted of those who are in these boxes now, else NaN."""
        crops = np.full((len(boxes), 4), np.nan)
        if self._last is not None and len(boxes):
            before, wanted = self._last
            overlap = box_iou(boxes, before)
            nearest = overlap.argmax(axis=1)
            same = overlap.max(axis=1) >= _SAME_PERSON_IOU
            crops[same] = wanted[nearest[same]]
        return crops

    def find(self, image: Image, boxes: FloatArray, model: object) -> list[JointEstimates | None]:
        """For each box (n, 4) px the joints of the person in it where nothing changed, else None.

        Poses estimated by another model than this one do not count.
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
        enlarge: float,
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
            samples = _sample(image, shown)
            entry = _Entry(boxes[index], shown, samples, joints.take([index]))
            self._entries[next(self._numbers)] = entry
        while len(self._entries) > self.options.cache_size:
            self._entries.popitem(last=False)


def _in_chunks(
    model: CropModel,
    image: Image,
    boxes: FloatArray,
    workers: WorkerPool,
    cancel: CancelToken,
    crops: FloatArray | None = None,
) -> JointEstimates:
    """The joints of the persons in the boxes (n, 4) px, estimated by all workers at a time.

    `crops` (n, 4) as for `BlazePose.estimate`.
    """
    if len(boxes) == 0:
        return JointEstimates.empty(len(model.skeleton.joints))
    ends = np.cumsum(chunk_sizes(len(boxes), workers.workers, model.batch))
    chunks = np.split(np.arange(len(boxes)), ends[:-1])

    def estimate(chunk: AnyArray) -> JointEstimates:
        if isinstance(model, BlazePose):
            return model.estimate(image, boxes[chunk], None if crops is None else crops[chunk])
        return model.estimate(image, boxes[chunk])

    return JointEstimates.concatenate(workers.map(estimate, chunks, cancel))


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
