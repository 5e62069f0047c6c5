"""Balls and capsules that stand for the body."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stages.artifacts.chains import Collider
from stages.rig.colliders import fit_colliders
from tests.rig.figures import RADII, body


def test_a_gap_is_the_distance_to_the_surface() -> None:
    ball = Collider("head", np.array([0, 0, 1.0]), np.array([0, 0, 1.0]), 0.1)
    np.testing.assert_allclose(ball.gap_m(np.array([[0, 0, 1.0], [0.3, 0, 1.0], [0, 0.1, 1.0]])), [-0.1, 0.2, 0.0], atol=1e-12)
    rod = Collider("hips", np.array([-1.0, 0, 0]), np.array([1.0, 0, 0]), 0.5)
    np.testing.assert_allclose(rod.gap_m(np.array([[0, 0, 1.0], [2.0, 0, 0], [-1, 0.5, 0], [0.3, 0, 0]])), [0.5, 0.5, 0.0, -0.5], atol=1e-12)


def test_colliders_fill_the_body_and_do_not_stand_out_of_it() -> None:
    found = {c.joint: c for c in fit_colliders(body())}
    assert set(found) == {"head", "hips", "chest", "upperChest", "leftUpperLeg", "rightUpperLeg"}  # of the neck hardly any skin is to be seen
    assert found["leftUpperLeg"].radius == pytest.approx(RADII["UpperLeg"], abs=0.006)
    assert np.array_equal(found["head"].start, found["head"].end) and 0.08 < found["head"].radius < RADII["head"] + 0.002
    np.testing.assert_allclose(found["leftUpperLeg"].start * [-1, 1, 1], found["rightUpperLeg"].start, atol=1e-9)
    for collider in found.values():
        assert np.percentile(collider.gap_m(body().v_pos), 5) > -0.02


def test_joints_that_a_body_lacks_have_none() -> None:
    b = body()
    weights = b.weights.copy()
    weights[:, b.skeleton.index("spine")] += weights[:, b.skeleton.index("chest")]
    weights[:, b.skeleton.index("chest")] = 0
    assert "chest" not in {c.joint for c in fit_colliders(replace(b, weights=weights))}
