"""The autoencoder stage: 8 px become one latent, and back.

Training starts on crops of 32 px, cut on the token grid so that they show objects: a step costs a quarter and what
is learned carries over. It ends at full size, where the attention of the middle block finds its real length. The
statistics that normalise the latents are measured once at the end.

A second run trains the decoder alone on the captioned scenes. It leaves the encoder as it is, so encoded latents stay
valid and it may run beside the transformer's training; the pictures gain two decibels or more.
"""

from __future__ import annotations

import math
import random
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from . import latents
from .muon import Both
from .presets import Preset
from .scenes import Sprites, random_scene, wild_picture
from .sitting import Budget, Ema, Sitting, autocast, device

CROP_PX = 32
CROP_SHARE = 0.3
KL_WEIGHT = 3e-4
WILD_SHARE = 0.2


def build(preset: Preset) -> torch.nn.Module:
    """Makes an untrained autoencoder.

    The posterior's log-variance starts near -5. With the usual start it is 0: the decoder then sees little but noise
    and learns next to nothing in the first thousand steps.
    """
    from diffusers import AutoencoderKLFlux2

    n_levels = len(preset.vae["block_out_channels"])
    vae = AutoencoderKLFlux2(
        down_block_types=["DownEncoderBlock2D"] * n_levels,
        up_block_types=["UpDecoderBlock2D"] * n_levels,
        sample_size=preset.image_px,
        **preset.vae,
    )
    with torch.no_grad():
        mean_channels = preset.vae["latent_channels"]
        vae.quant_conv.weight[mean_channels:] *= 0.1
        vae.quant_conv.bias[mean_channels:] = -5.0
    return vae


def load(folder: Path) -> torch.nn.Module:
    """Loads the trained autoencoder for use."""
    from diffusers import AutoencoderKLFlux2

    return AutoencoderKLFlux2.from_pretrained(folder).to(device()).eval()


def train(preset: Preset, sprites: Sprites, work: Path, budget: Budget, *, decoder_only: bool = False,
          start: Path | None = None, batch: int = 8, lr: float = 3e-3, seed: int = 0) -> None:
    """Trains the autoencoder, or only its decoder, and saves the folder `vae` in `work`.

    `start` is the folder of a trained autoencoder of the same shape to go on from; crops are then left out.
    """
    torch.manual_seed(seed)
    folder = work / "vae"
    # latents of a longer trained encoder would not fit what the transformer has learnt, so a finished one stays
    if folder.exists() and not decoder_only:
        return
    sitting = Sitting(work / ("decoder.pt" if decoder_only else "autoencoder.pt"), budget)
    state = sitting.resume()
    if decoder_only and sitting.done >= 1:
        return
    source = folder if decoder_only else start
    vae = (load(source).train() if source else build(preset)).to(device())
    if decoder_only:
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
    vae = vae.to(memory_format=torch.channels_last)
    optimizer = Both(*_split(vae), lr=lr)
    ema = Ema(vae, 0.998)
    if state:
        vae.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        ema.mean = {k: v.to(device()) for k, v in state["ema"].items()}

    loss_of = Loss(vae, decoder_only)

    def everything() -> dict:
        return dict(model=vae.state_dict(), optimizer=optimizer.state_dict(), ema=ema.mean)

    smooth = None
    while (done := sitting.done) < 1:
        crops = done < CROP_SHARE and source is None
        optimizer.set_rate(lr * min(1.0, (sitting.step + 1) / 100) * max(0.02, 0.5 * (1 + math.cos(math.pi * done))))
        rng = random.Random(seed * 1_000_003 + sitting.step)
        x = draw_batch(rng, sprites, batch * 2 if crops else batch, crops).to(device())
        loss, l1 = loss_of(x.contiguous(memory_format=torch.channels_last))
        loss.backward()
        optimizer.step()
        ema.update(vae, sitting.step)
        sitting.step += 1
        smooth = l1.item() if smooth is None else 0.98 * smooth + 0.02 * l1.item()
        if sitting.step % 100 == 0:
            print(f"step {sitting.step} l1 {smooth:.4f} {'crops' if crops else 'full'} {sitting.spent:.0f} s", flush=True)
        sitting.save_when_due(**everything())
    sitting.save(**everything())
    _finish(vae, ema, sprites, folder, measure=not decoder_only)
    print(f"autoencoder: {psnr(load(folder), sprites):.2f} dB after {sitting.step} steps", flush=True)


