"""The settings of a training: defaults, a recipe file, the command line; the later ones win."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
import yaml

from training.common.checkpoint import EMA_DECAY
from training.common.data import default_cache, default_shared

EPOCHS = 100.0  # where neither a recipe nor the command line gives a budget


def build_parser(description: str, out: str, batch: int, epoch: str) -> argparse.ArgumentParser:
    """The options that both trainings have.

    Args:
        description: of the command.
        out: name of its folder of checkpoints.
        batch: pictures a step by default.
        epoch: what one goes over, for the help.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("recipe", type=Path, nargs="?", help="YAML file with any of the options below")
    add("--out", type=Path, default=default_cache().parent / out, help="folder of checkpoints")
    add("--cache", type=Path, default=default_cache(), help="see training.build_cache")
    add("--shared", type=Path, default=default_shared(), help="folder of data and teachers")
    add("--start", type=Path, help="checkpoint to start from")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--threads", type=int, default=2, help="torch threads on the CPU")
    add("--workers", type=int, default=1, help="processes preparing pictures")
    add("--seed", type=int, default=0)
    add("--epochs", type=float, help=f"budget in epochs of {epoch}; {EPOCHS:g} if none is given")
    add("--steps", type=int, help="budget in steps")
    add("--minutes", type=float, help="budget in wall-clock minutes, resumed parts included")
    add("--stop-step", type=int, help="stop after this step, the schedule as it is")
    add("--batch", type=int, default=batch)
    add("--lr", type=float, default=1.5e-3, help="learning rate")
    add("--hold", type=float, default=0.0, help="share of the budget at the full learning rate")
    add("--weight-decay", type=float, default=0.03)
    add("--ema-decay", type=float, default=EMA_DECAY, help="of the averaged weights")
    add("--log-every", type=int, default=50, help="steps")
    add("--evaluate-minutes", type=float, default=8, help="between evaluations; 0: never")
    add("--save-minutes", type=float, default=2, help="between two times that last.pth is written")
    return parser


def add_switch(parser: argparse.ArgumentParser, name: str, text: str) -> None:
    """An option that is on or off: ``--name`` and ``--no-name``, true and false in a recipe."""
    action = argparse.BooleanOptionalAction
    parser.add_argument(name, action=action, default=False, help=text)


def parse_options(parser: argparse.ArgumentParser, argv: list[str] | None) -> argparse.Namespace:
    """Parse the command line over the recipe that it names over the defaults."""
    given, _ = parser.parse_known_args(argv)
    if given.recipe:
        parser.set_defaults(**_read_recipe(parser, given.recipe))
    options = parser.parse_args(argv)
    if not (options.epochs or options.steps or options.minutes):
        options.epochs = EPOCHS
    return options


def _read_recipe(parser: argparse.ArgumentParser, path: Path) -> dict[str, Any]:
    """The settings of a recipe, in the types that the options of ``parser`` have."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        parser.error(f"{path}: not a recipe that can be read: {error}")
    if not isinstance(found, dict):
        parser.error(f"{path}: a recipe is lines of 'name: value'")
    known = {a.dest: a for a in parser._actions if a.dest not in ("help", "recipe")}
    unknown = sorted(map(str, found.keys() - known.keys()))
    if unknown:
        parser.error(f"{path}: unknown settings {unknown}, known are {sorted(known)}")
    return {name: _converted(parser, path, known[name], found[name]) for name in found}


def _converted(
    parser: argparse.ArgumentParser, path: Path, action: argparse.Action, value: Any
) -> Any:
    if isinstance(action, argparse.BooleanOptionalAction):
        if not isinstance(value, bool):
            parser.error(f"{path}: {action.dest} is true or false, not {value!r}")
        return value
    if (action.nargs == "+") != isinstance(value, list):
        kind = "a list" if action.nargs == "+" else "one value"
        parser.error(f"{path}: {action.dest} is {kind}, not {value!r}")
    convert: Any = action.type or str
    try:
        return [convert(item) for item in value] if action.nargs == "+" else convert(value)
    except (TypeError, ValueError):
        parser.error(f"{path}: {action.dest} is a number ({convert.__name__}), not {value!r}")
