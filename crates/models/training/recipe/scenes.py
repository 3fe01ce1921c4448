"""Scenes: what is on a picture, and the picture itself.

A `Scene` is a background colour and up to three objects, each at one of nine places in one of three sizes. It is
drawn by pasting rasterised icons, so the wanted picture of any scene is known exactly: training needs no data set,
and evaluation measures against the wanted picture itself.

Everything lies on the grid of the model's picture tokens (16 px at 64 px): a medium object covers exactly two by two
tokens wherever it stands. The same object then is the same four tokens in every place, which a model of this size
learns from a fraction of the samples that freely placed objects need.
"""

from __future__ import annotations

import io
import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Picture = np.ndarray
"""`[height, width, 3]`, 8 bits."""

OBJECTS: list[tuple[str, str]] = [
    ("apple", "red-apple"), ("cat", "cat"), ("car", "automobile"), ("tree", "deciduous-tree"),
    ("banana", "banana"), ("star", "star"), ("heart", "red-heart"), ("house", "house"),
    ("frog", "frog"), ("fish", "tropical-fish"), ("rocket", "rocket"), ("panda", "panda"),
    ("carrot", "carrot"), ("doughnut", "doughnut"), ("gift", "wrapped-gift"), ("penguin", "penguin"),
    ("sunflower", "sunflower"), ("butterfly", "butterfly"), ("cactus", "cactus"), ("whale", "spouting-whale"),
    ("umbrella", "umbrella"), ("mushroom", "mushroom"), ("pig", "pig"), ("diamond", "gem-stone"),
    ("robot", "robot"), ("crab", "crab"), ("moon", "crescent-moon"), ("hamburger", "hamburger"),
    ("book", "green-book"), ("tulip", "tulip"), ("key", "key"), ("turtle", "turtle"),
    ("dog", "dog"), ("pizza", "pizza"), ("sun", "sun"), ("balloon", "balloon"),
    ("strawberry", "strawberry"), ("bus", "bus"), ("fox", "fox"), ("pineapple", "pineapple"),
    ("cloud", "cloud"), ("owl", "owl"), ("crown", "crown"), ("rabbit", "rabbit"),
    ("lemon", "lemon"), ("airplane", "airplane"), ("bell", "bell"), ("snowflake", "snowflake"),
    ("flame", "fire"), ("guitar", "guitar"), ("bear", "bear"), ("watermelon", "watermelon"),
    ("sailboat", "sailboat"), ("ball", "soccer-ball"), ("lion", "lion"), ("avocado", "avocado"),
    ("rainbow", "rainbow"), ("castle", "castle"), ("ladybug", "lady-beetle"), ("cake", "birthday-cake"),
    ("ghost", "ghost"), ("octopus", "octopus"), ("bee", "honeybee"), ("camera", "camera"),
]
"""Name in captions and name of the icon. A preset takes the first ones, so the first 24 differ most in silhouette
and colour; look-alikes (dog and cat, sun and sunflower) come later."""

COLORS: dict[str, tuple[int, int, int]] = {
    "red": (222, 70, 66), "orange": (245, 150, 60), "yellow": (250, 220, 90), "green": (96, 180, 96),
    "blue": (74, 130, 220), "purple": (150, 100, 200), "pink": (248, 170, 200), "white": (250, 250, 250),
    "black": (28, 28, 32), "gray": (150, 150, 155), "brown": (140, 96, 64), "cyan": (120, 215, 225),
}

UNNAMED_COLOR = "white"
"""The background of a caption that names none."""

PLACES: dict[str, tuple[float, float]] = {
    "center": (0.50, 0.50), "left": (0.25, 0.50), "right": (0.75, 0.50), "top": (0.50, 0.25),
    "bottom": (0.50, 0.75), "top left": (0.25, 0.25), "top right": (0.75, 0.25),
    "bottom left": (0.25, 0.75), "bottom right": (0.75, 0.75),
}
"""Centre of the object as a share of the picture's sides."""

SIZES: dict[str, float] = {"small": 5 / 16, "medium": 1 / 2, "big": 7 / 8}
"""Side of the object as a share of the picture's side. A big object stands in the centre."""


@dataclass(frozen=True)
class Item:
    """One object in its place."""

    object: int
    place: str
    size: str = "medium"

    @property
    def name(self) -> str:
        """The object's word."""
        return OBJECTS[self.object][0]

    @staticmethod
    def named(name: str, place: str, size: str) -> Item:
        """Makes an item of an object's word."""
        return Item([word for word, _ in OBJECTS].index(name), place, size)


@dataclass(frozen=True)
class Scene:
    """A background and the objects on it, in reading order."""

    color: str
    items: tuple[Item, ...]
    layout: str
    """How the objects stand to each other: `single`, `beside`, `above`, `two over one`, `one over two`, or
    `count` for equal objects."""


LAYOUTS: dict[str, tuple[str, ...]] = {
    "beside": ("left", "right"),
    "above": ("top", "bottom"),
    "two over one": ("top left", "top right", "bottom"),
    "one over two": ("top", "bottom left", "bottom right"),
}
"""Places of the objects of each layout of different objects."""

COUNTS: dict[int, tuple[str, ...]] = {2: LAYOUTS["beside"], 3: LAYOUTS["two over one"]}
"""Places of two and of three equal objects."""


