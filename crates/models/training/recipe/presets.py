"""Sizes: one preset is one whole model, from the picture's side to the number of blocks.

`toy` is what two CPU cores train in two hours, `small` what they train overnight, `large` what a GPU trains in
minutes. A preset fixes everything that the saved files depend on; batch sizes, threads and minutes may change
between two sittings.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """Everything that decides the shape of the saved model."""

    image_px: int
    """Side of the square picture."""

    n_objects: int
    """How many of `scenes.OBJECTS` are drawn, from the front."""

    text_tokens: int
    """Length to which every text is padded; the transformer sees the padding, so the pipeline must use the same."""

    vae: dict[str, Any] = field(default_factory=dict)
    text: dict[str, Any] = field(default_factory=dict)
    transformer: dict[str, Any] = field(default_factory=dict)

    text_layers: tuple[int, ...] = (1, 2, 3)
    """Hidden states that are handed to the transformer. The last layer is avoided: its output is normalised."""

    @property
    def side_tokens(self) -> int:
        """Picture tokens along one side: 8 from the autoencoder times 2 from folding."""
        return self.image_px // 16

    @property
    def latent_channels(self) -> int:
        """Channels of one picture token."""
        return 4 * self.vae["latent_channels"]


def _text(hidden: int, heads: int) -> dict[str, Any]:
    return dict(
        hidden_size=hidden,
        intermediate_size=hidden * 3,
        num_hidden_layers=4,
        num_attention_heads=heads,
        num_key_value_heads=1,
        head_dim=32,
        vocab_size=1024,
    )


def _transformer(heads: int, double: int, single: int) -> dict[str, Any]:
    return dict(
        num_layers=double,
        num_single_layers=single,
        attention_head_dim=32,
        num_attention_heads=heads,
        mlp_ratio=3.0,
        axes_dims_rope=[8, 8, 8, 8],
        rope_theta=2000,
    )


def _vae(widths: list[int], groups: int) -> dict[str, Any]:
    return dict(block_out_channels=widths, layers_per_block=1, latent_channels=16, norm_num_groups=groups)


PRESETS: dict[str, Preset] = {
    "toy": Preset(64, 24, 18, _vae([24, 32, 64, 64], 8), _text(64, 2), _transformer(4, 2, 4)),
    "small": Preset(64, 32, 18, _vae([24, 32, 64, 64], 8), _text(96, 3), _transformer(6, 2, 6)),
    "large": Preset(128, 64, 18, _vae([32, 64, 64, 96], 16), _text(128, 4), _transformer(8, 2, 8)),
}


def preset(name: str) -> Preset:
    """Returns a preset by name; its dictionaries may be changed by the caller."""
    return copy.deepcopy(PRESETS[name])
