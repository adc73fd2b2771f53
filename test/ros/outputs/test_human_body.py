"""A body's URDF, joint states and frames, over DDS, against a body of known sizes and angles."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

import numpy as np
import pytest
import rclpy
from kinematic_body import COCO_POINTS, frames_of_urdf, joints_of, random_rotation
from metric_persons import poses_at
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Header, String

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.kinematics import LINKS, BodySize
from pose_estimation_ros.engine.poses import Poses
from pose_estimation_ros.engine.skeletons import COCO17
from pose_estimation_ros.ros.outputs.human_body import HumanBodyPublisher
from pose_estimation_ros.ros.outputs.human_urdf import human_urdf
from pose_estimation_ros.ros.outputs.transforms import quaternion
from pose_estimation_ros.ros.topic_qos import latched

SIZE = BodySize(0.5, 0.19, 0.12, 0.3, 0.26, 0.42, 0.41, 0.09, 0.12)
ANGLES = {
    "waist": 0.0,
    "l_y_shoulder": 0.4,
    "l_p_shoulder": 0.9,
    "l_r_shoulder": 0.5,
    "l_elbow": 1.2,
    "r_p_shoulder": 0.3,
    "l_p_hip": 0.2,
    "r_r_hip": 0.8,
    "r_knee": -1.0,
    "y_head": 0.5,
}
PLACE = Header(frame_id="cam")


def seen(joints: dict[str, AnyArray]) -> Poses:
    """What a camera sees of a body, which moves."""
    places = {COCO17.index(name): tuple(place) for name, place in joints.items()}
    return poses_at(places).poses


class _Listener:
    """A node with the body's publishers, and what came of their topics."""

    def __init__(self, context: rclpy.Context) -> None:
        self.node: Node = rclpy.create_node("body", context=context)
        self.publisher = HumanBodyPublisher(self.node, "/humans/bodies/b3", "b3")
        self.states: list[JointState] = []
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self.node.create_subscription(
            JointState, "/humans/bodies/b3/joint_states", self.states.append, 10
        )

    def spin(self) -> None:
        self._executor.spin_once(timeout_sec=0.1)

    def urdfs(self) -> list[str]:
        """A list that a subscriber who comes only now gets the latched model into."""
        found: list[str] = []
        self.node.create_subscription(
            String, "/humans/bodies/b3/urdf", lambda message: found.append(message.data), latched()
        )
        return found


@pytest.fixture
def body() -> Iterator[_Listener]:
    context = rclpy.Context()
    rclpy.init(context=context)
    listener = _Listener(context)
    try:
        yield listener
    finally:
        listener.publisher.destroy()
        listener.node.destroy_node()
        rclpy.shutdown(context=context)


def test_model_and_states_put_the_joints_where_they_were_seen(body: _Listener) -> None:
    origin = np.array([0.3, 0.2, 3.0])
    rotation = random_rotation(np.random.default_rng(5))
    joints = joints_of(SIZE, ANGLES, origin, rotation)
    frames = body.publisher.publish(PLACE, seen(joints), 0)
    assert [frame.child_frame_id for frame in frames] == ["body_b3"]  # sizes yet unknown
    for _ in range(8):
        frames = body.publisher.publish(PLACE, seen(joints), 0)
    urdfs = body.urdfs()
    while not (urdfs and body.states):
        body.publisher.publish(PLACE, seen(joints), 0)
        body.spin()
    state = body.states[-1]
    assert state.header.frame_id == "body_b3"
    places = frames_of_urdf(urdfs[0], dict(zip(state.name, state.position, strict=True)))
    for name, link in COCO_POINTS.items():
        there = rotation @ places[f"{link}_b3"][:3, 3] + origin
        np.testing.assert_allclose(there, joints[name], atol=2e-4, err_msg=name)

    # The frames on /tf are what a robot_state_publisher makes of both.
    poses = {"cam": np.eye(4)}
    for frame in frames:
        step = np.eye(4)
        turn, at = frame.transform.rotation, frame.transform.translation
        step[:3, :3] = _matrix(turn.x, turn.y, turn.z, turn.w)
        step[:3, 3] = at.x, at.y, at.z
        poses[frame.child_frame_id] = poses[frame.header.frame_id] @ step
    assert poses.keys() == {"cam", "body_b3"} | {f"{link.name}_b3" for link in LINKS}
    for name, link in COCO_POINTS.items():
        np.testing.assert_allclose(poses[f"{link}_b3"][:3, 3], joints[name], atol=2e-4)
    np.testing.assert_allclose(poses["body_b3"][:3, :3], rotation, atol=1e-5)


def test_what_is_out_of_sight_is_not_repeated(body: _Listener) -> None:
    joints = joints_of(SIZE, ANGLES, np.zeros(3), np.eye(3))
    for _ in range(9):
        body.publisher.publish(PLACE, seen(joints), 0)
    hidden = {name: place for name, place in joints.items() if name != "left_elbow"}
    frames = body.publisher.publish(PLACE, seen(hidden), 0)
    children = {frame.child_frame_id for frame in frames}
    assert "l_y_shoulder_b3" not in children and "r_y_shoulder_b3" in children
    unsure = seen(joints)
    unsure.joints.scores[0, COCO17.index("left_hip")] = 0.1
    assert body.publisher.publish(PLACE, unsure, 0) == []


def test_a_child_that_was_taken_for_an_adult_gets_a_model_anew(body: _Listener) -> None:
    urdfs = body.urdfs()
    small = BodySize(0.35, 0.13, 0.08, 0.2, 0.17, 0.28, 0.27, 0.06, 0.09)
    for size in (SIZE, small):
        for _ in range(60):
            body.publisher.publish(PLACE, seen(joints_of(size, ANGLES, np.zeros(3), np.eye(3))), 0)
        told = len(urdfs)
        while len(urdfs) == told:
            body.spin()
    thigh = frames_of_urdf(urdfs[-1], _Anything())["l_knee_b3"]
    assert thigh[2, 3] == pytest.approx(-small.thigh, abs=1e-4)
    assert len(urdfs) <= 4


def test_a_model_is_a_tree_with_rep_155s_names() -> None:
    robot = ElementTree.fromstring(human_urdf("x1", SIZE))
    links = [link.attrib["name"] for link in robot.findall("link")]
    children = [child.attrib["link"] for child in robot.iter("child")]
    assert sorted(children) == sorted(set(links) - {"body_x1"}) and len(links) == len(set(links))
    turning = {j.attrib["name"] for j in robot.iter("joint") if j.attrib["type"] == "revolute"}
    assert turning == {f"{joint}_x1" for joint in REP_155}


# The joints that turn in REP 155's kinematic model.
_LIMBS = ("y_shoulder", "p_shoulder", "r_shoulder", "elbow", "y_hip", "p_hip", "r_hip", "knee")
REP_155 = ["waist", "r_head", "y_head", "p_head"] + [f"{s}_{n}" for s in "lr" for n in _LIMBS]


@pytest.mark.parametrize("seed", range(30))
def test_quaternions(seed: int) -> None:
    rotation = random_rotation(np.random.default_rng(seed))
    np.testing.assert_allclose(_matrix(*quaternion(rotation)), rotation, atol=1e-12)


@pytest.mark.parametrize("axes", [(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)])
def test_quaternions_of_half_turns(axes: tuple[int, int, int]) -> None:
    np.testing.assert_allclose(_matrix(*quaternion(np.diag(axes))), np.diag(axes), atol=1e-12)


class _Anything(dict):
    def __missing__(self, key: str) -> float:
        return 0.0


def _matrix(x: float, y: float, z: float, w: float) -> AnyArray:
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
