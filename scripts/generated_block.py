"""Updates the blocks of documents that are generated from code."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def update(document: str, name: str, content: str) -> int:
    """Replaces the text between the marks `name: begin` and `name: end` of a document.

    With --check on the command line, only compares.

    Returns:
        The exit code: 1 if --check found a difference, which is printed.
    """
    path = ROOT / document
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    new = f"{before}{begin}\n{content}\n{end}{after}"
    if "--check" in sys.argv[1:]:
        if new != text:
            print(f"{document}: the {name} block is out of date: run {sys.argv[0]}")
            return 1
        return 0
    path.write_text(new, encoding="utf-8")
    return 0
