"""Edits: what changes between reference pictures and the wanted picture, and how it is asked for.

An `Edit` holds scenes, not pictures or words; `instruction` words it, anew on each call, so one encoded edit serves
for many phrasings.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from .captions import MAX_WORDS, SIZE_WORDS, article, n_words, say_color, say_noun, say_place
from .scenes import COLORS, LAYOUTS, PLACES, Item, Scene, random_item, random_scene

_OPPOSITE = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}
_WITHOUT_COUNTS = {"single": 50, "beside": 22, "above": 16, "two over one": 6, "one over two": 6}


@dataclass(frozen=True)
class Edit:
    """One or two reference scenes and the scene that is wanted."""

    kind: str
    sources: tuple[Scene, ...]
    target: Scene
    changed: tuple[Item, ...] = ()
    """The objects that the instruction speaks of, in its order."""


def random_edit(rng: random.Random, n_objects: int, kind: str | None = None) -> Edit:
    """Draws an edit by chance, of the given kind or of any."""
    kind = kind or rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
    return KINDS[kind](rng, n_objects)


def instruction(edit: Edit, rng: random.Random) -> str:
    """Words an edit in one of several ways that fit the text length."""
    while True:
        text = rng.choice(_wordings(edit, rng))
        if rng.random() < 0.08:
            text = text[0].upper() + text[1:]
        if n_words(text) <= MAX_WORDS:
            return text


def _background(rng: random.Random, n_objects: int) -> Edit:
    scene = random_scene(rng, n_objects)
    color = rng.choice([c for c in COLORS if c != scene.color])
    return Edit("background", (scene,), replace(scene, color=color))


def _replace(rng: random.Random, n_objects: int) -> Edit:
    scene = random_scene(rng, n_objects, _WITHOUT_COUNTS)
    index = rng.randrange(len(scene.items))
    old = scene.items[index]
    new = replace(old, object=_other(rng, n_objects, scene))
    return Edit("replace", (scene,), _exchange(scene, index, new), (old, new))


def _move(rng: random.Random, n_objects: int) -> Edit:
    scene = _single(rng, n_objects, big=False)
    item = scene.items[0]
    moved = replace(item, place=rng.choice([p for p in PLACES if p != item.place]))
    return Edit("move", (scene,), _exchange(scene, 0, moved), (moved,))


def _resize(rng: random.Random, n_objects: int) -> Edit:
    scene = _single(rng, n_objects, big=True)
    item = replace(scene.items[0], place="center")
    size = rng.choice({"small": ["big"], "medium": ["small", "big"], "big": ["small"]}[item.size])
    changed = replace(item, size=size)
    return Edit("resize", (_exchange(scene, 0, item),), _exchange(scene, 0, changed), (changed,))


def _add(rng: random.Random, n_objects: int) -> Edit:
    """The new object stands beside, above or below the old one; one in the centre makes room."""
    pair, index = _pair(rng, n_objects)
    old, new = pair.items[1 - index], pair.items[index]
    if rng.random() < 0.25:
        old = replace(old, place="center")
    return Edit("add", (Scene(pair.color, (old,), "single"),), pair, (new,))


def _remove(rng: random.Random, n_objects: int) -> Edit:
    pair, index = _pair(rng, n_objects)
    return Edit("remove", (pair,), Scene(pair.color, (pair.items[1 - index],), "single"), (pair.items[index],))


def _combine(rng: random.Random, n_objects: int) -> Edit:
    """The object of the second picture takes the place of the first one's."""
    scene = _single(rng, n_objects, big=True)
    old = scene.items[0]
    other = _other_picture(rng, n_objects, scene)
    new = replace(old, object=other.items[0].object)
    return Edit("combine", (scene, other), _exchange(scene, 0, new), (old, new))


def _bring(rng: random.Random, n_objects: int) -> Edit:
    """The object of the second picture comes to stand beside the first one's."""
    pair, index = _pair(rng, n_objects)
    scene = Scene(pair.color, (pair.items[1 - index],), "single")
    item = random_item(rng, n_objects)
    other = Scene(rng.choice(list(COLORS)), (replace(item, object=pair.items[index].object),), "single")
    return Edit("bring", (scene, other), pair, (pair.items[index],))


