"""Attributes, captions and the held-out split: closed vocabulary, nothing held out in training, nothing left unsaid for good."""

import dataclasses

import numpy as np
import pytest

from scripts.generator.attributes import ACCESSORIES, DEFAULT, FIGURES, HAIR_STYLES, Attributes, sample_any_attributes, sample_attributes
from scripts.generator.captions import caption, phrases, view_name, vocabulary, words_of
from scripts.generator.split import HELD_OUT, held_out, is_held_out

PINNED = [("purple", "bob", "shirt", "ribbon"), ("orange", "long hair", "sailor top", "glasses"), ("purple", "bun", "sweater", "none")]


def test_the_default_character_is_pinned_and_held_out_whatever_else_it_wears() -> None:
    assert DEFAULT == Attributes(
        "pink", "long hair", "blue", "pale", "shirt", "white", "skirt", "navy", "stockings", "black", "shoes", "brown", "ribbon", "red", 0, "female"
    )
    assert is_held_out(DEFAULT)
    assert is_held_out(dataclasses.replace(DEFAULT, hair_style="bob", top="hoodie", accessory="none", seed=9))


def test_reconstructions_go_on_being_judged_on_the_same_characters() -> None:
    """Drawn from what there was when they were first measured; pinned."""
    assert HELD_OUT == held_out() and all(a.figure == "female" for a in HELD_OUT)
    assert [(a.hair_color, a.hair_style, a.top, a.accessory) for a in HELD_OUT[1:4]] == PINNED
    wide = held_out(wide=True)
    assert len(wide) == 64 and all(map(is_held_out, wide)) and {a.figure for a in wide} == set(FIGURES)
    assert {a.accessory for a in wide} == set(ACCESSORIES)


def test_men_wear_what_is_said_to_be_theirs() -> None:
    rng = np.random.default_rng(11)
    men = [a for a in (sample_any_attributes(rng) for _ in range(400)) if a.figure == "male"]
    assert 60 < len(men) < 180
    assert all(a.top != "dress" and "skirt" not in a.bottom and a.legwear != "stockings" for a in men)
    words = {w for a in men for w in words_of(caption(a, rng, 0.0))}
    assert {"boy", "1boy", "he", "man"} <= words and not words & {"girl", "1girl", "she", "her", "woman"}


def test_training_characters_never_wear_a_held_out_combination() -> None:
    rng = np.random.default_rng(0)
    held = {a.color_combination for a in HELD_OUT}
    drawn = [sample_attributes(rng) for _ in range(700)]
    assert not any(is_held_out(a) for a in drawn)
    assert held.isdisjoint(a.color_combination for a in drawn)


def test_a_tenth_of_all_combinations_is_held_out_and_the_choice_is_stable() -> None:
    rng = np.random.default_rng(1)
    share = np.mean([is_held_out(sample_any_attributes(rng)) for _ in range(1500)])
    assert 0.05 < share < 0.16
    assert len(HELD_OUT) == 64 and HELD_OUT[0] == DEFAULT and all(map(is_held_out, HELD_OUT))
    assert len({a.color_combination for a in HELD_OUT}) == 64


def test_every_caption_stays_in_the_vocabulary_and_every_word_is_used() -> None:
    rng = np.random.default_rng(2)
    known, seen = set(vocabulary()), set()
    for i in range(4000):
        seen |= set(words_of(caption(sample_any_attributes(rng), rng, rng.uniform(-360, 720), ("body", "head")[i % 2])))
    assert seen <= known and len(known) <= 250
    assert len(known - seen) <= 3, known - seen


def test_phrases_name_the_attributes() -> None:
    said = phrases(DEFAULT, np.random.default_rng(3))
    assert "pink" in said["hair"] and "blue" in said["eyes"] and "white" in said["top"] and "red" in said["accessory"]
    assert said["legwear"].startswith("black ")
    bald = dataclasses.replace(DEFAULT, accessory="none", top="dress", bottom="none")
    assert {"accessory", "bottom"}.isdisjoint(phrases(bald, np.random.default_rng(3)))


def test_legs_that_trousers_hide_are_not_spoken_of() -> None:
    a, rng = dataclasses.replace(DEFAULT, bottom="trousers"), np.random.default_rng(4)
    words = {w for _ in range(200) for w in words_of(caption(a, rng, 0.0))}
    assert words.isdisjoint({"stockings", "tights", "thighhighs"})


@pytest.mark.parametrize(
    ("azimuth", "name"), [(0, "front"), (359, "front"), (-45, "angle-front"), (90, "side"), (270, "side"), (135, "angle-back"), (180, "back"), (540, "back")]
)
def test_view_names(azimuth: float, name: str) -> None:
    assert view_name(azimuth) == name


def test_every_style_is_drawn() -> None:
    rng = np.random.default_rng(5)
    assert {sample_attributes(rng).hair_style for _ in range(400)} == set(HAIR_STYLES)
