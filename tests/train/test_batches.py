"""What a batch holds, and what each latent counts for in the loss."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from scripts.generator.attributes import DEFAULT
from scripts.generator.captions import vocabulary
from scripts.train.batches import ALONE_VIEWS, EYE_WEIGHT, FIGURE_WEIGHT, HEAD_WEIGHT, IRIS_WEIGHT, TORSO_WEIGHT, Source, weight_of
from scripts.train.lessons import Lesson
from scripts.train.shards import VIEWS_PER_CHARACTER, View
from scripts.train.vocabulary import build_tokenizer
from stages.conditions.body import load_base_body


def test_irises_count_more_than_what_is_about_the_head_and_that_more_than_the_torso_and_the_background() -> None:
    names = load_base_body().part_names
    labels = np.zeros((2, 384, 288), np.uint8)
    labels[0, 40:88, 120:160] = 1 + names.index("face")
    labels[0, 56:60, 144:148] = 1 + names.index("iris_l")
    labels[0, 88:160, 112:176] = 1 + names.index("chest")
    labels[0, 160:240, 120:160] = 1 + names.index("upper_leg_l")
    weight = weight_of(labels)[:, 0].numpy()
    assert weight.shape == (2, 48, 36)
    np.testing.assert_allclose(weight.mean((1, 2)), 1, rtol=1e-5)  # a close-up counts no more than a whole figure
    scaled = weight[0] / weight[0, 0, 0]
    rows_and_columns = {(7, 18): IRIS_WEIGHT, (6, 17): EYE_WEIGHT, (7, 16): HEAD_WEIGHT, (5, 15): HEAD_WEIGHT, (2, 12): HEAD_WEIGHT, (1, 12): 1, (21, 14): TORSO_WEIGHT, (25, 15): FIGURE_WEIGHT, (31, 15): FIGURE_WEIGHT, (32, 15): 1}
    for at, expected in rows_and_columns.items():
        np.testing.assert_allclose(scaled[at], expected, rtol=1e-5, err_msg=str(at))
    np.testing.assert_array_equal(weight[1], 1)


def _named(told: float | None, tokenizer_folder: Path, seeds: range) -> np.ndarray:
    """(batches, views) bool: does the caption of the default character name the colour of its top or bottom?"""
    views = (View("body", 0.0), View("body", 90.0), View("head", 180.0))
    shard = SimpleNamespace(attributes=(DEFAULT,), views=(views,), parts=np.zeros((1, 3, 32, 16), np.uint8))
    tokenizer = build_tokenizer(vocabulary(), tokenizer_folder)
    source = Source(tokenizer_folder, tokenizer_folder, None, 1.0, tokenizer)
    source.ready["full"] = [(shard, np.zeros((1, 3, 8, 4, 2), np.float16))]
    rows = []
    for seed in seeds:
        tokens = source.draw("full", 1, np.random.default_rng(seed), Lesson(alone=False, led=False, told=told)).tokens
        texts = [tokenizer.decode(row, skip_special_tokens=True) for row in tokens]
        rows.append([DEFAULT.bottom_color in text or DEFAULT.top_color in text for text in texts])
    return np.array(rows)


def test_captions_say_as_much_as_they_are_told_to(tmp_path: Path) -> None:
    """All of it: nearly every caption names the clothes. Nothing: none does."""
    assert _named(1.0, tmp_path, range(12)).mean() > 0.7
    assert not _named(0.0, tmp_path, range(12)).any()


def test_a_share_is_drawn_and_is_the_same_in_all_views(tmp_path: Path) -> None:
    """Where the clothes are hushed they are so in every view, which happens about as often as not."""
    named = _named(None, tmp_path, range(60))
    silent = ~named.any(1)
    assert 10 <= silent.sum() <= 40
    assert named[~silent].mean() > 0.7


def test_views_that_are_alone_are_of_characters_of_their_own(tmp_path: Path) -> None:
    """View k of whoever it shows; a group with a window shows one character from all views."""
    characters, views = 50, tuple(View("body", 15.0 * k) for k in range(VIEWS_PER_CHARACTER))
    shard = SimpleNamespace(attributes=(DEFAULT,) * characters, views=(views,) * characters, parts=np.zeros((characters, len(views), 32, 16), np.uint8))
    latents = np.zeros((characters, len(views), 8, 4, 2), np.float16)
    latents[:, :, 0], latents[:, :, 1] = np.arange(characters)[:, None, None, None], np.arange(len(views))[:, None, None]
    source = Source(tmp_path, tmp_path, None, 1.0, build_tokenizer(vocabulary(), tmp_path))
    source.ready["full"] = [(shard, latents)]
    assert len(ALONE_VIEWS) == VIEWS_PER_CHARACTER
    for alone in (True, False):
        drawn = source.draw("full", 2, np.random.default_rng(0), Lesson(alone, led=False, told=1.0)).latents[:, :2, 0, 0].numpy()
        np.testing.assert_array_equal(drawn[:, 1], [*(ALONE_VIEWS if alone else range(len(views)))] * 2)
        assert len(np.unique(drawn[:, 0])) > 8 if alone else len(np.unique(drawn[:6, 0])) == len(np.unique(drawn[6:, 0])) == 1


def test_views_that_are_alone_show_small_things_more_often(tmp_path: Path) -> None:
    """One in ten wears glasses: 18 % of those who are shown alone, a tenth where a group is of one character."""
    characters, views = 200, tuple(View("body", 15.0 * k) for k in range(VIEWS_PER_CHARACTER))
    attributes = tuple(replace(DEFAULT, accessory="glasses" if i % 10 == 0 else "none") for i in range(characters))
    shard = SimpleNamespace(attributes=attributes, views=(views,) * characters, parts=np.zeros((characters, len(views), 32, 16), np.uint8))
    latents = np.broadcast_to(np.arange(characters, dtype=np.float16)[:, None, None, None, None], (characters, len(views), 1, 4, 2))
    source = Source(tmp_path, tmp_path, None, 1.0, build_tokenizer(vocabulary(), tmp_path))
    source.ready["full"] = [(shard, latents)]
    for alone, low, high in ((True, 0.15, 0.21), (False, 0.05, 0.15)):
        drawn = source.draw("full", 300, np.random.default_rng(1), Lesson(alone, led=False, told=1.0)).latents[:, 0, 0, 0].numpy()
        share = (drawn % 10 == 0).mean()
        assert low < share < high, (alone, share)
