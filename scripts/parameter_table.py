"""Writes the table of parameters in README.md from the code; with --check only compares."""

from __future__ import annotations

import sys

from readme_block import update

from pose_estimation_ros.settings import Settings, settings_of

BEGIN, END = "<!-- parameters: begin -->", "<!-- parameters: end -->"


def table() -> str:
    """The parameters as a Markdown table."""
    lines = ["| parameter | default | live | |", "|---|---|---|---|"]
    for one in settings_of(Settings):
        default = f'"{one.default}"' if isinstance(one.default, str) else str(one.default).lower()
        about = one.help
        if one.low is not None and one.high is not None:
            about += f" {one.low:g} to {one.high:g}."
        lines.append(f"| `{one.name}` | {default} | {'live' if one.live else ''} | {about} |")
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
