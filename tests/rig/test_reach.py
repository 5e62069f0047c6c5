"""Hands that reach for the places that they have in the source: exactly where they can, softly where not, and nothing else is touched."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

from stages.artifacts.body import Skeleton
from stages.artifacts.motion import Clip, Posture
from stages.artifacts.rotations import about
from stages.conditions.body import load_base_body
from stages.rig.motion.clips import _say_how_far
from stages.rig.motion.contacts import SIDES, contacts_of
from stages.rig.motion.feet import hold_feet
from stages.rig.motion.proportions import hip_middle, likeness, scaled, trunk_lean
from stages.rig.motion.reach import EASE_S, STRAIGHTEST_RAD, arm_length, reach_for
from stages.rig.motion.retarget import carried_over, retarget
from stages.rig.motion.vmd import common_body
from tests.rig.figures import skeleton as capsules
from tests.rig.motions import person, walking
from tests.rig.test_retarget import standing_still

BODY = load_base_body().skeleton
LOWER = ("hips", *(side + part for side in SIDES for part in ("UpperLeg", "LowerLeg", "Foot", "Toes")))
SLOW = 1.0  # keys a second at which nothing is averaged over neighbours


def bend_rad(posture: Posture, side: str) -> np.ndarray:
    """(K,) at the elbow, 0 when straight."""
    upper, lower = (posture.at(side + b) - posture.at(side + a) for a, b in (("UpperArm", "LowerArm"), ("LowerArm", "Hand")))
    return np.arctan2(np.linalg.norm(np.cross(upper, lower), axis=-1), (upper * lower).sum(-1))


def bent_arms(frames: int, elbow_rad: float = 1.5) -> Posture:
    """The body at rest but for its elbows, bent forward by ``elbow_rad``."""
    posture = standing_still(BODY, frames).posture()
    turns = posture.turns.copy()
    for side, sign in (("left", -1), ("right", 1)):
        under = [j for j, name in enumerate(BODY.names) if name.startswith(side) and hangs_on(BODY, j, f"{side}LowerArm")]
        turns[:, under] = about((0, 0, 1), sign * elbow_rad)
    return Posture.of_turns(BODY, turns, np.zeros((frames, 3)))


def hangs_on(skeleton: Skeleton, j: int, joint: str) -> bool:
    while j >= 0:
        if skeleton.names[j] == joint:
            return True
        j = int(skeleton.parents[j])
    return False


@pytest.mark.parametrize("target", [BODY, capsules(), person(30.0)], ids=["body", "capsules", "person"])
def test_switched_off_nothing_changes(target: Skeleton) -> None:
    source = walking(person(spread_deg=10.0), 30.0)
    contacts = contacts_of(source)
    before = hold_feet(carried_over(source, target, contacts), contacts, 30.0).clip("walk", 30.0)
    off = retarget(source, target, "walk", reach=0.0)
    assert off.rotations_wxyz.tobytes() == before.rotations_wxyz.tobytes() and off.root_offset_m.tobytes() == before.root_offset_m.tobytes()


@pytest.mark.parametrize("hold", [True, False])
def test_hips_legs_and_contacts_are_the_same_to_the_last_bit(hold: bool) -> None:
    source = walking(forward_hips(), 30.0)
    off, on = (retarget(source, BODY, "walk", hold, reach).posture() for reach in (0.0, 1.0))
    for joint in LOWER:
        j = BODY.index(joint)
        assert off.turns[:, j].tobytes() == on.turns[:, j].tobytes() and off.heads[:, j].tobytes() == on.heads[:, j].tobytes()
    assert np.abs(off.at("leftHand") - on.at("leftHand")).max() > 0.01


@pytest.mark.parametrize("source", [person(), person(40.0), common_body()], ids=["t-pose", "a-pose", "vmd's body"])
def test_hands_come_to_their_places_where_arms_reach(source: Skeleton) -> None:
    assert likeness(source, BODY) == 1.0
    motion = walking(source, 30.0)
    contacts = contacts_of(motion)
    off, on = (retarget(motion, BODY, "walk", reach=reach).posture() for reach in (0.0, 1.0))
    for side in SIDES:
        wanted = scaled(motion.posture().at(f"{side}Hand"), source, BODY, contacts)
        error = np.linalg.norm(on.at(f"{side}Hand") - wanted, axis=-1)
        reach = np.linalg.norm(wanted - on.at(f"{side}UpperArm"), axis=-1) / arm_length(BODY, side)
        assert error[reach < 0.93].max(initial=0) < 0.005
        assert error.mean() < 0.5 * np.linalg.norm(off.at(f"{side}Hand") - wanted, axis=-1).mean()


def test_half_the_way_is_between() -> None:
    motion = walking(person(), 30.0)
    places = [retarget(motion, BODY, "walk", reach=reach).posture().at("leftHand") for reach in (0.0, 0.5, 1.0)]
    whole = np.linalg.norm(places[2] - places[0], axis=-1)
    np.testing.assert_allclose(np.linalg.norm(places[1] - places[0], axis=-1), whole / 2, atol=0.1 * whole.max())


@pytest.mark.parametrize("side", SIDES)
def test_two_bones_reach_what_can_be_reached(side: str) -> None:
    """The wrist is where it was asked to be, bones keep their length, the other arm and the trunk stay."""
    rng = np.random.default_rng(2)
    posture = bent_arms(300)
    shoulder = posture.at(f"{side}UpperArm")
    ways = rng.normal(size=(300, 3))
    ways /= np.linalg.norm(ways, axis=-1, keepdims=True)
    share = rng.uniform(0.52, 0.9, 300)
    wanted = shoulder + ways * (share * arm_length(BODY, side))[:, None]
    got = reach_for(posture, {side: wanted}, 1.0, SLOW)
    np.testing.assert_allclose(got.at(f"{side}Hand"), wanted, atol=1e-9)
    for a, b in (("UpperArm", "LowerArm"), ("LowerArm", "Hand")):
        length = np.linalg.norm(BODY.heads[BODY.index(side + b)] - BODY.heads[BODY.index(side + a)])
        np.testing.assert_allclose(np.linalg.norm(got.at(side + b) - got.at(side + a), axis=-1), length)
    still = [j for j in range(len(BODY.names)) if not hangs_on(BODY, j, f"{side}UpperArm")]
    assert got.turns[:, still].tobytes() == posture.turns[:, still].tobytes()


def test_out_of_reach_an_arm_points_there_and_is_not_straight_unless_the_motion_has_it_so() -> None:
    shoulder = BODY.heads[BODY.index("leftUpperArm")]
    way = np.array([0.6, -0.64, -0.48])
    wanted = np.tile(shoulder + 1.5 * arm_length(BODY, "left") * way, (3, 1))
    for given, left in ((1.5, STRAIGHTEST_RAD), (0.0, 0.0)):
        posture = bent_arms(3, given)
        got = reach_for(posture, {"left": wanted}, 1.0, SLOW)
        reached = got.at("leftHand") - shoulder
        np.testing.assert_allclose(reached / np.linalg.norm(reached, axis=-1, keepdims=True), np.tile(way, (3, 1)), atol=1e-9)
        np.testing.assert_allclose(bend_rad(got, "left"), left, atol=1e-6)


@pytest.mark.parametrize("fps", [30.0, 120.0])
def test_elbows_neither_flip_nor_snap(fps: float) -> None:
    """A hand that goes from the chest far out of reach and back, and round: the elbow's side and bend change by little from key to key."""
    times = np.arange(int(4 * fps)) / fps
    far = (0.75 - 0.5 * np.cos(2 * np.pi * times / 2)) * arm_length(BODY, "left")
    angle = 0.8 * np.sin(2 * np.pi * times / 4)
    way = np.stack([np.cos(angle), -0.8 + 0 * times, np.sin(angle)], -1)
    posture = bent_arms(len(times))
    shoulder = posture.at("leftUpperArm")
    wanted = shoulder + far[:, None] * way / np.linalg.norm(way, axis=-1, keepdims=True)
    got = reach_for(posture, {"left": wanted}, 1.0, fps)
    along = got.at("leftHand") - shoulder
    out = got.at("leftLowerArm") - shoulder
    out -= along * ((out * along).sum(-1) / (along * along).sum(-1))[:, None]
    out /= np.linalg.norm(out, axis=-1, keepdims=True)
    assert (out[1:] * out[:-1]).sum(-1).min() > np.cos(6 / fps)
    bend = bend_rad(got, "left")
    assert bend.min() > STRAIGHTEST_RAD - 0.01 and bend.max() > 2
    assert np.abs(np.diff(bend)).max() * fps < 12 and np.abs(np.diff(bend, 2)).max() * fps**2 < 2 * 12 / EASE_S


