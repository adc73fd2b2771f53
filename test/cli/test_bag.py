"""`pose_estimation bag`: every image answered, the same twice, and damage survived."""

from __future__ import annotations

import filecmp
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
from calls import call
from recordings import (
    COMPRESSED,
    IMAGE,
    START_NS,
    camera_info,
    header,
    image_message,
    read_poses,
    write_bag,
)

COMMAND = [sys.executable, "-m", "pose_estimation_ros.cli.main", "bag"]
FRAMES = 6


_bag = partial(call, "bag")


@pytest.fixture(scope="module")
def frames() -> list:
    from pose_estimation_ros.io.demo_scene import SceneSource

    return list(SceneSource(width=480, height=270, seconds=FRAMES / 30).frames())


@pytest.fixture(scope="module")
def recording(frames: list, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bags") / "recording"
    return write_bag(folder, {"/cam/image_raw": IMAGE}, frames, info="/cam/camera_info")


def test_every_image_is_answered_at_its_stamp(recording: Path, tmp_path: Path) -> None:
    run = _bag(recording, tmp_path / "out", "--pipeline", "v4")
    assert f"{FRAMES} images answered" in run.stdout
    poses = read_poses(tmp_path / "out")["/cam/poses"]
    assert [stamp for stamp, _ in poses] == [
        START_NS + index * 33_000_000 + 5000 for index in range(FRAMES)
    ]
    for index, (_, message) in enumerate(poses):
        stamp_ns = START_NS + index * 33_000_000
        assert str(message.header) == str(header(stamp_ns))
        assert (message.sequence, message.dropped, message.pipeline) == (index, 0, "v4")
        assert (message.image_width, message.image_height) == (480, 270)
        assert len(message.poses) >= 3 and len(message.keypoint_names) == 17
        assert np.isnan(message.times.total)
        assert np.isfinite(message.poses[0].keypoints[0].position.z)  # from the camera_info


def test_stamps_that_go_back_a_little_change_nobodys_identity(tmp_path: Path) -> None:
    from pose_estimation_ros.io.bags.writer import BagWriter
    from pose_estimation_ros.io.demo_scene import SceneSource

    frames = SceneSource(480, 270, 30.0, 0.5).frames()
    with BagWriter(tmp_path / "bag") as writer:
        for index, pixels in enumerate(frames):  # every second one 2 ms before its predecessor
            stamp_ns = START_NS + index // 2 * 66_666_666 - index % 2 * 2_000_000
            message = image_message(pixels, stamp_ns)
            writer.write("/cam/image_raw", IMAGE, START_NS + index * 33_333_333, message)
    run = _bag(tmp_path / "bag", tmp_path / "out")
    assert "7 of 15 stamps went back a little" in run.stderr
    poses = read_poses(tmp_path / "out")["/cam/poses"]
    assert {person.track_id for _, message in poses for person in message.poses} == {0, 1, 2}


def test_a_box_without_an_inside_does_not_cost_a_bag_the_image() -> None:
    from pose_estimation_ros.engine.poses import Poses
    from pose_estimation_ros.engine.skeletons import COCO17
    from pose_estimation_ros.engine.types import PoseResult
    from pose_estimation_ros.io.bags.pose_messages import pose_array
    from pose_estimation_ros.io.bags.writer import POSE_ARRAY, typestore

    boxes = np.array([(50, 60, 40, 20), (10, 20, 30, 60)], np.float32)
    result = PoseResult(Poses.without_joints(boxes, COCO17), "v4")
    data = pose_array(header(START_NS), 640, 480, result, 0, 0)
    first, second = (p.box for p in typestore().deserialize_cdr(data, POSE_ARRAY).poses)
    assert (first.width, first.height, second.width, second.height) == (0, 0, 20, 40)


def _bag_with_depth(folder: Path, frames: list, off_ns: int) -> Path:
    """At 5 Hz; depth, 3.21 m everywhere, is recorded 20 ms after its image."""
    from pose_estimation_ros.io.bags.writer import BagWriter, typestore

    height, width = frames[0].shape[:2]
    with BagWriter(folder) as writer:
        kind = "sensor_msgs/msg/CameraInfo"
        writer.write("/cam/camera_info", kind, START_NS, camera_info(width, height, START_NS))
        data = np.full(height * width, 3210, np.uint16).view(np.uint8)
        for index, pixels in enumerate(frames):
            stamp_ns = START_NS + index * 200_000_000
            writer.write("/cam/image_raw", IMAGE, stamp_ns, image_message(pixels, stamp_ns))
            depth = typestore().types[IMAGE](
                header(stamp_ns + off_ns), height, width, "16UC1", 0, 2 * width, data
            )
            message = bytes(typestore().serialize_cdr(depth, IMAGE))
            writer.write("/cam/depth", IMAGE, stamp_ns + 20_000_000, message)
    return folder


def test_depth_of_an_images_own_stamp_is_used(frames: list, tmp_path: Path) -> None:
    near = _bag_with_depth(tmp_path / "near", frames, 0)
    run = _bag(near, tmp_path / "out", "--depth", "/cam/depth")
    assert f"{FRAMES} on /cam/poses" in run.stdout and "not used" not in run.stderr
    poses = [message for _, message in read_poses(tmp_path / "out")["/cam/poses"]]
    people = [person for message in poses for person in message.poses]
    assert len(people) >= 3 * FRAMES and {person.depth_source for person in people} == {3}
    far = _bag_with_depth(tmp_path / "far", frames[:2], -500_000_000)
    run = _bag(far, tmp_path / "far_out", "--depth", "/cam/depth")
    assert "depth image not used: the nearest one is 0.30 s older" in run.stderr
    (poses,) = read_poses(tmp_path / "far_out").values()
    assert {person.depth_source for _, message in poses for person in message.poses} == {1}
    run = _bag(near, tmp_path / "no", "--depth", "/cam/nothing", code=1)
    assert "has no topic '/cam/nothing'" in run.stderr


def _positions(folder: Path) -> np.ndarray:
    """(persons, joints, 3) m of the first frame."""
    poses = next(iter(read_poses(folder).values()))[0][1].poses
    return np.array(
        [[[getattr(k.position, axis) for axis in "xyz"] for k in p.keypoints] for p in poses]
    )


def test_positions_follow_the_whole_of_camera_info(
    recording: Path, frames: list, tmp_path: Path
) -> None:
    half = {"width": 960, "height": 540, "binning_x": 2, "binning_y": 2}
    half["k"] = np.array([960, 0, 480, 0, 960, 270, 0, 0, 1], float)
    other_size = {key: half[key] for key in ("width", "height", "k")}
    p = np.array([240, 0, 240, 0, 0, 240, 135, 0, 0, 0, 1, 0], float)
    cases = {"binned": ("/cam/image_raw", half), "other_size": ("/cam/image_raw", other_size)}
    cases["rectified"] = ("/cam/image_rect", {"p": p, "d": np.array([0.2, 0, 0, 0, 0])})
    _bag(recording, tmp_path / "plain_out")
    plain = _positions(tmp_path / "plain_out")
    assert len(plain) >= 3 and np.isfinite(plain).all()
    for name, (topic, changes) in cases.items():
        bag = write_bag(
            tmp_path / name, {topic: IMAGE}, frames, info="/cam/camera_info", info_changes=changes
        )
        run = _bag(bag, tmp_path / f"{name}_out")
        found = _positions(tmp_path / f"{name}_out")
        if name == "binned":
            np.testing.assert_allclose(found, plain, rtol=1e-5)
        elif name == "rectified":  # half the focal length: directions twice as steep
            ours, others = (xyz[..., :2] / xyz[..., 2:] for xyz in (found, plain))
            np.testing.assert_allclose(ours, 2 * others, rtol=1e-4)
        else:
            assert np.isnan(found).all()
            assert run.stderr.count("no positions: camera_info is for 960x540 px") == 1


def test_a_second_run_gives_the_same_bytes(recording: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        _bag(recording, tmp_path / name, "--images")
    first, second = tmp_path / "first", tmp_path / "second"
    names = sorted(path.name for path in first.iterdir())
    assert names == ["metadata.yaml", "poses.mcap"]
    assert filecmp.cmpfiles(first, second, names, shallow=False) == (names, [], [])
    images = read_poses(first)["/cam/image_annotated/compressed"]
    assert len(images) == FRAMES and images[0][1].format == "jpeg"


@pytest.mark.parametrize(
    ("storage", "kind", "zstd"),
    [("MCAP", COMPRESSED, True), ("SQLITE3", IMAGE, False), ("SQLITE3", COMPRESSED, False)],
)
def test_other_recordings(
    storage: str, kind: str, zstd: bool, frames: list, tmp_path: Path
) -> None:
    topic = "/image" + ("/compressed" if kind == COMPRESSED else "")
    bag = write_bag(tmp_path / "in", {topic: kind}, frames[:3], storage, zstd)
    _bag(bag, tmp_path / "out", "--pipeline", "v3", "--storage", "sqlite3")
    assert [len(m.poses) for _, m in read_poses(tmp_path / "out")["/poses"]] == [1, 1, 1]


def test_the_messages_are_those_of_the_node(frames: list, embedded_models) -> None:
    pytest.importorskip("rclpy", reason="rclpy is not installed: the node cannot be compared")
    from pose_estimation_ros.msg import PoseArray
    from rclpy.serialization import deserialize_message
    from std_msgs.msg import Header

    from pose_estimation_ros.engine import Frame, Image
    from pose_estimation_ros.engine.pipelines import build_pipeline
    from pose_estimation_ros.io.bags.pose_messages import pose_array
    from pose_estimation_ros.ros.outputs.pose_array import PoseArrayBuilder
    from pose_estimation_ros.settings import PipelineOptions

    result = build_pipeline("v4", embedded_models, PipelineOptions()).process(
        Frame(Image(frames[0]))
    )
    ours = deserialize_message(pose_array(header(5), 480, 270, result, 7, 2), PoseArray)
    node = PoseArrayBuilder().build(Header(frame_id="camera"), 480, 270, result)
    node.header.stamp.nanosec, node.sequence, node.dropped = 5, 7, 2
    node.times = ours.times
    assert str(ours) == str(node)


def test_several_topics(frames: list, tmp_path: Path) -> None:
    kinds = {"/left/image_raw": IMAGE, "/right/image_raw": IMAGE, "/right/extra": IMAGE}
    bag = write_bag(tmp_path / "in", kinds, frames[:2])
    _bag(bag, tmp_path / "all", "--pipeline", "v3")
    assert set(read_poses(tmp_path / "all")) == {
        "/left/poses",
        "/right/poses",
        "/right/extra/poses",
    }
    _bag(bag, tmp_path / "one", "--pipeline", "v3", "--topic", "/left/image_raw")
    assert set(read_poses(tmp_path / "one")) == {"/left/poses"}


def test_many_bags_at_a_time(recording: Path, frames: list, tmp_path: Path) -> None:
    write_bag(tmp_path / "in" / "a", {"/cam/image_raw": IMAGE}, frames[:2])
    shutil.copytree(recording, tmp_path / "in" / "b")
    run = _bag(tmp_path / "in", tmp_path / "out", "--jobs", 2, "--pipeline", "v3")
    assert "2 images answered" in run.stdout and f"{FRAMES} images answered" in run.stdout
    assert f"b: images: {FRAMES}/{FRAMES}" in run.stderr
    assert len(read_poses(tmp_path / "out" / "a")["/cam/poses"]) == 2
    assert len(read_poses(tmp_path / "out" / "b")["/cam/poses"]) == FRAMES


@pytest.mark.parametrize(
    ("storage", "zstd"), [("MCAP", False), ("MCAP", True), ("SQLITE3", False)]
)
@pytest.mark.parametrize("metadata", [True, False])
def test_a_truncated_bag_is_answered_up_to_the_damage(
    storage: str, zstd: bool, metadata: bool, frames: list, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0)
    noisy = [frame // 2 + noise.integers(0, 99, frame.shape, np.uint8) for frame in frames]
    bag = write_bag(tmp_path / "in", {"/image": IMAGE}, noisy, storage, zstd)
    file = next(path for path in bag.iterdir() if path.suffix in (".mcap", ".db3"))
    whole = _bag(bag, tmp_path / "whole", "--pipeline", "v3")
    assert f"{FRAMES} images answered" in whole.stdout
    os.truncate(file, int(file.stat().st_size * 0.72))
    if not metadata:
        (bag / "metadata.yaml").unlink()
    run = _bag(bag, tmp_path / "out", "--pipeline", "v3", code=1)
    said = run.stderr.strip().splitlines()[-1]
    assert "damaged" in said and file.name in said and "everything before that" in said
    got = read_poses(tmp_path / "out")["/poses"]
    expected = read_poses(tmp_path / "whole")["/poses"]
    assert 3 <= len(got) < FRAMES
    assert str(got) == str(expected[: len(got)])


def test_a_recording_that_was_never_closed_loses_nothing(frames: list, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", {"/image": IMAGE}, frames, "SQLITE3")
    (bag / "metadata.yaml").unlink()
    run = _bag(bag, tmp_path / "out", "--pipeline", "v3", code=1)
    assert len(read_poses(tmp_path / "out")["/poses"]) == FRAMES
    assert "all its messages were read" in run.stderr


def _with_profile(profile: str, bag: Path, copy: Path) -> Path:
    """The messages of an MCAP bag in a file of another profile."""
    from mcap.reader import make_reader
    from mcap.writer import Writer

    (file,) = bag.glob("*.mcap")
    with file.open("rb") as source, copy.open("wb") as target:
        writer = Writer(target)
        writer.start(profile=profile)
        channels: dict[int, int] = {}
        for schema, channel, message in make_reader(source).iter_messages():
            if channel.id not in channels:
                kind = writer.register_schema(schema.name, schema.encoding, schema.data)
                channels[channel.id] = writer.register_channel(
                    channel.topic, channel.message_encoding, kind
                )
            at = channels[channel.id]
            writer.add_message(at, message.log_time, message.data, message.publish_time)
        writer.finish()
    return copy


def test_an_mcap_file_needs_no_profile(recording: Path, tmp_path: Path) -> None:
    run = _bag(_with_profile("", recording, tmp_path / "a.mcap"), tmp_path / "out")
    assert f"{FRAMES} images answered" in run.stdout and "error" not in run.stderr
    ros1 = _with_profile("ros1", recording, tmp_path / "b.mcap")
    assert "profile 'ros1': expected one of ROS 2" in _bag(ros1, tmp_path / "o", code=1).stderr


def test_bad_input_is_named_in_one_line(recording: Path, frames: list, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    text = tmp_path / "text.mcap"
    text.write_text("I am not a bag\n" * 50)
    silent = write_bag(tmp_path / "silent", {}, frames[:1], info="/cam/camera_info")
    depth = write_bag(tmp_path / "depth", {"/depth/image": IMAGE}, [])
    (tmp_path / "there").mkdir()
    packed, old = tmp_path / "packed", tmp_path / "old.bag"
    packed.mkdir()
    (packed / "packed_0.mcap.zstd").write_bytes(b"(\xb5/\xfd")
    old.write_bytes(b"#ROSBAG V2.0\n")
    for arguments, words in (
        ((packed,), ["packed_0.mcap.zstd", "zstd -d"]),
        ((old,), ["old.bag", "ROS 1", "rosbags-convert --src old.bag --dst old"]),
        ((tmp_path / "none",), ["none", "does not exist"]),
        ((tmp_path / "empty",), ["empty", "metadata.yaml"]),
        ((text,), ["text.mcap", "MCAP"]),
        ((silent,), ["silent", "no images", "/cam/camera_info"]),
        ((recording, "--topic", "/nose"), ["/nose", "/cam/image_raw"]),
        ((recording, "--topic", "/cam/camera_info"), ["/cam/camera_info", "CameraInfo"]),
        ((recording, "--jobs", 0), ["--jobs", "below 1"]),
    ):
        run = _bag(arguments[0], tmp_path / "out", *arguments[1:], code=1)
        said = [line for line in run.stderr.splitlines() if "error: " in line]
        assert len(said) == 1 and all(word in said[0] for word in words), run.stderr
        assert not (tmp_path / "out").exists()
    assert "exists already" in _bag(recording, tmp_path / "there", code=1).stderr
    assert "0 images answered" in _bag(depth, tmp_path / "out").stdout


def test_unusable_images_are_counted_not_fatal(frames: list, tmp_path: Path) -> None:
    from rosbags.rosbag2 import StoragePlugin, Writer

    from pose_estimation_ros.io.bags.writer import typestore

    with Writer(tmp_path / "in", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        place = writer.add_connection("/image", IMAGE, typestore=typestore())
        good = image_message(frames[0], START_NS)
        writer.write(place, START_NS, good)
        writer.write(place, START_NS + 1, good.replace(b"bgr8", b"hsv9"))
        writer.write(place, START_NS + 2, good[:100])
        writer.write(place, START_NS + 3, good)
    run = _bag(tmp_path / "in", tmp_path / "out", "--pipeline", "v3")
    assert "/image: 2 of 4 images unusable" in run.stderr and "hsv9" in run.stderr
    poses = [message for _, message in read_poses(tmp_path / "out")["/poses"]]
    assert [(m.sequence, m.dropped) for m in poses] == [(0, 0), (3, 2)]


def _bytes_read(pid: int) -> int:
    """By a process so far, from files that it did not map."""
    fields = Path(f"/proc/{pid}/io").read_text().split()
    return int(fields[fields.index("rchar:") + 1])


def _await_reading(pids: list[int], bag: Path) -> None:
    """Until each process has read a fifth of a bag, however fast the machine."""
    fifth = sum(file.stat().st_size for file in bag.iterdir()) / 5
    begun = {pid: _bytes_read(pid) for pid in pids}
    deadline = time.monotonic() + 60
    while any(_bytes_read(pid) - begun[pid] < fifth for pid in pids):
        assert time.monotonic() < deadline, "the bag is not being read"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_leaves_a_readable_part(
    number: signal.Signals, frames: list, tmp_path: Path
) -> None:
    bag = write_bag(tmp_path / "in", {"/image": IMAGE}, frames * 50)
    command = [*COMMAND, str(bag), str(tmp_path / "out"), "--threads", "1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    partial = tmp_path / "out.partial" / "poses"
    deadline = time.monotonic() + 60
    while not partial.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    _await_reading([process.pid], bag)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in said, said
    assert "out.partial" in said and not (tmp_path / "out").exists()
    poses = read_poses(tmp_path / "out.partial")["/poses"]
    assert 0 < len(poses) < 50 * FRAMES
    assert [m.sequence for _, m in poses] == list(range(len(poses)))


def test_a_bag_in_which_nothing_is_leaves_nothing(tmp_path: Path) -> None:
    from pose_estimation_ros.io.bags.writer import BagWriter

    with pytest.raises(KeyboardInterrupt), BagWriter(tmp_path / "out"):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_what_an_earlier_run_left_is_not_deleted_unasked(recording: Path, tmp_path: Path) -> None:
    left, file = tmp_path / "out.partial", tmp_path / "poses.mcap"
    left.mkdir()
    (left / "poses.mcap").write_bytes(b"sixty images")
    file.write_bytes(b"something")
    run = _bag(recording, tmp_path / "out", code=1)
    assert "out.partial' holds what an earlier run left" in run.stderr
    assert (left / "poses.mcap").read_bytes() == b"sixty images"
    for more in ((), ("--force",)):
        run = _bag(recording, file, *more, code=1)
        assert "poses.mcap' is a file" in run.stderr or "exists already" in run.stderr
        assert file.read_bytes() == b"something" and "answered" not in run.stdout
    _bag(recording, tmp_path / "out", "--force")
    assert not left.exists()


def test_a_full_disk_leaves_a_readable_part(frames: list, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=7m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("no small disk can be mounted here")
    try:
        bag = write_bag(tmp_path / "in", {"/image": IMAGE}, frames * 20)
        run = _bag(bag, disk / "out", "--images", "--pipeline", "v3", code=1)
        said = run.stderr.strip().splitlines()[-1]
        assert "the disk is full" in said and "out.partial" in said
        assert 0 < len(read_poses(disk / "out.partial")["/poses"]) < 20 * FRAMES
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_ctrl_c_reaches_every_job_once(frames: list, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_bag(tmp_path / "in" / name, {"/image": IMAGE}, frames * 50)
    command = [*COMMAND, str(tmp_path / "in"), str(tmp_path / "out"), "--jobs", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    started = [tmp_path / "out" / f"{name}.partial" / "poses" for name in ("a", "b")]
    deadline = time.monotonic() + 60
    while not all(place.exists() for place in started) and time.monotonic() < deadline:
        time.sleep(0.02)
    readers: list[psutil.Process] = []
    while len(readers) < 2 and time.monotonic() < deadline:
        children = psutil.Process(process.pid).children(recursive=True)
        readers = [c for c in children if any("/in/" in file.path for file in c.open_files())]
    _await_reading([reader.pid for reader in readers], tmp_path / "in" / "a")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in said, said
    for name in ("a", "b"):
        poses = read_poses(tmp_path / "out" / f"{name}.partial")["/poses"]
        assert 0 < len(poses) < 50 * FRAMES
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.partial", "b.partial"]


def test_other_readers_find_the_definitions_in_the_file(recording: Path, tmp_path: Path) -> None:
    reader = pytest.importorskip("mcap.reader", reason="mcap is not installed")
    _bag(recording, tmp_path / "out", "--pipeline", "v3")
    with (tmp_path / "out" / "poses.mcap").open("rb") as file:
        rows = list(reader.make_reader(file, validate_crcs=True).iter_messages())
    assert len(rows) == FRAMES
    schema, channel, _ = rows[0]
    assert (schema.name, schema.encoding) == ("pose_estimation_ros/msg/PoseArray", "ros2msg")
    assert channel.message_encoding == "cdr"
    for name in ("pose_estimation_ros/PersonPose", "std_msgs/Header", "geometry_msgs/Point"):
        assert f"MSG: {name}".encode() in schema.data
