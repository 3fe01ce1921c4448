"""The gate stage: what the project's own check of its model needs, with nothing of this recipe.

`cases.json` holds the world of the scenes and a fixed list of prompts and instructions in combinations that training
held back, each with the scene that is wanted and the scenes of its reference pictures. `objects.png` holds the drawn
objects, a column each, in the rows of the three sizes. `pipeline/` holds what diffusers' own pipeline drew for the
first cases of each number of references, to be compared pixel by pixel.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from . import own_words
from .captions import caption
from .edits import KINDS, instruction
from .evaluate import SEVERAL, until_held_back, until_target_held_back
from .scenes import COLORS, OBJECTS, PLACES, SIZES, Item, Scene, Sprites, random_scene

SEED = 4711
N_SINGLE, N_SEVERAL, N_OF_EDIT = 120, 60, 16
N_DRAWN = 4
"""Pictures of the pipeline for each number of references."""


def write(sprites: Sprites, model: Path, out: Path) -> None:
    """Writes the folder."""
    (out / "pipeline").mkdir(parents=True, exist_ok=True)
    listed = cases(sprites.n_objects)
    world = dict(
        image_px=sprites.image_px, objects=[name for name, _ in OBJECTS[: sprites.n_objects]],
        colors=COLORS, places=PLACES, sizes=[[name, round(share * sprites.image_px)] for name, share in SIZES.items()])
    lines = ",\n  ".join(json.dumps(case) for case in listed)
    text = json.dumps(world)[:-1] + ',\n "cases": [\n  ' + lines + "\n]}\n"
    (out / "cases.json").write_text(text)
    _sheet(sprites).save(out / "objects.png", optimize=True)
    _draw(sprites, model, listed, out / "pipeline")


def cases(n_objects: int) -> list[dict]:
    """Draws the list by chance; the same for the same number of objects."""
    rng = random.Random(SEED)
    listed = []
    for group, layouts, n in (("single", {"single": 1}, N_SINGLE), ("several", SEVERAL, N_SEVERAL)):
        for _ in range(n):
            scene = until_held_back(lambda: random_scene(rng, n_objects, layouts))
            listed.append(dict(group=group, prompt=caption(scene, rng), references=[], wanted=_plain(scene)))
    for text, scene in own_words.prompts():
        listed.append(dict(group="own words", prompt=text, references=[], wanted=_plain(scene)))
    for kind in KINDS:
        for _ in range(N_OF_EDIT):
            edit = until_target_held_back(rng, n_objects, kind)
            references = [_plain(scene) for scene in edit.sources]
            listed.append(dict(group=kind, prompt=instruction(edit, rng), references=references, wanted=_plain(edit.target)))
    return [dict(case, seed=seed) for seed, case in enumerate(listed)]


def _plain(scene: Scene) -> dict:
    items = [[item.name, item.place, item.size] for item in scene.items]
    return dict(color=scene.color, layout=scene.layout, items=items)


def _sheet(sprites: Sprites) -> Image.Image:
    """The objects as straight RGBA."""
    widest = max(sprite.shape[0] for sprite in sprites.of.values())
    rows = []
    for size in SIZES:
        row = [sprites.of[k, size] for k in range(sprites.n_objects)]
        rows.append(np.concatenate([np.pad(sprite, ((0, 0), (0, widest - sprite.shape[0]), (0, 0))) for sprite in row], 1))
    sheet = np.concatenate(rows)
    color, alpha = sheet[..., :3], sheet[..., 3:]
    straight = np.concatenate([np.where(alpha > 0, color / np.maximum(alpha, 1e-6), 0), alpha], -1)
    return Image.fromarray((straight * 255 + 0.5).clip(0, 255).astype(np.uint8), "RGBA")


def _draw(sprites: Sprites, model: Path, listed: list[dict], out: Path) -> None:
    """Lets the pipeline draw; the reference pictures are saved beside, so that both sides get the same pixels."""
    from diffusers import Flux2KleinPipeline

    pipeline = Flux2KleinPipeline.from_pretrained(model)
    pipeline.set_progress_bar_config(disable=True)
    call = json.loads((model / "generation_defaults.json").read_text())
    del call["trained_steps"]
    call["text_encoder_out_layers"] = tuple(call["text_encoder_out_layers"])
    for n_references in (0, 1, 2):
        alike = [case for case in listed if len(case["references"]) == n_references]
        for case in alike[:: -(-len(alike) // N_DRAWN)]:
            pictures = [Image.fromarray(sprites.draw(_scene(plain))) for plain in case["references"]]
            for number, picture in enumerate(pictures, 1):
                picture.save(out / f"{case['seed']}.reference{number}.png", optimize=True)
            drawn = pipeline(prompt=case["prompt"], image=pictures or None,
                             generator=torch.Generator().manual_seed(case["seed"]), **call).images[0]
            drawn.save(out / f"{case['seed']}.png", optimize=True)


def _scene(plain: dict) -> Scene:
    return Scene(plain["color"], tuple(Item.named(*item) for item in plain["items"]), plain["layout"])
