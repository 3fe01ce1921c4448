"""The model card: what the model is, and the numbers of each checkpoint beside the thresholds."""

from __future__ import annotations

import json
from pathlib import Path

from .evaluate import CHANCE, THRESHOLDS
from .presets import Preset
from .scenes import COLORS, OBJECTS, UNNAMED_COLOR

_COLUMNS = {
    "single.object": "one object: object", "single.position": "position", "single.background": "background",
    "single.all": "all", "two_objects.all": "two objects: all", "several.all": "several: all", "edits.all": "edits: all", "edits.kept_db": "edits: kept, dB",
    "shuffled.all": "shuffled captions: all",
}


def write(preset: Preset, log: Path, out: Path) -> None:
    """Writes `MODEL_CARD.md` from the log of all evaluations."""
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    last = rows[-1]
    objects = ", ".join(name for name, _ in OBJECTS[: preset.n_objects])
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
        "nearest drawing. One row for each checkpoint that was measured; the last row is the model in this folder.",
        "",
        "| steps | " + " | ".join(_COLUMNS.values()) + " |",
        "|" + " --- |" * (len(_COLUMNS) + 1),
    ]
    for row in rows:
        lines.append(f"| {row['steps']} | " + " | ".join(str(_value(row, key)) for key in _COLUMNS) + " |")
    wanted = [str(THRESHOLDS.get(key, f"≤ {CHANCE}" if key.startswith("shuffled") else "")) for key in _COLUMNS]
    lines += ["| wanted | " + " | ".join(wanted) + " |", "", "Edits by kind (share all right; decibels of what had to stay):", ""]
    lines += ["| kind | all | kept, dB |", "| --- | --- | --- |"]
    lines += [f"| {kind} | {v['all']} | {v['kept_db']} |" for kind, v in last["edits"]["kinds"].items()]
    missed = [_COLUMNS[key] for key, least in THRESHOLDS.items() if _value(last, key) < least]
    lines += ["", "Every threshold is reached." if not missed else f"Not reached: {'; '.join(missed)}.", ""]
    (out / "MODEL_CARD.md").write_text("\n".join(lines))


def _value(row: dict, key: str) -> float:
    group, measure = key.split(".")
    return row[group][measure]
