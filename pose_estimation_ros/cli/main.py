"""Human poses with ROS 2, or without: one command per task."""

from __future__ import annotations

import argparse
import errno
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Protocol

from pose_estimation_ros.cli._interrupt import any_end_is_ctrl_c
from pose_estimation_ros.errors import PoseEstimationError
from pose_estimation_ros.package_files import version


class Command(Protocol):
    """Interface of a command's module."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds the command's arguments."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Runs the command; returns the exit code."""
        ...


# Name -> (module, help). Only the module of the command in use is imported.
COMMANDS = {
    "demo": ("demo.command", "run the node on a moving scene or a video and show what comes out"),
    "video": ("video.command", "estimate the poses in a video, images, a camera or a stream"),
    "bag": ("bag.command", "estimate the poses in recorded bags"),
    "bench": ("bench.command", "measure speed and memory on this machine"),
    "evaluate": ("evaluate.command", "measure the accuracy on annotated images"),
    "compare": ("compare.command", "compare the pipelines on a video or bag, and recommend one"),
    "models": ("models", "list the models, and fetch, verify or convert them"),
    "dashboard": ("dashboard", "serve a page about a running node: how it is, and its controls"),
    "view": ("view.command", "show people in the image and in 3D, live, in a window or browser"),
    "doctor": ("doctor", "check this machine: middleware, runtimes, models"),
}
_INTERRUPTED = 130
_FULL = "the disk is full: free some space, or write to another disk"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns 0 only on success."""
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="pose_estimation", description=__doc__)
    parser.add_argument("--version", action="version", version=version())
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="also log informational messages"
    )
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
        with any_end_is_ctrl_c():
            code = int(args.run(args))
        sys.stdout.flush()  # report a full disk here rather than at interpreter exit
        return code
    except PoseEstimationError as error:
        print(f"pose_estimation {args.command}: error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of stdout is gone, as with `| head`
        sys.stderr.close()
        return 1
    except OSError as error:
        if error.errno == errno.ENOSPC:
            _discard_stdout()
            said = _FULL
        elif error.filename is not None:  # a file that the user named or that is missing
            said = f"'{error.filename}': {error.strerror}"
        else:
            raise
        print(f"pose_estimation {args.command}: error: {said}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"pose_estimation {args.command}: interrupted", file=sys.stderr)
        return _INTERRUPTED


def _discard_stdout() -> None:
    """Redirects stdout to /dev/null, so that Python does not fail again when it flushes."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)


if __name__ == "__main__":
    sys.exit(main())