def _finish(vae: torch.nn.Module, ema: Ema, sprites: Sprites, folder: Path, measure: bool) -> None:
    """Saves the mean weights, with the statistics of the latents if asked to measure them."""
    ema.copy_to(vae)
    vae.eval()
    if measure:
        _measure_statistics(vae, sprites)
    vae.save_pretrained(folder)


class Loss:
    """Absolute, squared and gradient difference, plus a little of the posterior's divergence."""

    def __init__(self, vae: torch.nn.Module, decoder_only: bool) -> None:
        self.vae, self.decoder_only = vae, decoder_only

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the loss and the absolute difference alone."""
        with autocast():
            with torch.set_grad_enabled(not self.decoder_only):
                posterior = self.vae.encode(x).latent_dist
            y = self.vae.decode(posterior.sample()).sample
        y = y.float()
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        divergence = 0.5 * (mean.pow(2) + logvar.exp() - 1 - logvar).mean()
        l1 = F.l1_loss(y, x)
        return l1 + 2 * F.mse_loss(y, x) + 0.5 * _edges(y, x) + KL_WEIGHT * divergence, l1.detach()


def draw_batch(rng: random.Random, sprites: Sprites, n: int, crops: bool) -> Tensor:
    """Draws pictures for one step: mostly captioned scenes, whole or cut to crops."""
    pictures = []
    for _ in range(n):
        wild = rng.random() < WILD_SHARE
        picture = wild_picture(rng, sprites) if wild else sprites.draw(random_scene(rng, sprites.n_objects))
        if crops:
            cells = (sprites.image_px - CROP_PX) // 16
            y, x = 16 * rng.randint(0, cells), 16 * rng.randint(0, cells)
            picture = picture[y : y + CROP_PX, x : x + CROP_PX]
        pictures.append(picture)
    return latents.to_tensor(pictures)


@torch.no_grad()
def psnr(vae: torch.nn.Module, sprites: Sprites, n: int = 128, seed: int = 99) -> float:
    """Mean over captioned scenes of the decibels between a picture and its reconstruction."""
    rng = random.Random(seed)
    values = []
    for _ in range(n // 16):
        x = latents.to_tensor([sprites.draw(random_scene(rng, sprites.n_objects)) for _ in range(16)]).to(device())
        y = vae.decode(vae.encode(x).latent_dist.mode()).sample.clamp(-1, 1)
        values.append(-10 * torch.log10(((x - y) / 2).pow(2).mean((1, 2, 3))))
    return torch.cat(values).mean().item()


@torch.no_grad()
def _measure_statistics(vae: torch.nn.Module, sprites: Sprites) -> None:
    rng = random.Random(1234)
    folded = []
    for _ in range(64):
        x = latents.to_tensor([sprites.draw(random_scene(rng, sprites.n_objects)) for _ in range(16)]).to(device())
        folded.append(latents.fold(vae.encode(x).latent_dist.mode()))
    z = torch.cat(folded)
    vae.bn.running_mean.copy_(z.mean((0, 2, 3)))
    vae.bn.running_var.copy_(z.var((0, 2, 3)))


def _split(vae: torch.nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    matrices, rest = [], []
    for name, weight in vae.named_parameters():
        if weight.requires_grad:
            inner = weight.ndim >= 2 and not any(part in name for part in ("conv_in", "conv_out", "quant"))
            (matrices if inner else rest).append(weight)
    return matrices, rest


def _edges(a: Tensor, b: Tensor) -> Tensor:
    across = F.l1_loss(a[..., 1:] - a[..., :-1], b[..., 1:] - b[..., :-1])
    return across + F.l1_loss(a[..., 1:, :] - a[..., :-1, :], b[..., 1:, :] - b[..., :-1, :])
