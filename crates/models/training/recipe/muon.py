"""Muon: momentum whose update is made orthogonal, for the matrices of a network.

Small models trained for minutes gain most from it: with AdamW alone the same loss takes several times the samples.
Convolutions are treated as matrices of `[out, in * kernel]`.

Source: Keller Jordan, "Muon: an optimizer for hidden layers in neural networks" (2024); the scale of the update
follows Liu et al., "Muon is scalable for LLM training" (2025), so that one learning rate serves AdamW as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor


class Muon(torch.optim.Optimizer):
    """Momentum with an orthogonal update."""

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self) -> None:
        """Takes one step. Matrices of equal shape are made orthogonal together."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    by_shape.setdefault(weight.shape, []).append(weight)
            for shape, weights in by_shape.items():
                directions = torch.stack([self._momentum(w, group["momentum"]) for w in weights]).flatten(2)
                rate = group["lr"] * 0.2 * math.sqrt(max(directions.shape[-2:]))
                for weight, direction in zip(weights, orthogonal(directions)):
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    weight.add_(direction.view(shape), alpha=-rate)

    def _momentum(self, weight: Tensor, beta: float) -> Tensor:
        state = self.state[weight]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
        state["momentum"].lerp_(weight.grad, 1 - beta)
        return weight.grad.lerp(state["momentum"], beta)


def orthogonal(matrices: Tensor, n_rounds: int = 5) -> Tensor:
    """Moves all singular values of `[n, rows, columns]` near one (Newton-Schulz)."""
    flipped = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if flipped else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(n_rounds):
        square = x @ x.mT
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x.mT if flipped else x


class Both:
    """Two optimizers behind one interface: Muon for the matrices, AdamW for the rest."""

    def __init__(self, matrices: list[Tensor], rest: list[Tensor], lr: float, weight_decay: float = 0.0) -> None:
        self.rest = rest
        self.parts = [
            torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.98), weight_decay=0.0),
            Muon(matrices, lr=lr, weight_decay=weight_decay),
        ]

    def set_rate(self, lr: float) -> None:
        """Sets the learning rate of both."""
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = lr

    def step(self) -> None:
        """Takes one step with both. Only AdamW's gradients are clipped: Muon's update has a fixed size."""
        torch.nn.utils.clip_grad_norm_(self.rest, 1.0)
        for part in self.parts:
            part.step()
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict]:
        """Returns the state of both."""
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: list[dict]) -> None:
        """Takes the state of both."""
        for part, state in zip(self.parts, states):
            part.load_state_dict(state)
