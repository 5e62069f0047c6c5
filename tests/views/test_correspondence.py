"""Tokens that show the same point: found where they are, preferred by attention as much as is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from stages.artifacts.cameras import ring
from stages.artifacts.conditions import ConditionSet
from stages.views.attention import attend
from stages.views.correspondence import NOWHERE, Correspondence
from stages.views.settings import ViewsSettings
from tests.bodies import ball
from tests.views.test_paint import sample

H, W = 48, 36
FOUND = Correspondence(ball(0.6, subdivisions=4), ring("c", 12, np.zeros(3), 4.0, 0.0, 800.0, W * 8, H * 8), H, W, 2.0)


def surface(frame: int, scale: int) -> np.ndarray:
    """(tokens, 3): the point of the ball behind each token's centre, by the geometry of a sphere; nan where there is none."""
    camera = FOUND.cameras[frame].resized(W // scale, H // scale)
    x, y = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    rays = np.stack([(x - camera.cx) / camera.fx, -(y - camera.cy) / camera.fy, -np.ones_like(x)], -1).reshape(-1, 3)
    rays = rays / np.linalg.norm(rays, axis=1, keepdims=True) @ camera.c2w[:3, :3].T
    along = -(rays @ camera.position)
    inner = along**2 - (camera.position @ camera.position - 0.6**2)
    with np.errstate(invalid="ignore"):
        return camera.position + (along - np.sqrt(inner))[:, None] * rays


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("other", [1, 2, 11])
def test_matched_tokens_show_the_same_point_and_all_that_can_be_matched_are(scale: int, other: int) -> None:
    tokens = H * W // scale**2
    found, here, there = FOUND.match(0, other, tokens), surface(0, scale), surface(other, scale)
    matched = found != NOWHERE
    pixel_m = 4.0 / 800.0 * 8 * scale
    apart = np.linalg.norm(here[matched] - there[found[matched]], axis=1)
    assert np.nanmedian(apart) < 0.75 * pixel_m
    towards = FOUND.cameras[other].position / 4.0
    facing = (here / 0.6) @ towards
    assert matched[facing > 0.4].all() and not matched[facing < 0.0].any() and not matched[np.isnan(here).any(1)].any()


def test_from_behind_nothing_is_the_same() -> None:
    assert (FOUND.match(0, 6, 108) == NOWHERE).all()


def test_the_bias_is_where_the_matches_are() -> None:
    bias = FOUND.bias(108, [3, 4], [(0, 2, 3), (0, 3, 4)])
    assert bias.shape == (2, 108, 3 * 108) and FOUND.bias(1728, [3], [(0, 3)]) is None
    for row, (frame, window) in enumerate([(3, (0, 2, 3)), (4, (0, 3, 4))]):
        for place, other in enumerate(window):
            block = bias[row, :, place * 108 : (place + 1) * 108]
            found = FOUND.match(frame, other, 108)
            expected = torch.zeros(108, 108)
            for token in range(108):
                if other != frame and found[token] != NOWHERE:
                    expected[token, found[token]] = 2.0
            assert torch.equal(block, expected)


def test_a_raised_logit_is_so_many_times_the_share() -> None:
    query, key, value = torch.randn(3, 1, 5, 8, generator=torch.Generator().manual_seed(0))
    bias = torch.zeros(1, 1, 5, 5)
    bias[..., 0, 3] = 1.5

    def shares(logits: Tensor) -> Tensor:
        weight = logits.exp()
        weight[:, 0, 3] *= torch.tensor(1.5).exp()
        return weight / weight.sum(-1, keepdim=True)

    expected = shares(query @ key.mT / 8**0.5) @ value
    torch.testing.assert_close(attend(query, key, value, 1, bias), expected)
    torch.testing.assert_close(attend(query, key, value, 1), F.softmax(query @ key.mT / 8**0.5, -1) @ value)


def test_it_acts_in_the_stage_and_the_same_for_every_chunk_size(settings: Callable[..., ViewsSettings], conditions: ConditionSet, tmp_path: Path) -> None:
    plain, _ = sample(settings(lead=0.5), conditions, tmp_path / "plain", 8)
    told, _ = sample(settings(lead=0.5, correspondence=3.0), conditions, tmp_path / "told", 8)
    cut, _ = sample(settings(lead=0.5, correspondence=3.0), conditions, tmp_path / "cut", 3)
    assert (cut - told).abs().max() < 1e-4
    assert torch.equal(told[0], plain[0]) and (told - plain).abs().amax((1, 2, 3))[1:].max() > 1e-3


@pytest.mark.parametrize("window", ["none", "joint"])
def test_without_other_frames_there_is_nothing_to_tell(window: str) -> None:
    with pytest.raises(ValueError, match="write correspondence: 0"):
        ViewsSettings(window=window, correspondence=1.0)
