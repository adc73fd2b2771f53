"""Models that fail under a running node, and files that change under it."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from lifecycle_msgs.msg import State, Transition
from node_calls import change, state
from paths import SUPPORT
from rows import FULL, Row, full_or, row
from stage import Stage, open_stage, wait_for

from pose_estimation_ros.model_zoo.manifest import packaged_manifest

AREA = "Models that fail under the running node"
FAULTY = [sys.executable, str(SUPPORT / "faulty_node.py")]
TIMEOUT_S = 2.0


def copies(folder: Path, prefix: str) -> dict[str, str]:
    """Copies of the embedded models, as the node's parameters."""
    places = {}
    for parameter, task in (("yolo_model", "detector"), ("model_path", "pose")):
        entry = packaged_manifest().default(task)
        assert entry is not None
        places[parameter] = str(folder / f"{prefix}_{task}.onnx")
        shutil.copy(entry.path, places[parameter])
    return places


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("faults") / "faults"
    file.write_text("")
    return file


@pytest.fixture(scope="module")
def faulty(
    faults: Path, tmp_path_factory: pytest.TempPathFactory, scene_frames: list[np.ndarray]
) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("faulty")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAULTS", str(faults))
        if not FULL:
            patch.setenv("RETRY_S", "2")
        with open_stage(
            *("model_faults", folder, scene_frames),
            command=FAULTY,
            call_timeout=TIMEOUT_S,
            **copies(folder, "first"),
        ) as stage:
            yield stage


def strikes(fault: str, kind: str) -> tuple[Row, str]:
    text = "every image answered by the next model; the first one is taken again once it works"
    return row(AREA, fault, text, "model_faults::a_model_fails_and_recovers"), kind


HANG_S = full_or(30, 5)
KINDS = [
    strikes("both runtimes throw at every 10th call", "throw 10"),
    strikes("both runtimes give NaN", "nan"),
    strikes("both runtimes hang for 30 s (call_timeout: 2)", f"hang {HANG_S}"),
]


@pytest.mark.parametrize("case", KINDS, ids=lambda case: case[0].fault)
def test_a_model_fails_and_recovers(faulty: Stage, faults: Path, case: tuple[Row, str]) -> None:
    entry, kind = case
    faulty.good()
    mark, images = faulty.log_length, full_or(60, 24)
    slowest = 0.0
    with faulty.never_silent() as silence:
        faults.write_text(kind)
        for index in range(images):
            start = time.monotonic()
            answer = faulty.ask(faulty.image(index), 20) or faulty.ask(faulty.image(index), 20)
            assert answer is not None and len(answer.poses) >= 3, index
            slowest = max(slowest, time.monotonic() - start)
        said = faulty.said(mark)
        assert "detector" in said and "failed" in said
        # A model that fails now and then may be back already.
        assert "fell back" in _process(faulty) or "works again" in said
        faults.write_text("")

        def recovered() -> bool:
            faulty.good()
            return "works again" in faulty.said(mark) and "fell back" not in _process(faulty)

        took = wait_for(recovered, 40 + HANG_S, faulty.said(mark))
    entry.saw(
        f"{images} of {images} answered, the slowest after {slowest:.1f} s; the first models "
        f"again {took:.0f} s after the fault ended; {silence()}"
    )


def _process(stage: Stage) -> str:
    return stage.watcher.fresh_status("process")["message"]


GONE = row(
    AREA,
    "the model files are overwritten with rubbish, cut to 100 bytes, deleted",
    "every image answered by the models in memory; after cleanup and configure, by the embedded",
    "model_faults::model_files_change_under_the_node",
)


def test_model_files_change_under_the_node(
    name: str, tmp_path: Path, scene_frames: list[np.ndarray]
) -> None:
    models = copies(tmp_path, "mine")
    with open_stage(name, tmp_path, scene_frames, **models) as stage:
        stage.good()
        images = full_or(20, 4)
        with stage.never_silent() as silence:
            for step in ("overwrite", "truncate", "delete"):
                for path in map(Path, models.values()):
                    if step == "delete":
                        path.unlink()
                        continue
                    with path.open("r+b") as file:
                        if step == "truncate":
                            file.truncate(100)
                        else:
                            file.write(b"\xa5" * path.stat().st_size)
                for index in range(images):
                    answer = stage.ask(stage.image(index))
                    assert answer is not None and len(answer.poses) >= 3, step
            process = stage.watcher.fresh_status("process")
            assert process["detector active"] == models["yolo_model"], process
            for transition in (
                Transition.TRANSITION_DEACTIVATE,
                Transition.TRANSITION_CLEANUP,
                Transition.TRANSITION_CONFIGURE,
                Transition.TRANSITION_ACTIVATE,
            ):
                assert change(stage, transition), stage.node.output
            stage.wait_until_connected()
            stage.good()
            process = stage.watcher.fresh_status("process")
            assert "fell back to person_detector" in process["message"]
        GONE.saw(f"{3 * images} of {3 * images} answered; then by the embedded; {silence()}")


NONE = row(
    AREA,
    "configured and activated with no model at all",
    "configure fails with one line, activate is refused, the node lives; all works once they are "
    "there",
    "model_faults::no_model_at_all",
)


def test_no_model_at_all(
    name: str,
    tmp_path: Path,
    scene_frames: list[np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faults = tmp_path / "faults"
    faults.write_text("missing")
    monkeypatch.setenv("FAULTS", str(faults))
    with open_stage(
        *(name, tmp_path, scene_frames), command=FAULTY, autostart=False, listening=False
    ) as stage:
        with stage.never_silent() as silence:
            assert not change(stage, Transition.TRANSITION_CONFIGURE)
            assert stage.node.output.count("cannot configure: no pose model is usable") == 1
            assert not change(stage, Transition.TRANSITION_ACTIVATE)
            assert state(stage) == State.PRIMARY_STATE_UNCONFIGURED
            faults.write_text("")
            assert change(stage, Transition.TRANSITION_CONFIGURE)
            assert change(stage, Transition.TRANSITION_ACTIVATE)
            stage.wait_until_connected()
            stage.good()
        NONE.saw(f"as expected; {silence()}")
