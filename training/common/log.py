"""The log of a training, and its end on request."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from pathlib import Path
from typing import Any


class Stop:
    """Notes a request to end (SIGTERM, SIGINT), so that the loop can save first."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            # Only the main thread may set handlers; elsewhere training just ends at its budget.
            with contextlib.suppress(ValueError):
                signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True


class Log:
    """One JSON object a line in a file, and the same in short on the screen."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, **values: Any) -> None:
        """Append ``values`` with the time."""
        row = {"time": time.strftime("%H:%M:%S"), **values}
        row = {k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()}
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(" ".join(f"{k}={v}" for k, v in row.items()), flush=True)
