"""A sitting: the part of every training stage that has to do with time and interruption.

A stage is trained in one or more sittings. It saves a checkpoint every few minutes, goes on from it when the same
command is run again, and stops when its minutes are spent. The learning rate follows the share of the minutes that
is spent, so the schedule fits a machine of any speed; with more minutes than before a finished stage goes on.

Minutes are processor minutes on the CPU, so that a busy machine makes training later, not worse; on a GPU, where the
processor's time says nothing, they are minutes of the clock. An hour of the day may be given as well, at which the
stage ends whatever it has spent.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

SAVE_EVERY_SECONDS = 150


class Ema:
    """The running mean of a module's weights, which draws better than the weights themselves."""

    def __init__(self, module: torch.nn.Module, decay: float) -> None:
        self.decay = decay
        self.mean = {k: v.detach().clone() for k, v in module.state_dict().items() if v.is_floating_point()}

    @torch.no_grad()
    def update(self, module: torch.nn.Module, step: int) -> None:
        """Takes in the weights after a step; the first steps count more."""
        weights = module.state_dict()
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.mean.values()), [weights[k].detach() for k in self.mean], 1 - decay)

    def copy_to(self, module: torch.nn.Module) -> None:
        """Overwrites the module's weights with the mean."""
        module.load_state_dict({**module.state_dict(), **self.mean})


@dataclass(frozen=True)
class Budget:
    """What a stage may spend."""

    minutes: float
    until: float | None = None
    """Unix time at which the stage ends at the latest."""


class Sitting:
    """Counts steps and seconds of a stage and keeps its checkpoint."""

    def __init__(self, path: Path, budget: Budget) -> None:
        self.path, self.budget = path, budget
        self.step = 0
        self.spent_before = 0.0
        self.clock = time.monotonic if torch.cuda.is_available() else time.process_time
        self.started = self.clock()
        self.saved = time.monotonic()
        self.began = time.time()

    def resume(self) -> dict[str, Any] | None:
        """Returns the checkpoint if there is one, and takes over its counters."""
        if not self.path.exists():
            return None
        state = torch.load(self.path, map_location="cpu", weights_only=False)
        self.step, self.spent_before = state["step"], state["spent"]
        print(f"resumed {self.path.name} at step {self.step}, {self.spent_before / 60:.1f} minutes", flush=True)
        return state

    @property
    def spent(self) -> float:
        """Seconds of all sittings together."""
        return self.spent_before + self.clock() - self.started

    @property
    def done(self) -> float:
        """Share of the budget that is spent: of the minutes, or of this sitting's time until its end if that is more."""
        minutes = self.spent / (60 * self.budget.minutes) if self.budget.minutes else 1.0
        if self.budget.until is None:
            return minutes
        return max(minutes, (time.time() - self.began) / max(1.0, self.budget.until - self.began))

    def save_when_due(self, **state: Any) -> None:
        """Saves if the last checkpoint is some minutes old."""
        if time.monotonic() - self.saved > SAVE_EVERY_SECONDS:
            self.save(**state)

    def save(self, **state: Any) -> None:
        """Saves under another name first: a stop in between leaves the old checkpoint whole."""
        self.saved = time.monotonic()
        fresh = self.path.with_suffix(".fresh")
        torch.save(dict(state, step=self.step, spent=self.spent), fresh)
        os.replace(fresh, self.path)


def device() -> torch.device:
    """Returns the GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_fast_bfloat16() -> bool:
    """Says whether matrix products in bfloat16 are faster than in float32 here: on any GPU, and on CPUs with AMX."""
    if torch.cuda.is_available():
        return True
    cpu = Path("/proc/cpuinfo")
    return cpu.exists() and "amx_bf16" in cpu.read_text()


def autocast() -> torch.autocast:
    """Returns the context in which the forward passes of training run."""
    return torch.autocast(device().type, torch.bfloat16, enabled=has_fast_bfloat16())
