"""What a skeleton is: joints by name in the order of a model's outputs, and the bones between."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

Colour = tuple[int, int, int]  # BGR

# COCO's, of its 17 joints: https://cocodataset.org/#keypoints-eval
COCO_SIGMAS = (
    *(0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062),
    *(0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
)
LEFT, RIGHT, MIDDLE = (80, 220, 60), (40, 160, 255), (255, 170, 40)

# One place of the body under the names that skeletons give it.
_SAME_PLACE = {
    "hip": "pelvis",
    "mid_hip": "pelvis",
    "root": "pelvis",
    "top_head": "head_top",
    "mouth_left": "left_mouth",
    "mouth_right": "right_mouth",
}


@dataclass(frozen=True)
class Skeleton:
    """The joints that a family of models estimates.

    `roots` are the joints whose mean is the root; `pairs` swap under a mirror image. `sigmas` are
    the deviations of the annotators as shares of the person's size, for OKS. `groups` are parts of
    the body by name, each with its joints; the first is what says how sure a person is. `colours`
    are BGR, one a joint.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    roots: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]
    groups: tuple[tuple[str, tuple[int, ...]], ...]
    colours: tuple[Colour, ...]

    def index(self, joint: str) -> int:
        """The number of a joint.

        Raises:
            KeyError: there is none of that name.
        """
        try:
            return self.joints.index(joint)
        except ValueError:
            known = ", ".join(self.joints)
            raise KeyError(f"no joint '{joint}' in {self.name}: choose of {known}") from None

    def group(self, name: str) -> tuple[int, ...]:
        """The joints of a part of the body, such as "left_hand" of coco_wholebody133.

        Raises:
            KeyError: there is none of that name.
        """
        try:
            return dict(self.groups)[name]
        except KeyError:
            known = ", ".join(part for part, _ in self.groups)
            raise KeyError(f"no group '{name}' in {self.name}: choose of {known}") from None

    @cached_property
    def places(self) -> tuple[str, ...]:
        """The joints by the names that all skeletons share, such as "left_hip" for "L_Hip"."""
        return tuple(place_of(joint) for joint in self.joints)

    @cached_property
    def hips(self) -> tuple[int, ...]:
        """Left and right hip; empty where the skeleton has none."""
        return self._both("hip")

    @cached_property
    def shoulders(self) -> tuple[int, ...]:
        """Left and right shoulder; empty where the skeleton has none."""
        return self._both("shoulder")

    def _both(self, part: str) -> tuple[int, ...]:
        names = (f"left_{part}", f"right_{part}")
        return tuple(self.places.index(name) for name in names if name in self.places)

    @property
    def scored(self) -> slice | tuple[int, ...]:
        """The joints whose scores say how sure a person is: all, or the body's without hands."""
        return slice(None) if len(self.groups) == 1 else self.groups[0][1]

    def bone_colour(self, bone: tuple[int, int]) -> Colour:
        """The BGR colour of a bone: of its outer joint, the later one in the skeleton."""
        return self.colours[max(bone)]


def place_of(joint: str) -> str:
    """The name that all skeletons share for the place of a joint, such as "right_hip"."""
    name = re.sub(r"[^a-z0-9]+", "_", joint.lower()).strip("_")
    name = re.sub("^l_", "left_", re.sub("^r_", "right_", name))
    return _SAME_PLACE.get(name, name)


@lru_cache(maxsize=64)
def common_joints(source: Skeleton, target: Skeleton) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The joints that both have, by the place of the body: their numbers in either."""
    known = {place: index for index, place in enumerate(source.places)}
    both = [(known[p], index) for index, p in enumerate(target.places) if p in known]
    return tuple(first for first, _ in both), tuple(second for _, second in both)


def skeleton(
    name: str,
    joints: str,
    bones: str,
    roots: tuple[int, ...],
    sigmas: Sequence[float] = (),
    groups: Sequence[tuple[str, Iterable[int]]] = (),
    mirrored: Sequence[tuple[int, int]] = (),
) -> Skeleton:
    """A skeleton from joints by name and bones as chains of their numbers, such as "0-1-2 1-3".

    Where nobody has measured the sigmas, all are the mean of COCO's. `mirrored` are the pairs that
    the names do not tell.
    """
    names = tuple(joints.split())
    chains = ([int(number) for number in chain.split("-")] for chain in bones.split())
    pairs_of_bones = tuple(bone for chain in chains for bone in pairwise(chain))
    return Skeleton(
        name,
        names,
        pairs_of_bones,
        roots,
        (*_pairs(names), *mirrored),
        tuple(sigmas) or (sum(COCO_SIGMAS) / len(COCO_SIGMAS),) * len(names),
        tuple((part, tuple(which)) for part, which in groups or [("body", range(len(names)))]),
        tuple(_side_colour(place_of(joint)) for joint in names),
    )


def _pairs(joints: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Indices of (left, right) joints, read off the names."""
    places = [place_of(joint) for joint in joints]
    return tuple(
        (index, places.index("right_" + place[5:]))
        for index, place in enumerate(places)
        if place.startswith("left_") and "right_" + place[5:] in places
    )


def _side_colour(place: str) -> Colour:
    """Left green, right orange, middle blue, as COCO viewers draw them."""
    if place.startswith("left_"):
        return LEFT
    return RIGHT if place.startswith("right_") else MIDDLE
