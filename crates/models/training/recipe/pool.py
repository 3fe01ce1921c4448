"""The pool: scenes that are encoded once, and the edits between them.

Encoding costs as much as a training step, wording costs nothing: so the latents of a fixed pool of scenes are kept in
a file, and captions and instructions are worded anew whenever a scene or an edit is drawn from it.

A tenth of all combinations is held back: `is_held_back` scenes are never in the pool, neither as target nor as
reference, and evaluation asks for nothing else.
"""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from . import latents
from .edits import Edit, random_edit
from .presets import Preset
from .scenes import Scene, Sprites, random_scene


@dataclass
class Pool:
    """Encoded scenes; `singles` and `edits` refer to them by index."""

    scenes: list[Scene]
    tokens: Tensor
    """`[n scenes, tokens, channels]`, normalised, float16."""
    pictures: list[int]
    """Scenes for text to image, as often as they are to be drawn."""
    edits: list[tuple[Edit, tuple[int, ...], int]]
    """Edit, indices of its references, index of its target."""


def is_held_back(scene: Scene) -> bool:
    """Says whether this combination is kept for evaluation.

    For one object the combination is object, place, size and colour; for several it is the objects and their layout,
    whatever the colour.
    """
    things = tuple((item.object, item.place, item.size) for item in scene.items)
    key = (things, scene.color) if len(set(item.object for item in scene.items)) == 1 else things
    return zlib.crc32(repr(key).encode()) % 10 == 0


def make(preset: Preset, n_pictures: int, n_edits: int, seed: int = 5) -> tuple[list[Scene], list[int], list]:
    """Draws scenes and edits by chance, without what is held back; the same for the same arguments."""
    rng = random.Random(seed)
    index: dict[Scene, int] = {}

    def number(scene: Scene) -> int:
        return index.setdefault(scene, len(index))

    pictures = []
    while len(pictures) < n_pictures:
        scene = random_scene(rng, preset.n_objects)
        if not is_held_back(scene):
            pictures.append(number(scene))
    edits = []
    while len(edits) < n_edits:
        edit = random_edit(rng, preset.n_objects)
        if not any(is_held_back(scene) for scene in (*edit.sources, edit.target)):
            edits.append((edit, tuple(number(scene) for scene in edit.sources), number(edit.target)))
    return list(index), pictures, edits


def encode(preset: Preset, sprites: Sprites, vae: torch.nn.Module, path: Path, n_pictures: int, n_edits: int) -> None:
    """Encodes a pool into a file. Only the latents and the counts are stored; scenes follow from the seed."""
    if path.exists():
        return
    scenes, _, _ = make(preset, n_pictures, n_edits)
    parts = []
    for start in range(0, len(scenes), 64):
        parts.append(latents.encode(vae, [sprites.draw(scene) for scene in scenes[start : start + 64]]).half().cpu())
    fresh = path.with_suffix(".fresh")
    torch.save(dict(tokens=torch.cat(parts), n_pictures=n_pictures, n_edits=n_edits), fresh)
    fresh.replace(path)
    print(f"pool: {len(scenes)} scenes, {n_edits} edits", flush=True)


def load(preset: Preset, path: Path) -> Pool:
    """Loads a pool."""
    state = torch.load(path)
    scenes, pictures, edits = make(preset, state["n_pictures"], state["n_edits"])
    return Pool(scenes, state["tokens"], pictures, edits)
