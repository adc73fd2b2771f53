"""The command line `pose_estimation`."""

from __future__ import annotations

import argparse
import errno
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Protocol

from pose_estimation_ros.errors import PoseEstimationError
from pose_estimation_ros.resources import version


class Command(Protocol):
    """What the module of a command offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds its arguments."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Does the work; the exit code."""
        ...


# Name -> its module in this folder, and what it does. Only the one that is called is imported.
COMMANDS = {
    "demo": ("demo.command", "run the node on a moving scene or a video and show what comes out"),
    "video": ("video.command", "estimate the poses in a video, images, a camera or a stream"),
    "bag": ("bag.command", "estimate the poses in recorded bags"),
    "bench": ("bench.command", "measure speed and memory on this machine"),
    "evaluate": ("evaluate.command", "measure the accuracy on annotated images"),
    "compare": ("compare.command", "compare the pipelines on a video or bag, and recommend one"),
    "models": ("models", "list the models, and fetch, verify or convert them"),
    "doctor": ("doctor", "check this machine: middleware, runtimes, models"),
}
_INTERRUPTED = 130
_FULL = "the disk is full: free some space, or write elsewhere"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code is 0 only on success."""
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="pose_estimation", description=__doc__)
    parser.add_argument("--version", action="version", version=version())
    parser.add_argument("-v", "--verbose", action="store_true", help="say more")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    chosen = next((word for word in argv if not word.startswith("-")), "")
    for name, (module, what) in COMMANDS.items():
        sub = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        if name == chosen:
            command: Command = importlib.import_module(f"pose_estimation_ros.cli.{module}")
            command.add_arguments(sub)
            sub.set_defaults(run=command.run)
    args = parser.parse_args(argv)
    level = logging.INFO if args.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s: %(message)s", stream=sys.stderr)
    try:
        code = int(args.run(args))
        sys.stdout.flush()  # a full disk is told of here rather than when Python ends
        return code
    except PoseEstimationError as error:
        print(f"pose_estimation {args.command}: error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output went away, as with `| head`
        sys.stderr.close()
        return 1
    except OSError as error:
        if error.errno == errno.ENOSPC:
            _leave_output()
            said = _FULL
        elif error.filename is not None:  # of a file that the user named, or the system lacks
            said = f"'{error.filename}': {error.strerror}"
        else:
            raise
        print(f"pose_estimation {args.command}: error: {said}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"pose_estimation {args.command}: interrupted", file=sys.stderr)
        return _INTERRUPTED


def _leave_output() -> None:
    """Redirects stdout to /dev/null, so that Python does not fail again when it flushes."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())
