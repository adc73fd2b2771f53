"""The command line called in this process, which saves the imports."""

from __future__ import annotations

import contextlib
import io
from types import SimpleNamespace

from pose_estimation_ros.cli.main import main


def call(*arguments: object, code: int = 0) -> SimpleNamespace:
    """One call that has to exit with `code`: its `stdout` and `stderr`."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        result = main([str(argument) for argument in arguments])
    assert result == code, err.getvalue()
    return SimpleNamespace(stdout=out.getvalue(), stderr=err.getvalue())
