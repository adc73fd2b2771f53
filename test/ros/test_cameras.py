"""Several cameras, slow models, large images, and bags."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from pose_estimation_ros.msg import PersonPose, PoseArray
from processes import Process, Rig
from replay import write_bag
from std_srvs.srv import Trigger

HERE = Path(__file__).resolve().parent


def _start_named_camera(rig: Rig, name: str, seconds: int) -> Process:
    command = [sys.executable, "-m", "pose_estimation_ros.cli.play", "--seconds", str(seconds)]
    command += ["--ros-args", "-r", f"__ns:={rig.namespace}/{name}"]
    return rig.start(command, name)


def test_two_cameras_are_answered_alike_and_one_may_die(rig: Rig) -> None:
    answers: dict[str, list[PoseArray]] = {"left": [], "right": []}
    for name, got in answers.items():
        rig.client.node.create_subscription(PoseArray, f"{name}/poses", got.append, 500)
    topics = [f"{rig.namespace}/{name}/image" for name in answers]
    node = rig.start_node(wait=False, pipeline="v3", cameras="[left, right]", target_fps=4.0)
    rig.client.spin_until(
        lambda: all(rig.client.node.count_subscribers(topic) for topic in topics)
    )
    left = _start_named_camera(rig, "left", 60)
    _start_named_camera(rig, "right", 60)
    rig.client.spin_until(lambda: all(len(got) > 5 for got in answers.values()))

    def rates(seconds: float) -> dict[str, float]:
        before = {name: len(got) for name, got in answers.items()}
        rig.client.spin_for(seconds)
        return {name: (len(got) - before[name]) / seconds for name, got in answers.items()}

    together = rates(6)
    assert together["left"] == pytest.approx(together["right"], rel=0.15)
    left.kill()
    rig.client.spin_for(1)
    alone = rates(6)
    assert alone["left"] == 0
    assert alone["right"] == pytest.approx(together["right"], rel=0.15)
    _start_named_camera(rig, "left", 60)
    rig.client.spin_until(lambda: len(answers["left"]) and rates(2)["left"] > 2)
    # Identities are each camera's own: both begin at 0.
    for got in answers.values():
        assert next(p.track_id for a in got for p in a.poses) == 0
    assert node.interrupt() == 0 and "Traceback" not in node.output


def _slow_model(path: Path, multiplications: int) -> Path:
    """A pose model that answers joints at rest after a real, long computation."""
    size = 512
    weight = np.full((size, size), 1.0 / size, np.float32)
    nodes = [helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT)]
    nodes.append(helper.make_node("ReduceMean", ["float"], ["mean"], axes=[1, 2, 3], keepdims=1))
    nodes.append(helper.make_node("Mul", ["mean", "weight"], ["x0"]))
    nodes += [
        helper.make_node("MatMul", [f"x{index}", "weight"], [f"x{index + 1}"])
        for index in range(multiplications)
    ]
    last = f"x{multiplications}"
    nodes.append(helper.make_node("ReduceMean", [last], ["one"], axes=[1, 2, 3], keepdims=0))
    nodes.append(helper.make_node("Mul", ["one", "zero"], ["nothing"]))
    nodes.append(helper.make_node("Reshape", ["nothing", "row"], ["column"]))
    nodes.append(helper.make_node("Reshape", ["nothing", "block"], ["cube"]))
    nodes.append(helper.make_node("Add", ["cube", "rest"], ["joints"]))
    nodes.append(helper.make_node("Add", ["column", "sure"], ["scores"]))
    rest = np.random.default_rng(0).uniform(40, 150, (1, 17, 3)).astype(np.float32)
    constants = {
        "weight": weight,
        "zero": np.zeros(1, np.float32),
        "row": np.array([-1, 1], np.int64),
        "block": np.array([-1, 1, 1], np.int64),
        "rest": rest,
        "sure": np.full((1, 17), 0.9, np.float32),
    }
    graph = helper.make_graph(
        *(nodes, "slow"),
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 192, 192, 3])],
        [
            helper.make_tensor_value_info("joints", TensorProto.FLOAT, ["n", 17, 3]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 17]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


def test_a_slow_model_never_makes_poses_stale(rig: Rig, tmp_path: Path) -> None:
    model = _slow_model(tmp_path / "slow.onnx", 140)
    rig.start_node(pipeline="v3", model_path=model, runtime="onnxruntime", min_pose_score=0.0)
    rig.start_camera("--seconds", "30")
    rig.client.spin_until(lambda: len(rig.client.poses) >= 4)
    first = len(rig.client.diagnostics)
    for _ in range(5):  # while inference is busy nearly all of the time
        assert rig.client.call(Trigger, "reset_tracking", Trigger.Request()).success
    rig.client.spin_until(
        lambda: len(rig.client.poses) >= 12 and len(rig.client.diagnostics) >= first + 4
    )
    answers = rig.client.poses[2:]
    assert np.median([a.times.pose for a in answers]) > 100, "the model is not slow here"
    period_ms = 1000 / 30
    for answer in answers:
        work = answer.times.detect + answer.times.pose + answer.times.track
        # When work on it began, the image was the newest: at most a period old, plus its way here
        # and the moment that the next one took (a margin for a machine that does other things).
        waited = answer.times.age_at_publish - answer.times.age_at_receipt - work
        assert waited < 2 * period_ms + 20, answer.times
    depths = {
        int(value.value)
        for _, message in rig.client.diagnostics
        for status in message.status
        for value in status.values
        if value.key == "queue depth"
    }
    assert depths <= {0, 1}
    times = [moment for moment, _ in rig.client.diagnostics[first:]]
    assert np.diff(times).mean() == pytest.approx(1.0, abs=0.2)


_LARGE_CAMERA = """
import array, sys, time
import numpy as np, rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
rclpy.init(args=sys.argv)
node = rclpy.create_node("large_camera")
qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
publisher = node.create_publisher(Image, "image", qos)
while publisher.get_subscription_count() == 0:
    time.sleep(0.02)
