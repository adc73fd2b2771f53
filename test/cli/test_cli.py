"""The command line: what goes right, and one clear line where it does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from paths import ROOT

from pose_estimation_ros.cli.main import COMMANDS, main


def _run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pose_estimation_ros.cli.main", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == code, run.stderr
    assert "Traceback" not in run.stderr
    return run


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short video of the bundled scene."""
    from pose_estimation_ros.io.demo_scene import SceneSource
    from pose_estimation_ros.io.video_writer import VideoWriter

    path = tmp_path_factory.mktemp("clip") / "scene.mp4"
    source = SceneSource(seconds=0.4)
    with VideoWriter(path, source.fps, source.width, source.height) as writer:
        for pixels in source.frames():
            writer.write(pixels)
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    assert "usage: pose_estimation " + command in _run(command, "--help").stdout


def test_version_is_that_of_package_xml() -> None:
    text = (ROOT / "package.xml").read_text()
    assert f"<version>{_run('--version').stdout.strip()}</version>" in text


@pytest.mark.parametrize("pipeline", ["v3", "v4", "hybrid"])
def test_video(pipeline: str, clip: Path, tmp_path: Path) -> None:
    out, poses = tmp_path / "out.mp4", tmp_path / "poses.jsonl"
    run = _run("video", clip, "--pipeline", pipeline, "--out", out, "--json", poses)
    assert "12 frames" in run.stdout and "person_detector" in run.stdout
    frames = [json.loads(line) for line in poses.read_text().splitlines()]
    assert [frame["frame"] for frame in frames] == list(range(12))
    expected = 1 if pipeline == "v3" else 3
    assert all(len(frame["poses"]) >= expected for frame in frames)
    assert len(frames[0]["poses"][0]["keypoints"]) == 17
    capture = cv2.VideoCapture(str(out))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 12
    readable, pixels = capture.read()
    original = cv2.VideoCapture(str(clip)).read()[1]
    assert readable and (cv2.absdiff(pixels, original) > 60).any()


