"""`pose_estimation video`: every kind of input, every output, resuming, and what goes wrong."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from calls import call

from pose_estimation_ros.cli.video.outputs import coco_output, image_ids
from pose_estimation_ros.io.pose_records import from_json
from pose_estimation_ros.io.prefetch import prefetched
from pose_estimation_ros.io.video_reader import VideoSource
from pose_estimation_ros.io.video_writer import VideoWriter

FRAMES = 12


_video = partial(call, "video")


def _lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def frames() -> list:
    from pose_estimation_ros.io.demo_scene import SceneSource

    return list(SceneSource(width=480, height=270, seconds=FRAMES / 30).frames())


@pytest.fixture(scope="module")
def clip(frames: list, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "scene.mp4"
    with VideoWriter(path, 30.0, 480, 270) as writer:
        for pixels in frames:
            writer.write(pixels)
    return path


@pytest.fixture(scope="module")
def folder(frames: list, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("images")
    for index in (2, 10, 1):
        cv2.imwrite(str(path / f"{index}.png"), frames[index])
    (path / "notes.txt").write_text("no image")
    return path


def test_limits_that_hide_people_are_named(folder: Path, tmp_path: Path) -> None:
    from pose_estimation_ros.io.demo_scene import SceneSource

    few = _video(folder / "1.png", "--max-persons", 2)
    assert "2.00 persons a frame" in few.stdout
    assert "in 1 of 1 frames there are up to" in few.stderr
    assert "persons more than --max-persons 2" in few.stderr
    crowd = tmp_path / "crowd.png"
    cv2.imwrite(str(crowd), next(SceneSource(1920, 1080, 30.0, 1, 60).frames()))
    assert "raise --detector-size (to 640, say)" in _video(crowd, "--detector-size", 320).stderr
    raised = ("--detector-size", 1280, "--max-persons", 256, "--min-pose-score", 0.05)
    all_of_them = _video(crowd, *raised)
    assert float(all_of_them.stdout.split(" frames, ")[1].split()[0]) >= 60
    assert "note:" not in all_of_them.stderr


def test_browsers_can_play_the_video(clip: Path) -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed: OpenCV writes MPEG-4 instead")
    with av.open(str(clip)) as file:
        stream = file.streams.video[0]
        assert stream.codec_context.name in ("h264", "vp9", "libvpx-vp9")
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert sum(1 for _ in file.decode(stream)) == FRAMES
    start = clip.read_bytes()
    assert start.index(b"moov") < start.index(b"mdat")  # so that it starts before it is loaded


def test_without_pyav_a_video_is_written_too(
    frames: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with VideoWriter(tmp_path / "plain.mp4", 30.0, 480, 270) as writer:
        for pixels in frames:
            writer.write(pixels)
    assert VideoSource(str(tmp_path / "plain.mp4")).length == FRAMES


def test_odd_sizes_are_cut(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "odd.mp4", 29.97, 97, 65) as writer:
        for _ in range(3):
            writer.write(np.zeros((65, 97, 3), np.uint8))
    source = VideoSource(str(tmp_path / "odd.mp4"))
    assert (source.width, source.height) == (96, 64)


def test_all_outputs_of_a_video(clip: Path, tmp_path: Path) -> None:
    out, poses, coco = tmp_path / "o.mp4", tmp_path / "p.jsonl", tmp_path / "c.json"
    run = _video(clip, "--out", out, "--json", poses, "--coco", coco, "--frames", 5)
    assert "5 frames" in run.stdout
    lines, results = _lines(poses), json.loads(coco.read_text())
    assert [line["frame"] for line in lines] == list(range(5))
    assert len(results) == sum(len(line["poses"]) for line in lines) > 0
    assert {len(row["keypoints"]) for row in results} == {51}
    assert {row["image_id"] for row in results} == set(range(5))
    assert VideoSource(str(out)).length == 5
    assert len(from_json(lines[0]).poses) == len(lines[0]["poses"])


def test_a_folder_of_images(folder: Path, frames: list, tmp_path: Path) -> None:
    out, coco = tmp_path / "drawn", tmp_path / "c.json"
    run = _video(folder, "--out", out, "--coco", coco)
    assert "3 frames" in run.stdout
    assert sorted(path.name for path in out.iterdir()) == ["1.png", "10.png", "2.png"]
    assert (cv2.absdiff(cv2.imread(str(out / "10.png")), frames[10]) > 60).any()
    ids = [row["image_id"] for row in json.loads(coco.read_text())]
    assert sorted(set(ids)) == [1, 2, 10] and ids == sorted(ids)


def test_every_line_has_its_time_and_the_name_of_its_picture(
    clip: Path, folder: Path, tmp_path: Path
) -> None:
    poses = tmp_path / "poses.jsonl"
    _video(folder, "--json", poses)
    assert [(line["image"], line["time_s"]) for line in _lines(poses)] == [
        ("1.png", 0.0),
        ("2.png", 0.1),
        ("10.png", 0.2),
    ]
    _video(clip, "--json", poses, "--frames", 4)
    assert [line["time_s"] for line in _lines(poses)] == [
        pytest.approx(index / 30, abs=1e-3) for index in range(4)
    ]
    assert "image" not in _lines(poses)[0]


def test_pictures_that_cannot_be_read_do_not_stop_a_folder(folder: Path, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for file in folder.glob("*.png"):
        (mixed / file.name).write_bytes(file.read_bytes())
    (mixed / "._1.png").write_bytes(b"what another system's file manager leaves")
    (mixed / "3.png").write_bytes(b"")
    (mixed / "4.png").symlink_to(tmp_path / "gone.png")
    (mixed / "5.heic").write_bytes(b"\0\0\0\x18ftypheic")
    poses, out = mixed / "poses.jsonl", tmp_path / "drawn"  # records may lie beside the pictures
    run = _video(mixed, "--json", poses, "--out", out, code=1)
    assert [line["image"] for line in _lines(poses)] == ["1.png", "2.png", "10.png"]
    assert sorted(file.name for file in out.iterdir()) == ["1.png", "10.png", "2.png"]
    assert "3 of 6 left out" in run.stderr
    for words in (
        "3.png' is empty",
        "4.png' cannot be read: No such file",
        "a kind that is not",
    ):
        assert words in run.stderr
    assert "._1" not in run.stderr


def test_a_folder_whose_name_is_a_number_is_no_camera(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("0001").symlink_to(folder)
    assert "3 frames" in _video("0001").stdout
    assert "'²' does not exist" in _video("²", code=1).stderr


def test_the_output_keeps_the_pace_of_the_input(frames: list, tmp_path: Path) -> None:
    times = [0, 0.1, 0.2, 1.2, 1.3]
    uneven, out = tmp_path / "uneven.mkv", tmp_path / "out.mp4"
    with VideoWriter(tmp_path / "uneven.mp4", 10.0, 480, 270) as writer:
        for pixels, time_s in zip(frames, times, strict=False):
            writer.write_at(pixels, time_s)
    (tmp_path / "uneven.mp4").rename(uneven)
    _video(uneven, "--out", out)
    shown = [image.time_s for image in VideoSource(str(out)).timed_frames()]
    assert shown == pytest.approx(times, abs=1e-3)


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["1.png", "2.png", "10.png"], [1, 2, 10]),
        (["000000000139.jpg", "000000000285.jpg"], [139, 285]),
        (["COCO_val2014_000000000007.png", "COCO_val2014_000000000042.png"], [7, 42]),
        (["frame_0.png", "frame_1.png"], [0, 1]),
        (["0001.png", "z.png"], [0, 1]),
        (["a_1.png", "b_1.png"], [0, 1]),
        (["1.png", "01.png"], [0, 1]),
        (["²1.png", "x²2.png"], [1, 2]),
        ([], []),
    ],
)
def test_image_ids_are_the_numbers_of_the_names_or_all_places(
    names: list[str], ids: list[int]
) -> None:
    assert list(image_ids(names).values()) == ids


def test_one_image(folder: Path, tmp_path: Path) -> None:
    assert "1 frames" in _video(folder / "2.png", "--out", tmp_path / "drawn.jpg").stdout
    assert cv2.imread(str(tmp_path / "drawn.jpg")) is not None


@pytest.mark.parametrize("pipeline", ["v3", "v4"])
def test_resuming_gives_what_one_run_gives(pipeline: str, clip: Path, tmp_path: Path) -> None:
    whole, part = tmp_path / "whole.jsonl", tmp_path / "part.jsonl"
    arguments = ("--pipeline", pipeline, "--runtime", "onnxruntime")
    _video(clip, "--json", whole, *arguments)
    lines = whole.read_text().splitlines()
    part.write_text("\n".join(lines[:7]) + "\n" + lines[7][:50])  # as a power cut leaves it
    out, coco = tmp_path / "o.mp4", tmp_path / "c.json"
    run = _video(clip, "--json", part, "--resume", "--out", out, "--coco", coco, *arguments)
    assert "12 frames" in run.stdout and "7 of them answered before" in run.stdout
    assert _lines(part) == _lines(whole)
    assert VideoSource(str(out)).length == FRAMES
    assert {row["image_id"] for row in json.loads(coco.read_text())} == set(range(FRAMES))


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_job_that_is_ended_can_be_resumed(
    end: signal.Signals, frames: list, tmp_path: Path
) -> None:
    clip, poses, out = tmp_path / "long.mp4", tmp_path / "p.jsonl", tmp_path / "o.mp4"
    coco = tmp_path / "c.json"
    with VideoWriter(clip, 30.0, 480, 270) as writer:
        for pixels in frames * 40:
            writer.write(pixels)
    command = [sys.executable, "-m", "pose_estimation_ros.cli.main", "video", str(clip)]
    command += ["--json", str(poses), "--out", str(out), "--threads", "1", "--coco", str(coco)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not poses.exists() or poses.stat().st_size < 9000):
        time.sleep(0.05)
    process.send_signal(end)
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in complaints
    assert "--resume" in said
    done = len(_lines(poses))
    assert 0 < done < 40 * FRAMES
    assert VideoSource(str(out)).length == done
    assert {row["image_id"] for row in json.loads(coco.read_text())} <= set(range(done))
    assert not list(tmp_path.glob(".*")), "nothing unfinished is left"


SIGNALS = """
import contextlib, signal
from pose_estimation_ros.cli._interrupt import Interruption

