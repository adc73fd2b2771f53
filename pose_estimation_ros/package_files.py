"""Where the files beside the code are: models/, config/, package.xml."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree  # nosec B405
from functools import lru_cache
from pathlib import Path

from pose_estimation_ros.errors import ConfigError

PACKAGE = "pose_estimation_ros"


@lru_cache(maxsize=1)
def share_folder() -> Path:
    """The folder that holds models/, config/ and package.xml.

    That is share/pose_estimation_ros of the prefix the code is installed in (colcon and pip lay it
    out alike), or the root of the checkout that it runs from.

    Raises:
        ConfigError: the installation is incomplete.
    """
    code = Path(__file__).absolute().parent
    candidates = [code.parent]
    candidates += [parent / "share" / PACKAGE for parent in code.parents]
    candidates.append(Path(sys.prefix) / "share" / PACKAGE)
    for folder in candidates:
        if (folder / "package.xml").is_file() and (folder / "models").is_dir():
            return folder
    raise ConfigError(
        f"the models of {PACKAGE} are not beside its code ({code}): install the package again"
    )


def version() -> str:
    """The package's version, as package.xml gives it."""
    own = share_folder() / "package.xml"  # the only XML that is read, and our own
    root = ElementTree.parse(own).getroot()  # nosec B314
    return (root.findtext("version") or "").strip()
