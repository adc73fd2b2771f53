"""Why a runtime cannot load a model file, in a line that says what to do."""

from __future__ import annotations

import re
from pathlib import Path

_LONGEST = 200  # characters of a reason that is not known

# What the runtimes say, and what a person can do about it.
_KNOWN = (
    (
        r"support for domain (?P<domain>\S+) is till opset (?P<known>\d+)",
        "its operators are newer than this {runtime} knows: update it, or export the model with "
        "opset {known} at most",
    ),
    (
        r"Unsupported model IR version: (?P<got>\d+), max supported IR version: (?P<known>\d+)",
        "it is of the format's version {got}, and this {runtime} reads up to {known}: update it, "
        "or export the model with an older onnx",
    ),
    (
        r'External data path does not exist: "?(?P<file>[^"]+)"?',
        "its weights are in another file, {file}, which is missing: put it beside the model",
    ),
    (
        r"externally stored data in file \((?P<file>[^,)]+)",
        "its weights are in another file, {file}, which is missing or cut off: put it beside the "
        "model",
    ),
    (
        r"(?:Fatal error: )?(?P<operator>[\w.:]+)\(-?\d+\) is not a registered function",
        "it uses the operator {operator}, which {runtime} lacks: export it without operators of a "
        "library's own (with MMDeploy: for onnxruntime)",
    ),
    (
        r"OpenVINO does not support the following ONNX operations: (?P<operator>[\w.:, ]+)",
        "it uses {operator}, which {runtime} lacks: choose another runtime, or export it without",
    ),
)


def load_failure(runtime: str, path: Path, error: Exception, reason: str) -> str:
    """One line: the runtime, the file, and what to do; where nothing is known, the reason."""
    said = " ".join(str(error).split())
    for pattern, advice in _KNOWN:
        found = re.search(pattern, said)
        if found:
            named = {name: value.strip() for name, value in found.groupdict().items()}
            return f"{runtime} cannot load {path}: {advice.format(runtime=runtime, **named)}"
    return f"{runtime} cannot load {path}: {reason[:_LONGEST]}"
