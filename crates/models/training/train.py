"""Trains the model in the box: one command from nothing to a folder that can be used.

The stages run one after the other; each keeps its files in the work folder and is skipped or gone on with when the
same command is run again. See README.md for the recipe and for what to expect.
"""

from __future__ import annotations

import argparse
import datetime
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # more threads than this gain little for sizes like these

from recipe import autoencoder, card, evaluate, export, gate, pool, tokenizer, transformer  # noqa: E402
from recipe.presets import Preset, preset  # noqa: E402
from recipe.scenes import Sprites  # noqa: E402
from recipe.sitting import Budget  # noqa: E402

STAGES = ("tokenizer", "autoencoder", "pool", "transformer", "decoder", "export", "evaluate", "gate")

SHARES = {"autoencoder": 0.25, "transformer": 0.63, "decoder": 0.12}
"""How the minutes are shared among the stages that take them."""

POOLS = {"toy": (8000, 16000), "small": (8000, 16000), "large": (60000, 140000)}
"""Scenes for text to image, and edits."""

BATCHES = {"toy": (8, 64), "small": (8, 64), "large": (128, 512)}
"""Samples of a step: autoencoder, transformer."""


def main() -> None:
    """Runs the stages."""
    options = arguments()
    work = options.work
    work.mkdir(parents=True, exist_ok=True)
    sizes = preset(options.preset)
    sprites = Sprites(options.icons, sizes.image_px, sizes.n_objects)
    for stage in options.stages:
        print(f"== {stage} {datetime.datetime.now():%H:%M:%S}", flush=True)
        run(stage, options, sizes, sprites)


def run(stage: str, options: argparse.Namespace, sizes: Preset, sprites: Sprites) -> None:
    """Runs one stage."""
    work: Path = options.work
    budget = Budget(options.minutes * SHARES.get(stage, 0), options.until)
    picture_batch, sample_batch = BATCHES[options.preset]
    start: Path | None = options.start
    out: Path = options.out or work / "model"
    if stage == "tokenizer":
        tokenizer.train(sizes.text["vocab_size"], work / "tokenizer")
    elif stage == "autoencoder":
        autoencoder.train(sizes, sprites, work, budget, start=start and start / "vae", batch=picture_batch)
    elif stage == "decoder":
        autoencoder.train(sizes, sprites, work, budget, decoder_only=True, batch=picture_batch, lr=1.5e-3)
    elif stage == "pool":
        counts = (100, 200) if options.smoke else POOLS[options.preset]
        pool.encode(sizes, sprites, autoencoder.load(work / "vae"), work / "pool.pt", *counts)
    elif stage == "transformer":
        transformer.train(sizes, work, budget, start=start, batch=sample_batch, compiled=options.compile)
    elif stage == "export":
        export.export(sizes, work, out)
    elif stage == "evaluate":
        evaluate.evaluate(sprites, out, options.prompts, work / "metrics.jsonl")
        card.write(sizes, work / "metrics.jsonl", out)
    else:
        gate.write(sprites, out, work / "gate")


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--icons", type=Path, required=True, help="icons.json of @iconify-json/fluent-emoji-flat")
    parser.add_argument("--work", type=Path, default=Path("work"), help="folder for checkpoints")
    parser.add_argument("--out", type=Path, help="folder for the model, `model` in the work folder if absent")
    parser.add_argument("--preset", choices=["toy", "small", "large"], default="toy")
    parser.add_argument("--minutes", type=float, default=120, help="of all stages together")
    parser.add_argument("--until", type=clock, help="HH:MM at which the stage ends at the latest, whatever it has spent")
    parser.add_argument("--start", type=Path, help="trained folder to go on from")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--prompts", type=int, default=192, help="of each group in the evaluation")
    parser.add_argument("--compile", action="store_true", help="compile the transformer first: minutes once, then a quarter faster")
    parser.add_argument("--smoke", action="store_true", help="ten minutes, to see that every stage runs")
    options = parser.parse_args()
    if options.smoke:
        options.minutes, options.prompts = min(options.minutes, 8), min(options.prompts, 24)
    return options


def clock(text: str) -> float:
    """Turns HH:MM into the next Unix time at which the clock shows it."""
    hour, minute = map(int, text.split(":"))
    then = datetime.datetime.now().replace(hour=hour, minute=minute, second=0, microsecond=0).timestamp()
    return then if then > time.time() else then + 86_400


if __name__ == "__main__":
    main()
