"""Captions: the many ways to ask for a scene in words.

`caption` turns a scene into one of them by chance. What a caption leaves out has a fixed meaning, so that every
caption asks for exactly one picture: no background named means white, no place named means the centre (or, for
several objects, the arrangement that `arrangement` lists first), no size named means medium.

About a seventh of the captions name no background, a quarter leave out articles, some start with a capital letter or
end with a full stop, because people write like that. A tenth carries words that mean nothing here ("please draw", "a
cute"), so that what matters is found among words that were never learnt.
"""

from __future__ import annotations

import random
import re

from .scenes import UNNAMED_COLOR, Item, Scene

MAX_WORDS = 16
"""Longest caption, in words, digits and punctuation; with the two of the chat template it fits 18 tokens."""

SYNONYMS: dict[str, str] = {
    "car": "automobile", "doughnut": "donut", "gift": "present", "rocket": "spaceship", "cat": "kitty",
    "diamond": "gem", "mushroom": "toadstool", "pig": "piglet", "house": "home", "book": "notebook",
    "hamburger": "burger", "dog": "puppy", "airplane": "plane", "flame": "fire", "rabbit": "bunny",
}
"""A second word for some objects, used in one caption of six."""

HUES: dict[str, str] = {
    "apple": "red", "car": "red", "tree": "green", "banana": "yellow", "star": "yellow", "heart": "red",
    "frog": "green", "carrot": "orange", "pig": "pink", "cactus": "green", "whale": "blue", "umbrella": "purple",
    "diamond": "blue", "crab": "red", "moon": "yellow", "turtle": "green",
}
"""The object's own colour, said now and then: "a red heart" is the heart there is."""

COLOR_SYNONYMS: dict[str, str] = {"gray": "grey", "purple": "violet", "cyan": "turquoise"}

PLURALS: dict[str, str] = {
    "fish": "fish", "butterfly": "butterflies", "cactus": "cacti", "strawberry": "strawberries", "bus": "buses",
    "fox": "foxes", "cherry": "cherries", "kitty": "kitties", "octopus": "octopuses", "ladybug": "ladybugs",
}

SIZE_WORDS: dict[str, tuple[str, ...]] = {"small": ("small", "little", "tiny"), "medium": ("",), "big": ("big", "large", "huge")}

PLACE_PHRASES: dict[str, tuple[str, ...]] = {
    "center": ("", "", "in the center", "in the middle"),
    "left": ("on the left", "at the left", "on the left side"),
    "right": ("on the right", "at the right", "on the right side"),
    "top": ("at the top", "on the top"),
    "bottom": ("at the bottom", "on the bottom"),
}

_OPENINGS = ("a picture of ", "an image of ", "draw ", "show ")

_EMPTY_OPENINGS = (
    "please draw ", "please paint ", "I want ", "I would like ", "there is ", "this is ", "here is ", "a photo of ",
    "a drawing of ", "an icon of ", "an emoji of ", "a painting of ", "a nice picture of ", "can you draw ", "make ",
    "just ", "we see ", "flat design, ", "simple style, ", "cartoon of ",
)
_EMPTY_ENDINGS = (" please", ", please", "!", " for me", ", thank you", ", flat style", ", simple", ", cartoon", ", icon", " only")
_EMPTY_ADJECTIVES = ("cute", "nice", "happy", "beautiful", "shiny", "funny", "fresh", "old", "new", "lonely", "pretty", "single")


def article(words: str) -> str:
    """Puts the indefinite article before words."""
    return ("an " if words[0] in "aeiou" else "a ") + words


def plural(noun: str) -> str:
    """Returns the plural of an object's word."""
    return PLURALS.get(noun, noun + "s")


def n_words(text: str) -> int:
    """Counts words, digits and punctuation; a digit counts twice, because its space is a token of its own."""
    return sum(2 if part.isdigit() else 1 for part in re.findall(r"\d|[A-Za-z]+|[^\sA-Za-z\d]", text))


def say_color(color: str, rng: random.Random) -> str:
    """Names a colour."""
    return COLOR_SYNONYMS[color] if color in COLOR_SYNONYMS and rng.random() < 0.2 else color


def say_noun(item: Item, rng: random.Random) -> str:
    """Names an object without article or size."""
    return SYNONYMS[item.name] if item.name in SYNONYMS and rng.random() < 1 / 6 else item.name


def say_place(place: str, rng: random.Random) -> str:
    """Says where; empty for some of the centred objects."""
    if " " in place:
        vertical, side = place.split()
        if rng.random() < 0.2:
            vertical = {"top": "upper", "bottom": "lower"}[vertical]
        return rng.choice([f"in the {vertical} {side} corner", f"in the {vertical} {side}", f"at the {vertical} {side}"])
    return rng.choice(PLACE_PHRASES[place])


