"""Augmentation of persons' crops, whole batches at a time, on the CPU or a GPU."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from training.augmentation.pose_copy_paste import CENTRE, PoseCopyPaste, extent
from training.augmentation.scene_crops import NO_SCENES, SceneShares, jitter_boxes
from training.augmentation.warp import centred, move, warp
from training.common.data import BOX_IN_CROP, CROP_SIDE, FLIP
from training.common.rng import BatchRng

# Hips, knees, elbows: where people are cut off, and how often.
CUTS = ((11, 12), (13, 14), (7, 8))
CUT_SHARES = (0.5, 0.3, 0.2)
CUT_OFF = 0.35  # share of crops that show only a part of the person, as in COCO
MIN_JOINTS_LEFT = 4  # joints of a part
PATCHED = 0.25  # share of crops with something in front
# Share of crops of low resolution, in three groups; people in frames are often small.
COARSE, COARSEST = 0.3, 4.0
BLURRED, NOISY, PACKED = 0.08, 0.1, 0.08
# JPEG's example quantisation of brightness, ITU-T T.81 table K.1.
QUANTISATION = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56), (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip


def cut_off(
    pictures: Tensor, joints: Tensor, weight: Tensor, others: Tensor, rng: BatchRng
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Parts of persons, as where a frame ends or a table hides the rest.

    Args:
        pictures: (n, 4, 256, 256) stored crops with their silhouettes.
        joints: (n, 17, 3); weight: (n, 17, 2) of xy and of z.
        others: (n, 3, 256, 256) of other people, for what hides them.

    Returns:
        The pictures, black or hidden beyond the cut, the weights, 0 beyond it, and the centre
        (n, 2) and the longer side (n,) of the box around the rest. Persons of whom too few
        joints would be left stay as they are, with their whole box.
    """
    count, device = len(pictures), pictures.device
    rows = torch.arange(count, device=device)
    across = rng.chance(0.2, count)  # cut at the left or right rather than above or below
    axis = torch.where(across, 0, 1)
    low_kept = rng.chance(0.5, count)
    low_kept = torch.where(across, low_kept, rng.chance(0.8, count))  # the upper body
    kind = rng.uniform(0, 1, count)[:, None] > torch.tensor(CUT_SHARES, device=device).cumsum(0)
    kind = torch.where(low_kept, kind.sum(1).clamp(max=len(CUTS) - 1), 0)
    pair = torch.tensor(CUTS, device=device)[kind]
    seen = weight[..., 0] > 0
    pair_seen = seen.gather(1, pair)
    heights = joints[..., 1].gather(1, pair)
    line = (heights * pair_seen).sum(1) / pair_seen.sum(1).clamp(min=1)
    line = line + rng.uniform(-0.06, 0.1, count) * BOX_IN_CROP
    sideways = CROP_SIDE / 2 + rng.normal(0.12, count) * BOX_IN_CROP
    line = torch.where(across, sideways, line).clamp(40, CROP_SIDE - 40).round()
    before = joints[rows, :, axis] < line[:, None]
    left = seen & (before == low_kept[:, None])
    done = (left.sum(1) >= MIN_JOINTS_LEFT) & (across | pair_seen.any(1))

    low, high = extent(joints[..., :2], left)
    margin = 0.12 * (high - low).amax(1, keepdim=True)
    low, high = low - margin, high + margin
    # The cut is the box's border.
    is_axis = torch.stack((across, ~across), 1)
    high = torch.where(is_axis & low_kept[:, None], line[:, None], high)
    low = torch.where(is_axis & ~low_kept[:, None], line[:, None], low)

    place = torch.arange(CROP_SIDE, device=device)
    beyond = (place < line[:, None]) != low_kept[:, None]  # (n, 256) along the axis
    beyond = torch.where(
        across[:, None, None, None], beyond[:, None, None, :], beyond[:, None, :, None]
    )
    fill = rng.uniform(0, 1, count)
    # Of the others only the crop is narrower: the frame goes on.
    hidden = beyond & (done & (fill < 0.8))[:, None, None, None]
    content = others * ((fill >= 0.5) & (fill < 0.8))[:, None, None, None]
    content = torch.cat((content, torch.zeros_like(content[:, :1])), 1)
    pictures = torch.where(hidden, content, pictures)
    weight = torch.where(done[:, None, None], weight * left[..., None], weight)
    middle = torch.where(done[:, None], (low + high) / 2, CENTRE)
    longer = torch.where(done, (high - low).amax(1), BOX_IN_CROP)
    return pictures, weight, middle, longer.clamp(min=0.35 * BOX_IN_CROP)


