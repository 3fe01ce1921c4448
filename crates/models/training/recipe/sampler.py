"""Drawing with a trained folder, many pictures at once: the pipeline's maths without its cost for each call.

`export` checks that both give the same picture.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import autoencoder, latents
from .scenes import Picture
from .sitting import device
from .tokenizer import Texts, load as load_tokenizer
from .transformer import read_text


class Painter:
    """A trained folder, ready to draw."""

    def __init__(self, folder: Path) -> None:
        from diffusers import Flux2Transformer2DModel
        from transformers import Qwen3ForCausalLM

        self.defaults = json.loads((folder / "generation_defaults.json").read_text())
        self.vae = autoencoder.load(folder / "vae").float()
        self.transformer = Flux2Transformer2DModel.from_pretrained(folder / "transformer", torch_dtype=torch.float32)
        self.encoder = Qwen3ForCausalLM.from_pretrained(folder / "text_encoder", dtype=torch.float32)
        self.transformer.to(device()).eval(), self.encoder.to(device()).eval()
        self.texts = Texts(load_tokenizer(folder / "tokenizer"), self.defaults["max_sequence_length"])
        self.layers = tuple(self.defaults["text_encoder_out_layers"])
        self.side = self.defaults["width"] // 16

    @torch.no_grad()
    def features(self, texts: list[str]) -> Tensor:
        """Encodes texts."""
        ids, mask = (part.to(device()) for part in self.texts(texts))
        return read_text(self.encoder, ids, mask, self.layers)

    def draw(self, texts: list[str], references: list[tuple[Picture, ...]] | None = None, seed: int = 0,
             batch: int = 48) -> np.ndarray:
        """Draws one picture for each text, `[n, height, width, 3]`; all have the same number of references."""
        parts = []
        for start in range(0, len(texts), batch):
            rows = slice(start, start + batch)
            generator = torch.Generator().manual_seed(seed + start)
            shape = (len(texts[rows]), self.side**2, self.transformer.config.in_channels)
            noise = torch.randn(shape, generator=generator)
            parts.append(self.draw_from(noise, texts[rows], references[rows] if references else None))
        return np.concatenate(parts)

    @torch.no_grad()
    def draw_from(self, noise: Tensor, texts: list[str], references: list[tuple[Picture, ...]] | None = None) -> np.ndarray:
        """Draws from given noise `[n, tokens, channels]`."""
        n_references = len(references[0]) if references else 0
        clean = [latents.encode(self.vae, [pictures[k] for pictures in references or []]) for k in range(n_references)]
        with_text = self.features(texts)
        without = self.features([""]).expand_as(with_text)
        ids = latents.ids_with_references(self.side, n_references).to(device())
        text_ids = latents.text_ids(with_text.shape[1]).to(device())
        x = noise.to(device())
        levels = noise_levels(self.defaults["num_inference_steps"], self.side**2)

        def velocity(features: Tensor, level: float) -> Tensor:
            out = self.transformer(
                hidden_states=torch.cat([x, *clean], 1), encoder_hidden_states=features, img_ids=ids, txt_ids=text_ids,
                timestep=torch.full((len(texts),), level, device=device()), guidance=None, return_dict=False)
            return out[0][:, : x.shape[1]]

        for level, following in zip(levels, levels[1:]):
            away = velocity(without, level)
            v = away + self.defaults["guidance_scale"] * (velocity(with_text, level) - away)
            x = x + (following - level) * v
        return latents.decode(self.vae, x, self.side)


def noise_levels(n_steps: int, n_tokens: int) -> list[float]:
    """The levels of FLUX.2's schedule, ending with 0.

    Source: diffusers `pipeline_flux2.py`, `compute_empirical_mu`.
    """
    from diffusers.pipelines.flux2.pipeline_flux2 import compute_empirical_mu

    shift = math.exp(compute_empirical_mu(n_tokens, n_steps))
    plain = np.linspace(1.0, 1 / n_steps, n_steps)
    return [*(shift * plain / (1 + (shift - 1) * plain)).tolist(), 0.0]
