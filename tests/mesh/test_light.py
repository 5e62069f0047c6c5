"""Light told apart from paint, on a shape whose paints, light and shadows are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from stages.artifacts.images import linear_to_srgb, srgb_to_linear
from stages.mesh import light as told
from stages.mesh.light import light_on, like_pairs, without_light
from stages.mesh.preview import light_map

PAINTS = np.array([[0.80, 0.16, 0.12], [0.10, 0.22, 0.55], [0.75, 0.72, 0.62], [0.12, 0.10, 0.09]])  # linear
BIG, SMALL = (np.zeros(3), 1.0), (np.array([0.0, -1.1, 1.1]), 0.45)
SUNS = {"warm, from the front": ((0.1, -0.8, 0.6), (1.2, 1.0, 0.75)), "cold, from the side": ((0.8, 0.2, 0.55), (0.8, 0.95, 1.2))}
SKY = np.array([0.3, 0.33, 0.4])


@pytest.fixture(autouse=True)
def _coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """As few points, lamps and steps as this shape needs."""
    for name, value in {"POINTS": 2500, "LAMPS": 100, "STEPS": 200, "SHADOW_PX": 256}.items():
        monkeypatch.setattr(told, name, value)


@pytest.fixture(scope="module")
def two_balls() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A small ball before a large one, apart: v_pos, faces, points and normals on them, linear paints in spots."""
    balls = [trimesh.creation.icosphere(subdivisions=4, radius=r).apply_translation(middle) for middle, r in (BIG, SMALL)]
    v = np.concatenate([b.vertices for b in balls])
    f = np.concatenate([balls[0].faces, balls[1].faces + len(balls[0].vertices)])
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(6000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    points = np.concatenate([normals[:5000], normals[5000:] * SMALL[1] + SMALL[0]])
    spots = np.floor(points * 2.2).astype(int).sum(1) % len(PAINTS)
    return v, f, points, normals, PAINTS[spots]


def falling(points: np.ndarray, normals: np.ndarray, sun: tuple) -> np.ndarray:
    """(N, 3) linear light: an even sky, and a sun with the balls' exact shadows."""
    towards = np.array(sun[0]) / np.linalg.norm(sun[0])
    shaded = np.zeros(len(points), bool)
    for middle, radius in (BIG, SMALL):
        along = (middle - points) @ towards
        near = np.linalg.norm(middle - points - along[:, None] * towards, axis=1) < radius
        shaded |= near & (along > 1e-3) & (np.linalg.norm(points - middle, axis=1) > radius + 1e-6)
    return SKY + np.where(shaded, 0, np.maximum(normals @ towards, 0))[:, None] * np.array(sun[1])


def error(base_srgb: np.ndarray, paint: np.ndarray) -> float:
    """Root mean square of sRGB after the best factor for each channel, in linear light."""
    base = srgb_to_linear(base_srgb.astype(np.float64))
    scaled = base * (base * paint).sum(0) / (base * base).sum(0)
    return float(np.sqrt(np.mean((linear_to_srgb(scaled) - linear_to_srgb(paint)) ** 2)))


@pytest.mark.parametrize("sun", SUNS.values(), ids=SUNS)
def test_paint_comes_out_of_either_light(two_balls, sun) -> None:
    v, f, points, normals, paint = two_balls
    seen = linear_to_srgb(paint * falling(points, normals, sun) * 0.7)
    light = light_on(seen, v, f, points, normals)
    base = without_light(seen, light.falling(v, f, points, normals))
    assert error(seen, paint) > 0.12
    assert error(base, paint) < 0.06
    assert light.explained > 0.5


def test_the_brightest_lamp_stands_where_the_sun_does(two_balls) -> None:
    v, f, points, normals, paint = two_balls
    sun = SUNS["cold, from the side"]
    light = light_on(linear_to_srgb(paint * falling(points, normals, sun) * 0.7), v, f, points, normals)
    share = light.colours.mean(1) * np.maximum(light.directions @ np.array(sun[0]) / np.linalg.norm(sun[0]), 0) ** 8
    middle = (share[:, None] * light.directions).sum(0)
    assert middle @ np.array(sun[0]) / np.linalg.norm(middle) / np.linalg.norm(sun[0]) > np.cos(np.radians(12))
    np.testing.assert_allclose(np.quantile(light.falling(v, f, points, normals), told.BRIGHT, axis=0), 1, atol=0.06)


def test_even_light_explains_nothing(two_balls) -> None:
    v, f, points, normals, paint = two_balls
    assert light_on(linear_to_srgb(paint), v, f, points, normals).explained < 0


def test_no_light_is_divided_by_that_is_none() -> None:
    grey = np.full((2, 3), 0.02, np.float32)
    base = without_light(grey, np.array([[0.0] * 3, [1.0] * 3]))
    assert np.isfinite(base).all() and base[0, 0] < 0.25 and base[1] == pytest.approx(grey[1], abs=1e-6)


def test_pairs_are_near_or_alike() -> None:
    rng = np.random.default_rng(3)
    points, linear = rng.uniform(size=(1500, 3)), PAINTS[rng.integers(0, 2, 1500)] * rng.uniform(0.3, 1, (1500, 1))
    a, b = like_pairs(points, linear, rng)
    near, alike = np.split(np.arange(len(a)), 2)
    assert np.linalg.norm(points[a[near]] - points[b[near]], axis=1).mean() < 0.3 < np.linalg.norm(points[a[alike]] - points[b[alike]], axis=1).mean()
    assert (np.argmax(linear[a[alike]], 1) == np.argmax(linear[b[alike]], 1)).mean() > 0.98


def test_the_map_shows_the_front_in_the_middle_and_the_left_on_the_right() -> None:
    directions = np.array([[0, -1.0, 0], [1, 0, 0], [-1, 0, 0], [0, 0, 1], [0, 0, -1], [0, 1, 0]])
    shown = light_map(told.DistantLight(directions, np.eye(6)[:, :3] + np.eye(6)[:, 3:] * 0.2, 0.0), 64, 32)
    assert shown[16, 32].argmax() == 0 and shown[16, 48].argmax() == 1 and shown[16, 16].argmax() == 2 and shown[16, 32].max() == pytest.approx(1)
    assert shown[0, 10].argmax() == 0 and shown[31, 10].argmax() == 1 and shown[0, 10].max() < 0.6
