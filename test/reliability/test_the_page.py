"""docs/reliability.md says what the tests of this folder saw, of every one of them."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from rows import PAGE, ROWS, WRITE, observations, page

HERE = Path(__file__).resolve().parent


def test_every_row_of_the_page_is_a_test_and_was_observed() -> None:
    for file in sorted(HERE.glob("test_*.py")):
        importlib.import_module(file.stem)
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
