"""Motions carried from one skeleton to another: the same on itself, level arms stay level, feet stay where they stand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import ConfigError
from stages.artifacts.body import Skeleton
from stages.artifacts.motion import Clip, Posture
from stages.artifacts.rotations import about
from stages.conditions.body import load_base_body
from stages.rig.motion.contacts import SIDES, contacts_of, runs
from stages.rig.motion.feet import hold_feet, sole_of
from stages.rig.motion.legs import STRAIGHTEST, Footing, lengths, stand
from stages.rig.motion.proportions import leg_length
from stages.rig.motion.retarget import rest_alignment, retarget
from tests.rig.figures import skeleton as capsules
from tests.rig.motions import person, walking


def slide_m(posture: Posture, contacts) -> float:
    """The longest way over the ground of any heel or ball during one contact."""
    longest = 0.0
    for k, side in enumerate(SIDES):
        sole = sole_of(posture.skeleton, side)
        for point, mask in ((sole.heel, contacts.heel[:, k]), (sole.ball, contacts.toe[:, k])):
            path = posture.carried(f"{side}Foot", point)[:, :2]
            longest = max([longest, *(np.linalg.norm(np.diff(path[a:b], axis=0), axis=-1).sum() for a, b in runs(mask))])
    return float(longest)


def lowest_m(posture: Posture) -> float:
    return min(float(posture.carried(f"{s}Foot", p)[:, 2].min()) for s in SIDES for p in (sole_of(posture.skeleton, s).heel, sole_of(posture.skeleton, s).ball))


def standing_still(skeleton: Skeleton, frames: int = 30) -> Clip:
    identity = np.tile([1.0, 0, 0, 0], (frames, len(skeleton.names), 1))
    return Clip("still", 30.0, skeleton, identity, np.zeros((frames, 3)))


def test_on_its_own_skeleton_turns_are_the_same() -> None:
    clip = walking(person(), 30.0)
    again = retarget(clip, clip.skeleton, "again", hold=False)
    np.testing.assert_allclose(np.abs((again.rotations_wxyz * clip.rotations_wxyz).sum(-1)), 1, atol=1e-12)
    shift = again.root_offset_m - clip.root_offset_m
    assert np.abs(shift - shift[0]).max() < 1e-12 and np.abs(shift[0, :2]).max() < 1e-12 and abs(shift[0, 2]) < 0.01


@pytest.mark.parametrize("arms_deg", [0.0, 40.0, 75.0])
@pytest.mark.parametrize("spread_deg", [0.0, 20.0])
def test_rest_poses_are_laid_over_each_other(arms_deg: float, spread_deg: float) -> None:
    """A source at rest in another pose puts the target in that very pose: its limbs point where the source's do, its feet stay flat."""
    source, target = person(arms_deg, spread_deg), load_base_body().skeleton
    posture = retarget(standing_still(source), target, "still", hold=False).posture()
    rest = standing_still(source).posture()
    for side in SIDES:
        for a, b in (("UpperArm", "LowerArm"), ("LowerArm", "Hand"), ("UpperLeg", "LowerLeg"), ("LowerLeg", "Foot")):
            ours, theirs = (p.at(side + b)[0] - p.at(side + a)[0] for p in (posture, rest))
            np.testing.assert_allclose(ours / np.linalg.norm(ours), theirs / np.linalg.norm(theirs), atol=1e-9)
        foot = posture.turns[0, target.index(f"{side}Foot")]
        np.testing.assert_allclose(foot @ [0, 0, 1], [0, 0, 1], atol=1e-9)
    laid = rest_alignment(source, target)
    np.testing.assert_allclose(laid[target.index("hips")], np.eye(3), atol=0)


@pytest.mark.parametrize("target", [load_base_body().skeleton, capsules(), person(30.0)], ids=["body", "capsules", "person"])
@pytest.mark.parametrize("fps", [30.0, 60.0])
def test_feet_that_stand_do_not_slide_nor_sink(target: Skeleton, fps: float) -> None:
    source = walking(person(spread_deg=10.0), fps)
    contacts = contacts_of(source)
    assert 6 <= sum(len(runs(contacts.heel[:, k] | contacts.toe[:, k])) for k in range(2)) <= 8  # six steps, and what the ends cut
    held = retarget(source, target, "walk").posture()
    assert slide_m(held, contacts) < 1e-3 and lowest_m(held) > -1e-3
    loose = retarget(source, target, "walk", hold=False).posture()
    far = [np.linalg.norm(held.at(f"{s}Foot") - loose.at(f"{s}Foot"), axis=-1).mean() for s in SIDES]
    assert max(far) < 0.03
    np.testing.assert_allclose(held.at("hips")[:, :2], loose.at("hips")[:, :2], atol=1e-12)


