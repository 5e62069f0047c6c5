"""The clips made here: they close, feet stand, nothing sinks, arms stay outside the body; on any humanoid skeleton."""

from __future__ import annotations

import numpy as np
import pytest

from stages.artifacts.body import Skeleton
from stages.artifacts.motion import Clip
from stages.conditions.body import load_base_body
from stages.rig.motion.builtin import made_clip
from stages.rig.motion.contacts import SIDES
from stages.rig.motion.feet import sole_of
from stages.rig.motion.legs import STRAIGHTEST, lengths
from tests.rig.figures import skeleton as capsules
from tests.rig.motions import person

CLIPS = ("idle", "walk", "wave", "turn")
SKELETONS = {"body": load_base_body().skeleton, "capsules": capsules(), "person": person()}


@pytest.fixture(params=SKELETONS, scope="module")
def skeleton(request: pytest.FixtureRequest) -> Skeleton:
    return SKELETONS[request.param]


def soles(clip: Clip, side: str) -> tuple[np.ndarray, np.ndarray]:
    """(K, 3) heels and balls."""
    posture, sole = clip.posture(), sole_of(clip.skeleton, side)
    return posture.carried(f"{side}Foot", sole.heel), posture.carried(f"{side}Foot", sole.ball)


@pytest.mark.parametrize("name", CLIPS)
def test_clips_close_exactly_and_move_smoothly(skeleton: Skeleton, name: str) -> None:
    clip = made_clip(name, skeleton, 30.0)
    assert clip.loops and clip.name == name and clip.fps == 30.0
    assert (np.abs(clip.rotations_wxyz[0]) == np.abs(clip.rotations_wxyz[-1])).all() and (clip.root_offset_m[0] == clip.root_offset_m[-1]).all()
    heads = made_clip(name, skeleton, 240.0).posture().heads
    steps = np.diff(np.concatenate([heads, heads[1:2]]), axis=0)
    # At 240 keys a second what is smooth changes its step by next to nothing, over the seam too; a heel that comes down is stopped by the ground.
    assert np.abs(np.diff(steps, axis=0)).max() < (0.003 if name == "walk" else 0.0008)
    assert ((clip.rotations_wxyz[1:] * clip.rotations_wxyz[:-1]).sum(-1) > 0.9).all()
    np.testing.assert_allclose(np.linalg.norm(clip.rotations_wxyz, axis=-1), 1, atol=1e-12)


@pytest.mark.parametrize("name", CLIPS)
def test_nothing_is_beneath_the_ground_and_no_leg_is_overstretched(skeleton: Skeleton, name: str) -> None:
    clip = made_clip(name, skeleton, 30.0)
    posture = clip.posture()
    for side in SIDES:
        assert min(p[:, 2].min() for p in soles(clip, side)) > -1e-3
        reach = np.linalg.norm(posture.at(f"{side}Foot") - posture.at(f"{side}UpperLeg"), axis=-1)
        assert reach.max() <= STRAIGHTEST * sum(lengths(skeleton, side)) + 1e-9


@pytest.mark.parametrize("name", ["idle", "wave"])
def test_feet_that_stand_stand(skeleton: Skeleton, name: str) -> None:
    for side in SIDES:
        for point in soles(made_clip(name, skeleton, 30.0), side):
            np.testing.assert_allclose(point, point[:1].repeat(len(point), 0), atol=1e-9)


def test_the_ground_of_the_walk_goes_with_the_feet(skeleton: Skeleton) -> None:
    """While the ball is down it moves as the ground does; there is never a moment without a foot down, and two are down only shortly."""
    clip = made_clip("walk", skeleton, 60.0)
    down = []
    for side in SIDES:
        heel, ball = soles(clip, side)
        moved = ball + clip.times_s[:, None] * [0, -clip.ground_m_s, 0]
        flat = (ball[:, 2] < 1e-6) & (heel[:, 2] < 1e-6)
        assert 0.15 < flat.mean() < 0.4
        steps = np.linalg.norm(np.diff(moved, axis=0)[:, :2], axis=-1)
        assert steps[flat[1:] & flat[:-1]].max() < 1e-6
        down.append((ball[:, 2] < 1e-6) | (heel[:, 2] < 1e-6))
    assert (down[0] | down[1]).all() and 0.1 < (down[0] & down[1])[:-1].mean() < 0.35
    assert 0.7 < clip.ground_m_s < 1.5


