"""The settings of a training: defaults, a recipe file, the command line; the later ones win."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from pathlib import Path

import torch
import yaml

from training.common.checkpoint import EMA_DECAY
from training.common.data import DETECTOR_SIDE, default_cache, default_shared

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


def add_side(parser: argparse.ArgumentParser) -> None:
    """The option ``--side``, of commands that take a detector or a pose network."""
    shown = f"px of the input; {DETECTOR_SIDE} of a detector, 192 of a pose network by default"
    parser.add_argument("--side", type=int, help=shown)


def parse_options(parser: argparse.ArgumentParser, argv: list[str] | None) -> argparse.Namespace:
    """Parse the command line over the recipe that it names over the defaults."""
    options = parser.parse_args(argv)
    if options.recipe:
        command = parser.prog
        parser.prog = f"{command} {options.recipe}"  # what a wrong value is reported with
        options = parser.parse_args(_recipe_words(parser, options.recipe, vars(options)))
        if options.recipe:
            parser.error(f"a list where one value is expected: {options.recipe}")
        parser.prog = command
        parser.parse_args(argv, options)
    if not (options.epochs or options.steps or options.minutes):
        options.epochs = EPOCHS
    return options


def _recipe_words(
    parser: argparse.ArgumentParser, path: Path, known: Collection[str]
) -> list[str]:
    """The settings of a recipe as words of a command line."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        parser.error(f"not a recipe that can be read: {error}")
    if not isinstance(found, dict):
        parser.error("a recipe is lines of 'name: value'")
    unknown = sorted(map(str, found.keys() - (set(known) - {"recipe"})))
    if unknown:
        parser.error(f"unknown settings {unknown}, known are {sorted(known)}")
    words = []
    for name, value in found.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif not isinstance(value, list):
            words.append(f"--{flag}={value}")
        else:
            words += [f"--{flag}", *map(str, value)]
    return words
