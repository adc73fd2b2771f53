"""Which worker of pytest-xdist runs which test."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

_WHOLE = ("test/reliability/", "test/ros/dashboard/")


class Scheduling(LoadScopeScheduling):
    """Modules of some folders as a whole, since their tests share a node; the rest one by one.

    `--dist loadgroup` would do, but its groups are lost on pytest 9.2 (with pytest-xdist 3.8).
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return module if module.startswith(_WHOLE) else nodeid
