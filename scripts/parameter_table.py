"""Writes the table of parameters in README.md from the code; with --check only compares."""

from __future__ import annotations

import sys

from readme_block import update

from pose_estimation_ros.ros.parameters import SPECS

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
    return update(
        BEGIN,
        END,
        table(),
        "README.md: the parameters differ from the code: run scripts/parameter_table.py",
    )


if __name__ == "__main__":
    sys.exit(main())
