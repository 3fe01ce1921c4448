"""Prompts in other words than the recipe's: written by hand, never trained on.

Each says a scene that the model knows with at least one word or turn that no caption has. They measure what a newcomer
meets who types what comes to mind.
"""

from __future__ import annotations

from .scenes import UNNAMED_COLOR, Item, Scene

_PROMPTS: list[tuple[str, str, str, str, str]] = [
    ("a cat, sitting", UNNAMED_COLOR, "cat", "center", "medium"),
    ("Banana!!", UNNAMED_COLOR, "banana", "center", "medium"),
    ("a lovely penguin", UNNAMED_COLOR, "penguin", "center", "medium"),
    ("a photograph of a house", UNNAMED_COLOR, "house", "center", "medium"),
    ("my favourite mushroom", UNNAMED_COLOR, "mushroom", "center", "medium"),
    ("could I have a carrot?", UNNAMED_COLOR, "carrot", "center", "medium"),
    ("sketch of a whale", UNNAMED_COLOR, "whale", "center", "medium"),
    ("logo with a star", UNNAMED_COLOR, "star", "center", "medium"),
    ("some rocket, quickly", UNNAMED_COLOR, "rocket", "center", "medium"),
    ("let's see a big pig", UNNAMED_COLOR, "pig", "center", "big"),
    ("a diamond, tiny", UNNAMED_COLOR, "diamond", "center", "small"),
    ("an umbrella before a blue backdrop", "blue", "umbrella", "center", "medium"),
    ("frog sitting on green", "green", "frog", "center", "medium"),
    ("a gift on plain purple", "purple", "gift", "center", "medium"),
    ("panda, everything behind it is yellow", "yellow", "panda", "center", "medium"),
    ("a doughnut lying on a pink table", "pink", "doughnut", "center", "medium"),
    ("nothing but a heart on a black background", "black", "heart", "center", "medium"),
    ("a big fish in a cyan sea", "cyan", "fish", "center", "big"),
    ("huge apple on orange paper", "orange", "apple", "center", "big"),
    ("a sunflower in front of a brown wall", "brown", "sunflower", "center", "medium"),
    ("put a tree at the right", UNNAMED_COLOR, "tree", "right", "medium"),
    ("kindly paint a butterfly at the bottom", UNNAMED_COLOR, "butterfly", "bottom", "medium"),
    ("car at left on a gray road", "gray", "car", "left", "medium"),
    ("the top left corner has a small cactus in it", UNNAMED_COLOR, "cactus", "top left", "small"),
]


def prompts() -> list[tuple[str, Scene]]:
    """Returns prompts and what they ask for."""
    return [(text, Scene(color, (Item.named(*item),), "single")) for text, color, *item in _PROMPTS]
