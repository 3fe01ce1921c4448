"""The judge: says by measurement what is on a picture.

No classifier is trained. The background is the middle colour of the border; objects are told by the nearest of all
pictures that could be there, which are few enough to be drawn. A choice is forced, so a blurred blob can count as
right: read the decibels beside the shares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .scenes import COLORS, PLACES, SIZES, Item, Picture, Scene, Sprites


@dataclass
class Verdict:
    """What of a wanted scene was found."""

    object: bool
    position: bool
    background: bool
    decibels: float
    """Against the drawing of the wanted scene."""

    @property
    def all(self) -> bool:
        """Everything together."""
        return self.object and self.position and self.background


class Judge:
    """Compares pictures with drawings of what could be on them."""

    def __init__(self, sprites: Sprites) -> None:
        self.sprites = sprites
        self.candidates: dict[str, tuple[list[Item], np.ndarray]] = {}

    def verdict(self, picture: Picture, wanted: Scene) -> Verdict:
        """Looks for a scene on a picture."""
        color = background(picture)
        if len(wanted.items) == 1:
            found, item = self._nearest_single(picture, color), wanted.items[0]
            same_object, same_place = found.object == item.object, (found.place, found.size) == (item.place, item.size)
        else:
            there = [self._nearest_at(picture, color, item.place) for item in wanted.items]
            same_place = None not in there
            same_object = there == [item.object for item in wanted.items]
        return Verdict(same_object, same_place, color == wanted.color, decibels(picture, self.sprites.draw(wanted)))

    def _nearest_single(self, picture: Picture, color: str) -> Item:
        if color not in self.candidates:
            spots = [(place, size) for size in SIZES for place in (PLACES if size != "big" else ("center",))]
            items = [Item(k, place, size) for k in range(self.sprites.n_objects) for place, size in spots]
            drawn = np.stack([self.sprites.draw(Scene(color, (item,), "single")) for item in items])
            self.candidates[color] = items, drawn.reshape(len(items), -1).astype(np.float32)
        items, drawn = self.candidates[color]
        # the squared distance without the picture's own square, which is the same for all
        flat = picture.reshape(-1).astype(np.float32)
        return items[int(np.argmin((drawn**2).sum(1) - 2 * drawn @ flat))]

    def _nearest_at(self, picture: Picture, color: str, place: str) -> int | None:
        """Returns the object that fills the place in medium size, or none if the bare background is nearer."""
        n = self.sprites.image_px
        half = n // 4
        x, y = (round(share * n) for share in PLACES[place])
        window = (slice(y - half, y + half), slice(x - half, x + half))
        seen = picture[window].astype(np.float32)
        best, best_error = None, ((seen - np.asarray(COLORS[color], np.float32)) ** 2).mean()
        for k in range(self.sprites.n_objects):
            drawn = self.sprites.draw(Scene(color, (Item(k, place),), "single"))[window]
            error = ((seen - drawn) ** 2).mean()
            if error < best_error:
                best, best_error = k, error
        return best


def background(picture: Picture) -> str:
    """Names the colour of the border."""
    edge = max(1, picture.shape[0] // 32)
    border = np.concatenate([part.reshape(-1, 3) for part in (picture[:edge], picture[-edge:], picture[:, :edge], picture[:, -edge:])])
    middle = np.median(border, axis=0)
    return min(COLORS, key=lambda color: float(((middle - np.asarray(COLORS[color])) ** 2).sum()))


def decibels(a: Picture, b: Picture, where: np.ndarray | None = None) -> float:
    """Peak signal to noise of two pictures, or of the pixels `where` only."""
    difference = (a.astype(np.float32) - b.astype(np.float32)) ** 2
    error = float(difference.mean() if where is None else difference[where].mean())
    return 10 * float(np.log10(255**2 / max(error, 1e-3)))


def kept(picture: Picture, source: Picture, target: Picture) -> float | None:
    """Decibels, against the source, of what an edit had to leave alone; none if it had to change everything."""
    same = (source.astype(int) - target).any(-1) == 0
    return decibels(picture, source, same) if same.mean() > 0.02 else None