time.sleep(0.5)
message = Image(height=1080, width=1920, encoding="bgr8", step=5760)
message.data = array.array("B", np.full(1080 * 5760, 120, np.uint8).tobytes())
start = time.monotonic()
for index in range(100):
    time.sleep(max(0, start + index / 30 - time.monotonic()))
    message.header.stamp = node.get_clock().now().to_msg()
    publisher.publish(message)
time.sleep(1)
"""


def _large_images_received(rig: Rig) -> int:
    # Ten instead of one, to count what the transport brings, not what Python finds time to take.
    depth = {f"qos_overrides.{rig.namespace}/image.subscription.depth": 10}
    rig.start_node(pipeline="v3", target_fps=2.0, **depth)
    command = [sys.executable, "-c", _LARGE_CAMERA, "--ros-args", "-r", f"__ns:={rig.namespace}"]
    camera = rig.start(command, "large")
    rig.client.spin_until(lambda: not camera.running, 40)
    assert camera.wait() == 0, camera.output
    rig.client.spin_for(2)
    return int(rig.client.latest_values(": camera")["received"])


# Best effort: what else the machine does for a moment may cost images, but not three times.
@pytest.mark.flaky(reruns=3)
def test_1080p_arrives_with_the_profile(rig: Rig) -> None:
    assert _large_images_received(rig) >= 99


def test_1080p_gets_lost_without_the_profile(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FASTRTPS_DEFAULT_PROFILES_FILE")
    assert _large_images_received(rig) < 60


def _replay(rig: Rig, bag: Path, frames: int, run: int, **parameters: object) -> list[PoseArray]:
    """Plays a bag with simulated time to a fresh node; its answers."""
    rig.client.poses.clear()
    node = rig.start_node(use_sim_time=True, **parameters)
    command = [sys.executable, str(HERE / "replay.py"), str(bag)]
    player = rig.start([*command, "--ros-args", "-r", f"__ns:={rig.namespace}"], f"replay-{run}")
    rig.client.spin_until(lambda: not player.running and len(rig.client.poses) >= frames, 120)
    assert player.wait() == 0, player.output
    rig.client.spin_for(1)
    assert node.interrupt() == 0
    return list(rig.client.poses)


def _joints(person: PersonPose) -> list[tuple]:
    return [(k.x, k.y, k.score) for k in person.keypoints]


def _content(message: PoseArray) -> tuple:
    """All but the times."""
    return (
        *(message.header.stamp.sec, message.header.stamp.nanosec, message.sequence),
        *[
            (p.track_id, p.track_state, p.score, p.box.x_offset, p.box.width, *_joints(p))
            for p in message.poses
        ],
    )


def test_a_bag_gives_the_same_poses_twice(rig: Rig, scene_frames: list, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", scene_frames * 4, fps=30)
    runs = [_replay(rig, bag, 60, run, pipeline="v4", every_frame=True) for run in range(2)]
    assert [len(run) for run in runs] == [60, 60]
    assert [m.sequence for m in runs[0]] == list(range(60))
    assert [_content(m) for m in runs[0]] == [_content(m) for m in runs[1]]


def test_a_bag_of_a_real_clip_gives_the_same_poses_twice(
    rig: Rig, shared: Path, tmp_path: Path
) -> None:
    from pose_estimation_ros.cli.sources import VideoSource

    source = VideoSource(str(shared / "clips" / "one_by_one.mp4"))
    frames = [pixels for _, pixels in zip(range(120), source.frames(), strict=False)]
    bag = write_bag(tmp_path / "bag", frames, source.fps)
    runs = [_replay(rig, bag, 120, run, pipeline="v4", every_frame=True) for run in range(2)]
    assert [len(run) for run in runs] == [120, 120]
    assert [_content(m) for m in runs[0]] == [_content(m) for m in runs[1]]


def test_a_bag_that_starts_again_starts_identities_anew(
    rig: Rig, scene_frames: list, tmp_path: Path
) -> None:
    bag = write_bag(tmp_path / "bag", scene_frames, fps=30)
    rig.start_node(use_sim_time=True, pipeline="v4", every_frame=True)
    command = [sys.executable, str(HERE / "replay.py"), str(bag), "--loops", "2"]
    player = rig.start([*command, "--ros-args", "-r", f"__ns:={rig.namespace}"], "replay")
    rig.client.spin_until(lambda: len(rig.client.poses) == 30, 60)
    assert player.wait() == 0, player.output
    first = {p.track_id for m in rig.client.poses[:15] for p in m.poses}
    second = {p.track_id for m in rig.client.poses[15:] for p in m.poses}
    assert first and second and not first & second


def test_the_examples_of_this_file_are_whole() -> None:
    """The inline camera is Python that compiles, so a failure above is not a slip of the pen."""
    compile(_LARGE_CAMERA, "camera", "exec")
    subprocess.run([sys.executable, "-m", "py_compile", str(HERE / "replay.py")], check=True)
