"""The export stage: checkpoints to the folder that the project ships.

The folder has diffusers' layout, in float16, and `Flux2KleinPipeline.from_pretrained` runs it unchanged. Beside it lie
the call arguments that diffusers does not store (`generation_defaults.json`) and the origin of the pictures
(`NOTICE.md`). The written folder is loaded again and compared with our own sampler.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from . import autoencoder, latents
from .presets import Preset
from .tokenizer import load as load_tokenizer
from .transformer import build_text_encoder, build_transformer

N_STEPS = 8
GUIDANCE = 2.5
MOST_BYTES = 30_000_000
PROMPT = "an apple on a blue background"


def export(preset: Preset, work: Path, out: Path) -> None:
    """Writes the mean weights of the checkpoint in `work` to the folder `out`."""
    from diffusers import FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline

    tokenizer = load_tokenizer(work / "tokenizer")
    state = torch.load(work / "transformer.pt", map_location="cpu", weights_only=False)
    pair = torch.nn.ModuleDict(dict(transformer=build_transformer(preset), text_encoder=build_text_encoder(preset, tokenizer)))
    pair.load_state_dict({**pair.state_dict(), **{k: v.float() for k, v in state["ema"].items()}})
    scheduler = FlowMatchEulerDiscreteScheduler(
        num_train_timesteps=1000, shift=3.0, use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15,
        base_image_seq_len=256, max_image_seq_len=4096, time_shift_type="exponential")
    pipeline = Flux2KleinPipeline(
        scheduler=scheduler, vae=autoencoder.load(work / "vae").cpu().half(), tokenizer=tokenizer,
        text_encoder=pair["text_encoder"].half(), transformer=pair["transformer"].half(), is_distilled=False)
    pipeline.save_pretrained(out, safe_serialization=True)
    _mend_configs(out)
    defaults = dict(
        width=preset.image_px, height=preset.image_px, max_sequence_length=preset.text_tokens,
        text_encoder_out_layers=list(preset.text_layers), num_inference_steps=N_STEPS, guidance_scale=GUIDANCE,
        trained_steps=state["step"])
    (out / "generation_defaults.json").write_text(json.dumps(defaults, indent=2) + "\n")
    (out / "NOTICE.md").write_text((Path(__file__).parent.parent / "NOTICE.md").read_text())
    n_bytes = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    print(f"exported {n_bytes / 1e6:.1f} MB after {state['seen']} samples", flush=True)
    assert n_bytes <= MOST_BYTES, "the folder is too big to be shipped"
    print(f"largest difference to the pipeline: {compare(out)} of 255", flush=True)


def compare(out: Path) -> int:
    """Returns the largest difference between the pipeline's picture and our sampler's, from the same noise."""
    from diffusers import Flux2KleinPipeline

    from .sampler import Painter

    painter = Painter(out)
    pipeline = Flux2KleinPipeline.from_pretrained(out)
    pipeline.set_progress_bar_config(disable=True)
    call = {k: v for k, v in painter.defaults.items() if k != "trained_steps"}
    call["text_encoder_out_layers"] = painter.layers
    noise = torch.randn(1, painter.side**2, pipeline.transformer.config.in_channels, generator=torch.Generator().manual_seed(7))
    theirs = pipeline(prompt=PROMPT, latents=latents.from_tokens(noise, painter.side), **call).images[0]
    pipeline(prompt="make the background yellow", image=[theirs], **call)
    ours = painter.draw_from(noise, [PROMPT])[0]
    return int(np.abs(np.asarray(theirs, int) - ours.astype(int)).max())


def _mend_configs(out: Path) -> None:
    """Takes out the training machine's paths, and names the dtype to load the text encoder in.

    transformers loads in the dtype that its config names, diffusers loads the rest as float32; with float16 named
    there, loading without a dtype would mix the two and fail.
    """
    for file in out.glob("*/config.json"):
        config = json.loads(file.read_text())
        config.pop("_name_or_path", None)
        if file.parent.name == "text_encoder":
            config["dtype"] = "float32"
        file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
