"""Generates the table of messages in docs/node.md from msg/; --check only compares."""

from __future__ import annotations

import sys
from pathlib import Path

from generated_block import update

ROOT = Path(__file__).resolve().parent.parent
# From the outermost to the innermost.
MESSAGES = ("PoseArray", "PersonPose", "Keypoint", "StageTimes")


def fields(name: str) -> str:
    """Lists the fields of a message with their types, without constants."""
    found: dict[str, list[str]] = {}  # adjacent fields of one type share an entry
    last = ""
    for line in (ROOT / "msg" / f"{name}.msg").read_text(encoding="utf-8").splitlines():
        declaration = line.split("#")[0]
        if declaration.strip() and "=" not in declaration:
            kind, names = declaration.split(maxsplit=1)
            last = last if last.split(" ")[0] == kind else f"{kind} {len(found)}"
            found.setdefault(last, []).extend(f"`{field.strip()}`" for field in names.split(","))
    return "; ".join(f"{key.split(' ')[0]} {', '.join(names)}" for key, names in found.items())


def table() -> str:
    """Returns the messages as a Markdown table."""
    rows = [f"| **{name}** | {fields(name)} |" for name in MESSAGES]
    return "\n".join(["| message | fields |", "|---|---|", *rows])


def main() -> int:
    missing = {path.stem for path in (ROOT / "msg").glob("*.msg")} ^ set(MESSAGES)
    if missing:
        print(f"scripts/message_table.py: MESSAGES and msg/ differ in {sorted(missing)}")
        return 1
    return update("docs/node.md", "messages", table())


if __name__ == "__main__":
    sys.exit(main())
