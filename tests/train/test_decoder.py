"""What the decoder's further training draws and asks for."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from torch.nn import functional as F

from scripts.train.decoder import CROP, Drawn, corner, draw, energy_loss
from scripts.train.shards import VIEWS_PER_CHARACTER
from stages.conditions.body import load_base_body


def test_crops_hold_what_they_were_drawn_for() -> None:
    rng = np.random.default_rng(0)
    figure = np.zeros((384, 288), bool)
    figure[380:384, 284:288] = True
    face = np.zeros_like(figure)
    face[40, 100] = True
    seen = {"face": 0, "figure": 0}
    for _ in range(200):
        top, left = corner(figure, face, rng)
        assert 0 <= top <= 48 - CROP and 0 <= left <= 36 - CROP
        crop = np.s_[8 * top : 8 * (top + CROP), 8 * left : 8 * (left + CROP)]
        assert face[crop].any() or figure[crop].any()
        seen["face"] += face[crop].any()
        seen["figure"] += figure[crop].any()
    assert 60 < seen["face"] < 140 and 60 < seen["figure"] < 140


def test_latents_and_pictures_are_cut_at_the_same_place() -> None:
    """Each latent tells its row and column, and so does the picture, eight times finer."""
    rows, columns = np.mgrid[:48, :36]
    latents = np.broadcast_to(np.stack([rows, columns] + [rows * 0] * 6), (1, VIEWS_PER_CHARACTER, 8, 48, 36)).astype(np.float16)
    picture = np.stack([rows, columns, rows * 0], -1).repeat(8, 0).repeat(8, 1).astype(np.uint8)
    chest = 1 + load_base_body().part_names.index("chest")
    shard = SimpleNamespace(
        rgb=np.broadcast_to(picture, (1, VIEWS_PER_CHARACTER, *picture.shape)), parts=np.full((1, VIEWS_PER_CHARACTER, 384, 288), chest, np.uint8)
    )
    z, x = draw([Drawn(shard, latents)], 3, whole=False, rng=np.random.default_rng(0))
    assert z.shape == (3, 8, CROP, CROP) and x.shape == (3, 3, 8 * CROP, 8 * CROP)
    at = (F.avg_pool2d(x[:, :2], 8) + 1) * 127.5
    assert (z[:, :2] - at).abs().mean() < 0.15  # the noise of training
    z, x = draw([Drawn(shard, latents)], 1, whole=True, rng=np.random.default_rng(0))
    assert z.shape == (1, 8, 48, 36) and x.shape == (1, 3, 384, 288)


def test_a_line_that_lies_beside_costs_less_than_one_that_is_soft() -> None:
    true = torch.full((1, 3, 64, 64), 0.5)
    true[..., 32] = -0.5
    beside = true.roll(1, -1)
    soft = F.avg_pool2d(F.pad(true, (3, 3, 0, 0), "replicate"), (1, 7), 1)
    assert energy_loss(true, true) == 0
    assert energy_loss(true, beside) < 0.5 * energy_loss(true, soft)
