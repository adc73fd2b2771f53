"""docs/reliability.md says what the tests of this folder saw, of every one of them."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

from rows import PAGE, ROWS, WRITE, observations, page

HERE = Path(__file__).resolve().parent


def _load(file: Path) -> None:
    """Has the rows of a module, which pytest has loaded already unless this file runs alone."""
    if any(vars(module).get("__file__") == str(file) for module in [*sys.modules.values()]):
        return
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_every_row_of_the_page_is_a_test_and_was_observed() -> None:
    for file in sorted(HERE.glob("test_*.py")):
        _load(file)
    if WRITE:
        previous = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
        PAGE.write_text(page(previous), encoding="utf-8")
    seen = observations(PAGE.read_text(encoding="utf-8"))
    expected = {(entry.fault, entry.expected, entry.test) for entry in ROWS}
    assert expected == set(seen), "run make soak: it writes the page anew"
    for (fault, _, test), text in seen.items():
        assert text.strip(), f"never observed: {fault}"
        file, _, function = test.partition("::")
        source = (HERE / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {function}\(", source, flags=re.MULTILINE), test
