"""Which classes of a detector are persons: by the names in its metadata, or as the user says."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence

from pose_estimation_ros.errors import ModelError

_KEYS = ("names", "classes", "labels", "class_names")  # of the metadata, as exporters call it
_PERSON_NAMES = {"person", "persons", "people", "pedestrian", "pedestrians", "human"}
# What a detector of one class may find instead of persons.
_OTHER_THINGS = re.compile(
    r"\b(head|face|hand|foot|feet|helmet|hat|mask|plate|license|ball|car|truck|bus|vehicle|bicycle"
    r"|dog|cat|horse|cow|sheep|animal|bird|fish|drone|fire|smoke|tree|apple|bottle|box|ship|plane)s?\b"
)
_NAME = re.compile(r"[\w][\w \-]{0,60}")


def person_classes(
    metadata: Mapping[str, str], asked: Sequence[int], source: str
) -> tuple[int, ...]:
    """The numbers of the classes that are persons.

    Those asked for; else by the names in the metadata, as ultralytics writes them; else class 0.

    Raises:
        ModelError: the file names its classes, and none is a person's.
    """
    if asked:
        return tuple(asked)
    names = class_names(metadata)
    found = tuple(
        number for number, name in names.items() if name.strip().lower() in _PERSON_NAMES
    )
    if found or not names:
        return found or (0,)
    only = next(iter(names.values())).lower().replace("_", " ")
    if len(names) == 1 and not _OTHER_THINGS.search(only):
        return tuple(names)
    listed = ", ".join(f"{number} {name}" for number, name in list(names.items())[:8])
    raise ModelError(
        f"{source} finds {listed}: none of these is called person; say which are, with --classes "
        "(parameter classes)"
    )


def class_names(metadata: Mapping[str, str]) -> dict[int, str]:
    """Class names by number; empty where the metadata have none that can be read.

    Written as a dictionary or a list, of Python or JSON, or as names with commas or on lines.
    """
    text = next((metadata[key] for key in _KEYS if metadata.get(key, "").strip()), "")
    try:
        names = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        parts = [part.strip() for part in re.split(r"[,;\n]", text.strip())]
        names = parts if len(parts) > 1 and all(map(_NAME.fullmatch, parts)) else None
    if isinstance(names, list | tuple):
        names = dict(enumerate(names))
    if not isinstance(names, dict):
        return {}
    numbered = {str(key): str(name) for key, name in names.items()}
    return {int(key): name for key, name in numbered.items() if re.fullmatch("[0-9]{1,6}", key)}
