"""What the README says is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("table", ["parameter_table", "message_table"])
def test_the_tables_are_those_of_the_code(table: str) -> None:
    script = ROOT / "scripts" / f"{table}.py"
    subprocess.run([sys.executable, script, "--check"], check=True)


def test_every_command_is_named() -> None:
    from pose_estimation_ros.cli.main import COMMANDS

    for command in COMMANDS:
        assert f"`pose_estimation {command}" in README


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL))
def test_python_examples_are_python(block: str) -> None:
    compile(block, "README.md", "exec")


def test_the_files_it_names_exist() -> None:
    for name in re.findall(r"`((?:models|config|scripts|training)/[\w./]*)`", README):
        assert (ROOT / name).exists(), name
