"""ControlNets of other kinds: they begin as the shipped one, are asked for what it gives, and are fed what the views stage feeds."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel

from scripts.train import controls
from scripts.train.condition import part_colors

EMBEDDED = Path(__file__).parents[2] / "third_party" / "embedded"


def _fed(count: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(shape, generator=generator)  # noqa: E731
    return {"sample": draw(count, 8, 8, 8), "timestep": torch.full((count,), 500), "encoder_hidden_states": draw(count, 16, 128)}


def test_the_distance_is_a_share_of_what_is_wanted() -> None:
    wanted = [torch.randn(2, 3, 4, 4), 100 * torch.randn(2, 5, 2, 2)]
    assert controls.distance(wanted, wanted) == 0
    assert controls.distance([torch.zeros_like(w) for w in wanted], wanted) == pytest.approx(1)


def test_pictures_are_what_the_views_stage_feeds() -> None:
    rng = np.random.default_rng(0)
    grey, colour = rng.integers(0, 256, (1, 1, 8, 6), np.uint8), rng.integers(0, 256, (1, 1, 8, 6, 3), np.uint8)
    shard = SimpleNamespace(parts=grey % len(part_colors()), openpose=colour, depth=grey, lineart=255 - grey)
    assert np.array_equal(controls.picture_of(shard, 0, 0, "parts").permute(1, 2, 0).numpy(), part_colors()[shard.parts[0, 0]])
    assert np.allclose(controls.picture_of(shard, 0, 0, "openpose").permute(1, 2, 0).numpy() * 255, colour[0, 0])
    for kind, stored in (("depth", grey), ("lineart", 255 - grey)):
        picture = controls.picture_of(shard, 0, 0, kind)
        assert picture.shape == (3, 8, 6) and all(np.allclose(channel * 255, stored[0, 0]) for channel in picture.numpy())


def test_steps_bring_a_control_of_another_picture_nearer_to_the_shipped_one() -> None:
    torch.manual_seed(0)
    net = controls.opened(ControlNetModel, EMBEDDED / "controlnet-parts")
    teacher = controls.opened(ControlNetModel, EMBEDDED / "controlnet-parts").requires_grad_(False)
    fed, picture = _fed(2), torch.rand(2, 3, 64, 64)
    wanted = controls.residuals(teacher, fed, picture)
    assert controls.distance(controls.residuals(net, fed, picture), wanted).item() == 0
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-4)
    losses = []
    for _ in range(6):
        loss = controls.distance(controls.residuals(net, fed, 1 - picture), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]
