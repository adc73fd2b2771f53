"""Blocks of README.md that are written from the code."""

from __future__ import annotations

import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"


def update(begin: str, end: str, content: str, differs: str) -> int:
    """Writes what stands between two marks; with --check on the command line only compares.

    Returns:
        The exit code: 1 where it was compared and differs, after saying `differs`.
    """
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    new = f"{before}{begin}\n{content}\n{end}{after}"
    if "--check" in sys.argv[1:]:
        if new != text:
            print(differs)
            return 1
        return 0
    README.write_text(new, encoding="utf-8")
    return 0
