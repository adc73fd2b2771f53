"""Diagnostic statuses: values, and the worst level with its reasons."""

from __future__ import annotations

import math

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from pose_estimation_ros.engine.execution.fallback_chain import ChainStatus
from pose_estimation_ros.engine.execution.latency import LatencyWindow
from pose_estimation_ros.package_files import PACKAGE

OK, WARN = DiagnosticStatus.OK, DiagnosticStatus.WARN
ERROR, STALE = DiagnosticStatus.ERROR, DiagnosticStatus.STALE

# By this the doctor knows this package's statuses among those of other nodes.
_PACKAGE_KEY = "package"


def is_ours(status: DiagnosticStatus) -> bool:
    """Whether a node of this package sent this status."""
    return any(value.key == _PACKAGE_KEY and value.value == PACKAGE for value in status.values)


class StatusReport:
    """Collects values and the worst level of one status.

    `node` is the node's full name, which begins without a slash in diagnostics; `part` is what of
    it the status is about, and `hardware` what that depends on.
    """

    def __init__(self, node: str, part: str, hardware: str) -> None:
        name = f"{node.lstrip('/')}: {part}"
        self._status = DiagnosticStatus(name=name, hardware_id=hardware, level=OK)
        self._messages: list[str] = []
        self.add(_PACKAGE_KEY, PACKAGE)

    def add(self, key: str, value: object) -> None:
        if isinstance(value, float):
            value = "" if math.isnan(value) else f"{value:.2f}"
        self._status.values.append(KeyValue(key=key, value=str(value)))

    def raise_to(self, level: bytes, message: str) -> None:
        self._status.level = max(self._status.level, level)
        self._messages.append(message)

    def add_latencies(self, window: LatencyWindow) -> None:
        """Mean, p50, p95 and max of every stage."""
        for stage, summary in window.summaries().items():
            for kind in ("mean", "p50", "p95", "max"):
                self.add(f"{stage} {kind} (ms)", getattr(summary, kind))

    def add_chain(self, what: str, status: ChainStatus) -> None:
        """The active model; a warning where a better candidate failed."""
        self.add(f"{what} active", status.active)
        self.add(f"{what} as asked", "yes" if status.as_asked else "no")
        self.add(f"{what} candidate", f"{status.index + 1} of {status.last + 1}")
        self.add(f"{what} failures", status.failures)
        for reason in status.reasons:
            self.add(f"{what} failed", reason)
            last = ", its last candidate" if status.index == status.last else ""
            self.raise_to(WARN, f"{what} fell back to {status.active}{last} ({reason})")

    def status(self, fine: str) -> DiagnosticStatus:
        """The finished status; `fine` is its message if nothing was raised."""
        self._status.message = "; ".join(dict.fromkeys(self._messages)) or fine
        return self._status
