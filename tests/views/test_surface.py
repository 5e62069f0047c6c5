"""Frames brought to agree on the body's surface: who sees what, averages, and their place in the denoising."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from stages.artifacts.body import BodyModel
from stages.artifacts.cameras import Camera, orbit, ring
from stages.artifacts.conditions import ConditionSet
from stages.artifacts.normals import vertex_normals
from stages.rendering.zbuffer import rasterize
from stages.views.schedule import clean_estimate, moved
from stages.views.settings import ViewsSettings
from stages.views.surface import Sighting, agreed, sight
from tests.bodies import ball
from tests.views.test_paint import sample

BODY = ball(0.6, subdivisions=4)
H, W = 48, 36


def cameras(count: int = 6) -> list[Camera]:
    return ring("c", count, np.zeros(3), 4.0, 0.0, 800.0, W * 8, H * 8)


def drawn(camera: Camera) -> torch.Tensor:
    """(3, H, W): the world coordinates of what the camera sees of the ball, 9 elsewhere."""
    coarse = camera.resized(W, H)
    v_clip = np.c_[BODY.v_pos, np.ones(len(BODY.v_pos))] @ coarse.w2clip().T
    tri_id, bary, _ = rasterize(v_clip, BODY.t_pos_idx, H, W)
    b = np.concatenate([bary, 1 - bary.sum(-1, keepdims=True)], -1)
    points = (BODY.v_pos[BODY.t_pos_idx[np.maximum(tri_id, 0)]] * b[..., None]).sum(-2)
    return torch.from_numpy(np.where(tri_id[..., None] >= 0, points, 9.0).astype(np.float32)).permute(2, 0, 1)


def seen_by(camera: Camera, body: BodyModel = BODY, h: int = H, w: int = W) -> Sighting:
    return sight(body, vertex_normals(body.v_pos, body.t_pos_idx), camera, h, w)


def sightings(of: list[Camera]) -> list[Sighting]:
    return [seen_by(camera) for camera in of]


def test_a_frame_sees_the_vertices_that_face_it_where_they_are_painted() -> None:
    camera = cameras()[1]
    its = seen_by(camera)
    towards = BODY.v_pos @ (camera.position / np.linalg.norm(camera.position)) / 0.6
    seen = np.isin(np.arange(len(BODY.v_pos)), its.vertices)
    assert seen[towards > 0.5].all() and not seen[towards < 0.2].any()
    read = (drawn(camera).flatten(1)[:, its.cells] * its.shares).sum(-1).T.numpy()
    inner = towards[its.vertices] > 0.5
    assert np.abs(read - BODY.v_pos[its.vertices])[inner].max() < 0.03
    assert torch.allclose(its.bary.sum(1), torch.ones(len(its.bary)), atol=1e-5) and its.corners.max() < len(its.vertices)


def test_behind_something_nothing_is_seen() -> None:
    """Of two balls one behind the other, the hidden one's middle has no sighting."""
    far = ball(0.4, (0.0, 2.0, 0.0))
    both = ball(0.6, subdivisions=4)
    v = np.r_[both.v_pos, far.v_pos]
    scene = type(both)(
        v, np.r_[both.t_pos_idx, far.t_pos_idx + len(both.v_pos)], v[:, :2], np.r_[both.t_pos_idx, far.t_pos_idx], np.zeros(1, int),
        ("chest",), both.skeleton, np.ones((len(v), 1)), {}, both.kd,
    )
    front = seen_by(orbit("f", np.zeros(3), 4.0, 0.0, 0.0, 800.0, W * 8, H * 8), scene)
    assert not (front.vertices >= len(both.v_pos)).any()
    side = seen_by(orbit("s", np.zeros(3), 6.0, 90.0, 0.0, 400.0, W * 8, H * 8), scene)
    assert (side.vertices >= len(both.v_pos)).any()


def test_pictures_of_one_thing_stay_as_they_are() -> None:
    clean = torch.stack([drawn(camera) for camera in cameras()])
    out = agreed(clean, torch.ones(6), sightings(cameras()), len(BODY.v_pos))
    assert (out - clean).abs().max() < 0.06 and (out - clean).abs().mean() < 0.002
    assert torch.equal(out[clean == 9.0], clean[clean == 9.0])


def test_what_they_disagree_in_is_averaged_and_the_clearer_counts_for_more() -> None:
    """Every frame sees the ball in a shade of its own; a frame that is much clearer decides where it sees."""
    of = cameras(12)
    clean = torch.stack([torch.full((2, H, W), float(i % 2)) for i in range(12)])
    found = sightings(of)
    out = agreed(clean, torch.ones(12), found, len(BODY.v_pos))
    painted = torch.stack([out[i].flatten(1)[:, found[i].painted].mean() for i in range(12)])
    assert ((painted - 0.5).abs() < 0.15).all()
    clarity = torch.full((12,), 1e-4)
    clarity[0] = 1.0
    led = agreed(clean, clarity, found, len(BODY.v_pos))
    assert torch.allclose(led[0], clean[0], atol=0.02)
    assert led[1].flatten(1)[:, found[1].painted].mean() < 0.3 < led[6].flatten(1)[:, found[6].painted].mean()


def test_what_is_finer_than_the_vertices_stays() -> None:
    """Of two frames with one texture and an offset, only the offset goes."""
    camera = cameras()[0]
    texture = torch.from_numpy(np.random.default_rng(0).standard_normal((1, H, W)).astype(np.float32))
    found = [seen_by(camera)] * 2
    out = agreed(torch.stack([texture, texture + 1]), torch.ones(2), found, len(BODY.v_pos))
    rows = found[0].painted
    assert torch.allclose(out[0].flatten(1)[:, rows], texture.flatten(1)[:, rows] + 0.5, atol=1e-4)
    assert torch.allclose(out[1].flatten(1)[:, rows], texture.flatten(1)[:, rows] + 0.5, atol=1e-4)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_a_moved_prediction_is_of_a_moved_picture(kind: str) -> None:
    scheduler = DDIMScheduler(prediction_type=kind)
    latents, prediction, change = torch.randn(3, 2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for step in (10, 500, 900):
        timestep = torch.tensor(step)
        out = clean_estimate(scheduler, moved(scheduler, prediction, timestep, change), timestep, latents)
        torch.testing.assert_close(out, clean_estimate(scheduler, prediction, timestep, latents) + change, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("lead", [0.0, 0.5])
def test_frames_agree_more_for_every_chunk_size(
    lead: float, settings: Callable[..., ViewsSettings], conditions: ConditionSet, tmp_path: Path
) -> None:
    """A frame's picture where it sees what another sees, too: the spread over frames falls, and the chunks do not matter."""
    own, _ = sample(settings(lead=lead), conditions, tmp_path / "own", 8)
    together, _ = sample(settings(lead=lead, surface_sync=1.0), conditions, tmp_path / "together", 8)
    cut, _ = sample(settings(lead=lead, surface_sync=1.0), conditions, tmp_path / "cut", 3)
    assert (cut - together).abs().max() < 1e-4
    found = [seen_by(camera, conditions.body_posed, 6, 4) for camera in conditions.cameras]
    count = len(conditions.body_posed.v_pos)

    def spread(latents: torch.Tensor) -> float:
        change = agreed(latents, torch.ones(len(latents)), found, count) - latents
        return float(torch.cat([c.flatten(1)[:, s.painted].flatten() for c, s in zip(change, found, strict=True)]).square().mean())

    assert spread(together) < 0.2 * spread(own)
