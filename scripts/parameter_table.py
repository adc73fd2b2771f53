"""Writes the table of parameters in README.md from the code; with --check only compares."""

from __future__ import annotations

import sys
from pathlib import Path

from pose_estimation_ros.ros.parameters import SPECS

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- parameters: begin -->", "<!-- parameters: end -->"


def table() -> str:
    """The parameters as a Markdown table."""
    lines = ["| parameter | default | live | |", "|---|---|---|---|"]
    for spec in SPECS:
        default = "[]" if spec.default == [""] else str(spec.default).lower()
        if isinstance(spec.default, str):
            default = f'"{spec.default}"'
        about = spec.description
        if spec.low is not None and spec.high is not None:
            about += f" {spec.low:g} to {spec.high:g}."
        lines.append(f"| `{spec.name}` | {default} | {'live' if spec.live else ''} | {about} |")
    return "\n".join(lines)


def main() -> int:
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    new = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if "--check" in sys.argv[1:]:
        if new != text:
            print("README.md: the parameters differ from the code: run scripts/parameter_table.py")
            return 1
        return 0
    README.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
