"""The loop that both trainings run: steps by Muon, a log, evaluations, checkpoints."""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Generic

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from training import depthwise, loop
from training.data import default_cache, default_shared
from training.evaluate import DevSet, dev_set
from training.muon import Muon

LONGEST_GRADIENT = 5.0
Loss = tuple[Tensor, dict[str, Tensor]]


def prepare(options: argparse.Namespace) -> torch.device:
    """Fix the seeds and the number of threads; the device to train on."""
    random.seed(options.seed)
    np.random.seed(options.seed)
    torch.manual_seed(options.seed)
    device = torch.device(options.device)
    if device.type == "cpu":
        torch.set_num_threads(options.threads)
    return device


class Trainer(Generic[loop.Network]):
    """A network with its average, its optimiser and its budget.

    They go on from ``last.pth`` in ``options.out``, where there is one.

    Args:
        network: as it starts.
        options: of ``parser``.
        a_pass: how many pictures are one pass.
        device: of ``prepare``.
    """

    def __init__(
        self, network: loop.Network, options: argparse.Namespace, a_pass: int, device: torch.device
    ) -> None:
        self.options, self.device = options, device
        self.out: Path = options.out
        self.out.mkdir(parents=True, exist_ok=True)
        network.to(device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = network
        self.average = loop.Average(network, options.average)
        if device.type == "cpu":
            # After the average copied the network, as the copy must not share the replacement.
            depthwise.speed_up(network)
        self.optimiser = Muon(network.named_parameters(), options.rate, options.decay)
        steps = options.steps or (options.passes and int(options.passes * a_pass / options.batch))
        self.budget = loop.Budget(steps or None, options.minutes)
        self._parts = (network, self.average, self.optimiser, self.budget)
        self._beside: dict[str, nn.Module] = {}
        found = loop.resume(self.out / "last.pth", *self._parts)
        self._found = found or {}
        if found is not None:
            print(f"resumed at step {self.budget.step}, progress {self.budget.progress:.3f}")
        self._log = loop.Log(self.out / "log.jsonl")

    def keep(self, name: str, part: nn.Module) -> None:
        """Save ``part`` with the network and, where this goes on, set it to what was saved."""
        self._beside[name] = part
        if name in self._found:
            part.load_state_dict(self._found[name])

    def _save(self, name: str) -> None:
        extra = {name: part.state_dict() for name, part in self._beside.items()}
        loop.save_checkpoint(self.out / name, *self._parts, extra)

    def run(
        self,
        batches: IterableDataset[Any],
        loss_of: Callable[[Any], Loss],
        figures_of: Callable[[loop.Network, DevSet], dict[str, float]],
        measure: str,
    ) -> Path:
        """Train to the end of the budget; the path of the last checkpoint.

        Args:
            batches: endless.
            loss_of: the loss of one of them and its parts for the log; the forward pass in it
                is computed by ``loop.autocast``.
            figures_of: accuracy of the averaged network on the development images.
            measure: the figure by which ``best.pth`` is chosen.
        """
        options, budget = self.options, self.budget
        dev = dev_set(options.shared) if options.evaluate_minutes else []
        best, evaluated, saved = 0.0, time.monotonic(), time.monotonic()
        # Read for the log only: a GPU works ahead of the host as long as nobody asks it.
        sums: dict[str, Tensor] = {}
        stop = loop.Stop()
        for batch in self._ahead(batches):
            for name, value in self._step(loss_of, batch).items():
                sums[name] = value / options.log_every + sums.get(name, 0.0)
            if budget.step % options.log_every == 0:
                means = {name: float(total) for name, total in sums.items()}
                rate = budget.step * options.batch / budget.spent_s
                self._log.write(step=budget.step, progress=budget.progress, per_s=rate, **means)
                sums = {}
            over = budget.progress >= 1 or stop.asked
            due = time.monotonic() - evaluated > 60 * options.evaluate_minutes
            if over or (due and dev):
                if dev and not stop.asked:
                    figures = figures_of(self.average.network, dev)
                    self._log.write(step=budget.step, **figures)
                    if figures[measure] > best:
                        best = figures[measure]
                        self._save("best.pth")
                evaluated = time.monotonic()
            if over or time.monotonic() - saved > 60 * options.save_minutes:
                self._save("last.pth")
                saved = time.monotonic()
            if over:
                break
        return self.out / "last.pth"

    def _ahead(self, batches: IterableDataset[Any]) -> Iterable[Any]:
        """The batches, prepared by other processes unless they are made on the device itself."""
        if getattr(batches, "on_device", False):
            return batches
        pinned = self.device.type == "cuda"
        return DataLoader(
            batches, batch_size=None, num_workers=self.options.workers, pin_memory=pinned
        )

    def _step(self, loss_of: Callable[[Any], Loss], batch: Any) -> dict[str, float]:
        factor = loop.rate_factor(self.budget, hold=self.options.hold)
        loop.set_rate(self.optimiser, self.options.rate * factor)
        loss, parts = loss_of(batch)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), LONGEST_GRADIENT)
        self.optimiser.step()
        self.average.update(self.network)
        self.budget.tick()
        return parts


def parser(description: str, out: str, batch: int, pictures: str) -> argparse.ArgumentParser:
    """The options of both trainings.

    Args:
        description: of the command.
        out: name of its folder of checkpoints.
        batch: pictures a step by default.
        pictures: what a pass goes over, for the help.
    """
    options = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = options.add_argument
    add("--out", type=Path, default=default_cache().parent / out)
    add("--cache", type=Path, default=default_cache(), help="see training.data")
    add("--shared", type=Path, default=default_shared())
    add("--start", type=Path, help="checkpoint to start from")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--threads", type=int, default=2, help="torch threads on the CPU")
    add("--workers", type=int, default=1, help="processes preparing pictures")
    add("--passes", type=float, help=f"passes of {pictures}")
    add("--steps", type=int)
    add("--minutes", type=float, help="wall-clock budget, resumed parts included")
    add("--batch", type=int, default=batch)
    add("--rate", type=float, default=1.5e-3)
    add("--hold", type=float, default=0.0, help="share of the time at full rate")
    add("--decay", type=float, default=0.03)
    add("--average", type=float, default=0.998)
    add("--seed", type=int, default=0)
    add("--log-every", type=int, default=50)
    add("--evaluate-minutes", type=float, default=8, help="0: never")
    add("--save-minutes", type=float, default=2, help="between two times that last.pth is written")
    return options


def read(options: argparse.ArgumentParser, argv: list[str] | None) -> argparse.Namespace:
    """Parse the command line; 100 passes where it gives no budget."""
    found = options.parse_args(argv)
    if not (found.passes or found.steps or found.minutes):
        found.passes = 100.0
    return found