def test_bad_input_is_named_in_one_line(tmp_path: Path, clip: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("I am not a video\n" * 50)
    empty = tmp_path / "empty.onnx"
    empty.write_bytes(b"")
    garbage = tmp_path / "garbage.onnx"
    garbage.write_bytes(np.random.default_rng(0).bytes(5000))
    for arguments, words in (
        (("video", tmp_path / "none.mp4"), ["none.mp4", "does not exist"]),
        (("video", text), ["text.mp4", "cannot be read"]),
        (("video", tmp_path), [str(tmp_path), "no image"]),
        (("video", clip, "--pipeline", "v9"), ["v9", "v3, v4, hybrid"]),
        (("video", clip, "--model-skeleton", "coco17"), ["--model-skeleton", "add --model-path"]),
        (("video", clip, "--runtime", "abacus"), ["abacus", "onnxruntime"]),
        (("video", clip, "--model-path", "/no/pose.onnx"), ["--model-path", "/no/pose.onnx"]),
        (("video", clip, "--yolo-model", "/no/yolo.onnx"), ["--yolo-model", "/no/yolo.onnx"]),
        (("video", clip, "--out", text / "x.mp4"), ["text.mp4", "folder"]),
    ):
        lines = _run(*arguments, code=1).stderr.strip().splitlines()
        said = [line for line in lines if line.startswith("pose_estimation video: error: ")]
        assert len(said) == 1 and all(word in said[0] for word in words), lines


def test_an_unknown_command_is_refused() -> None:
    assert "invalid choice: 'dance'" in _run("dance", code=2).stderr


def test_models_are_listed_and_whole() -> None:
    rows = json.loads(_run("models", "list", "--json").stdout)
    defaults = {row["task"]: row["name"] for row in rows if row["default"]}
    assert defaults == {"detector": "person_detector", "pose": "convnextpose_xs_coco17"}
    assert all(Path(row["file"]).is_file() for row in rows if row["default"])
    assert "whole" in _run("models", "verify").stdout


def test_the_runtimes_of_a_model_are_measured() -> None:
    run = _run("models", "runtimes", "--json", "person_detector")
    ((file, rows),) = json.loads(run.stdout).items()
    assert file.endswith("models/person_detector.onnx")
    (taken,) = [row for row in rows if row["auto"]]
    assert taken["run_ms"] > 0 and taken["memory_mb"] > 1
    table = _run("models", "runtimes", "person_detector").stdout
    assert f"{taken['runtime']} (auto takes it)" in table


def test_the_command_line_works_without_ros(clip: Path, tmp_path: Path) -> None:
    """As after `pip install .` on a machine that never heard of ROS."""
    (tmp_path / "rclpy.py").write_text("raise ImportError('no ROS here', name='rclpy')")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from pose_estimation_ros.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    bench = ["bench", "--seconds", "0.05", "--persons", "1", "--size", "320x240"]
    bench += ["--runtime", "onnxruntime"]
    said = ""
    for arguments, expected in (
        (["video", clip], 0),
        (["models", "list"], 0),
        (bench, 0),
        (["demo"], 1),
    ):
        command = [sys.executable, "-c", code, *map(str, arguments)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
        assert run.returncode == expected, run.stderr
        assert "Traceback" not in run.stderr
        said += run.stderr
    assert "the node was not measured: it needs ROS 2" in said
    assert "the demo needs ROS 2" in said


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("video", "two", "--out", "two"), "'two' is the input 'two'"),
        (("video", "two", "--out", "two/drawn"), "lies in the input 'two'"),
        (("video", "two", "--json", "two/poses.png"), "lies in the input 'two'"),
        (("video", "two/a.png", "--out", "link.png"), "is the input"),
        (("video", "two/a.png", "--json", "two/../two/a.png"), "is the input"),
        (("video", "two/a.png", "--json", "x.json", "--coco", "x.json"), "is that of --json, too"),
        (("video", "two/a.png", "--yolo-model", "m.onnx", "--json", "m.onnx"), "is the input"),
        (("video", "stems", "--out", "drawn"), "--out, for 'a.jpg', too"),
        (("evaluate", "people.json", "--save-results", "people.json"), "is the input"),
        (("evaluate", "people.json", "--results", "r.json", "--save-results", "r.json"), "input"),
        (
            ("evaluate", "p.json", "--pictures", "two/a.png"),
            "'two/a.png' is the input 'two/a.png'",
        ),
        (("compare", "report.json", "--out", "."), "--out, report.json: 'report.json' is the inp"),
        (("demo", "--video", "annotated.mp4", "--out", "."), "annotated.mp4' is the input"),
        (("bag", "recording", "recording", "--force"), "'recording' is the input"),
        (("bag", "recording", "recording/poses"), "lies in the input 'recording'"),
        (("bag", "recording/recording_0.mcap", "recording", "--force"), "would be replaced"),
    ],
    ids=str,
)
def test_no_command_destroys_what_it_reads(
    arguments: tuple[str, ...],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    picture = np.full((48, 64, 3), 90, np.uint8)
    for name in ("two/a.png", "two/b.png", "stems/a.png", "stems/a.jpg"):
        Path(name).parent.mkdir(exist_ok=True)
        assert cv2.imwrite(name, picture)
    Path("link.png").symlink_to("two/a.png")
    Path("m.onnx").write_bytes((ROOT / "models" / "person_detector.onnx").read_bytes())
    Path("recording").mkdir()
    Path("recording/recording_0.mcap").write_bytes(b"\x89MCAP0\r\n")
    Path("recording/metadata.yaml").write_text("rosbag2_bagfile_information: {}\n")
    for name in ("people.json", "r.json", "report.json", "annotated.mp4"):
        Path(name).write_text("{}")
    Path("p.json").write_text(
        '{"images": [{"id": 1, "file_name": "two/a.png"}], "annotations": []}'
    )
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert main(list(arguments)) == 1
    assert reason in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
