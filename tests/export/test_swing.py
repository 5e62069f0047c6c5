"""Swinging chains: bones keep their length, rest is rest, colliders are met, the body is left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stages.artifacts.body import Skeleton, axis_angle_wxyz
from stages.artifacts.chains import Collider, chains_of
from stages.artifacts.rig import Skinning
from stages.export.figure import Figure
from stages.export.spring_settings import HairSprings, SkirtSprings
from stages.export.swing import Swing, at_length, outside
from stages.export.swing_preview import FRAMES_PER_S, moving, swinging
from stages.rig.bind import chained
from stages.rig.colliders import fit_colliders
from stages.rig.settings import RigSettings
from tests.rig.figures import body
from tests.rig.stage_folders import textured
from tests.rig.swinging import bound

STEP_S = 1 / 60
WEIGHTLESS = {"hair": HairSprings(gravity_power=0), "skirt": SkirtSprings(gravity_power=0)}
X, Y = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])


@pytest.fixture(scope="module")
def skinning() -> Skinning:
    plain, transfer, triangles, _ = bound("cap", "tails", "skirt")
    return chained(plain, triangles, transfer, RigSettings())


@pytest.fixture(scope="module")
def bones(skinning: Skinning) -> Skeleton:
    return skinning.skeleton


def tails_of(bones: Skeleton, transforms: np.ndarray, kind: str = "") -> np.ndarray:
    return bones.posed(transforms).tails[[j for c in chains_of(bones) if c.kind.startswith(kind) for j in c.joints]]


def after(swing: Swing, transforms: np.ndarray, seconds: float) -> np.ndarray:
    for _ in range(round(seconds / STEP_S)):
        out = swing.step(transforms, STEP_S)
    return out


def test_at_rest_without_weight_nothing_moves(bones: Skeleton) -> None:
    still = bones.joint_transforms({})
    np.testing.assert_allclose(after(Swing(bones, fit_colliders(body()), WEIGHTLESS), still, 1.0), still, atol=1e-6)


def test_a_jerk_swings_and_comes_back_and_the_body_does_as_it_was_told(bones: Skeleton) -> None:
    swing, still = Swing(bones, (), WEIGHTLESS), bones.joint_transforms({})
    own = [j for j in range(len(bones.names)) if j not in {k for c in chains_of(bones) for k in c.joints}]
    swing.step(still, STEP_S)
    aside = bones.joint_transforms({}, np.array([0.2, 0, 0]))
    first = swing.step(aside, STEP_S)
    np.testing.assert_array_equal(first[own], aside[own])
    assert (tails_of(bones, first)[:, 0] - tails_of(bones, aside)[:, 0]).max() < -0.02  # every one lags behind
    lengths = np.linalg.norm(bones.tails - bones.heads, axis=-1)
    for moment in (0.1, 0.3):
        posed = bones.posed(after(swing, aside, moment))
        np.testing.assert_allclose(np.linalg.norm(posed.tails - posed.heads, axis=-1), lengths, rtol=1e-9)
    np.testing.assert_allclose(after(swing, aside, 6.0), aside, atol=1e-3)


def test_ropes_hang_down_when_the_head_is_tilted(bones: Skeleton) -> None:
    ropes = {"hair": HairSprings(stiffness=0, gravity_power=1.0), "skirt": SkirtSprings()}
    tilted = bones.joint_transforms({"head": axis_angle_wxyz(Y, 40)})
    posed = bones.posed(after(Swing(bones, (), ropes), tilted, 8.0))
    for chain in chains_of(bones):
        if chain.kind == "hair":
            along = posed.tails[list(chain.joints)] - posed.heads[list(chain.joints)]
            assert (along[:, 2] / np.linalg.norm(along, axis=-1)).max() < -0.99


def test_a_limp_skirt_lies_on_the_lifted_thigh_that_carries_it(bones: Skeleton) -> None:
    colliders, limp = fit_colliders(body()), {"hair": HairSprings(), "skirt": SkirtSprings(stiffness=0, gravity_power=1.0)}
    lifted = bones.joint_transforms({"leftUpperLeg": axis_angle_wxyz(X, -70)})
    held = tails_of(bones, after(Swing(bones, colliders, limp), lifted, 3.0), "skirt")
    free = tails_of(bones, after(Swing(bones, (), limp), lifted, 3.0), "skirt")
    (thigh,) = [c for c in colliders if c.joint == "leftUpperLeg"]
    t = lifted[bones.index("leftUpperLeg")]
    there = replace(thigh, start=t[:3, :3] @ thigh.start + t[:3, 3], end=t[:3, :3] @ thigh.end + t[:3, 3])
    assert there.gap_m(free).min() < -0.01 and there.gap_m(held).min() > -1e-3


def test_points_are_put_where_they_belong() -> None:
    np.testing.assert_allclose(at_length(np.array([3.0, 0, 1]), np.array([1.0, 0, 1]), 0.5), [1.5, 0, 1])
    rod = Collider("hips", np.zeros(3), np.array([1.0, 0, 0]), 0.3)
    np.testing.assert_allclose(outside(np.array([0.5, 0.2, 0]), rod, 0.1), [0.5, 0.4, 0])
    np.testing.assert_allclose(outside(np.array([0.5, 0.5, 0]), rod, 0.1), [0.5, 0.5, 0])
    np.testing.assert_allclose(outside(np.array([0.0, 0.0, 0]), rod, 0.1), [0, 0, 0])  # on the axis no side is nearer


def test_the_video_begins_at_rest_and_repeats_itself(skinning: Skinning) -> None:
    triangles = bound("cap", "tails", "skirt")[2]
    figure = Figure(textured(skinning.v_pos_rest, triangles), skinning, fit_colliders(body()))
    settings = {"hair": HairSprings(), "skirt": SkirtSprings()}
    first, second = (np.array(list(moving(figure, skinning, settings))) for _ in range(2))
    assert len(first) == 2.4 * FRAMES_PER_S and first.tobytes() == second.tobytes()
    np.testing.assert_allclose(first[0], skinning.skeleton.joint_transforms({}), atol=0.05)
    frame = next(swinging(figure, settings, 97))
    assert frame.shape == (96, 72, 3) and frame.dtype == np.uint8
    with pytest.raises(ValueError, match="without a rig"):
        next(swinging(Figure(figure.mesh), settings, 96))