def test_what_is_where_it_is_to_be_stays_to_the_last_digits() -> None:
    """Straight arms, bent arms, arms between: a body that is given its own motion moves as it did."""
    for elbow_rad in (0.0, 0.1, 0.4, 1.0, 2.4):
        posture = bent_arms(3, elbow_rad)
        got = reach_for(posture, {side: posture.at(f"{side}Hand") for side in SIDES}, 1.0, SLOW)
        np.testing.assert_allclose(got.heads, posture.heads, atol=1e-7 if elbow_rad > 0.2 else 3e-4)  # nearly straight, a plane is its own in part


def test_near_the_shoulder_the_arm_is_left_alone() -> None:
    """No direction leads to a place in the shoulder itself: the arm stays, and comes to it by degrees."""
    posture = bent_arms(1)
    shoulder = posture.at("leftUpperArm")
    np.testing.assert_allclose(reach_for(posture, {"left": shoulder + 0.01}, 1.0, SLOW).at("leftHand"), posture.at("leftHand"), atol=1e-12)


def test_what_hangs_on_the_arm_goes_with_it() -> None:
    """Wrist and fingers stay bent as they were; a joint for the twist of the upper arm follows the upper arm."""
    j = BODY.index("leftLowerArm")
    middle = (BODY.heads[BODY.index("leftUpperArm")] + BODY.heads[j]) / 2
    twisted = Skeleton((*BODY.names, "leftTwist"), np.append(BODY.parents, BODY.index("leftUpperArm")),
                       np.concatenate([BODY.heads, middle[None]]), np.concatenate([BODY.tails, BODY.heads[j][None]]))
    motion = walking(person(), 30.0)
    off, on = (retarget(motion, twisted, "walk", reach=reach) for reach in (0.0, 1.0))
    moves = {name for k, name in enumerate(twisted.names)
             if np.abs((off.rotations_wxyz[:, k] * on.rotations_wxyz[:, k]).sum(-1)).min() < 1 - 1e-9}
    assert {side + part for side in SIDES for part in ("UpperArm", "LowerArm")} <= moves
    assert not {name for name in moves if any(word in name for word in ("Hand", "Index", "Thumb", "Twist", "Leg", "Foot"))}


