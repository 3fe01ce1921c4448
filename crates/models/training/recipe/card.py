"""The model card: what the model is, and the numbers of each checkpoint beside what is wanted.

The table's first two columns are what the project's own check reads, so their form is fixed.
"""

from __future__ import annotations

import json
from pathlib import Path

from .evaluate import CHANCE, THRESHOLDS
from .presets import Preset
from .scenes import COLORS, OBJECTS, UNNAMED_COLOR

MEASURES = {
    "single.object": "one object: object", "single.position": "one object: position",
    "single.background": "one object: background", "single.all": "one object: all",
    "two_objects.all": "two objects: all", "several.all": "several objects: all", "own_words.all": "own words: all",
    "edits.all": "edits: all", "edits.kept_db": "edits: kept, dB", "shuffled.all": "shuffled captions: all",
}


def write(preset: Preset, log: Path, out: Path) -> None:
    """Writes `MODEL_CARD.md` from the log of all evaluations."""
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    last = rows[-1]
    objects = ", ".join(name for name, _ in OBJECTS[: preset.n_objects])
    missed = [MEASURES[key] for key, least in THRESHOLDS.items() if _value(last, key) < least]
    lines = [
        "# Tiny FLUX.2",
        "",
        f"FLUX.2's architecture in miniature: {preset.image_px} px pictures of {preset.n_objects} objects, from words and",
        "from reference pictures. It was trained on drawn scenes alone (`NOTICE.md` names where the drawings come from) by",
        "the recipe in `crates/models/training`. It knows nothing else, and is meant for first steps, demonstrations and",
        "tests.",
        "",
        f"**Objects.** {objects}.",
        "",
        f"**Backgrounds.** {', '.join(COLORS)}; {UNNAMED_COLOR} where none is named.",
        "",
        "**Arrangements.** One object in three sizes and nine places; two objects beside or above each other; three as two",
        "over one or one over two; two or three of the same.",
        "",
        "**Edits.** Change the background, replace, move, resize, add and remove an object; with two pictures: the object of",
        "image 2 in the scene of image 1, add the object of image 2, use the background of image 2.",
        "",
        "## Measurements",
        "",
        f"Prompts that training held back, {last['n']} of each group, worded in all the ways of the recipe, judged by the",
        f"nearest drawing; `own words` are {last['own_words']['n']} prompts in other words than the recipe's. A column for each",
        "checkpoint that was measured; the last one is the model in this folder.",
        "`cargo test --test quality -- --ignored` draws a list of its own with Rondel and holds it against `wanted`.",
        "",
        "| measure | wanted | " + " | ".join(f"step {row['steps']:,}" for row in rows) + " |",
        "| --- | --- |" + " --- |" * len(rows),
    ]
    for key, name in MEASURES.items():
        wanted = f"≤ {CHANCE}" if key.startswith("shuffled") else f"≥ {THRESHOLDS[key]}" if key in THRESHOLDS else "–"
        lines.append(f"| {name} | {wanted} | " + " | ".join(str(_value(row, key)) for row in rows) + " |")
    lines += ["", "Edits by kind (share all right; decibels of what had to stay):", ""]
    lines += ["| kind | all | kept, dB |", "| --- | --- | --- |"]
    lines += [f"| {kind} | {v['all']} | {v['kept_db']} |" for kind, v in last["edits"]["kinds"].items()]
    lines += ["", "Every threshold is reached." if not missed else f"Not reached: {'; '.join(missed)}.", ""]
    (out / "MODEL_CARD.md").write_text("\n".join(lines))


def _value(row: dict, key: str) -> float | str:
    group, measure = key.split(".")
    return row[group][measure] if group in row else "–"
