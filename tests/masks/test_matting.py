"""Cutting a figure from an even background."""

from __future__ import annotations

import numpy as np
import pytest

from stages.masks import matting
from stages.masks.agreement import iou
from tests.masks.pictures import disc, girl, over


def test_finds_hair_and_white_clothes_beyond_the_body() -> None:
    image, coverage, body = girl()
    found = matting.figure(image, body)
    assert iou(found, coverage > 0.5) > 0.95  # soft pixels count here; alpha settles them
    assert not found[185:, 72].any(), "the gap between the feet is background"


def test_background_enclosed_by_strands_is_a_hole_but_a_shirt_is_not() -> None:
    image, coverage, body = girl(noise=0.0)
    loop, inner = disc(112, 60, 20, 30), disc(112, 60, 14, 24)
    ring = np.clip(loop - inner, 0, 1)
    image = over(image, (0.9, 0.4, 0.6), ring)
    found = matting.figure(image.astype(np.float32), body)
    assert found[60, 95] and found[60, 130]
    assert not found[60, 112]
    assert found[125, 72] and found[125, 50], "white cloth"


def test_the_gap_between_crossed_legs_is_a_hole() -> None:
    coverage = np.maximum.reduce([disc(72, 60, 24, 50), disc(60, 140, 7, 45), disc(80, 140, 7, 45), disc(70, 180, 22, 6)])
    image = over(np.ones((192, 144, 3)), (0.2, 0.2, 0.25), coverage).astype(np.float32)
    found = matting.figure(image, coverage > 0.5)
    assert not found[140, 70] and found[140, 60] and found[140, 80]


def test_specks_go() -> None:
    image, coverage, body = girl(noise=0.0)
    image[5:8, 5:8] = 0
    image[180:183, 130:132] = (1, 0, 0)
    found = matting.clean(matting.figure(image, body), body)
    assert not found[:12, :12].any() and not found[175:, 125:].any()


@pytest.mark.parametrize("edge_px", [1.5, 2.5])
def test_alpha_equals_true_coverage_at_a_dark_edge(edge_px: float) -> None:
    coverage = disc(72, 96, 40, 60)
    image = over(np.ones((192, 144, 3)), (0.2, 0.3, 0.7), coverage).astype(np.float32)
    alpha, color = matting.soft_alpha(image, coverage > 0.5, np.ones(3), edge_px)
    assert np.abs(alpha - coverage).max() < 0.05
    assert np.abs(color[alpha > 0.05] - (0.2, 0.3, 0.7)).max() < 0.03, "no white fringe"


def test_recomposed_picture_is_the_picture() -> None:
    image, coverage, body = girl(noise=0.0)
    inside = matting.clean(matting.figure(image, body), body)
    alpha, color = matting.soft_alpha(image, inside, np.ones(3), 1.5)
    again = color * alpha[..., None] + (1 - alpha[..., None])
    assert np.abs(again - image).mean() < 0.003


def test_background_color_of_a_tinted_noisy_picture() -> None:
    rng = np.random.default_rng(0)
    image = np.clip(rng.normal((0.9, 0.95, 0.93), 0.01, (192, 144, 3)), 0, 1).astype(np.float32)
    color, noise = matting.background_color(image, np.zeros((192, 144), bool))
    assert np.allclose(color, (0.9, 0.95, 0.93), atol=2e-3)
    assert 0.004 < noise < 0.01
