"""Generates the table in docs/parameters.md from the settings; --check only compares."""

from __future__ import annotations

import sys

from generated_block import update

from pose_estimation_ros.settings import Settings, settings_of


def table() -> str:
    """Returns the parameters as a Markdown table."""
    lines = ["| parameter | default | live | |", "|---|---|---|---|"]
    for setting in settings_of(Settings):
        default = setting.default
        shown = f'"{default}"' if isinstance(default, str) else str(default).lower()
        about = setting.help + (f" {setting.range}." if setting.range else "")
        live = "live" if setting.live else ""
        lines.append(f"| `{setting.name}` | {shown} | {live} | {about} |")
    return "\n".join(lines)


def main() -> int:
    return update("docs/parameters.md", "parameters", table())


if __name__ == "__main__":
    sys.exit(main())
