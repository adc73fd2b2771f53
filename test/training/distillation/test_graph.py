"""Running another program's graph step by step."""

import gc
import weakref

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from training.distillation.graph import Graph, Step  # noqa: E402


def test_a_tensor_is_kept_until_the_last_step_that_reads_it():
    made = {}

    def watched(name, function):
        def compute(*given):
            gc.collect()
            alive[name] = {other for other, found in made.items() if found() is not None}
            result = function(*given)
            made[name] = weakref.ref(result)
            return result

        return compute

    alive = {}
    steps = [
        Step(watched("a", lambda x, two: x * two), ["x", "two"], ["a"]),
        Step(watched("b", lambda a: a + 1), ["a"], ["b"]),
        Step(watched("c", lambda a, b: a + b), ["a", "b"], ["c"]),
        Step(watched("d", lambda c: -c), ["c"], ["d"]),
        Step(watched("e", lambda c, d: c - d), ["c", "d"], ["e"]),
    ]
    graph = Graph(steps, {"two": torch.tensor(2.0)}, "x", ["b", "e"])
    for _ in range(2):  # the constants stay
        made.clear()
        b, e = graph(torch.tensor([3.0]))
        assert (b, e) == (7.0, 26.0)
        assert alive["d"] == {"b", "c"}  # an output is kept, what is used up is not
        assert alive["e"] == {"b", "c", "d"}


def test_a_step_makes_several_tensors_of_which_one_may_never_be_read():
    steps = [
        Step(lambda x: x.chunk(2, 1), ["x"], ["left", "right"]),
        Step(lambda left: left * 3, ["left"], ["y"]),
    ]
    (y,) = Graph(steps, {}, "x", ["y"])(torch.arange(4.0)[None])
    assert y.tolist() == [[0.0, 3.0]]
