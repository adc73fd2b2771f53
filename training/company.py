"""Other people and places in a person's crop: COCO's people are rarely alone, the crops' are.

People are cut out of other crops by their silhouettes, which ``python -m training.silhouettes``
draws once, and put beside, behind or in front of the person whom the crop is about.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from training.data import BOX_IN_CROP, CROP_SIDE
from training.pool import Pool

CUTOUTS = "cutouts.npy"  # (n, 256, 256, 4): the crops with their silhouettes
ACCOMPANIED = 0.5  # share of crops that get company
ELSEWHERE = 0.2  # share of crops that get another background
MOST_COVERED = 0.4  # of the labelled joints, by somebody in front
COVERED_WEIGHT = 0.5  # of a covered joint: where it is can only be guessed
CENTRE = np.full(2, CROP_SIDE / 2 - 0.5)


def open_cutouts(cache: Path) -> np.ndarray:
    """The crops with their silhouettes: (n, 256, 256, 4).

    Raises:
        FileNotFoundError: none have been drawn.
    """
    path = cache / CUTOUTS
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run python -m training.silhouettes first")
    found: np.ndarray = np.load(path, mmap_mode="r")
    return found


class Company:
    """What may be added to a crop.

    Args:
        cache: of ``training.data`` and ``training.silhouettes``.
        joints: (n, 17, 3) of all crops; weight: (n, 17).
        indices: of the crops to draw people from.

    Raises:
        FileNotFoundError: no silhouettes have been drawn.
    """

    def __init__(
        self, cache: Path, joints: np.ndarray, weight: np.ndarray, indices: np.ndarray
    ) -> None:
        self.cutouts = open_cutouts(cache)
        self.pool = Pool(cache)
        drawn = np.unique(indices)
        self.trusted = np.zeros(len(joints), bool)
        self.trusted[drawn] = [holds(self.cutouts[i, ..., 3], joints[i], weight[i]) for i in drawn]
        self.people = np.flatnonzero(self.trusted)

    def cutout(self, index: int) -> np.ndarray:
        """A crop with its silhouette, empty where it is not to be trusted: (256, 256, 4)."""
        found: np.ndarray = self.cutouts[index]
        if not self.trusted[index]:
            found = found.copy()
            found[..., 3] = 0
        return found

    def join(
        self, picture: np.ndarray, joints: np.ndarray, weight: np.ndarray, scale: float,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """Put the person elsewhere, or others beside it, now and then.

        Args:
            picture: (side, side, 4), the crop and its silhouette.
            joints: (17, 3), x, y in its px; weight: (17, 2).
            scale: px of the picture for one of the stored crop.

        Returns:
            The picture (side, side, 3) and the weights, lower for joints that are covered.
        """
        alone, mask = picture[..., :3], picture[..., 3]
        known = bool(mask.any())
        if known and rng.random() < ELSEWHERE:
            alone = blend(self.place(picture.shape[0], rng), alone, mask)
        if len(self.people) and rng.random() < ACCOMPANIED:
            for _ in range(int(rng.choice((1, 2, 3), p=(0.5, 0.3, 0.2)))):
                other, shape = self.somebody(picture.shape[0], joints, weight, scale, rng)
                covered = at(shape, joints) & (weight[:, 0] > 0)
                if known and rng.random() < 0.6:
                    shape = cv2.multiply(shape, 255 - mask, scale=1 / 255)
                elif covered.sum() > MOST_COVERED * (weight[:, 0] > 0).sum():
                    continue
                else:
                    weight = np.where(covered[:, None], weight * COVERED_WEIGHT, weight)
                    mask = cv2.multiply(mask, 255 - shape, scale=1 / 255)
                alone = blend(alone, other, shape)
        return alone, weight

    def somebody(
        self, side: int, joints: np.ndarray, weight: np.ndarray, scale: float,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """A person of about the same size beside the one of ``joints``, and its silhouette."""
        cutout = self.cutout(int(rng.choice(self.people)))
        size = BOX_IN_CROP * scale
        factor = scale * float(np.exp(np.clip(rng.normal(0, 0.3), -0.7, 0.7)))
        angle = rng.normal(0, 0.1)
        mirror = rng.choice((-1.0, 1.0))
        seen = joints[weight[:, 0] > 0, :2]
        centre = (seen.min(0) + seen.max(0)) / 2 if len(seen) else np.full(2, side / 2)
        across = rng.choice((-1.0, 1.0)) * rng.uniform(0.12, 0.7) * size
        at_px = centre + np.array((across, rng.normal(0, 0.15) * size))
        linear = similarity(factor, angle, mirror)
        matrix = np.concatenate((linear, (at_px - linear @ CENTRE)[:, None]), axis=1)
        moved = cv2.warpAffine(cutout, matrix, (side, side), flags=cv2.INTER_LINEAR)
        return moved[..., :3], moved[..., 3]

    def place(self, side: int, rng: np.random.Generator) -> np.ndarray:
        """A part of a scene or, of a crop, all: (side, side, 3). Somebody may be in it."""
        if rng.random() < 0.4:
            return cv2.resize(self.cutouts[rng.choice(self.people)], (side, side))[..., :3]
        count = len(self.pool.scenes)
        index = int(rng.integers(count))
        if rng.random() < 0.6:
            index = int(rng.integers(self.pool.streets, count))  # one of COCO's
        scene = self.pool.scene(index).image
        height, width = scene.shape[:2]
        edge = int(min(height, width) * rng.uniform(0.4, 1))
        x, y = (int(rng.integers(0, size - edge + 1)) for size in (width, height))
        part = scene[y : y + edge, x : x + edge]
        method = cv2.INTER_AREA if edge > side else cv2.INTER_LINEAR
        return cv2.resize(part, (side, side), interpolation=method)


def similarity(scale: float, angle: float, mirror: float) -> np.ndarray:
    """Turning by ``angle`` (rad), scaling and, where ``mirror`` is -1, a flip across: (2, 2)."""
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    return np.array(((mirror * cos, -mirror * sin), (sin, cos)))


def holds(silhouette: np.ndarray, joints: np.ndarray, weight: np.ndarray) -> bool:
    """Whether nine tenths of the well known joints, and six at least, lie in a silhouette."""
    inside = at(silhouette, joints)[weight > 0.5]
    return len(inside) >= 6 and float(inside.mean()) >= 0.9


def at(mask: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Whether the mask (h, w) is set at the joints (17, 3), False outside it; (17,)."""
    height, width = mask.shape
    x, y = np.round(joints[:, :2]).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    return inside & (mask[y.clip(0, height - 1), x.clip(0, width - 1)] > 127)


def blend(below: np.ndarray, above: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """``above`` (h, w, 3) over ``below`` where ``mask`` (h, w) is set, as far as it is."""
    share = mask[..., None].astype(np.float32) / 255
    return (below + (above.astype(np.float32) - below) * share).astype(np.uint8)
