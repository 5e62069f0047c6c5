"""Frames beside their neighbours."""

from __future__ import annotations

import numpy as np

from stages.masks.agreement import complaint, iou, score_ring
from stages.masks.settings import MasksSettings
from tests.masks.pictures import HEIGHT, WIDTH, girl

SETTINGS = MasksSettings()
PICTURE_PX = HEIGHT * WIDTH


def ring(count: int = 8) -> tuple[list[np.ndarray], list[np.ndarray]]:
    pictures = [girl(shift=float(i % 3)) for i in range(count)]
    return [p[1] > 0.5 for p in pictures], [p[2] for p in pictures]


def test_a_good_ring_passes() -> None:
    masks, bodies = ring()
    scores = score_ring(masks, bodies)
    assert [complaint(s, PICTURE_PX, SETTINGS) for s in scores] == [None] * 8
    assert min(s["neighbour_iou"] for s in scores) > 0.9


def test_each_failure_is_named_and_its_neighbours_are_not_blamed() -> None:
    for damage, word in (
        (lambda m: np.zeros_like(m), "no figure"),
        (lambda m: m & (np.arange(m.shape[0]) < 60)[:, None], "covers"),
        (lambda m: np.pad(np.ones_like(m)[1:], ((1, 0), (0, 0))), "area"),
        (lambda m: np.ones_like(m), "whole picture"),
    ):
        masks, bodies = ring()
        masks[3] = damage(masks[3])
        complaints = [complaint(s, PICTURE_PX, SETTINGS) for s in score_ring(masks, bodies)]
        assert complaints[3] is not None and word in complaints[3]
        assert complaints[:3] + complaints[4:] == [None] * 7


def test_iou() -> None:
    a, b = np.array([1, 1, 0], bool), np.array([0, 1, 1], bool)
    assert iou(a, b) == 1 / 3 and iou(~a & a, ~b & b) == 1.0
