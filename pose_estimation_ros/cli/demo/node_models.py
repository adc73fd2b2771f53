"""Which models the demo's node used, by its diagnostics."""

from __future__ import annotations

from typing import Any

_CHAINS = ("detector", "pose model")


class NodeModels:
    """Collects the active models that the node of one namespace reports once a second.

    Attributes:
        active: the names by chain, in the order in which they came to answer.
    """

    def __init__(self, namespace: str) -> None:
        self._prefix = f"{namespace.strip('/')}/"
        self._reasons: dict[str, str] = {}
        self.active: dict[str, list[str]] = {}

    def take(self, message: Any) -> None:
        """Takes what a DiagnosticArray says of the node's process."""
        for status in message.status:
            if status.name.startswith(self._prefix) and status.name.endswith(": process"):
                values: dict[str, list[str]] = {}
                for pair in status.values:
                    values.setdefault(pair.key, []).append(pair.value)
                for chain in _CHAINS:
                    self._note(chain, values)

    def _note(self, chain: str, values: dict[str, list[str]]) -> None:
        for name in values.get(f"{chain} active", []):
            names = self.active.setdefault(chain, [])
            if not names or names[-1] != name:
                names.append(name)
            if values.get(f"{chain} as asked") == ["no"]:
                reasons = values.get(f"{chain} failed") or [f"{name} answered instead"]
                self._reasons.setdefault(chain, " and ".join(reasons))

    def summary(self) -> str:
        """Such as "detector: a.onnx; pose model: b.onnx, then c.onnx"."""
        if not self.active:
            return "the node did not say which models answered"
        return "; ".join(
            f"{chain}: {', then '.join(names)}" for chain, names in self.active.items()
        )

    @property
    def one_stage(self) -> bool:
        """Whether the pose model found the people itself."""
        return any(name.endswith(" (one stage)") for name in self.active.get("detector", []))

    @property
    def complaint(self) -> str:
        """Where other models than those asked for answered, and why; empty where none did."""
        if not self.active:
            return self.summary()
        return "; ".join(
            f"the {chain} that is asked for did not answer every frame: {reason}"
            for chain, reason in self._reasons.items()
        )
