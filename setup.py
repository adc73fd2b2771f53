"""Packages the ROS-free engine and the command line for plain pip users.

On a ROS machine the package is built by colcon through CMakeLists.txt instead. Name, version,
description, licence and maintainer have one source: package.xml.
"""

import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
SHARE = "share/pose_estimation_ros"
PACKAGE = ElementTree.parse(HERE / "package.xml").getroot()


def text(tag: str) -> str:
    """The text of a tag of package.xml."""
    return (PACKAGE.findtext(tag) or "").strip()


def data_files() -> list[tuple[str, list[str]]]:
    """models/, config/, msg/ and package.xml, laid out as colcon lays them out."""
    files = [(SHARE, ["package.xml"])]
    for folder in ("models", "config", "msg"):
        for where, _, names in os.walk(folder):
            if names:
                files.append((f"{SHARE}/{where}", [f"{where}/{name}" for name in sorted(names)]))
    return files


setup(
    name=text("name"),
    version=text("version"),
    description=text("description"),
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license=text("license"),
    maintainer=text("maintainer"),
    maintainer_email=PACKAGE.find("maintainer").get("email"),
    python_requires=">=3.10",
    packages=find_packages(include=["pose_estimation_ros", "pose_estimation_ros.*"]),
    package_data={"pose_estimation_ros": ["py.typed", "ros/dashboard/static/*"]},
    data_files=data_files(),
    install_requires=["numpy", "opencv-python-headless<5", "onnxruntime", "psutil", "PyYAML"],
    extras_require={
        "openvino": ["openvino"],
        "litert": ["ai-edge-litert"],
        "torch": ["torch"],
        "ultralytics": ["ultralytics"],
        "convert": ["torch", "onnx", "litert-torch"],
        "bags": ["rosbags", "mcap"],
        "video": ["av"],
        "evaluate": ["pycocotools"],
        "view": ["rerun-sdk"],
        "dashboard": ["starlette", "uvicorn"],
        "cluster": ["ray[data]", "fsspec"],
    },
    entry_points={
        "console_scripts": ["pose_estimation = pose_estimation_ros.cli.main:main"],
    },
)
