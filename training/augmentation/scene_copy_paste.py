"""People cut out of crops and put into whole scenes, for the detector.

Scenes have few people and crops have one. What is put in is known exactly: a person's box is that
of what is still seen of the silhouette, as COCO's boxes are.
"""

from __future__ import annotations

import cv2
import numpy as np

from training.augmentation.silhouettes import CUTOUTS, INSIDE, OUTLINES, open_cutouts, outline
from training.common.boxes import box_iou
from training.common.image_pool import SMALLEST, Pool

SAME_BOX = 0.7  # IoU with the person's labelled box from which a silhouette is trusted
MIN_VISIBLE = 0.25  # share of a person, or less, of which it is left open whether it is seen
MAX_COVERED = 0.5  # share of a labelled box, or more, that leaves open whether its person is seen


class SceneCopyPaste:
    """Pastes people into scenes.

    Args:
        pool: the crops; ``training.augmentation.silhouettes`` has drawn their silhouettes.

    Raises:
        FileNotFoundError: it has not.
    """

    def __init__(self, pool: Pool) -> None:
        self.cutouts = open_cutouts(pool.cache / CUTOUTS)
        self.outlines = open_cutouts(pool.cache / OUTLINES)
        self.people = np.array(
            [i for i, box in enumerate(self.outlines) if is_labelled(box, pool.crop(i).boxes)], int
        )

    def paste(
        self, scene: np.ndarray, boxes: np.ndarray, kind: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Paste people into a scene (h, w, 3).

        Returns:
            The scene, all boxes (k, 4) xyxy px and their kinds (k,).
        """
        scene = scene.copy()
        owner = np.zeros(scene.shape[:2], np.int16)
        whole = []
        # People whose feet are lower are nearer, and hide the others.
        height, width = scene.shape[:2]
        nearer_later = sorted(positions(height, width, rng), key=lambda place: place[2])
        for number, place in enumerate(nearer_later, 1):
            size, x, foot = place
            whole.append(self._put(scene, owner, number, size, x, foot, rng))
        found, sure = visible_boxes(owner, np.array(whole))
        kind = np.where(covered_shares(owner, boxes) > MAX_COVERED, -1, kind)
        return scene, np.concatenate((boxes, found)), np.concatenate((kind, sure))

    def _put(
        self,
        scene: np.ndarray,
        owner: np.ndarray,
        number: int,
        height: float,
        x: float,
        foot: float,
        rng: np.random.Generator,
    ) -> int:
        """Paste one person and enter it in ``owner``; its number of px, hidden ones too."""
        index = int(rng.choice(self.people))
        left, top, right, bottom = self.outlines[index]
        person = self.cutouts[index, top:bottom, left:right]
        scale = height / max(person.shape[:2])
        size = (max(round(person.shape[1] * scale), 1), max(round(person.shape[0] * scale), 1))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        person = cv2.resize(person, size, interpolation=method)
        if rng.random() < 0.5:
            person = person[:, ::-1]
        light = np.clip(person[..., :3] * rng.uniform(0.75, 1.25), 0, 255).astype(np.uint8)
        shape = person[..., 3]
        inside = shape > INSIDE
        x0, y0 = round(x - size[0] / 2), round(foot - size[1])
        rows = slice(max(y0, 0), min(y0 + size[1], scene.shape[0]))
        columns = slice(max(x0, 0), min(x0 + size[0], scene.shape[1]))
        part = (
            slice(rows.start - y0, max(rows.stop, rows.start) - y0),
            slice(columns.start - x0, max(columns.stop, columns.start) - x0),
        )
        scene[rows, columns] = blend(scene[rows, columns], light[part], shape[part])
        owner[rows, columns][inside[part]] = number
        return int(inside.sum())


def blend(below: np.ndarray, above: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """``above`` (h, w, 3) over ``below`` where ``mask`` (h, w) is set, as far as it is."""
    share = mask[..., None].astype(np.float32) / 255
    return (below + (above.astype(np.float32) - below) * share).astype(np.uint8)


def is_labelled(box: tuple[int, int, int, int], labelled: np.ndarray) -> bool:
    """Whether one of the labelled boxes (k, 4) is where a silhouette's box is."""
    own = np.array([box], np.float32)
    return bool(box_iou(labelled, own).max(initial=0) > SAME_BOX)


def positions(
    height: int, width: int, rng: np.random.Generator
) -> list[tuple[float, float, float]]:
    """Where people stand in a scene: the longer side, the middle and the lowest px of each."""
    side = min(height, width)
    choice = rng.random()
    if choice < 0.45:  # a few, of any size
        count = int(rng.integers(1, 5))
        size = side * np.exp(rng.uniform(np.log(0.15), np.log(1.0)))
        sizes = size * np.exp(rng.normal(0, 0.25, count))
        sizes = np.minimum(sizes, 1.5 * side)
        feet = rng.uniform(0.9 * sizes, height + 0.35 * sizes)
    elif choice < 0.8:  # a copy_paste at some distance
        count = int(rng.integers(4, 15))
        sizes = side * rng.uniform(0.12, 0.4) * np.exp(rng.normal(0, 0.2, count))
        feet = height * rng.uniform(0.4, 1) + rng.normal(0, 0.06, count) * height
    else:  # people near the camera: the frame shows the upper part
        count = int(rng.integers(1, 3))
        sizes = side * rng.uniform(0.9, 1.6, count)
        feet = height * rng.uniform(-0.05, 0.35, count) + sizes
    across = rng.uniform(0, width, count)
    return list(zip(sizes.tolist(), across.tolist(), feet.tolist(), strict=True))


def visible_boxes(owner: np.ndarray, whole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (k, 4) and kinds (k,) of who is still seen.

    Args:
        owner: (h, w), the number of the person seen at a pixel, 0 for none.
        whole: (n,) px of each, from number 1 on.
    """
    boxes, kinds = [np.zeros((0, 4), np.float32)], []
    for number, pixels in enumerate(whole, 1):
        seen = owner == number
        share = seen.sum() / max(int(pixels), 1)
        box = np.array([outline(seen * np.uint8(255))], np.float32)
        longer = (box[0, 2:] - box[0, :2]).max()
        if share > 0.03 and longer > 3:
            boxes.append(box)
            kinds.append(1 if share > MIN_VISIBLE and longer >= SMALLEST else -1)
    return np.concatenate(boxes), np.array(kinds, int)


def covered_shares(owner: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Share of each box (k, 4) that pasted people cover; (k,)."""
    shares = [0.0] * len(boxes)
    for i, (x0, y0, x1, y1) in enumerate(np.round(boxes).astype(int).clip(0)):
        inside = owner[y0:y1, x0:x1]
        shares[i] = float((inside > 0).mean()) if inside.size else 0.0
    return np.array(shares)