class Sprites:
    """The rasterised objects: premultiplied RGBA from 0 to 1, one array for each object and size."""

    def __init__(self, icons: Path, image_px: int, n_objects: int) -> None:
        self.image_px = image_px
        self.n_objects = n_objects
        collection = json.loads(Path(icons).read_text())
        self.of: dict[tuple[int, str], np.ndarray] = {}
        for index, (_, icon) in enumerate(OBJECTS[:n_objects]):
            large = _rasterise(collection, icon)
            for size, share in SIZES.items():
                self.of[index, size] = _shrink(large, round(share * image_px))

    def draw(self, scene: Scene) -> Picture:
        """Draws a scene."""
        canvas = self.canvas(COLORS[scene.color])
        for item in scene.items:
            sprite = self.of[item.object, item.size]
            across, down = PLACES[item.place]
            half = sprite.shape[0] / 2
            self.paste(canvas, sprite, round(across * self.image_px - half), round(down * self.image_px - half))
        return to_bytes(canvas)

    def canvas(self, color: tuple[float, float, float]) -> np.ndarray:
        """Returns an empty picture of one colour (0 to 255 each), as floats from 0 to 1."""
        canvas = np.empty((self.image_px, self.image_px, 3), np.float32)
        canvas[:] = np.asarray(color, np.float32) / 255
        return canvas

    def paste(self, canvas: np.ndarray, sprite: np.ndarray, left: int, top: int) -> None:
        """Lays a sprite over the canvas; what lies outside is cut."""
        side, n = sprite.shape[0], self.image_px
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + side, n), min(top + side, n)
        part = sprite[y0 - top : y1 - top, x0 - left : x1 - left]
        canvas[y0:y1, x0:x1] = canvas[y0:y1, x0:x1] * (1 - part[..., 3:]) + part[..., :3]


def to_bytes(canvas: np.ndarray) -> Picture:
    """Rounds floats from 0 to 1 to 8 bits."""
    return (canvas * 255 + 0.5).clip(0, 255).astype(np.uint8)


def random_scene(rng: random.Random, n_objects: int, layouts: dict[str, float] | None = None) -> Scene:
    """Draws a scene by chance; `layouts` are the weights of the layouts.

    A quarter of the single objects are big, because a big object shows the most of what an object looks like. White
    is drawn more often than the others, because captions that name no background mean white.
    """
    weights = layouts or {"single": 55, "beside": 14, "above": 10, "two over one": 5, "one over two": 5, "count": 11}
    layout = rng.choices(list(weights), list(weights.values()))[0]
    color = UNNAMED_COLOR if rng.random() < 0.14 else rng.choice(list(COLORS))
    if layout == "single":
        return Scene(color, (random_item(rng, n_objects),), "single")
    if layout == "count":
        which = rng.randrange(n_objects)
        return Scene(color, tuple(Item(which, place) for place in COUNTS[rng.choice([2, 3])]), "count")
    places = LAYOUTS[layout]
    chosen = rng.sample(range(n_objects), len(places))
    return Scene(color, tuple(Item(which, place) for which, place in zip(chosen, places)), layout)


def random_item(rng: random.Random, n_objects: int) -> Item:
    """Draws one object that stands alone."""
    size = rng.choices(list(SIZES), [25, 48, 27])[0]
    place = "center" if size == "big" else rng.choices(list(PLACES), [3, 1, 1, 1, 1, 1, 1, 1, 1])[0]
    return Item(rng.randrange(n_objects), place, size)


def wild_picture(rng: random.Random, sprites: Sprites) -> Picture:
    """Draws up to three objects anywhere, mirrored or not, on any colour.

    The autoencoder sees some of these, so that it does not know the captioned scenes alone.
    """
    canvas = sprites.canvas(tuple(rng.random() * 255 for _ in range(3)))
    for _ in range(rng.randint(1, 3)):
        sprite = sprites.of[rng.randrange(sprites.n_objects), rng.choice(list(SIZES))]
        if rng.random() < 0.5:
            sprite = sprite[:, ::-1]
        side = sprite.shape[0]
        reach = range(-side // 3, sprites.image_px - 2 * side // 3)
        sprites.paste(canvas, sprite, rng.choice(reach), rng.choice(reach))
    return to_bytes(canvas)


def _rasterise(collection: dict, icon: str) -> np.ndarray:
    import resvg_py
    from PIL import Image

    drawing = collection["icons"][icon]
    width = drawing.get("width", collection.get("width", 16))
    height = drawing.get("height", collection.get("height", 16))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="{drawing.get("left", 0)} {drawing.get("top", 0)} {width} {height}">{drawing["body"]}</svg>'
    )
    png = resvg_py.svg_to_bytes(svg_string=svg, width=512, height=512)
    rgba = np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGBA"), np.float32) / 255
    return np.concatenate([rgba[..., :3] * rgba[..., 3:], rgba[..., 3:]], -1)


def _shrink(large: np.ndarray, side: int) -> np.ndarray:
    from PIL import Image

    def one(channel: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(np.ascontiguousarray(channel)).resize((side, side), Image.BOX))

    return np.stack([one(large[..., k]) for k in range(4)], -1).clip(0, 1).astype(np.float32)
