"""The judge: points are learnt where they are, and what cannot be judged does not count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from safetensors.torch import save_file

from scripts.generator.attributes import DEFAULT, HAIR_STYLES
from scripts.train.judge import HAIR_LENGTHS, POINTS, TARGETS, Judge, Pairs, further, labels_of, locate, loss_of, pairs_of, worn
from scripts.train.shards import View


def test_a_peak_is_located_in_full_size_pixels() -> None:
    heat = torch.zeros(1, POINTS, 48, 36)
    heat[0, :, 20, 10] = 50.0
    assert torch.allclose(locate(heat), torch.tensor([(10 + 0.5) * 8, (20 + 0.5) * 8]).expand(1, POINTS, 2), atol=1e-3)


def test_the_loss_is_least_where_the_points_are() -> None:
    class Fixed(torch.nn.Module):
        """Says everything at random but the points, which it puts into cell (row, column)."""

        def __init__(self, row: int, column: int) -> None:
            super().__init__()
            self.heat = torch.zeros(2, POINTS, 48, 36)
            self.heat[:, :, row, column] = 9.0

        def forward(self, x: torch.Tensor, portraits: torch.Tensor, shown: None) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
            return {k: torch.zeros(len(x), len(words)) for k, words in TARGETS.items()}, self.heat

    points = torch.tensor([84.0, 164.0, 1.0]).expand(2, POINTS, 3)  # column 10, row 20 of cells of 8 pixels
    labels = torch.tensor([labels_of(DEFAULT)] * 2)
    given = Pairs(torch.zeros(2, 3, 192, 144), torch.zeros(2, 3, 192, 144), labels, points)
    right, wrong = (float(loss_of(Fixed(*cell), given)) for cell in ((20, 10), (10, 20)))
    assert right < wrong - 3


def test_it_learns_pictures_by_heart_and_tells_them_apart_by_their_portraits_where_those_are_shown() -> None:
    torch.manual_seed(0)
    judge = Judge()
    whole, labels = (torch.rand(1, 3, 192, 144) * 2 - 1).expand(2, -1, -1, -1), torch.tensor([[0, 1, -1, 0, 1, 2, 3], [2, 3, 4, 3, 2, 1, 0]])
    points = torch.stack([torch.rand(2, POINTS) * 288, torch.rand(2, POINTS) * 384, torch.ones(2, POINTS)], -1)
    given = Pairs(whole, torch.stack([torch.ones(3, 192, 144), -torch.ones(3, 192, 144)]), labels, points)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        loss = loss_of(judge, given)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]
    logits, _ = judge(given.whole, given.portraits)
    for i, name in enumerate(TARGETS):
        known = labels[:, i] >= 0
        assert torch.equal(logits[name].argmax(1)[known], labels[known, i]), name
    hidden, _ = judge(given.whole, given.portraits, torch.zeros(2))
    assert torch.allclose(*hidden["accessory"], atol=1e-5)


def test_a_portrait_that_is_not_shown_is_as_none() -> None:
    torch.manual_seed(0)
    judge = Judge().eval()
    whole, portraits = torch.rand(2, 2, 3, 192, 144) * 2 - 1
    (told, heat), (other, same) = judge(whole), judge(whole, portraits, torch.zeros(2))
    torch.testing.assert_close(heat, same)
    for name in TARGETS:
        torch.testing.assert_close(told[name], other[name])


def test_each_whole_figure_is_paired_with_each_portrait_of_the_same_character() -> None:
    views = (View("body", 0.0), View("body", 15.0), View("head", 0.0), View("head", 45.0))
    assert pairs_of(SimpleNamespace(views=(views, views[:3]))) == [(0, 0, 2), (0, 0, 3), (0, 1, 2), (0, 1, 3), (1, 0, 2), (1, 1, 2)]


def test_every_style_of_hair_has_one_length() -> None:
    styles = [style for its in HAIR_LENGTHS.values() for style in its]
    assert sorted(styles) == sorted(HAIR_STYLES)


def test_words_that_came_since_stand_behind_the_known_ones(tmp_path: Path) -> None:
    before = Judge()
    with torch.no_grad():
        for k in ("top_kind", "accessory"):
            head = before.heads[k]
            head.weight, head.bias = (torch.nn.Parameter(x[:5]) for x in (head.weight, head.bias))
    save_file({k: v.contiguous() for k, v in before.state_dict().items()}, tmp_path / "judge.safetensors")
    now, x = further(tmp_path).eval(), torch.rand(2, 3, 192, 144)
    (old, _), (new, _) = before.eval()(x), now(x)
    for k, words in TARGETS.items():
        assert new[k].shape[1] == len(words)
        torch.testing.assert_close(new[k][:, : old[k].shape[1]], old[k])


def test_labels_are_indices_into_the_targets() -> None:
    told = dict(zip(TARGETS, labels_of(replace(DEFAULT, hair_style="bob", top="dress", bottom="none", accessory="glasses")), strict=True))
    named = {k: TARGETS[k][v] for k, v in told.items() if v >= 0}
    assert named == {"hair": "pink", "top": "white", "hair_length": "short", "top_kind": "dress", "bottom_kind": "none", "accessory": "glasses"}


def test_worn_pictures_are_still_the_same_pictures() -> None:
    x = torch.rand(4, 3, 192, 144) * 2 - 1
    rng = np.random.default_rng(0)
    for _ in range(6):
        y = worn(x, rng)
        assert y.shape == x.shape and not torch.equal(x, y)
        assert (y - x).mean((1, 2, 3)).abs().max() < 0.25