def augment(
    pictures: Tensor,
    joints: Tensor,
    weight: Tensor,
    side: int,
    others: Tensor,
    rng: BatchRng,
    copy_paste: PoseCopyPaste | None = None,
    shares: SceneShares = NO_SCENES,
) -> tuple[Tensor, Tensor, Tensor]:
    """Cut off parts, scale, shift, rotate, flip, copy-paste, colour, patches.

    Args:
        pictures: (n, 4, 256, 256) stored crops with their silhouettes, RGB in 0..255 and [0, 1].
        joints: (n, 17, 3); weight: (n, 17, 2) of xy and of z.
        side: px of the result.
        others: (n, 3, 256, 256) of other people, to hide parts with.
        copy_paste: pastes other people and backgrounds; None: neither.
        shares: of the crops that ``copy_paste`` replaces by crops out of scenes.

    Returns:
        Pictures (n, 3, side, side), joints with x, y in their px, and weights, 0 outside them.
    """
    count = len(pictures)
    middle = torch.full((count, 2), CENTRE, device=pictures.device)
    longer = torch.full((count,), BOX_IN_CROP, device=pictures.device)
    rows = rng.permutation(count)[: round(CUT_OFF * count)]
    pictures, weight = pictures.clone(), weight.clone()
    pictures[rows], weight[rows], middle[rows], longer[rows] = cut_off(
        pictures[rows], joints[rows], weight[rows], others[rows], rng
    )
    middle, longer = jitter_boxes(middle, longer, rng)
    angle = torch.where(
        rng.chance(0.03, count), rng.uniform(-180, 180, count), rng.normal(15, count)
    )
    angle = torch.deg2rad(angle * rng.chance(0.7, count))
    mirror = rng.sign(count)
    scale = side / longer
    linear, shift = centred(middle, scale, angle, mirror, side)
    pictures = warp(pictures, linear, shift, side, rng.chance(0.25, count))
    joints = torch.cat((move(joints[..., :2], linear, shift), joints[..., 2:]), 2)
    flipped = (mirror < 0)[:, None, None]
    joints = torch.where(flipped, joints[:, FLIP], joints)
    weight = torch.where(flipped, weight[:, FLIP], weight)
    if copy_paste is not None:
        pictures, weight = copy_paste.paste(pictures, joints, weight, scale, rng)
        copy_paste.scene_crops.replace(pictures, weight, shares, rng)
    pictures = patches(colour(pictures[:, :3], rng), others, rng)
    inside = ((joints[..., :2] >= 0) & (joints[..., :2] <= side - 1)).all(2, keepdim=True)
    return pictures, joints, weight * inside


