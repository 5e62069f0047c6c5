"""From what an animator says (where the hips are, how the back bends, where arms point, where feet stand) to turns of every joint.

Turns are given in degrees as (pitch, roll, yaw): about +X, positive bends forward; about +Y, positive leans to the character's left; about +Z,
positive turns to its left; applied in that order. Arms are directions as seen from the chest; feet are held by inverse kinematics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from stages.artifacts.body import Skeleton
from stages.artifacts.motion import Posture
from stages.artifacts.rotations import about, matrices_of, quaternions_of, shortest_turns, slerp
from stages.rig.motion.feet import Sole, sole_of
from stages.rig.motion.legs import STRAIGHTEST, Footing, lengths, stand

BACK = ("spine", "chest", "upperChest")
SIGN = {"left": 1.0, "right": -1.0}
_CURL_DEG = {"Proximal": 14.0, "Intermediate": 20.0, "Distal": 14.0}


@dataclass(frozen=True)
class Arm:
    """Directions (K, 3) of upper and lower arm, x outwards, as seen from the chest; ``raise_deg`` lifts the shoulder, ``twist_deg`` turns the palm."""

    upper: np.ndarray
    lower: np.ndarray
    raise_deg: np.ndarray
    twist_deg: np.ndarray


@dataclass(frozen=True)
class Step:
    """A foot: ``base`` (K, 3) moves its sole from its place at rest, then (K,) degrees: ``yaw`` turns it about the world's middle, ``out`` about its ankle,
    ``pitch`` lifts the heel (positive) or the toes (negative), about the ball of the foot, or the heel, or between, as ``about_heel`` goes from 0 to 1;
    ``toes`` is the pitch of the toes against the ground."""

    base: np.ndarray
    pitch: np.ndarray
    toes: np.ndarray
    yaw: np.ndarray
    out: np.ndarray
    about_heel: np.ndarray


@dataclass(frozen=True)
class Score:
    """Everything said, over K keys. ``hips_m`` (K, 3) moves the hips; ``gaze`` is the head's turn in the world; all turns (K, 3) degrees."""

    hips_m: np.ndarray
    hips: np.ndarray
    back: np.ndarray
    gaze: np.ndarray
    arms: Mapping[str, Arm]
    steps: Mapping[str, Step]
    bob_m: np.ndarray = field(default_factory=lambda: np.zeros(1))  # the hips' up and down; their mean height follows from the legs' reach


def turns_of(deg: np.ndarray) -> np.ndarray:
    """(K, 3, 3) of (pitch, roll, yaw) (K, 3) degrees."""
    pitch, roll, yaw = np.moveaxis(np.radians(deg), -1, 0)
    return about((0, 0, 1), yaw) @ about((0, 1, 0), roll) @ about((1, 0, 0), pitch)


def act(skeleton: Skeleton, score: Score) -> Posture:
    """The score played by a skeleton."""
    frames = len(score.hips)
    turns = np.tile(np.eye(3), (frames, len(skeleton.names), 1, 1))
    back = [joint for joint in BACK if joint in skeleton.names]
    curls = _curls(skeleton)
    for j, (joint, parent) in enumerate(zip(skeleton.names, skeleton.parents, strict=True)):
        above = turns[:, parent] if parent >= 0 else np.eye(3)
        side = next((s for s in SIGN if joint.startswith(s)), None)
        if joint == "hips":
            turns[:, j] = turns_of(score.hips)
        elif joint in back:
            turns[:, j] = above @ turns_of(score.back / len(back))
        elif joint == "head":
            turns[:, j] = turns_of(score.gaze)
        elif joint == "neck":
            turns[:, j] = matrices_of(slerp(quaternions_of(above), quaternions_of(turns_of(score.gaze)), np.full(frames, 0.5)))
        elif side is not None and joint.removeprefix(side) in ("Shoulder", "UpperArm", "LowerArm", "Hand"):
            turns[:, j] = _arm_turn(skeleton, turns, j, side, score.arms[side])
        elif side is not None and joint.removeprefix(side) in ("UpperLeg", "LowerLeg"):
            turns[:, j] = about((0, 0, 1), np.radians(score.hips[:, 2] * 0.5 + (score.steps[side].yaw + score.steps[side].out) * 0.5))
        else:
            turns[:, j] = above @ curls.get(joint, np.eye(3))
    return _on_its_feet(Posture.of_turns(skeleton, turns, score.hips_m), score)


