"""Every kind of pose output is recognised and puts a joint where it was put."""

from __future__ import annotations

import numpy as np
import pytest

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.pose.decoders import PoseHead, choose_pose_head
from pose_estimation_ros.errors import ModelError

HEIGHT, WIDTH = 256, 192
JOINTS = np.array([[20.5, 30.0], [100.0, 200.0], [150.25, 64.0]], np.float32)  # crop px


def head_of(*outputs: AnyArray, width: int = WIDTH, **metadata: str) -> PoseHead:
    return choose_pose_head(outputs, width, metadata, "the model")


def spread(count: int) -> np.ndarray:
    """`count` joints inside a crop, (count, 2) px."""
    rng = np.random.default_rng(count)
    return rng.uniform((20, 20), (WIDTH - 20, HEIGHT - 20), (count, 2)).astype(np.float32)


def gaussian(rows: int, columns: int, x: float, y: float, sigma: float = 2.0) -> np.ndarray:
    ys, xs = np.mgrid[:rows, :columns]
    return np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * sigma**2)).astype(np.float32)


@pytest.mark.parametrize("channels_last", [False, True])
def test_heatmaps(channels_last: bool) -> None:
    points = spread(17)
    maps = np.stack([gaussian(64, 48, x / 4, y / 4) for x, y in points])[None]
    maps = maps.transpose(0, 2, 3, 1) if channels_last else maps
    head = head_of(maps)
    assert (head.name, head.joints) == ("heatmaps", 17)
    xy, scores, z = head.decode([maps], HEIGHT, WIDTH)
    assert np.abs(xy[0] - points).max() < 0.3
    assert scores.min() > 0.9
    assert np.isnan(z).all()


def test_simcc() -> None:
    points = spread(17)
    along_x = np.stack([gaussian(1, 2 * WIDTH, 2 * x, 0, 6)[0] for x, _ in points])[None]
    along_y = np.stack([gaussian(1, 2 * HEIGHT, 2 * y, 0, 6)[0] for _, y in points])[None]
    along_y[0, 3] *= 0.4
    head = head_of(along_x, along_y)
    assert (head.name, head.joints) == ("simcc", 17)
    xy, scores, _ = head.decode([along_x, along_y], HEIGHT, WIDTH)
    assert np.abs(xy[0] - points).max() <= 0.26
    assert scores[0, 3] == pytest.approx(0.4, abs=0.01)


def test_simcc_with_y_first() -> None:
    points = spread(17)
    along_x = np.stack([gaussian(1, 2 * WIDTH, 2 * x, 0, 6)[0] for x, _ in points])[None]
    along_y = np.stack([gaussian(1, 2 * HEIGHT, 2 * y, 0, 6)[0] for _, y in points])[None]
    head = head_of(along_y, along_x)
    np.testing.assert_allclose(
        head.decode([along_y, along_x], HEIGHT, WIDTH).xy[0], points, atol=0.3
    )


@pytest.mark.parametrize("unit", [False, True])
def test_points_with_scores_are_no_cells_of_a_volume(unit: bool) -> None:
    points = spread(17)
    scale = np.array([WIDTH, HEIGHT], np.float32) if unit else 1
    given = np.concatenate([points / scale, np.full((17, 1), 0.7, np.float32)], axis=1)[None]
    blank = np.zeros((1, 17, 3), np.float32)  # what an argmax gives for a blank crop
    for outputs in (given, blank):
        assert head_of(outputs).name == "points"
    xy, scores, z = head_of(blank).decode([given], HEIGHT, WIDTH)
    np.testing.assert_allclose(xy[0], points, atol=0.01)
    np.testing.assert_allclose(scores, 0.7)
    assert np.isnan(z).all()


def test_movenet_takes_raw_pixels() -> None:
    points = spread(17)
    raw = np.column_stack([points[:, 1] / HEIGHT, points[:, 0] / WIDTH, np.full(17, 0.8)])
    head = head_of(raw[None, None].astype(np.float32))
    assert (head.name, head.norm.divisor) == ("movenet", 1.0)
    xy, scores, _ = head.decode([raw[None, None].astype(np.float32)], HEIGHT, WIDTH)
    np.testing.assert_allclose(xy[0], points, atol=1e-3)
    np.testing.assert_allclose(scores, 0.8, atol=1e-6)


@pytest.mark.parametrize("cells", [32, 64])
def test_published_exports_in_cells_tell_the_size_of_their_volume(cells: int) -> None:
    """As the published code decodes: x / cells * input px; (z / depth * 2 - 1) * 1000 mm."""
    rng = np.random.default_rng(0)
    blank = rng.uniform(0.4 * cells, 0.6 * cells, (1, 18, 3)).astype(np.float32)
    head = head_of(blank, width=256)
    assert (head.name, head.joints) == ("cells", 18)
    given = np.full((1, 18, 3), cells / 4, np.float32)
    xy, scores, z = head.decode([given], 256, 256)
    np.testing.assert_allclose(xy, 64.0)
    np.testing.assert_allclose(z, -0.5)
    np.testing.assert_allclose(scores, 1.0)


def test_the_file_may_name_the_size_of_its_volume() -> None:
    low = np.full((1, 18, 3), 5, np.float32)
    xy, _, _ = head_of(low, width=256, cells="64").decode([low], 256, 256)
    np.testing.assert_allclose(xy, 20.0)


@pytest.mark.parametrize("flat", [False, True])
def test_volumes_are_decoded_as_the_network_does(flat: bool) -> None:
    torch = pytest.importorskip("torch")
    from pose_estimation_ros.engine.networks.convnextpose import peak_score, soft_argmax

    rng = np.random.default_rng(3)
    volume = (4 * rng.standard_normal((2, 18, 32, 32, 32))).astype(np.float32)
    volume[:, :, 8, 20, 11] += 12
    cells, plane = soft_argmax(torch.from_numpy(volume))
    given = volume.reshape(2, 18 * 32, 32, 32) if flat else volume
    head = head_of(given, width=256)
    assert (head.name, head.joints) == ("volumes", 18)
    xy, scores, z = head.decode([given], 256, 256)
    np.testing.assert_allclose(xy, cells[..., :2].numpy() * 8, atol=1e-2)
    np.testing.assert_allclose(z, cells[..., 2].numpy() / 16 - 1, atol=1e-4)
    np.testing.assert_allclose(scores, peak_score(plane).numpy(), atol=1e-4)


@pytest.mark.parametrize("swapped", [False, True])
def test_our_own_exports(swapped: bool) -> None:
    joints = np.zeros((2, 17, 3), np.float32)
    joints[..., 0], joints[..., 1], joints[..., 2] = 10, 20, 0.3
    scores = np.full((2, 17), 0.7, np.float32)
    outputs = [scores, joints] if swapped else [joints, scores]
    head = head_of(*outputs)
    xy, found, z = head.decode(outputs, HEIGHT, WIDTH)
    assert head.name == "joints"
    assert (xy[0, 0, 0], xy[0, 0, 1], z[0, 0]) == pytest.approx((10, 20, 0.3))
    np.testing.assert_allclose(found, 0.7)


@pytest.mark.parametrize(
    "shapes", [[(1, 1000)], [(1, 7, 11, 13)], [(1, 17, 3), (1, 3)], [(1, 84, 2100)]]
)
def test_outputs_of_something_else_are_refused(shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(ModelError, match="the model has outputs of shapes"):
        head_of(*[np.zeros(shape, np.float32) for shape in shapes])
