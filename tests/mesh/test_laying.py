"""Pictures laid onto points: the kernel, which takes point after point, and its twin, which takes picture after picture and vote after vote."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from stages.artifacts.cameras import Camera, orbit
from stages.artifacts.normals import unit
from stages.mesh.laying import BLOCK, DEPTH_SLACK, GENTLE, LEAST_FACING, Layer, laid
from stages.mesh.project import TOLERANCES

VOTES = np.array(TOLERANCES)
NONE = np.array([])
LEAD = np.radians(20.0)


def bilinear(picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    a, b = x - x0, y - y0
    corners = (((1 - a) * (1 - b), 0, 0), (a * (1 - b), 0, 1), ((1 - a) * b, 1, 0), (a * b, 1, 1))
    wide = lambda w: w.reshape(-1, *[1] * (picture.ndim - 2))  # noqa: E731
    return sum(wide(w) * picture[y0 + dy, x0 + dx].astype(float) for w, dy, dx in corners)


def blended(points, normals, given: Sequence[Layer], exponent, lead, softly, agreed, tolerance) -> tuple[np.ndarray, np.ndarray]:
    """One vote, or the last blending: picture after picture."""
    colour, weight, sight = np.zeros((len(points), 3)), np.zeros(len(points)), np.zeros(len(points))
    for layer in given:
        c = layer.camera
        p = points @ c.w2c[:3, :3].T + c.w2c[:3, 3]
        z = -p[:, 2]
        x, y = c.cx + c.fx * p[:, 0] / z - 0.5, c.cy - c.fy * p[:, 1] / z - 0.5
        facing = (unit(c.position - points, np.zeros(3)) * normals).sum(-1)
        height, width = layer.depth.shape
        on = (z > 1e-6) & (x >= 0) & (y >= 0) & (x < width - 1) & (y < height - 1) & (facing >= LEAST_FACING)
        on[on] = z[on] <= layer.depth[(y[on] + 0.5).astype(int), (x[on] + 0.5).astype(int)] * (1 + DEPTH_SLACK)
        x, y, z = x[on], y[on], z[on]
        straight = np.cos(np.maximum(np.arccos(np.minimum(facing[on], 1)) - (lead if layer.portrait else 0), 0))
        share = (bilinear(layer.trusted, x, y) ** 2 + 1e-4) * straight**exponent * (c.fx / z) ** 2
        if tolerance > 0 and not (layer.portrait and not softly):
            share /= (1 + ((bilinear(layer.soft, x, y) - agreed[on]) ** 2).sum(-1) / tolerance**2) ** 2
        sight[on] += share
        share *= bilinear(layer.whole, x, y)
        colour[on] += share[:, None] * bilinear(layer.soft if softly else layer.rgb, x, y)
        weight[on] += share
    return (colour / np.maximum(weight, 1e-20)[:, None]).astype(np.float32), sight


def twin(points, normals, given, exponent, lead, votes) -> tuple[np.ndarray, np.ndarray]:
    agreed, last = None, 0.0
    for last in votes:
        agreed, _ = blended(points, normals, given, GENTLE, 0.0, True, agreed, last)
    return blended(points, normals, given, exponent, lead, False, agreed, last)


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray, list[Layer]]:
    """Points on a ball and seven pictures of noise in two sizes; one is a portrait, parts are hidden, in one the figure is cut off."""
    rng = np.random.default_rng(5)
    normals = unit(rng.normal(size=(BLOCK + 700, 3)), np.zeros(3))
    given = []
    for k in range(7):
        camera: Camera = orbit(f"c{k}", np.array([0.0, 0.0, 0.1 * k]), 2.0, 50.0 * k, 10.0 * (k % 3), 90.0 + 20 * k, *((60, 80) if k % 2 else (64, 48)))
        shape = camera.height, camera.width
        even = lambda *more: rng.uniform(0, 1, (*shape, *more)).astype(np.float32)  # noqa: E731, B023
        depth = np.where(even() < 0.2, 1.2, np.inf).astype(np.float32)
        given.append(Layer(camera, even(3), even(3), depth, even(), np.ones(shape, np.float32) if k else even(), k == 3))
    return 0.5 * normals, normals, given


@pytest.mark.parametrize("votes", [VOTES, VOTES[:1], NONE], ids=["outvoted", "one vote", "no vote"])
@pytest.mark.parametrize("lead", [0.0, LEAD])
def test_kernel_and_twin_agree(scene, votes: np.ndarray, lead: float) -> None:
    points, normals, given = scene
    colour, sight = laid(points, normals, given, 24.0, lead, votes)
    expected, weight = twin(points, normals, given, 24.0, lead, votes)
    assert colour.dtype == np.float32 and 0.3 < (sight > 0).mean() < 1
    np.testing.assert_allclose(colour, expected, atol=2e-5)
    np.testing.assert_allclose(sight, weight, rtol=2e-4, atol=1e-12)


def test_a_point_is_the_same_in_any_company(scene) -> None:
    points, normals, given = scene
    colour, sight = laid(points, normals, given, 24.0, LEAD, VOTES)
    some = np.array([BLOCK + 5, 3, 77])
    again = laid(points[some], normals[some], given, 24.0, LEAD, VOTES)
    assert again[0].tobytes() == colour[some].tobytes() and again[1].tobytes() == sight[some].tobytes()


def test_what_no_picture_sees_has_no_weight(scene) -> None:
    points, normals, given = scene
    colour, sight = laid(points, -normals, given[:1], 24.0, LEAD, VOTES)
    towards = ((given[0].camera.position - points) * -normals).sum(-1) > 0
    assert (sight[~towards] == 0).all() and (colour[~towards] == 0).all()