def _arm_turn(skeleton: Skeleton, turns: np.ndarray, j: int, side: str, arm: Arm) -> np.ndarray:
    """(K, 3, 3) world turn of one joint of an arm whose parents are turned."""
    part = skeleton.names[j].removeprefix(side)
    above = turns[:, skeleton.parents[j]]
    if part == "Shoulder":
        return above @ about((0, 1, 0), np.radians(-SIGN[side] * arm.raise_deg))
    twist = np.radians(-SIGN[side] * arm.twist_deg / 3)
    if part == "Hand":
        return about(above @ _bone(skeleton, j), twist) @ above
    chest = _chest(skeleton, turns, side)
    wanted = (chest @ ((arm.upper if part == "UpperArm" else arm.lower) * [SIGN[side], 1, 1])[..., None])[..., 0]
    base = chest if part == "UpperArm" else above
    turned = shortest_turns((base @ _bone(skeleton, j)), wanted) @ base
    return about(wanted, twist) @ turned


def _bone(skeleton: Skeleton, j: int) -> np.ndarray:
    """(3,) from a joint to the one below it that continues its limb, else to its tail."""
    children = np.flatnonzero(np.asarray(skeleton.parents) == j)
    return (skeleton.heads[children[0]] if len(children) == 1 else skeleton.tails[j]) - skeleton.heads[j]


def _chest(skeleton: Skeleton, turns: np.ndarray, side: str) -> np.ndarray:
    """(K, 3, 3) turn of what the shoulder hangs on."""
    at = skeleton.index(f"{side}UpperArm")
    while skeleton.names[at].startswith(side):
        at = int(skeleton.parents[at])
    return turns[:, at]


def _curls(skeleton: Skeleton) -> dict[str, np.ndarray]:
    """Fingers slightly bent towards the palm, as hands are that do nothing."""
    out = {}
    for j, joint in enumerate(skeleton.names):
        side = next((s for s in SIGN if joint.startswith(s)), None)
        finger = next((f for f in ("Index", "Middle", "Ring", "Little") if f in joint), None)
        if side is None or finger is None:
            continue
        axis = np.cross(skeleton.tails[j] - skeleton.heads[j], [-SIGN[side], 0.0, -0.8])
        out[joint] = about(axis, np.radians(next((deg for part, deg in _CURL_DEG.items() if joint.endswith(part)), 0.0)))
    return out


def _on_its_feet(posture: Posture, score: Score) -> Posture:
    """Feet where the steps say; hips as high as the legs can reach whose feet are on the ground, at every key."""
    skeleton = posture.skeleton
    footings = {side: _footing(skeleton, side, step) for side, step in score.steps.items()}
    down = {side: step.base[:, 2] < 1e-4 for side, step in score.steps.items()}
    too_high = [np.max(np.where(down[side], _too_high(posture, side, footing) + score.bob_m, 0.0)) for side, footing in footings.items()]
    height = score.bob_m - max(*too_high, 0.0)
    moved = posture.heads[:, 0] - skeleton.heads[0] + np.asarray(height)[:, None] * [0.0, 0.0, 1.0]
    return stand(Posture.of_turns(skeleton, posture.turns, moved), footings)


def _too_high(posture: Posture, side: str, footing: Footing) -> np.ndarray:
    """(K,) metres by which a hip joint is further above its ankle than the leg is long."""
    away = posture.at(f"{side}UpperLeg") - footing.ankles
    longest = (STRAIGHTEST - 0.002) * sum(lengths(posture.skeleton, side))
    return away[:, 2] - np.sqrt(np.maximum(longest**2 - (away[:, :2] ** 2).sum(-1), 0))


def _footing(skeleton: Skeleton, side: str, step: Step) -> Footing:
    sole, ankle = sole_of(skeleton, side), skeleton.heads[skeleton.index(f"{side}Foot")]
    heading = about((0, 0, 1), np.radians(step.yaw))
    out = about((0, 0, 1), np.radians(step.out))
    pitch = about((1, 0, 0), np.radians(step.pitch))
    pivot = sole.ball + step.about_heel[:, None] * (sole.heel - sole.ball)
    rolled = pivot - ankle + (pitch @ (ankle - pivot)[..., None])[..., 0]
    rolled[:, 2] = _above_sole(pitch, ankle, sole, step.base[:, 2]) - ankle[2]
    place = ankle + step.base + (out @ rolled[..., None])[..., 0]
    toes = heading @ out @ about((1, 0, 0), np.radians(step.toes)) if f"{side}Toes" in skeleton.names else None
    return Footing((heading @ place[..., None])[..., 0], heading @ out @ pitch, toes)




def _above_sole(pitch: np.ndarray, ankle: np.ndarray, sole: Sole, lift: np.ndarray) -> np.ndarray:
    """(K,) height of the ankle over the lower of heel and ball; with a ``lift`` (K,) a little more where one takes over from the other, smoothly."""
    heel, ball = (-(pitch @ (point - ankle))[:, 2] for point in (sole.heel, sole.ball))
    return (heel + ball + np.sqrt((heel - ball) ** 2 + lift**2)) / 2
