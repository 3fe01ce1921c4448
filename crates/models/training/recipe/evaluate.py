"""The evaluation stage: does the model draw what it is told, in combinations that it has never seen?

Prompts ask only for scenes that the pool holds back. As a check of the judge, the captions are shuffled once: then
hardly anything may be right.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np

from . import own_words
from .captions import caption
from .edits import KINDS, TWO_REFERENCES, Edit, instruction, random_edit
from .judge import Judge, Verdict, kept
from .pool import is_held_back
from .sampler import Painter
from .scenes import Picture, Scene, Sprites, random_scene

SEED = 123

THRESHOLDS = {
    "single.object": 0.95, "single.position": 0.95, "single.background": 0.99, "single.all": 0.90,
    "two_objects.all": 0.80, "own_words.all": 0.75, "edits.all": 0.85, "edits.kept_db": 30.0,
}
"""What is to be reached."""

SEVERAL = {"beside": 5, "above": 4, "two over one": 2, "one over two": 2, "count": 3}
"""Weights of the layouts with several objects."""

CHANCE = 0.05
"""Shuffled captions may be right this often at most."""


def evaluate(sprites: Sprites, folder: Path, n: int, log: Path) -> dict:
    """Draws `n` single objects, `n` groups and `n` edits, measures them, and appends the numbers to a log."""
    painter, judge = Painter(folder), Judge(sprites)
    rng = random.Random(SEED)
    result: dict = dict(steps=painter.defaults["trained_steps"], n=n)
    pictures: list[Picture] = []
    for name, layouts in (("single", {"single": 1}), ("several", SEVERAL)):
        scenes = [until_held_back(lambda: random_scene(rng, sprites.n_objects, layouts)) for _ in range(n)]
        texts = [caption(scene, rng) for scene in scenes]
        drawn = painter.draw(texts, seed=SEED)
        result[name] = summary([judge.verdict(picture, scene) for picture, scene in zip(drawn, scenes)])
        if name == "single":
            shuffled = scenes[1:] + scenes[:1]
            result["shuffled"] = summary([judge.verdict(picture, scene) for picture, scene in zip(drawn, shuffled)])
        else:
            two = [judge.verdict(p, s) for p, s in zip(drawn, scenes) if s.layout in ("beside", "above")]
            result["two_objects"] = summary(two)
        pictures += list(drawn[:24])
    texts, scenes = zip(*own_words.prompts())
    drawn = painter.draw(list(texts), seed=SEED)
    result["own_words"] = summary([judge.verdict(picture, scene) for picture, scene in zip(drawn, scenes)])
    pictures += list(drawn)
    _grid(pictures, folder.parent / f"{folder.name}_text.png")
    result["edits"] = _edits(sprites, painter, judge, rng, n, folder)
    with open(log, "a") as file:
        file.write(json.dumps(result) + "\n")
    print(json.dumps(result, indent=1), flush=True)
    return result


def summary(verdicts: list[Verdict]) -> dict:
    """Shares of what was right."""
    shares = {name: _mean([getattr(v, name) for v in verdicts]) for name in ("object", "position", "background", "all")}
    return dict(shares, db=_mean([v.decibels for v in verdicts], 1), n=len(verdicts))


def _edits(sprites: Sprites, painter: Painter, judge: Judge, rng: random.Random, n: int, folder: Path) -> dict:
    result, verdicts, decibels, pictures = {}, [], [], []
    for kind in KINDS:
        edits = [until_target_held_back(rng, sprites.n_objects, kind) for _ in range(max(4, n // len(KINDS)))]
        references = [tuple(sprites.draw(scene) for scene in edit.sources) for edit in edits]
        drawn = painter.draw([instruction(edit, rng) for edit in edits], references, seed=SEED + 1)
        of_kind = [judge.verdict(picture, edit.target) for picture, edit in zip(drawn, edits)]
        left_alone = [kept(p, r[0], sprites.draw(e.target)) for p, r, e in zip(drawn, references, edits)]
        left_alone = [value for value in left_alone if value is not None]
        result[kind] = dict(all=_mean([v.all for v in of_kind]), kept_db=_mean(left_alone, 1))
        verdicts += of_kind
        decibels += left_alone
        blank = np.full_like(drawn[0], 255)
        for picture, pair in list(zip(drawn, references))[:4]:
            pictures += [pair[0], pair[1] if kind in TWO_REFERENCES else blank, picture]
    _grid(pictures, folder.parent / f"{folder.name}_edits.png")
    return dict(summary(verdicts), kept_db=_mean(decibels, 1), kinds=result)


def until_held_back(draw: Callable[[], Scene]) -> Scene:
    """Draws until a scene comes that training held back."""
    while not is_held_back(scene := draw()):
        pass
    return scene


def until_target_held_back(rng: random.Random, n_objects: int, kind: str) -> Edit:
    """Draws edits of a kind until one comes whose wanted scene training held back."""
    while not is_held_back((edit := random_edit(rng, n_objects, kind)).target):
        pass
    return edit


def _mean(values: list, digits: int = 3) -> float:
    return round(float(np.mean(values)), digits)


def _grid(pictures: list[Picture], path: Path, across: int = 12, scale: int = 2) -> None:
    """Saves pictures side by side, enlarged without smoothing."""
    from PIL import Image

    blank = np.full_like(pictures[0], 255)
    pictures = pictures + [blank] * (-len(pictures) % across)
    framed = [np.pad(picture, ((1, 1), (1, 1), (0, 0)), constant_values=255) for picture in pictures]
    rows = [np.concatenate(framed[k : k + across], 1) for k in range(0, len(framed), across)]
    sheet = Image.fromarray(np.concatenate(rows))
    sheet.resize((sheet.width * scale, sheet.height * scale), Image.NEAREST).save(path)
