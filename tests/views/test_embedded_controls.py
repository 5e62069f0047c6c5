"""The ControlNets that the project ships say the same of the same body, whichever picture of it they are fed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel

from scripts.train.controls import distance, opened, residuals
from stages.artifacts.framing import body_ring
from stages.conditions.body import POSES, load_base_body
from stages.conditions.keypoints import moved_by
from stages.conditions.pictures import draw_view
from stages.conditions.settings import ConditionsSettings
from stages.conditions.single_view import SAMPLES, fine_view
from third_party.models import locate

KINDS = ("parts", "openpose", "depth", "lineart")


def pictures(pose: str) -> dict[str, torch.Tensor]:
    """(1, 3, 384, 288) in [0, 1] of each kind, the body in ``pose`` from the front."""
    posed = load_base_body().posed(POSES[pose])
    settings = ConditionsSettings(width=288, height=384, kinds=KINDS, samples=SAMPLES)
    drawn = draw_view(fine_view(posed, body_ring(posed, 1, 288, 384)[0]), posed, moved_by(posed), settings).pictures
    colour = lambda p: np.repeat(p[..., :1], 3, -1) if p.shape[-1] == 1 else p[..., :3]  # noqa: E731
    return {kind: torch.from_numpy(colour(drawn[kind]).astype(np.float32) / 255).permute(2, 0, 1)[None] for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS[1:])
def test_it_tells_what_the_parts_tell_and_follows_the_pose(kind: str) -> None:
    given, other = pictures("t_pose"), pictures("a_pose")
    generator = torch.Generator().manual_seed(0)
    fed = {"sample": torch.randn((1, 8, 48, 36), generator=generator), "timestep": torch.tensor([700]),
           "encoder_hidden_states": torch.randn((1, 16, 128), generator=generator)}
    teacher, net = (opened(ControlNetModel, locate(f"embedded/controlnet-{name}")) for name in ("parts", kind))
    with torch.no_grad():
        wanted = residuals(teacher, fed, given["parts"])
        same, elsewhere = (float(distance(residuals(net, fed, picture[kind]), wanted)) for picture in (given, other))
    assert same < 0.4 and same < 0.75 * elsewhere, (same, elsewhere)