def forward_hips(by_m: float = 0.05) -> Skeleton:
    """A person whose hip joints, and legs, lie before the back, as CMU's do."""
    skeleton = person()
    shift = np.array([[0.0, -by_m if any(word in name for word in ("Leg", "Foot", "Toes")) else 0.0, 0.0] for name in skeleton.names])
    return replace(skeleton, heads=skeleton.heads + shift, tails=skeleton.tails + shift)


def test_a_back_that_is_behind_the_hip_joints_is_laid_back() -> None:
    assert trunk_lean(BODY, BODY) == 0.0
    source = forward_hips()
    head = lambda s: s.heads[s.index("head")] - hip_middle(s)  # noqa: E731
    lean = trunk_lean(source, BODY)
    assert 0.05 < lean < 0.25
    still = standing_still(source, 5)
    posture = carried_over(still, BODY, contacts_of(still), lean)
    got = posture.at("head")[0] - (posture.at("leftUpperLeg")[0] + posture.at("rightUpperLeg")[0]) / 2
    assert got[1] / got[2] == pytest.approx(head(source)[1] / head(source)[2], abs=0.005)
    np.testing.assert_allclose(posture.turns[:, BODY.index("head")], np.tile(np.eye(3), (5, 1, 1)), atol=1e-12)


def test_bodies_that_are_not_alike_keep_the_turns() -> None:
    """A doll with short legs: scaled to our legs its hands are over our head, so they mean nothing; the log says so."""
    doll = person()
    short = doll.heads.copy()
    for side in SIDES:
        hip = short[doll.index(f"{side}UpperLeg")]
        for part in ("LowerLeg", "Foot", "Toes"):
            short[doll.index(side + part)] = hip + 0.3 * (doll.heads[doll.index(side + part)] - hip)
    doll = replace(doll, heads=short)
    assert likeness(doll, BODY) == 0.0 and likeness(person(), BODY) == likeness(BODY, BODY) == 1.0
    still = standing_still(doll, 10)
    off, on = (retarget(still, BODY, "still", reach=reach) for reach in (0.0, 1.0))
    assert off.rotations_wxyz.tobytes() == on.rotations_wxyz.tobytes()


def test_the_log_says_where_hands_reach_less_far(caplog: pytest.LogCaptureFixture) -> None:
    class Context:
        log = logging.getLogger("reach")

    arms = np.array([any(word in name for word in ("UpperArm", "LowerArm", "Hand")) for name in person().names])
    wide = replace(person(), heads=person().heads + arms[:, None] * [0, 0, 0.2])
    assert 0 < likeness(wide, BODY) < 1
    with caplog.at_level("INFO", "reach"):
        _say_how_far(wide, BODY, 1.0, Context())
        _say_how_far(wide, BODY, 0.0, Context())
        _say_how_far(person(), BODY, 1.0, Context())
    assert [r.message for r in caplog.records] == [
        f"motion: its body has other proportions than the character's, so hands reach for their places in it {100 * likeness(wide, BODY):.0f} % of the way, not 100 %"]


def test_same_motion_same_numbers() -> None:
    first, second = (retarget(walking(person(), 30.0), capsules(), "a", reach=1.0) for _ in range(2))
    assert first.rotations_wxyz.tobytes() == second.rotations_wxyz.tobytes()


def test_a_source_without_arms_moves_the_rest() -> None:
    motion = walking(person(), 30.0)
    names = tuple(name.replace("LowerArm", "Wing") for name in motion.skeleton.names)
    armless: Clip = replace(motion, skeleton=replace(motion.skeleton, names=names))
    off, on = (retarget(armless, BODY, "walk", reach=reach) for reach in (0.0, 1.0))
    assert off.rotations_wxyz.tobytes() == on.rotations_wxyz.tobytes()
