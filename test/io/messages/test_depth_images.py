"""The depth image of the same stamp is found, also where it comes after its image."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from pose_estimation_ros.io.messages.depth_images import DepthImages


def _message(stamp_s: float) -> Any:
    stamp = SimpleNamespace(sec=int(stamp_s), nanosec=round(stamp_s % 1 * 1e9))
    return SimpleNamespace(header=SimpleNamespace(stamp=stamp))


@pytest.mark.parametrize("rate_hz", [3, 5, 30])
def test_depth_that_comes_after_its_image_is_waited_for(rate_hz: float) -> None:
    images = DepthImages()
    for index in range(6):
        stamp_s = 100 + index / rate_hz
        came_s = time.perf_counter() + 60  # so that no wait ends before the depth is here
        later = threading.Timer(0.01, images.put, (_message(stamp_s), 0.0))
        later.start()
        images.await_for(stamp_s, came_s)
        later.join()
        depth = images.nearest(stamp_s)
        assert depth is not None and depth.stamp_s == pytest.approx(stamp_s)


def test_nothing_is_waited_for_that_never_came(monkeypatch: pytest.MonkeyPatch) -> None:
    images, waits = DepthImages(), []
    wait = images._changed.wait
    monkeypatch.setattr(
        images._changed, "wait", lambda timeout: (waits.append(timeout), wait(0))[1]
    )
    for index in range(10):
        images.await_for(100 + index / 30, time.perf_counter())
    assert len(waits) == 3
    # Until it comes again with an image's stamp.
    images.put(_message(100 + 9 / 30), 0.0)
    images.await_for(100 + 10 / 30, time.perf_counter() + 60)
    assert len(waits) == 4


def test_the_nearest_stamp_counts_not_the_newest() -> None:
    images = DepthImages()
    for stamp_s in (10.0, 10.2, 10.4):
        images.put(_message(stamp_s), stamp_s)
    for stamp_s, expected_s in ((10.21, 10.2), (9.0, 10.0), (11.0, 10.4), (0.0, 10.4)):
        depth = images.nearest(stamp_s)
        assert depth is not None and depth.stamp_s == pytest.approx(expected_s)
    assert DepthImages().nearest(1.0) is None


def test_an_image_is_not_kept_waiting_for_depth_that_was_skipped() -> None:
    images = DepthImages()
    images.put(_message(10.0), 0.0)
    images.put(_message(10.4), 0.0)  # depth at half the rate: that of 10.2 will not come
    images.await_for(10.2, time.perf_counter() + 1e6)