def _backdrop(rng: random.Random, n_objects: int) -> Edit:
    """The first picture gets the background of the second."""
    scene = _single(rng, n_objects, big=True)
    other = _other_picture(rng, n_objects, scene)
    return Edit("backdrop", (scene, other), replace(scene, color=other.color), (scene.items[0],))


KINDS: dict[str, Callable[[random.Random, int], Edit]] = {
    "background": _background, "replace": _replace, "move": _move, "resize": _resize, "add": _add,
    "remove": _remove, "combine": _combine, "bring": _bring, "backdrop": _backdrop,
}
TWO_REFERENCES = ("combine", "bring", "backdrop")
"""Kinds that take two reference pictures."""

_WEIGHTS = {"background": 14, "replace": 24, "move": 13, "resize": 7, "add": 12, "remove": 12,
            "combine": 10, "bring": 4, "backdrop": 4}


def _wordings(edit: Edit, rng: random.Random) -> list[str]:
    nouns = [say_noun(item, rng) for item in edit.changed]
    if edit.kind == "background":
        color = say_color(edit.target.color, rng)
        return [f"make the background {color}", f"change the background to {color}", f"{color} background",
                f"turn the background {color}", f"on {article(color)} background"]
    if edit.kind == "replace":
        old, new = nouns
        return [f"replace the {old} with {article(new)}", f"turn the {old} into {article(new)}",
                f"change the {old} to {article(new)}", f"{article(new)} instead of the {old}"]
    if edit.kind == "move":
        place = _place_noun(edit.changed[0].place)
        return [f"move the {nouns[0]} to the {place}", f"put the {nouns[0]} {_where(edit.changed[0].place, rng)}",
                f"move it to the {place}"]
    if edit.kind == "resize":
        size = edit.changed[0].size
        comparative = {"small": "smaller", "big": rng.choice(["bigger", "larger"])}[size]
        return [f"make the {nouns[0]} {comparative}", f"make the {nouns[0]} {rng.choice(SIZE_WORDS[size])}",
                f"make it {comparative}", f"{article(rng.choice(SIZE_WORDS[size]))} {nouns[0]}"]
    if edit.kind == "add":
        return [f"add {article(nouns[0])} {_where(edit.changed[0].place, rng)}",
                f"put {article(nouns[0])} {_where(edit.changed[0].place, rng)}"]
    if edit.kind == "remove":
        return [f"remove the {nouns[0]}", f"delete the {nouns[0]}", f"take away the {nouns[0]}"]
    if edit.kind == "combine":
        old, new = nouns
        return ["the object of image 2 in the scene of image 1", f"the {new} of image 2 in the scene of image 1",
                f"replace the {old} with the {new} of image 2", f"replace the {old} with the object of image 2"]
    if edit.kind == "bring":
        where = _where(edit.changed[0].place, rng)
        return [f"add the {nouns[0]} of image 2 {where}", f"add the object of image 2 {where}"]
    return ["use the background of image 2", f"put the {nouns[0]} on the background of image 2",
            "the object of image 1 on the background of image 2"]


def _where(place: str, rng: random.Random) -> str:
    return "in the " + rng.choice(["center", "middle"]) if place == "center" else say_place(place, rng)


def _place_noun(place: str) -> str:
    return f"{place} corner" if " " in place else place


def _single(rng: random.Random, n_objects: int, big: bool) -> Scene:
    while True:
        scene = random_scene(rng, n_objects, {"single": 1})
        if big or scene.items[0].size != "big":
            return scene


def _pair(rng: random.Random, n_objects: int) -> tuple[Scene, int]:
    return random_scene(rng, n_objects, {layout: 1 for layout in LAYOUTS if len(LAYOUTS[layout]) == 2}), rng.randrange(2)


def _other(rng: random.Random, n_objects: int, scene: Scene) -> int:
    used = {item.object for item in scene.items}
    return rng.choice([k for k in range(n_objects) if k not in used])


def _other_picture(rng: random.Random, n_objects: int, scene: Scene) -> Scene:
    other = random_scene(rng, n_objects, {"single": 1})
    color = rng.choice([c for c in COLORS if c != scene.color])
    item = replace(other.items[0], object=_other(rng, n_objects, scene))
    return Scene(color, (item,), "single")


def _exchange(scene: Scene, index: int, item: Item) -> Scene:
    return replace(scene, items=scene.items[:index] + (item,) + scene.items[index + 1 :])
