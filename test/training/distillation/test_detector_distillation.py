"""Learning a teacher's whole output."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from training.common.assignment import all_centres  # noqa: E402
from training.common.boxes import nms  # noqa: E402
from training.common.image_pool import NOBODY_ELSE  # noqa: E402
from training.detector.network import NECK_WIDTH, PersonDetector  # noqa: E402
from training.distillation.detector import UNCONFIRMED, DetectorDistillation, correct_by_labels  # noqa: E402
from training.distillation.labelling import YOLOX_SIDE, YoloxNano  # noqa: E402
from training.distillation.onnx_graph import OnnxGraph  # noqa: E402
from training.distillation.teachers import YoloxTeacher  # noqa: E402

CPU = torch.device("cpu")
SIDE = 96
PERSON = [20.0, 10.0, 60.0, 90.0]


class OnePerson:
    """A teacher that sees one person in the three cells next to its middle, whatever is shown."""

    device = CPU

    def __call__(self, images):
        n = len(images)
        centres, _ = all_centres(SIDE, SIDE, CPU)
        middle = torch.tensor(PERSON).view(2, 2).mean(0)
        near = (centres - middle).abs().amax(1).argsort()[:3]
        scores = torch.full((n, len(centres)), 0.01)
        scores[:, near] = 0.8
        maps = [torch.randn(n, 64, SIDE // s, SIDE // s) for s in (8, 16, 32)]
        return scores, torch.tensor(PERSON).expand(n, len(centres), 4), maps


def images(n=2):
    return torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (n, SIDE, SIDE, 3), np.uint8)
    )


def labels(*boxes):
    truth = torch.tensor(boxes, dtype=torch.float32).view(1, -1, 4).expand(2, -1, 4)
    return truth, torch.ones(truth.shape[:2])


def test_what_the_teacher_says_is_learnt():
    torch.manual_seed(0)
    network = PersonDetector()
    distillation = DetectorDistillation(OnePerson(), NECK_WIDTH)
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3)
    rows = []
    for _ in range(25):
        maps = network.features(torch.zeros(2, 3, SIDE, SIDE))
        loss, parts = distillation(images(), *network.heads(maps), maps, *labels(PERSON))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rows.append(parts)
    first, last = rows[0], rows[-1]
    assert last["score"] < 0.5 * first["score"]
    assert last["box"] < 0.5 * first["box"]
    assert last["score"] >= 0, "the least that any answer has is taken off"


def test_the_same_answer_costs_nothing():
    teacher = OnePerson()
    scores, boxes, maps = teacher(images())
    _, parts = DetectorDistillation(teacher, NECK_WIDTH)(
        images(), scores.logit(), boxes, maps, *labels(PERSON)
    )
    assert parts["score"] == pytest.approx(0, abs=1e-4)
    assert parts["box"] == pytest.approx(0, abs=1e-4)


def test_somebody_whom_the_teacher_misses_is_taught_by_the_labels():
    scores, wanted, _ = OnePerson()(images())
    other = [60.0, 20.0, 92.0, 84.0]
    centres, strides = all_centres(SIDE, SIDE, CPU)
    reach = 3 * strides[:, None]
    boxes = torch.cat((centres - reach, centres + reach), dim=1).expand(2, -1, 4)
    given = (scores, wanted, scores.logit(), boxes)
    same, _ = correct_by_labels(*given, *labels(PERSON), (SIDE, SIDE))
    torch.testing.assert_close(same, scores)
    more, theirs = correct_by_labels(*given, *labels(PERSON, other), (SIDE, SIDE))
    new = more > scores
    assert new.any(dim=1).all()
    torch.testing.assert_close(theirs[new], torch.tensor(other).expand(int(new.sum()), 4))
    unsure = torch.tensor([[1.0, -1.0], [1.0, -1.0]])
    same, _ = correct_by_labels(*given, labels(PERSON, other)[0], unsure, (SIDE, SIDE))
    torch.testing.assert_close(same, scores)


def test_a_score_for_somebody_whom_the_labels_do_not_know_counts_less():
    scores, wanted, _ = OnePerson()(images())
    truth, kind = labels(PERSON)
    kind[1] = -1
    given = (scores, wanted, scores.logit(), wanted, truth, kind, (SIDE, SIDE))
    corrected, boxes = correct_by_labels(*given)
    torch.testing.assert_close(corrected[0], scores[0])
    torch.testing.assert_close(corrected[1], UNCONFIRMED * scores[1])
    torch.testing.assert_close(boxes, wanted)


def test_where_nobody_else_is_the_teacher_is_not_believed():
    scores, wanted, _ = OnePerson()(images())
    truth, kind = labels(PERSON)
    truth, kind = truth.clone(), kind.clone()
    truth[1], kind[1] = 0, NOBODY_ELSE
    given = (scores, wanted, scores.logit(), wanted, truth, kind, (SIDE, SIDE))
    corrected, _ = correct_by_labels(*given)
    torch.testing.assert_close(corrected[0], scores[0])
    assert corrected[1].max() == 0


def test_the_dense_teacher_finds_what_the_labelling_one_does(shared: Path):
    """At the size of the published file both are the same network."""
    import cv2

    name = sorted((shared / "data" / "coco_dev" / "images").iterdir())[0]
    image = cv2.cvtColor(cv2.imread(str(name)), cv2.COLOR_BGR2RGB)
    side = YOLOX_SIDE
    picture = cv2.resize(image, (side, side))
    boxes, _ = YoloxNano(shared / "models")(picture, 0.3)
    teacher = YoloxTeacher(shared / "models", CPU)
    both = torch.from_numpy(np.stack((picture, picture[:, ::-1])))
    dense_scores, dense_boxes, maps = teacher(both)
    assert [m.shape for m in maps] == [(2, 64, side // s, side // s) for s in (8, 16, 32)]
    sure = dense_scores[0] > 0.3
    found = dense_boxes[0][sure].clamp(0, side).numpy()
    kept = nms(found, dense_scores[0][sure].numpy(), 0.6)
    np.testing.assert_allclose(found[kept], boxes, atol=0.1)
    small = teacher(both[:, :SIDE, :SIDE])
    assert small[0].shape == (2, sum((SIDE // s) ** 2 for s in (8, 16, 32)))


def test_a_graph_with_an_operator_that_is_not_known_is_refused_by_name(tmp_path):
    onnx = pytest.importorskip("onnx")
    number = onnx.TensorProto.FLOAT
    ends = [onnx.helper.make_tensor_value_info(name, number, [1]) for name in ("x", "y")]
    node = onnx.helper.make_node("Gelu", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "odd", ends[:1], ends[1:])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "odd.onnx")
    with pytest.raises(ValueError, match=r"odd\.onnx: operators \['Gelu'\]"):
        OnnxGraph(tmp_path / "odd.onnx", ("y",), CPU)
