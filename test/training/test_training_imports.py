"""Imports inside training point one way, and the package does not know it."""

import ast

import pytest
from paths import ROOT

# What each folder may import, besides itself and the package.
MAY_IMPORT: dict[str, set[str]] = {
    "common": set(),
    "augmentation": {"common"},
    "distillation": {"common"},
    "pose": {"common", "augmentation", "distillation"},
    "detector": {"common", "augmentation", "distillation"},
}


def imported(path):
    """The names of the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_inside_training_point_one_way(folder):
    allowed = MAY_IMPORT[folder] | {folder}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((ROOT / "training" / folder).rglob("*.py"))
        for name in imported(path)
        if name.split(".")[0] == "training" and name.split(".")[1:2] not in [[a] for a in allowed]
    ]
    assert not wrong


def test_every_folder_of_training_is_covered():
    folders = {path.parent.name for path in (ROOT / "training").glob("*/__init__.py")}
    assert folders == set(MAY_IMPORT)


def test_the_package_does_not_import_training():
    package = ROOT / "pose_estimation_ros"
    wrong = [path for path in package.rglob("*.py") if "training" in map(top, imported(path))]
    assert not wrong


def top(name):
    return name.split(".")[0]
