"""Every camera gets its topics: one each, or named by the camera."""

from __future__ import annotations

import pytest

from pose_estimation_ros.errors import ConfigError
from pose_estimation_ros.ros.bringup.topics import camera_topics


def test_one_camera() -> None:
    (camera,) = camera_topics({"image": "/c/image_raw", "depth": "/d"}, [])
    assert camera.remappings() == [
        ("image", "/c/image_raw"),
        ("image/compressed", "/c/image_raw/compressed"),
        ("depth", "/d"),
    ]
    assert camera_topics({}, [])[0].remappings() == []


def test_a_compressed_topic_is_taken_as_such() -> None:
    (camera,) = camera_topics({"image": "/c/image_raw/compressed"}, [])
    assert camera.compressed and camera.image == "/c/image_raw"


def test_several_cameras_in_order_or_by_name() -> None:
    values = {"image": "/f/rgb, /r/rgb", "rear/image": "/r/other", "front/depth": "/f/depth"}
    front, rear = camera_topics(values, ["front", "rear"])
    assert ("front/image", "/f/rgb") in front.remappings()
    assert ("front/depth", "/f/depth") in front.remappings()
    assert ("rear/image", "/r/other") in rear.remappings()
    assert rear.depth == ""


@pytest.mark.parametrize(("image", "cameras"), [("/one", ["a", "b"]), ("/one,/two", [])])
def test_as_many_topics_as_cameras(image: str, cameras: list[str]) -> None:
    with pytest.raises(ConfigError, match=f"image:={image}: expected one"):
        camera_topics({"image": image}, cameras)


@pytest.mark.parametrize(
    ("values", "image", "info"),
    [
        ({}, "image", "camera_info"),
        ({"image": "/cam/image_raw"}, "/cam/image_raw", "/cam/camera_info"),
        ({"image": "/i", "camera_info": "/k"}, "/i", "/k"),
        ({"image": "/i"}, "/i", "/camera_info"),
    ],
)
def test_a_video_is_played_on_the_topics_that_the_node_listens_to(
    values: dict[str, str], image: str, info: str
) -> None:
    (camera,) = camera_topics({"video": "demo", **values}, [])
    assert camera.of_player() == [("image", image), ("camera_info", info)]