def colour(pictures: Tensor, rng: BatchRng) -> Tensor:
    """Gain, offset and gamma a channel, grey, low resolution, blur, noise, JPEG's losses.

    Pictures are (n, 3, s, s) in 0..255, before and after.
    """
    count, side = len(pictures), pictures.shape[-1]
    gain = rng.uniform(0.7, 1.3, count, 1) * rng.uniform(0.92, 1.08, count, 3)
    gamma, offset = rng.uniform(0.7, 1.4, count, 1), rng.uniform(-0.12, 0.12, count, 1)
    curve = (pictures.clamp(min=0) / 255) ** gamma[..., None, None] * gain[..., None, None]
    curve = ((curve + offset[..., None, None]) * 255).clamp(0, 255)
    pictures = torch.where(rng.chance(0.8, count, 1, 1, 1), curve, pictures)
    weights = torch.tensor((0.299, 0.587, 0.114), device=pictures.device).view(1, 3, 1, 1)
    grey = (pictures * weights).sum(1, keepdim=True)
    pictures = torch.where(rng.chance(0.12, count, 1, 1, 1), grey, pictures)
    coarse, blurred, noisy, packed = (
        round(share * count) for share in (COARSE / 3, BLURRED, NOISY, PACKED)
    )
    sizes = [coarse] * 3 + [blurred, noisy, packed]
    groups = rng.permutation(count).split([*sizes, count - sum(sizes)])
    third = (COARSEST - 1.2) / 3
    for step, rows in enumerate(groups[:3]):
        if len(rows):
            # One size a group: other groups and batches have others.
            factor = float(torch.rand(()) * third + 1.2 + step * third)
            small = functional.interpolate(
                pictures[rows], size=round(side / factor), mode="bilinear", antialias=True
            )
            pictures[rows] = functional.interpolate(small, size=side, mode="bilinear")
    for rows, change in zip(groups[3:], (blur, noise, jpeg), strict=False):
        if len(rows):
            pictures[rows] = change(pictures[rows], rng)
    return pictures.clamp(0, 255)


def blur(pictures: Tensor, rng: BatchRng) -> Tensor:
    """By Gaussians of 0.5 to 1.8 px, one a picture."""
    count = len(pictures)
    away = torch.arange(-5.0, 6.0, device=pictures.device)
    kernel = (-(away**2) / (2 * rng.uniform(0.5, 1.8, count, 1) ** 2)).exp()
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)[:, None]
    flat = pictures.flatten(0, 1)[None]
    flat = functional.conv2d(flat, kernel[..., None], padding=(5, 0), groups=3 * count)
    flat = functional.conv2d(flat, kernel[:, :, None], padding=(0, 5), groups=3 * count)
    return flat[0].unflatten(0, (count, 3))


def noise(pictures: Tensor, rng: BatchRng) -> Tensor:
    """Of a deviation of 2 to 15, one a picture."""
    deviation = rng.uniform(2, 15, len(pictures), 1, 1, 1)
    return pictures + rng.normal(1, *pictures.shape) * deviation


def jpeg(pictures: Tensor, rng: BatchRng) -> Tensor:
    """What JPEG of a quality of 15 to 70 leaves of brightness and colours; sides are whole blocks.

    The colours are quantised as the brightness is.
    """
    count, device = len(pictures), pictures.device
    place = torch.arange(8.0, device=device)
    basis = torch.cos((2 * place + 1) * place[:, None] * math.pi / 16) / 2
    basis[0] /= math.sqrt(2)
    quality = rng.uniform(15, 70, count)
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50)
    table = torch.tensor(QUANTISATION, device=device) * scale.view(-1, 1, 1, 1, 1, 1)
    blocks = pictures.unflatten(3, (-1, 8)).unflatten(2, (-1, 8)).transpose(3, 4) - 128
    waves = basis @ blocks @ basis.mT
    kept = (waves / table).round() * table
    blocks = basis.mT @ kept @ basis + 128
    return blocks.transpose(3, 4).reshape(pictures.shape)


def patches(pictures: Tensor, others: Tensor, rng: BatchRng) -> Tensor:
    """Rectangles of other people's crops (n, 3, 256, 256) or of one colour in front of some."""
    count, side = len(pictures), pictures.shape[-1]
    size = rng.uniform(0.08, 0.35, count, 2) * side
    low = rng.uniform(0, 1, count, 2) * (side - size)
    line = torch.arange(side, device=pictures.device)
    inside = (line >= low[..., None]) & (line < (low + size)[..., None])  # (n, 2, side)
    inside = inside[:, 0, None, None, :] & inside[:, 1, None, :, None]
    plain = rng.uniform(0, 255, count, 3, 1, 1)
    content = torch.where(rng.chance(0.6, count, 1, 1, 1), others[..., :side, :side], plain)
    return torch.where(inside & rng.chance(PATCHED, count, 1, 1, 1), content, pictures)
