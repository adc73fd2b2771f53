"""Generates the reference in docs/cli.md from the commands' arguments; --check only compares."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator

from generated_block import update

from pose_estimation_ros.cli.main import COMMANDS


def rows(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yields a row per argument. argparse's own help differs between Python versions."""
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
            continue
        value = action.metavar if isinstance(action.metavar, str) else ""
        if action.choices and not value:
            value = "{" + ",".join(map(str, action.choices)) + "}"
        if action.option_strings:
            name = " ".join([*action.option_strings, *([value] if value else [])])
        else:
            name = value or action.dest
        text = (action.help or "").replace("%%", "%").replace("|", "\\|")
        yield f"| `{name}` | {text} |"


def section(title: str, what: str, parser: argparse.ArgumentParser, level: int) -> Iterator[str]:
    """Yields the section of a command and of its actions, if any."""
    yield f"{'#' * level} {title}\n\n{what[0].upper()}{what[1:]}."
    table = list(rows(parser))
    if table:
        yield "\n".join(["| argument | |", "|---|---|", *table])
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            about = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, inner in action.choices.items():
                yield from section(f"{title} {name}", about[name], inner, level + 1)


def reference() -> str:
    """Returns the reference of all commands."""
    parts: list[str] = []
    for name, (module, what) in COMMANDS.items():
        parser = argparse.ArgumentParser(add_help=False)
        importlib.import_module(f"pose_estimation_ros.cli.{module}").add_arguments(parser)
        parts += section(f"pose_estimation {name}", what, parser, level=3)
    return "\n\n".join(parts)


def main() -> int:
    return update("docs/cli.md", "reference", reference())


if __name__ == "__main__":
    sys.exit(main())
