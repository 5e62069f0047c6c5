"""The light of the benchmarks against closed forms, and the factors that a base colour is scored with."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from scripts.bench import lights
from scripts.bench.lights import Lamp, Light, LitSurface
from scripts.bench.lit import gains
from stages.artifacts.cameras import orbit
from stages.artifacts.images import linear_to_srgb, srgb_to_linear

BLACK = (0.0, 0.0, 0.0)


@pytest.fixture(autouse=True)
def _coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lights, "SKY_DIRECTIONS", 100)


def ball_under(light: Light, roughness: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Linear colours and normals of the pixels of a white ball before a camera on -Y; roughness 1 has next to no highlight."""
    ball = trimesh.creation.icosphere(subdivisions=4)
    camera = orbit("test", np.zeros(3), 4.0, 0.0, 0.0, 120.0, 64, 64)
    white = np.ones((64, 64, 4), np.float32)
    picture = LitSurface(np.asarray(ball.vertices), np.asarray(ball.faces, np.int64), np.asarray(ball.vertices), light, roughness).picture(white, camera)
    origins, directions = camera.rays()
    along = -(origins * directions).sum(-1)
    inside = 0.95 - (origins**2).sum(-1) + along**2 > 0  # clear of the outline
    normals = (origins + (along - np.sqrt(np.maximum(1 - (origins**2).sum(-1) + along**2, 0)))[..., None] * directions)[inside]
    return srgb_to_linear(picture[..., :3])[inside], normals


def test_a_ball_under_an_even_sky_shows_its_own_colour() -> None:
    colours, _ = ball_under(Light("even", (), (0.8,) * 3, (0.8,) * 3, (0.8,) * 3))
    np.testing.assert_allclose(colours, 0.8, atol=0.03)


def test_a_lamp_lights_by_the_cosine_and_leaves_the_far_side_dark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lights, "DIELECTRIC", 0.0)
    colours, normals = ball_under(Light("lamp", (Lamp(60, 0, 0.5, (0.9, 0.6, 0.3)),), BLACK, BLACK, BLACK))
    towards = np.array([np.sin(np.radians(60)), -np.cos(np.radians(60)), 0])
    np.testing.assert_allclose(colours, np.maximum(normals @ towards, 0)[:, None] * [0.9, 0.6, 0.3], atol=0.03)


def test_highlights_lie_between_lamp_and_camera() -> None:
    lamp = Light("lamp", (Lamp(60, 0, 0.5, (0.5, 0.5, 0.5)),), BLACK, BLACK, BLACK)
    smooth, normals = ball_under(lamp, 0.4)
    matt, _ = ball_under(lamp, 1.0)
    brightest = normals[np.argmax((smooth - matt)[:, 0])]
    assert np.degrees(np.arctan2(brightest[0], -brightest[1])) == pytest.approx(30, abs=6)


def test_gains_are_the_factors_that_were_taken_away() -> None:
    truth = np.random.default_rng(0).uniform(0.2, 0.8, (3, 8, 8, 4)).astype(np.float32)
    truth[..., 3] = 1
    truth[:, :2, :, 3] = 0.5  # what is not solid does not count
    ours = truth.copy()
    ours[..., :3] = linear_to_srgb(srgb_to_linear(truth[..., :3]) * np.array([0.5, 1.2, 0.8], np.float32))
    ours[:, :2, :, :3] = 0
    np.testing.assert_allclose(gains(truth, ours), 1 / np.array([0.5, 1.2, 0.8]), rtol=1e-4)
