"""Latents: the pictures as the transformer sees them, and the files of encoded scenes.

The maths is the pipeline's: 2 by 2 latents are folded into the channels, normalised with the statistics that the
autoencoder carries in its batch norm, and laid out as a row of tokens.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .scenes import Picture

REFERENCE_TIME = 10
"""First coordinate of the tokens of the first reference picture; the second has twice that."""


def fold(z: Tensor) -> Tensor:
    """`[b, c, 2h, 2w]` to `[b, 4c, h, w]`.

    Source: diffusers `pipeline_flux2_klein.py`, `Flux2KleinPipeline._patchify_latents`.
    """
    b, c, h, w = z.shape
    return z.view(b, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4).reshape(b, c * 4, h // 2, w // 2)


def unfold(z: Tensor) -> Tensor:
    """`[b, 4c, h, w]` to `[b, c, 2h, 2w]`, the inverse of `fold`."""
    b, c, h, w = z.shape
    return z.reshape(b, c // 4, 2, 2, h, w).permute(0, 1, 4, 2, 5, 3).reshape(b, c // 4, h * 2, w * 2)


def to_tokens(z: Tensor) -> Tensor:
    """`[b, c, h, w]` to `[b, h * w, c]`."""
    return z.flatten(2).mT


def from_tokens(tokens: Tensor, side: int) -> Tensor:
    """`[b, side * side, c]` to `[b, c, side, side]`."""
    return tokens.mT.reshape(tokens.shape[0], -1, side, side)


def picture_ids(side: int, time: int = 0) -> Tensor:
    """Positions (time, row, column, 0) of the tokens of one picture."""
    return torch.cartesian_prod(torch.tensor([time]), torch.arange(side), torch.arange(side), torch.arange(1))


def text_ids(length: int) -> Tensor:
    """Positions (0, 0, 0, index) of the tokens of a text."""
    return torch.cartesian_prod(torch.arange(1), torch.arange(1), torch.arange(1), torch.arange(length))


def ids_with_references(side: int, n_references: int) -> Tensor:
    """Positions of the picture's tokens followed by those of the references."""
    times = [0] + [REFERENCE_TIME * (k + 1) for k in range(n_references)]
    return torch.cat([picture_ids(side, time) for time in times])


def to_tensor(pictures: list[Picture] | np.ndarray) -> Tensor:
    """Stacks pictures as `[b, 3, h, w]` from -1 to 1."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_pictures(x: Tensor) -> np.ndarray:
    """The inverse of `to_tensor`, clamped and rounded as the pipeline does."""
    return ((x.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def statistics(vae: torch.nn.Module) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each folded channel, as `[1, 4c, 1, 1]`."""
    mean = vae.bn.running_mean.view(1, -1, 1, 1)
    return mean, torch.sqrt(vae.bn.running_var.view(1, -1, 1, 1) + vae.config.batch_norm_eps)


@torch.no_grad()
def encode(vae: torch.nn.Module, pictures: list[Picture]) -> Tensor:
    """Pictures to normalised tokens."""
    x = to_tensor(pictures).to(vae.device)
    mean, deviation = statistics(vae)
    return to_tokens((fold(vae.encode(x).latent_dist.mode()) - mean) / deviation)


@torch.no_grad()
def decode(vae: torch.nn.Module, tokens: Tensor, side: int) -> np.ndarray:
    """Normalised tokens to pictures."""
    mean, deviation = statistics(vae)
    return to_pictures(vae.decode(unfold(from_tokens(tokens.float(), side) * deviation + mean)).sample)
