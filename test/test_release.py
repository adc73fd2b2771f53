"""What a release needs: one number, a changelog, and every dependency declared."""

from __future__ import annotations

import ast
import os
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

import pytest
from paths import ROOT

PACKAGE = ElementTree.parse(ROOT / "package.xml").getroot()
DEPENDENCIES = {tag.text for tag in PACKAGE if tag.tag.endswith("depend")}
# Used where they are installed; the documents say what for.
OPTIONAL = {"tf2_msgs", "vision_msgs", "foxglove_msgs", "hri_msgs"}
# ROS packages by the names of their Python modules, and other modules by their rosdep keys.
KEYS = {"numpy": "python3-numpy", "cv2": "python3-opencv", "psutil": "python3-psutil"}
KEYS["yaml"] = "python3-yaml"
ROS_MODULES = re.compile(r"^(\w+_msgs|\w+_srvs|rclpy|launch|launch_ros|cv_bridge|rcl_interfaces)$")


def test_the_newest_release_of_the_changelog_is_the_packages_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[0] == "Unreleased"
    number, date = headings[1].split(" - ")
    assert number == PACKAGE.findtext("version")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", date)


def test_package_xml_is_valid() -> None:
    package = pytest.importorskip("catkin_pkg.package", reason="it comes with ROS")
    warnings: list[str] = []
    package.parse_package(str(ROOT / "package.xml"), warnings=warnings).validate()
    assert warnings == []


def _imported() -> Iterator[str]:
    """Every module that the package's files import, anywhere in them."""
    for path in [*(ROOT / "pose_estimation_ros").rglob("*.py"), *(ROOT / "launch").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.partition(".")[0]


def test_every_ros_package_and_system_library_that_is_imported_is_declared() -> None:
    for module in sorted(set(_imported())):
        if module in KEYS:
            assert KEYS[module] in DEPENDENCIES, module
        elif ROS_MODULES.match(module):
            assert module in DEPENDENCIES | OPTIONAL, module


def test_nothing_is_declared_by_a_key_of_pip() -> None:
    """A Debian package cannot depend on one, and rosdep cannot install it beside Ubuntu's."""
    assert not [key for key in DEPENDENCIES if key and key.endswith("-pip")]


def test_every_program_keeps_its_mode_where_it_is_linked() -> None:
    """`colcon build --symlink-install` links what CMake writes, with the template's mode."""
    programs = list((ROOT / "scripts").glob("*.in"))
    assert len(programs) >= 3
    for program in programs:
        assert os.access(program, os.X_OK), program.name
