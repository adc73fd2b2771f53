"""The loop that both trainings run: steps, a log, evaluations, checkpoints."""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from training.common.checkpoint import moving_average, resume, save_checkpoint
from training.common.depthwise import sample_kernel_gradients
from training.common.log import Log, Stop
from training.common.metrics import DevSet, dev_set
from training.common.optimizer import Muon
from training.common.schedule import Budget, rate_factor

MAX_GRADIENT_NORM = 5.0
Loss = tuple[Tensor, dict[str, Tensor]]
Network = TypeVar("Network", bound=nn.Module)


def prepare(options: argparse.Namespace) -> torch.device:
    """Fix the seeds and the number of threads; the device to train on."""
    random.seed(options.seed)
    np.random.seed(options.seed)
    torch.manual_seed(options.seed)
    device = torch.device(options.device)
    if device.type == "cpu":
        torch.set_num_threads(options.threads)
    return device


class Trainer(Generic[Network]):
    """A network with its average, its optimizer and its budget.

    Resumes from ``last.pth`` in ``options.out``, where there is one.

    Args:
        network: with its initial weights.
        options: of ``options.parse_options``.
        epoch: number of pictures in one.
        device: of ``prepare``.
    """

    def __init__(
        self, network: Network, options: argparse.Namespace, epoch: int, device: torch.device
    ) -> None:
        self.options, self.device = options, device
        self.out: Path = options.out
        self.out.mkdir(parents=True, exist_ok=True)
        network.to(device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = network
        self.average = moving_average(network, options.ema_decay)
        if device.type == "cpu":
            # After the average copied the network, as the copy must not share the replacement.
            sample_kernel_gradients(network)
        self.optimizer = Muon(network.named_parameters(), options.lr, options.weight_decay)
        steps = options.steps or (options.epochs and int(options.epochs * epoch / options.batch))
        self.budget = Budget(steps or None, options.minutes)
        self._parts = (network, self.average, self.optimizer, self.budget)
        self._beside: dict[str, nn.Module] = {}
        found = resume(self.out / "last.pth", *self._parts)
        self._found = found or {}
        if found is not None:
            print(f"resumed at step {self.budget.step}, progress {self.budget.progress:.3f}")
        self._log = Log(self.out / "log.jsonl")

    def keep(self, name: str, part: nn.Module) -> None:
        """Save ``part`` with the network; resume it where this training was resumed."""
        self._beside[name] = part
        if name in self._found:
            part.load_state_dict(self._found[name])

    def _save(self, name: str) -> None:
        extra = {name: part.state_dict() for name, part in self._beside.items()}
        save_checkpoint(self.out / name, *self._parts, extra)

    def run(
        self,
        batches: IterableDataset[Any],
        loss_of: Callable[[Any], Loss],
        figures_of: Callable[[Any, DevSet], dict[str, float]],
        measure: str,
    ) -> Path:
        """Train to the end of the budget; the path of the last checkpoint.

        Args:
            batches: endless.
            loss_of: the loss of one of them and its parts for the log; the forward pass in it
                is computed by ``device.autocast``.
            figures_of: accuracy of the averaged network on the development images.
            measure: the figure by which ``best.pth`` is chosen.
        """
        options, budget = self.options, self.budget
        dev = dev_set(options.shared) if options.evaluate_minutes else []
        best, evaluated, saved = 0.0, time.monotonic(), time.monotonic()
        # Read for the log only: reading a value waits for the GPU, which otherwise works ahead.
        sums: dict[str, Tensor] = {}
        stop = Stop()
        for batch in self._ahead(batches):
            for name, value in self._step(loss_of, batch).items():
                sums[name] = value / options.log_every + sums.get(name, 0.0)
            if budget.step % options.log_every == 0:
                means = {name: float(total) for name, total in sums.items()}
                rate = budget.step * options.batch / budget.spent_s
                self._log.write(step=budget.step, progress=budget.progress, per_s=rate, **means)
                sums = {}
            over = budget.progress >= 1 or stop.asked or budget.step == options.stop_step
            due = time.monotonic() - evaluated > 60 * options.evaluate_minutes
            if over or (due and dev):
                if dev and not stop.asked:
                    figures = figures_of(self.average.module, dev)
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

    def _step(self, loss_of: Callable[[Any], Loss], batch: Any) -> dict[str, Tensor]:
        factor = rate_factor(self.budget, hold=self.options.hold)
        set_rate(self.optimizer, self.options.lr * factor)
        loss, parts = loss_of(batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT_NORM)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        self.budget.tick()
        return parts


def set_rate(optim: torch.optim.Optimizer, rate: float) -> None:
    """Set every group's learning rate."""
    for group in optim.param_groups:
        group["lr"] = rate
