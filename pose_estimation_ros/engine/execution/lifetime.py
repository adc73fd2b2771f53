"""Whether threads and models can be used: only until they are closed, and not after a fork."""

from __future__ import annotations

import os

from pose_estimation_ros.errors import ClosedError


class Lifetime:
    """From now on until `end`, in this process. Needs no lock, as a fork may have taken one along.

    Args:
        what: what is used, for the error: "the models".
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._process = os.getpid()
        self._ended = False

    @property
    def in_another_process(self) -> bool:
        """Whether this is a fork: threads stayed behind, and runtimes wait for theirs for ever."""
        return self._process != os.getpid()

    def check(self) -> None:
        """Raises ClosedError where it is over."""
        if self.in_another_process:
            raise ClosedError(
                f"{self._what} were loaded in another process, and a fork has none of its threads:"
                " load them after the fork, or start processes with multiprocessing's 'spawn'"
            )
        if self._ended:
            raise ClosedError(f"{self._what} are closed: load them again to go on")

    def end(self) -> None:
        """Closed from now on."""
        self._ended = True