def test_the_walk_is_the_same_on_both_sides_and_knees_bend_forward(skeleton: Skeleton) -> None:
    clip = made_clip("walk", skeleton, 60.0)
    posture, half = clip.posture(), (clip.frames - 1) // 2
    for joint in ("LowerLeg", "Foot", "LowerArm", "Hand"):
        left, right = posture.at(f"left{joint}")[:-1], posture.at(f"right{joint}")[:-1]
        np.testing.assert_allclose(np.roll(left, half, 0) * [-1, 1, 1], right, atol=2e-3, err_msg=joint)
    for side in SIDES:
        hip, knee, ankle = (posture.at(side + part) for part in ("UpperLeg", "LowerLeg", "Foot"))
        assert (np.cross(ankle - hip, knee - hip)[:, 0] < 1e-6).all()
    # An arm is back when the leg of its side is forward.
    forward = [-(posture.at(f"left{part}") - posture.at("hips"))[:, 1] for part in ("Foot", "Hand")]
    assert np.corrcoef(*forward)[0, 1] < -0.5


def test_the_weight_is_over_the_foot_that_stands(skeleton: Skeleton) -> None:
    walk = made_clip("walk", skeleton, 30.0)
    hips = walk.posture().at("hips")[:-1, 0]
    lifted = {side: np.minimum(*(p[:-1, 2] for p in soles(walk, side))) for side in SIDES}
    assert hips[lifted["right"] > 0.01].mean() > 0.005 and hips[lifted["left"] > 0.01].mean() < -0.005


def test_the_turn_goes_once_round_to_the_left_on_standing_feet(skeleton: Skeleton) -> None:
    clip = made_clip("turn", skeleton, 30.0)
    posture = clip.posture()
    across = posture.at("leftUpperLeg") - posture.at("rightUpperLeg")
    heading = np.unwrap(np.arctan2(across[:, 1], across[:, 0]))
    assert heading[-1] - heading[0] == pytest.approx(2 * np.pi, abs=1e-6) and (np.diff(heading) > 0).all()
    standing = []
    for side in SIDES:
        heel, ball = soles(clip, side)
        down = (heel[:, 2] < 1e-6) & (ball[:, 2] < 1e-6)
        still = down[1:] & down[:-1]
        assert np.linalg.norm(np.diff(ball, axis=0), axis=-1)[still].max() < 1e-9
        standing.append(down)
    assert (standing[0] | standing[1]).all()


@pytest.mark.parametrize("name", CLIPS)
def test_hands_stay_outside_the_body(name: str) -> None:
    """Elbows and wrists are further out from the middle than the bare body is wide at their height, plus 2 cm."""
    body = load_base_body()
    clip = made_clip(name, body.skeleton, 30.0)
    posture = clip.posture()
    trunk = ["hips", "spine", "chest", "upperChest", "leftUpperLeg", "rightUpperLeg"]
    mine = np.isin(body.weights.argmax(1), [body.skeleton.index(j) for j in trunk])
    rest = body.v_pos[mine]
    for joint in ("leftLowerArm", "rightLowerArm", "leftHand", "rightHand"):
        place = posture.at(joint)
        seen = np.swapaxes(posture.turns[:, 0], -1, -2) @ (place - posture.heads[:, 0])[..., None]
        for x, y, z in seen[..., 0] + body.skeleton.heads[0]:
            near = rest[np.abs(rest[:, 2] - z) < 0.03]
            if len(near) and abs(y) < 0.1:
                assert abs(x) > np.abs(near[np.abs(near[:, 1] - y) < 0.05][:, 0]).max(initial=0.0) + 0.02


def test_the_wave_lifts_the_right_hand_over_the_shoulder_and_only_that(skeleton: Skeleton) -> None:
    posture = made_clip("wave", skeleton, 30.0).posture()
    shoulder = posture.at("rightUpperArm")[:, 2]
    assert (posture.tail("rightHand")[:, 2] > shoulder + 0.15).mean() > 0.4 and (posture.at("leftHand")[:, 2] < shoulder - 0.2).all()
    outwards = -posture.at("rightHand")[:, 0]
    turning = np.flatnonzero(np.diff(np.sign(np.diff(outwards[30:85]))))
    assert len(turning) >= 5  # to and fro three times