def say_item(item: Item, rng: random.Random, bare: bool) -> str:
    """Says one object with its size, with an article unless `bare`."""
    noun = say_noun(item, rng)
    size = rng.choice(SIZE_WORDS[item.size])
    hue = HUES.get(item.name, "") if rng.random() < 0.06 else ""
    words = " ".join(part for part in (size, hue, noun) if part)
    if bare:
        return words
    return f"one {words}" if rng.random() < 0.04 else article(words)


def caption(scene: Scene, rng: random.Random) -> str:
    """Says a scene in one of many ways that fit the text length."""
    while True:
        text = _dress(_with_background(_objects(scene, rng), scene.color, rng), rng)
        if n_words(text) <= MAX_WORDS:
            return _chatter(text, scene, rng) if rng.random() < 0.10 else text


def _objects(scene: Scene, rng: random.Random) -> str:
    bare = rng.random() < 0.25
    if scene.layout == "single":
        item = scene.items[0]
        thing, place = say_item(item, rng, bare), say_place(item.place, rng)
        if not place:
            return thing
        return f"{place}, {thing}" if rng.random() < 0.12 else f"{thing} {place}"
    if scene.layout == "count":
        n = len(scene.items)
        number = rng.choice([{2: "two", 3: "three"}[n]] * 3 + [str(n)])
        return f"{number} {plural(say_noun(scene.items[0], rng))}"
    return arrangement(scene, [say_item(item, rng, bare) for item in scene.items], rng)


def arrangement(scene: Scene, things: list[str], rng: random.Random) -> str:
    """Says how different objects stand to each other."""
    if scene.layout == "beside":
        a, b = things
        forms = [f"{a} and {b}", f"{a} next to {b}", f"{a} beside {b}", f"{a} left of {b}", f"{a} left of {b}",
                 f"{a} to the left of {b}", f"{b} right of {a}", f"{b} to the right of {a}",
                 f"{a} on the left and {b} on the right", f"{b} on the right and {a} on the left"]
    elif scene.layout == "above":
        a, b = things
        forms = [f"{a} above {b}", f"{a} above {b}", f"{a} over {b}", f"{b} below {a}", f"{b} under {a}",
                 f"{a} at the top and {b} at the bottom", f"{b} at the bottom and {a} at the top"]
    elif scene.layout == "two over one":
        a, b, c = things
        forms = [f"{a}, {b} and {c}", f"{a} and {b} above {c}", f"{c} below {a} and {b}"]
    else:
        a, b, c = things
        forms = [f"{a} above {b} and {c}", f"{b} and {c} below {a}"]
    return rng.choice(forms)


def _with_background(core: str, color: str, rng: random.Random) -> str:
    if color == UNNAMED_COLOR and rng.random() < 0.6:
        return core
    word = say_color(color, rng)
    behind = f"{article(word)} background"
    return rng.choice(
        [f"{core} on {behind}"] * 5
        + [f"{core}, {word} background"] * 2
        + [f"{word} background, {core}", f"{core} on {word}", f"{core} with {behind}", f"{core} in front of {behind}",
           f"{core} against {behind}", f"{behind} with {core}", f"on {behind}, {core}"]
    )


def _chatter(text: str, scene: Scene, rng: random.Random) -> str:
    """Adds words that change nothing, as far as they fit: each of them may take three tokens."""
    longer = text
    if rng.random() < 0.4:
        noun = rng.choice([item.name for item in scene.items])
        described = f"{rng.choice(_EMPTY_ADJECTIVES)} {noun}"
        longer = re.sub(rf"\ban? {noun}", article(described), text, count=1)
        longer = re.sub(rf"\b{noun}", described, text, count=1) if longer == text else longer
    elif rng.random() < 0.6 and not text.startswith(("on ", "in ", "at ", *_OPENINGS)):
        longer = rng.choice(_EMPTY_OPENINGS) + text[0].lower() + text[1:]
    else:
        longer = text.rstrip(".") + rng.choice(_EMPTY_ENDINGS)
    added = n_words(longer) - n_words(text)
    return longer if n_words(text) + 3 * added <= MAX_WORDS else text


def _dress(text: str, rng: random.Random) -> str:
    if rng.random() < 0.06 and not text.startswith(("on ", "in ", "at ")):
        text = rng.choice(_OPENINGS) + text
    if rng.random() < 0.10:
        text = text[0].upper() + text[1:]
    return text + "." if rng.random() < 0.06 else text
