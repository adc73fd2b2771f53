"""What is counted and given up: track switches, loss, worker use, memory."""

from __future__ import annotations

import math
import threading
from pathlib import Path

import numpy as np
import pytest

from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.execution.worker_pool import WorkerPool
from pose_estimation_ros.engine.pipelines import Models
from pose_estimation_ros.engine.poses import JointEstimates, Poses
from pose_estimation_ros.engine.skeletons import COCO17
from pose_estimation_ros.engine.tracking.id_switches import IdSwitchCounter
from pose_estimation_ros.ros.dds.profile import defaults, is_configured, packaged_profiles
from pose_estimation_ros.ros.health.image_loss import ImageLoss
from pose_estimation_ros.ros.health.memory_budget import MemoryBudget
from pose_estimation_ros.settings import PipelineOptions


def _poses(*persons: tuple[int, float]) -> Poses:
    """Persons by identity and left edge, 50 px wide and 100 px high."""
    n, k = len(persons), len(COCO17.joints)
    boxes = np.array([(x, 0, x + 50, 100) for _, x in persons], np.float32).reshape(-1, 4)
    return Poses(
        boxes,
        np.ones(n, np.float32),
        JointEstimates(np.zeros((n, k, 2)), np.ones((n, k)), np.zeros((n, k))),
        np.full((n, k, 3), np.nan, np.float32),
        np.array([identity for identity, _ in persons], np.int32),
        np.ones(n, np.int32),
        np.zeros(n, np.int32),
        COCO17,
    )


def test_switches_are_swaps_and_births_on_top_of_somebody() -> None:
    counter = IdSwitchCounter()
    frames_and_counts = [
        (((0, 0), (1, 200)), 0),
        (((0, 5), (1, 190)), 0),  # they walk
        (((1, 10), (0, 185)), 2),  # and are taken for each other
        (((1, 12), (7, 183)), 1),  # one is born anew
        (((1, 14),), 0),  # one leaves
        ((), 0),
        (((9, 400),), 0),  # and somebody else comes
        (((-1, 400), (9, 402)), 0),  # who is not tracked has no identity to lose
    ]
    for persons, count in frames_and_counts:
        assert counter.count(_poses(*persons)) == count


def test_loss_are_compared_with_what_was_announced() -> None:
    now = 0.0
    loss = ImageLoss(lambda: now)
    assert math.isnan(loss.arrived_share)
    for index in range(60):
        now = index / 30
        loss.announced()
        if index % 4 == 0:
            loss.arrived()
    assert loss.arrived_share == pytest.approx(0.25) and loss.many_lost()
    now += 60
    assert math.isnan(loss.arrived_share) and not loss.many_lost(), (
        "a camera that is silent is not a lossy one"
    )


def test_workers_account_for_their_time_and_shrink_between_frames() -> None:
    pool = WorkerPool(3)
    gate = threading.Barrier(3)

    def work(item: int) -> str:
        if item < 3:
            gate.wait(10)  # passes only where three work at a time
        return threading.current_thread().name

    assert len(set(pool.map(work, [0, 1, 2], CancelToken()))) == 3
    busy_s = pool.busy_s
    assert busy_s > 0
    pool.shrink(1)
    names = set(pool.map(work, [3, 4, 5], CancelToken()))
    assert names == {threading.current_thread().name} and pool.workers == 1
    assert pool.busy_s > busy_s
    pool.close()


def test_over_the_budget_the_cache_and_then_workers_are_given_up(
    embedded_models: Models,
) -> None:
    now = 0.0
    budget, options = MemoryBudget(lambda: now), PipelineOptions()
    pool = WorkerPool(2)
    models = Models(embedded_models.detector, embedded_models.pose, pool)
    memory_mb, problem = budget.check(0.0, models, options)
    assert memory_mb > 1 and not problem
    problem = budget.check(1.0, models, options)[1]
    assert "is over 1 MB: no poses are cached any more" in problem
    assert options.pose_cache.cache_size == 0 and pool.limit == 2
    assert budget.check(1.0, models, options)[1] and pool.limit == 2, "one thing after another"
    now += 60
    assert "2 workers became one" in budget.check(1.0, models, options)[1]
    pool.map(str, [1, 2], CancelToken())
    assert pool.workers == 1
    now += 60
    told = "no poses are cached any more, 2 workers became one"
    assert budget.check(1.0, models, options)[1].endswith(told)
    assert budget.check(1e6, models, options)[1] == told, "it stays so, and is told"
    pool.close()


def test_the_profile_is_a_default_that_the_user_may_change() -> None:
    added = defaults({})
    assert added == packaged_profiles() and is_configured(added)
    assert all(Path(file).is_file() for file in added.values())
    for chosen in (
        {"FASTRTPS_DEFAULT_PROFILES_FILE": "/mine.xml"},
        {"FASTDDS_DEFAULT_PROFILES_FILE": "/mine.xml"},
        {"FASTDDS_BUILTIN_TRANSPORTS": "UDPv4"},
    ):
        assert defaults(chosen) == {} and not is_configured(chosen)