with Interruption() as interruption, contextlib.ExitStack() as outputs:
    outputs.callback(print, "written")
    outputs.callback(lambda: [signal.raise_signal(signal.SIGINT) for _ in range(3)])
    outputs.callback(interruption.finish)
try:
    with Interruption() as interruption:
        signal.raise_signal(signal.SIGHUP)
        print("asked:", interruption.asked)
        signal.raise_signal(signal.SIGTERM)
except KeyboardInterrupt:
    print("the second one interrupts")
signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
with Interruption() as interruption:
    signal.raise_signal(signal.SIGHUP)
    print("under nohup:", interruption.asked)
"""


def test_nothing_interrupts_what_is_written_at_the_end() -> None:
    # In a process of its own: libraries that are loaded here handle signals, too.
    run = subprocess.run([sys.executable, "-c", SIGNALS], capture_output=True, text=True)
    expected = ["written", "asked: True", "the second one interrupts", "under nohup: False"]
    assert run.stdout.splitlines() == expected, run.stderr


def test_results_are_kept_also_after_a_second_ctrl_c(tmp_path: Path) -> None:
    coco, rows = tmp_path / "c.json", []
    coco.write_text("older results")
    with pytest.raises(KeyboardInterrupt), coco_output(coco, rows):
        assert coco.read_text() == "older results"
        rows.append({"image_id": 1})
        raise KeyboardInterrupt
    assert json.loads(coco.read_text()) == [{"image_id": 1}]
    assert [path.name for path in tmp_path.iterdir()] == ["c.json"]


def test_records_made_otherwise_are_not_continued(
    clip: Path, frames: list, tmp_path: Path
) -> None:
    poses, other = tmp_path / "p.jsonl", tmp_path / "other.mp4"
    with VideoWriter(other, 30.0, 480, 270) as writer:
        for pixels in frames[:4]:
            writer.write(pixels)
    _video(clip, "--json", poses, "--frames", 4)
    before = poses.read_bytes()
    for arguments, words in (
        ((other,), ["it is of 'scene.mp4'", "this is of 'other.mp4'"]),
        ((clip, "--pipeline", "v3"), ["pipeline was the default, and is v3 now"]),
        ((clip, "--confidence-threshold", 0.4), ["confidence_threshold was the default, and is"]),
    ):
        run = _video(*arguments, "--json", poses, "--resume", code=1)
        assert all(word in run.stderr for word in (*words, "p.jsonl")), run.stderr
        assert poses.read_bytes() == before, "nothing is lost"
    moved = tmp_path / "moved.mp4"
    moved.write_bytes(clip.read_bytes())
    _video(moved, "--json", poses, "--resume", "--threads", 1, "--frames", 6)
    assert len(_lines(poses)) == 6 and poses.read_bytes().startswith(before)


def test_what_editors_leave_is_passed_over(clip: Path, tmp_path: Path) -> None:
    poses, whole = tmp_path / "p.jsonl", tmp_path / "whole.jsonl"
    _video(clip, "--json", whole, "--frames", 5)
    lines = whole.read_text().splitlines()
    for text in (
        "\ufeff" + "\n".join(lines[:3]) + "\n\n\n",
        "\r\n".join(lines[:3]) + "\r\n",
        "\n".join(lines[:3]),  # without the last end of line
        "\n\n".join(lines[:3]) + "\n \n",
    ):
        poses.write_bytes(text.encode())
        run = _video(clip, "--json", poses, "--resume", "--frames", 5)
        assert "3 of them answered before" in run.stdout
        rows = [
            json.loads(line) for line in poses.read_text("utf-8-sig").split("\n") if line.strip()
        ]
        assert [row["frame"] for row in rows] == list(range(5))


def test_records_may_go_to_standard_output(folder: Path, tmp_path: Path) -> None:
    run = _video(folder, "--json", "-")
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert [row["image"] for row in rows] == ["1.png", "2.png", "10.png"]
    assert "3 frames" in run.stderr and not Path("-").exists()


def test_older_results_stay_until_there_are_new_ones(clip: Path, tmp_path: Path) -> None:
    coco = tmp_path / "c.json"
    coco.write_text("older results")
    _video(clip, "--coco", coco, "--out", tmp_path / "x.txt", code=1)
    assert coco.read_text() == "older results"


def test_bad_input_is_named_in_one_line(clip: Path, folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "1.jpg").write_bytes(b"\xff\xd8\xff and no more")
    poses = tmp_path / "poses.jsonl"
    poses.write_text('{"frame": 5}\n{"frame": 6}\n')
    for arguments, words in (
        ((empty,), ["empty", "no image", ".png"]),
        ((broken,), ["1.jpg", "cannot be read"]),
        (("97",), ["camera 97", "/dev/video"]),
        (("rtsp://127.0.0.1:9/none",), ["rtsp://127.0.0.1:9/none", "address"]),
        ((clip, "--resume"), ["--resume", "--json"]),
        ((clip, "--json", poses, "--resume"), ["poses.jsonl", "line 1"]),
        ((clip, "--out", tmp_path / "x.txt"), ["x.txt", ".mp4"]),
        ((clip, "--json", "/dev/full"), ["/dev/full", "full"]),
        ((clip, "--coco", "/dev/full", "--frames", 1), ["/dev/full", "full"]),
        ((folder, "--out", poses / "drawn"), ["cannot write", "poses.jsonl"]),
    ):
        lines = _video(*arguments, code=1).stderr.splitlines()
        said = [line for line in lines if "error: " in line]
        assert len(said) == 1 and all(word in said[0] for word in words), lines


def test_a_full_disk_leaves_a_video_that_plays(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=11m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("no small disk can be mounted here")
    from pose_estimation_ros.errors import InputError

    noise = np.random.default_rng(0)
    try:
        with (
            pytest.raises(InputError, match=r"full; \d+ images so far"),
            VideoWriter(tmp_path / "x.mp4", 30.0, 480, 270) as writer,
        ):
            for _ in range(200):
                writer.write(noise.integers(0, 255, (270, 480, 3), np.uint8))
        assert sum(1 for _ in VideoSource(str(tmp_path / "x.mp4")).frames()) > 3
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_video_that_was_cut_off_is_said_to_be(frames: list, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.avi", tmp_path / "cut.avi"
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(whole), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (width, height))
    for pixels in frames:
        writer.write(pixels)
    writer.release()
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    out, coco = tmp_path / "poses.jsonl", tmp_path / "poses.json"
    run = _video(cut, "--json", out, "--coco", coco, code=1)
    done = len(out.read_text().splitlines())
    assert 0 < done < len(frames)
    assert f"cut off or damaged (a packet is incomplete): {done} frames can be read" in run.stderr
    assert {row["image_id"] for row in json.loads(coco.read_text())} <= set(range(done))


def test_reading_ahead_keeps_order_and_errors() -> None:
    assert list(prefetched(iter(range(50)), ahead=2)) == list(range(50))

    def failing():
        yield 1
        raise ValueError("no more")

    ahead = prefetched(failing())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="no more"):
        next(ahead)


def test_real_clips(shared: Path, tmp_path: Path) -> None:
    clips = sorted((shared / "clips").glob("*.*"))
    if not clips:
        pytest.skip(f"{shared / 'clips'} is absent: it holds clips of people")
    for clip in clips:
        run = _video(clip, "--frames", 5, "--out", tmp_path / f"{clip.stem}.mp4")
        assert "5 frames" in run.stdout
        assert VideoSource(str(tmp_path / f"{clip.stem}.mp4")).length == 5
