"""The rows of docs/reliability.md: what happens, what is asked for, what was seen, which test."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from paths import ROOT

PAGE = ROOT / "docs" / "reliability.md"
FULL = bool(os.environ.get("SOAK"))
WRITE = bool(os.environ.get("WRITE_TABLE"))
HEAD = """# Works at 2 a.m.

What is done to the package, what is asked for, and what was seen. Every row is a test in
`test/reliability`: real nodes in processes of their own on real DDS, real images, real files.

- `make soak` runs all of it (at most 20 minutes on two cores) and writes this page.
- `make test` runs the same rows with fewer frames and repetitions, and fails
  where a row of this page is missing, is not that of its test, or was never observed.

"Frames" are images that reached the node, unless the row says otherwise: what the middleware loses
on the way no node can see, and it is not counted as received. Diagnostics are due every second;
"silent for" is the longest time without them during the row, seen from another process, and at
most 2 s is asked for.

"""
_COLUMNS = "| # | what happens | expected | observed | test |\n|---|---|---|---|---|\n"


@dataclass(eq=False)
class Row:
    """One row; `observed` is filled in by its test."""

    area: str
    fault: str
    expected: str
    test: str
    observed: str = ""

    def saw(self, text: str) -> None:
        """What was observed."""
        self.observed = text.replace("|", "/").replace("\n", " ")


ROWS: list[Row] = []


def row(area: str, fault: str, expected: str, test: str) -> Row:
    """A new row; `test` is `file::function`, both without their `test_`."""
    file, _, function = test.partition("::")
    made = Row(area, fault, expected, f"test_{file}.py::test_{function}")
    ROWS.append(made)
    return made


def full_or(full: int, short: int) -> int:
    """A number of repetitions: of the soak, or of the short form."""
    return full if FULL else short


def page(previous: str = "") -> str:
    """The page; a row that was not run now keeps what the previous page says of it."""
    known = observations(previous)
    areas = list(dict.fromkeys(entry.area for entry in ROWS))
    entries = sorted(ROWS, key=lambda entry: areas.index(entry.area))
    lines, area = [HEAD], ""
    for number, entry in enumerate(entries, 1):
        if entry.area != area:
            area = entry.area
            lines.append(("" if number == 1 else "\n") + f"## {area}\n\n{_COLUMNS}")
        seen = entry.observed or known.get((entry.fault, entry.expected, entry.test), "")
        lines.append(
            f"| {number} | {entry.fault} | {entry.expected} | {seen} | `{entry.test}` |\n"
        )
    return "".join(lines)


def observations(text: str) -> dict[tuple[str, str, str], str]:
    """What a page says was observed, by fault, expectation and test."""
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(r"\| \d+ \| (.*) \| (.*) \| (.*) \| `(.*)` \|", line)
        if match:
            fault, expected, seen, test = match.groups()
            found[fault, expected, test] = seen
    return found