def test_a_slide_in_the_source_is_taken_out_smoothly() -> None:
    """Standing on a drifting treadmill: the feet stay, and no foot jumps between frames at either end of its contact."""
    source = walking(person(), 60.0)
    drift = source.root_offset_m + np.arange(source.frames)[:, None] / 60.0 * [0.12, 0.0, 0.0]
    source = replace(source, root_offset_m=drift)
    contacts = contacts_of(source)
    loose, held = (retarget(source, person(), "x", hold).posture() for hold in (False, True))
    assert slide_m(loose, contacts) > 0.04 and slide_m(held, contacts) < 1e-3
    speed = lambda p, s: np.linalg.norm(np.diff(p.at(f"{s}Foot"), axis=0), axis=-1)  # noqa: E731
    for side in SIDES:
        assert speed(held, side).max() < 1.35 * speed(loose, side).max()


def test_a_jump_has_no_contacts_in_the_air_and_keeps_its_height() -> None:
    still = standing_still(person(), 60)
    up = np.maximum(np.sin(np.linspace(-np.pi, 2 * np.pi, 60)), 0) * 0.4
    source = replace(still, root_offset_m=up[:, None] * [0, 0, 1.0])
    contacts = contacts_of(source)
    assert not (contacts.heel | contacts.toe)[up > 0.1].any() and (contacts.heel & contacts.toe)[up == 0].all()
    target = load_base_body().skeleton
    posture = retarget(source, target, "jump").posture()
    scale = leg_length(target) / leg_length(person())
    high = posture.at("leftFoot")[:, 2] - target.heads[target.index("leftFoot")][2]
    assert high.max() == pytest.approx(0.4 * scale, abs=0.02) and abs(high[up == 0]).max() < 1e-3


def test_two_bones_reach_what_can_be_reached() -> None:
    """The ankle is where it was asked to be, bones keep their length, the knee bends forward; too far away the leg points there."""
    skeleton = person()
    rng = np.random.default_rng(1)
    posture = standing_still(skeleton, 200).posture()
    hip = skeleton.heads[skeleton.index("leftUpperLeg")]
    directions = rng.normal(size=(200, 3)) * [0.4, 0.4, 0.2] - [0, 0, 1]
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    total = sum(lengths(skeleton, "left"))
    distance = rng.uniform(0.3, 1.2, 200) * total
    wanted = hip + directions * distance[:, None]
    turns = np.tile(about((0, 0, 1), 0.3), (200, 1, 1))
    got = stand(posture, {"left": Footing(wanted, turns, turns)})
    near = distance < STRAIGHTEST * total
    np.testing.assert_allclose(got.at("leftFoot")[near], wanted[near], atol=1e-9)
    reach = got.at("leftFoot")[~near] - hip
    np.testing.assert_allclose(reach / np.linalg.norm(reach, axis=-1, keepdims=True), directions[~near], atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(reach, axis=-1), STRAIGHTEST * total)
    knee = got.at("leftLowerLeg") - hip
    assert (np.cross(directions, knee)[:, 0] <= 1e-9).all()  # in front of the line from hip to ankle, which is -Y
    np.testing.assert_allclose(np.linalg.norm(knee, axis=-1), lengths(skeleton, "left")[0])
    np.testing.assert_allclose(got.turns[:, skeleton.index("leftFoot")], turns)
    np.testing.assert_allclose(got.turns[:, skeleton.index("rightUpperLeg")], posture.turns[:, skeleton.index("rightUpperLeg")])


def test_what_the_source_lacks_follows_its_parent() -> None:
    target = load_base_body().skeleton
    clip = retarget(walking(person(), 30.0), target, "walk")
    for joint in ("jaw", "leftEye", "leftIndexProximal"):
        np.testing.assert_allclose(clip.rotations_wxyz[:, target.index(joint)], np.tile([1.0, 0, 0, 0], (clip.frames, 1)), atol=1e-9)


def test_same_motion_same_numbers() -> None:
    first, second = (retarget(walking(person(), 30.0), capsules(), "a") for _ in range(2))
    assert first.rotations_wxyz.tobytes() == second.rotations_wxyz.tobytes() and first.root_offset_m.tobytes() == second.root_offset_m.tobytes()


def test_a_skeleton_without_legs_is_refused() -> None:
    short = replace(capsules(), names=tuple(n.replace("Foot", "Fin") for n in capsules().names))
    with pytest.raises(ConfigError, match="it lacks leftFoot, rightFoot and begins with hips"):
        retarget(walking(person(), 30.0), short, "walk")


def test_holding_nothing_changes_nothing_but_what_is_underground() -> None:
    """A figure that floats has no contacts: its posture stays as it is."""
    source = walking(person(), 30.0)
    contacts = contacts_of(source)
    posture = source.posture()
    raised = Posture(posture.skeleton, posture.turns, posture.heads + [0, 0, 1.0])
    nothing = replace(contacts, heel=contacts.heel & False, toe=contacts.toe & False)
    held = hold_feet(raised, nothing, 30.0)
    np.testing.assert_allclose(held.heads, raised.heads, atol=5e-4)  # a knee that is all but straight takes the thigh's plane
