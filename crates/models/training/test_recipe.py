"""Facts of the recipe that need no training: `python -m unittest` in this folder."""

import random
import unittest

import numpy as np
import torch

from recipe import gate, latents, own_words, pool
from recipe.captions import MAX_WORDS, caption, n_words
from recipe.edits import KINDS, TWO_REFERENCES, instruction, random_edit
from recipe.judge import Judge, kept
from recipe.muon import orthogonal
from recipe.presets import preset
from recipe.scenes import COLORS, UNNAMED_COLOR, Item, Scene, Sprites, random_scene


def _sprites() -> Sprites:
    """Sprites without the icons: each object is a disc of its own colour."""
    sprites = Sprites.__new__(Sprites)
    sprites.image_px, sprites.n_objects, sprites.of = 64, 4, {}
    for k, color in enumerate([(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0)]):
        for size, side in (("small", 20), ("medium", 32), ("big", 56)):
            axis = np.arange(side) - (side - 1) / 2
            inside = (axis[:, None] ** 2 + axis[None] ** 2 < (side / 2) ** 2).astype(np.float32)
            sprites.of[k, size] = np.concatenate([inside[..., None] * np.asarray(color, np.float32), inside[..., None]], -1)
    return sprites


class Captions(unittest.TestCase):
    def test_no_caption_is_longer_than_the_text_length(self):
        rng = random.Random(0)
        for _ in range(2000):
            self.assertLessEqual(n_words(caption(random_scene(rng, 24), rng)), MAX_WORDS)
            self.assertLessEqual(n_words(instruction(random_edit(rng, 24), rng)), MAX_WORDS)

    def test_only_the_default_background_goes_unnamed(self):
        rng = random.Random(1)
        unnamed = 0
        for _ in range(3000):
            scene = random_scene(rng, 24)
            words = caption(scene, rng).lower().replace("violet", "purple").replace("grey", "gray").replace("turquoise", "cyan")
            if scene.color not in words:
                self.assertEqual(scene.color, UNNAMED_COLOR)
                unnamed += 1
        self.assertTrue(0.10 < unnamed / 3000 < 0.18, unnamed)


class Edits(unittest.TestCase):
    def test_every_kind_changes_the_first_picture(self):
        rng = random.Random(2)
        for kind in KINDS:
            for _ in range(50):
                edit = random_edit(rng, 24, kind)
                self.assertNotEqual(edit.sources[0], edit.target)
                self.assertEqual(len(edit.sources), 2 if kind in TWO_REFERENCES else 1)


class Gate(unittest.TestCase):
    def test_the_list_is_fixed_and_asks_for_every_kind_of_edit(self):
        listed = gate.cases(24)
        self.assertEqual(listed, gate.cases(24))
        groups = {case["group"] for case in listed}
        self.assertEqual(groups, {"single", "several", "own words", *KINDS})
        self.assertEqual([case["seed"] for case in listed], list(range(len(listed))))

    def test_own_words_are_no_captions(self):
        rng = random.Random(3)
        captions = {caption(random_scene(rng, 24), rng) for _ in range(20_000)}
        self.assertFalse(captions & {text for text, _ in own_words.prompts()})


class Pools(unittest.TestCase):
    def test_a_pool_has_nothing_that_is_held_back(self):
        scenes, _, edits = pool.make(preset("toy"), 300, 300)
        self.assertFalse(any(pool.is_held_back(scene) for scene in scenes))
        for edit, sources, target in edits:
            self.assertEqual(tuple(scenes[k] for k in sources), edit.sources)
            self.assertEqual(scenes[target], edit.target)

    def test_a_tenth_of_the_combinations_is_held_back(self):
        rng = random.Random(3)
        held = sum(pool.is_held_back(random_scene(rng, 24)) for _ in range(4000))
        self.assertTrue(0.08 < held / 4000 < 0.12, held)


class Judging(unittest.TestCase):
    def test_the_drawing_of_a_scene_is_all_right(self):
        sprites, rng = _sprites(), random.Random(4)
        judge = Judge(sprites)
        for _ in range(60):
            scene = random_scene(rng, 4)
            self.assertTrue(judge.verdict(sprites.draw(scene), scene).all, scene)

    def test_the_drawing_of_another_scene_is_not(self):
        sprites = _sprites()
        judge, there = Judge(sprites), Scene("blue", (Item(0, "left"),), "single")
        picture = sprites.draw(there)
        self.assertFalse(judge.verdict(picture, Scene("blue", (Item(1, "left"),), "single")).object)
        self.assertFalse(judge.verdict(picture, Scene("blue", (Item(0, "right"),), "single")).position)
        self.assertFalse(judge.verdict(picture, Scene("pink", (Item(0, "left"),), "single")).background)

    def test_what_an_edit_leaves_alone_is_measured_without_what_it_changes(self):
        sprites = _sprites()
        source, target = (sprites.draw(Scene(c, (Item(0, "center", "big"),), "single")) for c in ("blue", "pink"))
        self.assertEqual(kept(target, source, target), kept(source, source, target))


class Drawing(unittest.TestCase):
    def test_a_medium_object_covers_two_by_two_tokens_everywhere(self):
        sprites = _sprites()
        for color in COLORS:
            picture = sprites.draw(Scene(color, (Item(2, "top right"),), "single"))
            changed = (picture != np.uint8(COLORS[color])).any(-1)
            self.assertFalse(changed[32:].any() or changed[:, :32].any())


class Maths(unittest.TestCase):
    def test_folding_and_laying_out_are_undone(self):
        z = torch.randn(2, 3, 4, 4)
        self.assertTrue(torch.equal(latents.unfold(latents.from_tokens(latents.to_tokens(latents.fold(z)), 2)), z))

    def test_an_orthogonal_update_has_singular_values_near_one(self):
        values = torch.linalg.svdvals(orthogonal(torch.randn(2, 16, 24)))
        self.assertTrue((values > 0.5).all() and (values < 1.3).all(), values)


if __name__ == "__main__":
    unittest.main()
