"""The transformer stage: rectified flow, text to image and edits mixed, the text encoder learning along.

A sample is `x = (1 - s) * picture + s * noise`; the transformer predicts `noise - picture` from `x`, `s`, the text and,
for edits, the clean tokens of the references, which follow the noisy ones and are told apart by their first
coordinate. Samples without, with one and with two references differ in length, so each gets its own forward pass
within one optimizer step.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from . import latents, pool
from .captions import caption
from .edits import instruction
from .muon import Both
from .presets import Preset
from .sitting import Budget, Ema, Sitting, device
from .tokenizer import Texts, load as load_tokenizer

TEXT_DROPPED = 0.1
"""Share of the samples whose text is empty, so that guidance has something to lead away from."""

COOLDOWN = 0.35
"""Last share of the minutes, in which the learning rate falls."""


def build_transformer(preset: Preset) -> torch.nn.Module:
    """Makes an untrained transformer whose blocks begin as the identity.

    The modulation, which all blocks share and which has no bias, starts near zero, and so do the gates it yields.
    """
    from diffusers import Flux2Transformer2DModel

    model = Flux2Transformer2DModel(
        patch_size=1,
        in_channels=preset.latent_channels,
        joint_attention_dim=preset.text["hidden_size"] * len(preset.text_layers),
        timestep_guidance_channels=128,
        guidance_embeds=False,
        **preset.transformer,
    )
    for weight in model.parameters():
        if weight.ndim == 2:
            torch.nn.init.normal_(weight, std=1 / math.sqrt(weight.shape[1]))
    for shared in (model.double_stream_modulation_img, model.double_stream_modulation_txt, model.single_stream_modulation):
        torch.nn.init.normal_(shared.linear.weight, std=0.02 / math.sqrt(model.inner_dim))
    torch.nn.init.zeros_(model.norm_out.linear.weight)
    torch.nn.init.zeros_(model.proj_out.weight)
    return model


def build_text_encoder(preset: Preset, tokenizer) -> torch.nn.Module:
    """Makes an untrained text encoder.

    The embeddings start at deviation 1 instead of 0.02: nothing normalises the features on their way to the
    transformer. What lies behind the last layer that is read is never trained.
    """
    from transformers import Qwen3Config, Qwen3ForCausalLM

    sizes = {k: v for k, v in preset.text.items() if k != "vocab_size"}
    encoder = Qwen3ForCausalLM(Qwen3Config(
        vocab_size=(len(tokenizer) + 63) // 64 * 64, max_position_embeddings=1024, rope_theta=1_000_000.0,
        tie_word_embeddings=True, pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None, use_cache=False, **sizes))
    with torch.no_grad():
        encoder.model.embed_tokens.weight.normal_(std=1.0)
    for name, weight in encoder.named_parameters():
        if name.startswith((f"model.layers.{max(preset.text_layers)}.", "model.norm")):
            weight.requires_grad_(False)
    return encoder


def read_text(encoder: torch.nn.Module, ids: Tensor, mask: Tensor, layers: tuple[int, ...]) -> Tensor:
    """Texts to features `[n, length, layers * hidden]`: the hidden states of some layers side by side."""
    out = encoder.model(input_ids=ids, attention_mask=mask, output_hidden_states=True, use_cache=False)
    return torch.cat([out.hidden_states[k] for k in layers], dim=-1)


def take_over(pair: torch.nn.ModuleDict, tokenizer, folder: Path) -> None:
    """Takes weights over from a trained folder, for fewer samples than from nothing.

    Weights of equal name and shape are copied. Token embeddings are matched by their text, because the vocabulary may
    be another. Single blocks that the folder lacks are left without an effect.
    """
    from diffusers import Flux2Transformer2DModel
    from transformers import Qwen3ForCausalLM

    old = Flux2Transformer2DModel.from_pretrained(folder / "transformer", torch_dtype=torch.float32)
    _copy_equal(old, pair["transformer"])
    encoder = Qwen3ForCausalLM.from_pretrained(folder / "text_encoder", dtype=torch.float32)
    _copy_equal(encoder.model.layers, pair["text_encoder"].model.layers)
    old_numbers = load_tokenizer(folder / "tokenizer").get_vocab()
    rows, old_rows = pair["text_encoder"].model.embed_tokens.weight, encoder.model.embed_tokens.weight
    with torch.no_grad():
        for token, number in tokenizer.get_vocab().items():
            if token in old_numbers and rows.shape[1] == old_rows.shape[1]:
                rows[number] = old_rows[old_numbers[token]]
        for block in pair["transformer"].single_transformer_blocks[len(old.single_transformer_blocks) :]:
            block.attn.to_out.weight.zero_()


class Batches:
    """Draws the samples of a step: three groups by number of references."""

    def __init__(self, data: pool.Pool, size: int, seed: int) -> None:
        self.data, self.size, self.seed = data, size, seed
        self.by_references = {
            n: [edit for edit in data.edits if len(edit[1]) == n] for n in (1, 2)
        }

    def groups(self, step: int, edit_share: float) -> Iterator[tuple[list[str], Tensor, list[Tensor]]]:
        """Yields texts, pictures and references of each group."""
        rng = random.Random(self.seed * 7919 + step)
        n_edits = round(self.size * edit_share)
        n_two = round(n_edits * len(self.by_references[2]) / len(self.data.edits))
        drawn = [rng.choice(self.data.pictures) for _ in range(self.size - n_edits)]
        yield self._texts([caption(self.data.scenes[i], rng) for i in drawn], rng), self._tokens(drawn), []
        for n_references, count in ((1, n_edits - n_two), (2, n_two)):
            if count and self.by_references[n_references]:
                edits = [rng.choice(self.by_references[n_references]) for _ in range(count)]
                references = [self._tokens([edit[1][k] for edit in edits]) for k in range(n_references)]
                words = self._texts([instruction(edit[0], rng) for edit in edits], rng)
                yield words, self._tokens([edit[2] for edit in edits]), references

    def _texts(self, texts: list[str], rng: random.Random) -> list[str]:
        return ["" if rng.random() < TEXT_DROPPED else text for text in texts]

    def _tokens(self, indices: list[int]) -> Tensor:
        return self.data.tokens[torch.tensor(indices)].float()


def train(preset: Preset, work: Path, budget: Budget, *, start: Path | None = None, batch: int = 64, lr: float = 2e-3,
          edit_share: float = 0.6, ema_decay: float = 0.997, seed: int = 0, compiled: bool = False) -> None:
    """Trains transformer and text encoder; the checkpoint is `transformer.pt` in `work`."""
    torch.manual_seed(seed)
    sitting = Sitting(work / "transformer.pt", budget)
    state = sitting.resume()
    if sitting.done >= 1:
        return
    tokenizer = load_tokenizer(work / "tokenizer")
    pair = torch.nn.ModuleDict(dict(transformer=build_transformer(preset), text_encoder=build_text_encoder(preset, tokenizer)))
    if start and not state:
        take_over(pair, tokenizer, start)
    pair = pair.to(device())
    if compiled:
        pair["transformer"].compile(dynamic=True)
    optimizer = Both(*_split(pair), lr=lr, weight_decay=0.02)
    ema = Ema(pair, ema_decay)
    if state:
        pair.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        ema.mean = {k: v.to(device()) for k, v in state["ema"].items()}
    batches = Batches(pool.load(preset, work / "pool.pt"), batch, seed)
    flow = Flow(preset, pair, Texts(tokenizer, preset.text_tokens))
    means: dict[int, list[float]] = {0: [], 1: [], 2: []}

    def everything() -> dict:
        return dict(model=pair.state_dict(), optimizer=optimizer.state_dict(), ema=ema.mean, seen=sitting.step * batch)

    while (done := sitting.done) < 1:
        falling = 1.0 if done < 1 - COOLDOWN else max(0.01, (1 - done) / COOLDOWN)
        optimizer.set_rate(lr * min(1.0, (sitting.step + 1) / 100) * falling)
        # edits are learnt on top of text to image, so their share grows until the middle
        share = edit_share * min(1.0, 0.5 + done)
        noise = torch.Generator().manual_seed(seed * 104_729 + sitting.step)
        for texts, pictures, references in batches.groups(sitting.step, share):
            loss = flow.loss(texts, pictures, references, noise)
            (loss * len(texts) / batch).backward()
            means[len(references)].append(loss.item())
        optimizer.step()
        ema.update(pair, sitting.step)
        sitting.step += 1
        if sitting.step % 50 == 0:
            _report(work, sitting, means, falling)
        sitting.save_when_due(**everything())
    sitting.save(**everything())


class Flow:
    """The loss of rectified flow for one group of samples."""

    def __init__(self, preset: Preset, pair: torch.nn.ModuleDict, texts: Texts) -> None:
        self.preset, self.pair, self.texts = preset, pair, texts
        self.text_ids = latents.text_ids(preset.text_tokens).to(device())
        self.ids = {n: latents.ids_with_references(preset.side_tokens, n).to(device()) for n in (0, 1, 2)}

    def loss(self, texts: list[str], pictures: Tensor, references: list[Tensor], generator: torch.Generator) -> Tensor:
        """Mean squared error of the predicted velocity."""
        n = len(texts)
        noise = torch.randn(pictures.shape, generator=generator)
        s = _noise_levels(n, generator)
        x = pictures + s.view(-1, 1, 1) * (noise - pictures)
        ids, mask = (part.to(device()) for part in self.texts(texts))
        with torch.autocast(device().type, torch.bfloat16, enabled=device().type == "cuda"):
            features = read_text(self.pair["text_encoder"], ids, mask, self.preset.text_layers)
            velocity = self.pair["transformer"](
                hidden_states=torch.cat([x, *references], 1).to(device()),
                encoder_hidden_states=features,
                timestep=s.to(device()),
                txt_ids=self.text_ids,
                img_ids=self.ids[len(references)],
                guidance=None,
                return_dict=False,
            )[0][:, : pictures.shape[1]]
        return (velocity.float() - (noise - pictures).to(device())).pow(2).mean()


def _copy_equal(old: torch.nn.Module, new: torch.nn.Module) -> None:
    weights = old.state_dict()
    fitting = {k: weights[k] for k, v in new.state_dict().items() if k in weights and weights[k].shape == v.shape}
    new.load_state_dict(fitting, strict=False)


def _noise_levels(n: int, generator: torch.Generator) -> Tensor:
    """Logit-normal, a tenth uniform: most samples in the middle, where the picture takes shape."""
    s = torch.sigmoid(torch.randn(n, generator=generator) + 0.4)
    uniform = torch.rand(n, generator=generator)
    return torch.where(torch.rand(n, generator=generator) < 0.1, uniform, s)


def _split(pair: torch.nn.ModuleDict) -> tuple[list[Tensor], list[Tensor]]:
    matrices, rest = [], []
    for name, weight in pair.named_parameters():
        if weight.requires_grad:
            inner = weight.ndim == 2 and ("transformer_blocks." in name or "model.layers." in name)
            (matrices if inner else rest).append(weight)
    return matrices, rest


def _report(work: Path, sitting: Sitting, means: dict[int, list[float]], rate: float) -> None:
    names = {0: "text", 1: "one reference", 2: "two references"}
    row = {name: round(sum(means[n]) / len(means[n]), 4) for n, name in names.items() if means[n]}
    row = dict(step=sitting.step, seconds=round(sitting.spent), rate=round(rate, 2), **row)
    print(row, flush=True)
    with open(work / "transformer.jsonl", "a") as log:
        log.write(json.dumps(row) + "\n")
    for values in means.values():
        values.clear()
