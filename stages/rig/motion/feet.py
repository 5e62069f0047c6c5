"""Feet that do not slide: what touches the ground in the source keeps its place on ours, and the legs follow by inverse kinematics.

In a stretch of contact the foot is shifted, frame by frame, by as much as the touching point (heel, or ball of the foot) would move; the
stretch as a whole lies where the motion put it on the average. Between stretches the shift passes smoothly from one to the next, through the air.
While heel and toe are both down the foot lies flat and keeps its direction; before and after, its turn eases in and out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.artifacts.body import Skeleton
from stages.artifacts.motion import Posture
from stages.artifacts.rotations import about, matrices_of, quaternions_of, slerp
from stages.rig.easing import smoothstep
from stages.rig.motion.contacts import SIDES, Contacts, runs
from stages.rig.motion.legs import Footing, lowered, stand

EASE_S = 0.12
_HEEL_BEHIND = 0.3  # of the way from the ankle to the ball


@dataclass(frozen=True)
class Sole:
    """Points of a foot at rest, on the ground: beneath the heel, beneath the ball, beneath the tip of the toes; (3,) each."""

    heel: np.ndarray
    ball: np.ndarray
    tip: np.ndarray


def sole_of(skeleton: Skeleton, side: str) -> Sole:
    """From the joints alone; soles stand at z = 0 at rest."""
    foot = skeleton.index(f"{side}Foot")
    ankle, ball = skeleton.heads[foot], skeleton.tails[foot]
    tip = ball
    if f"{side}Toes" in skeleton.names:
        toes = skeleton.index(f"{side}Toes")
        ball, tip = skeleton.heads[toes], skeleton.tails[toes]
    flat = np.array([1.0, 1.0, 0.0])
    return Sole((ankle - _HEEL_BEHIND * (ball - ankle)) * flat, ball * flat, tip * flat)


def hold_feet(posture: Posture, contacts: Contacts, fps: float) -> Posture:
    """``posture`` with its feet held where ``contacts`` say and above the ground everywhere."""
    footings = {side: _footing(posture, side, contacts.heel[:, k], contacts.toe[:, k], fps) for k, side in enumerate(SIDES)}
    standing = np.stack([contacts.heel[:, k] | contacts.toe[:, k] for k in range(2)], -1)
    return stand(lowered(posture, footings, standing, fps), footings)


def _footing(posture: Posture, side: str, heel: np.ndarray, toe: np.ndarray, fps: float) -> Footing:
    skeleton, sole = posture.skeleton, sole_of(posture.skeleton, side)
    foot, ankle = skeleton.index(f"{side}Foot"), skeleton.heads[skeleton.index(f"{side}Foot")]
    given = posture.turns[:, foot]
    turns = _flattened(given, heel & toe, fps)
    toes = None
    if f"{side}Toes" in skeleton.names:
        bent = turns @ np.swapaxes(given, -1, -2) @ posture.turns[:, skeleton.index(f"{side}Toes")]
        toes = _flattened(bent, toe, fps)
    ankles = posture.heads[:, foot]
    heels, balls = (ankles + turns @ (point - ankle) for point in (sole.heel, sole.ball))
    ankles = ankles + _shift(heels, balls, heel, toe)
    return Footing(_above_ground(ankles, turns, toes, skeleton, side), turns, toes)


def _flattened(turns: np.ndarray, flat: np.ndarray, fps: float) -> np.ndarray:
    """(K, 3, 3) turns that are about the upright axis alone, and the same throughout, in each stretch of ``flat``, easing in and out of it."""
    out = quaternions_of(turns)
    stretches = runs(flat)
    for start, end in stretches:
        ahead = turns[start:end, :, 1].sum(0)  # where +Y has gone; the toes point to -Y
        level = quaternions_of(about((0, 0, 1), np.arctan2(-ahead[0], ahead[1])))
        frames = np.arange(len(turns))
        away = np.maximum(np.maximum(start - frames, frames - (end - 1)), 0) / (EASE_S * fps)
        share = smoothstep(1 - away)
        others = np.zeros(len(turns), bool)
        for other in stretches:
            if other != (start, end):
                others[slice(*other)] = True
        out = slerp(out, np.broadcast_to(level, out.shape), np.where(others, 0, share))
    return matrices_of(out)


def _shift(heels: np.ndarray, balls: np.ndarray, heel: np.ndarray, toe: np.ndarray) -> np.ndarray:
    """(K, 3) by which the foot has to be moved so that what touches stands still at z = 0."""
    shift = np.zeros_like(heels)
    stretches = runs(heel | toe)
    for start, end in stretches:
        for t in range(start + 1, end):
            if toe[t - 1] and toe[t]:
                moved = balls[t] - balls[t - 1]
            elif heel[t - 1] and heel[t]:
                moved = heels[t] - heels[t - 1]
            else:
                moved = np.zeros(3)
            shift[t] = shift[t - 1] - moved
        inside = slice(start, end)
        shift[inside] -= shift[inside].mean(0)
        shift[inside, 2] = -np.where(toe[inside], balls[inside, 2], heels[inside, 2])
    return _between(shift, stretches)


def _between(shift: np.ndarray, stretches: list[tuple[int, int]]) -> np.ndarray:
    """The shift outside the stretches: as at their ends before the first and after the last, and a smooth way from each to the next."""
    if not stretches:
        return shift
    out = shift.copy()
    out[: stretches[0][0]] = shift[stretches[0][0]]
    out[stretches[-1][1] :] = shift[stretches[-1][1] - 1]
    for (_, end), (start, _) in zip(stretches, stretches[1:]):
        share = smoothstep(np.arange(1, start - end + 1) / (start - end + 1))[:, None]
        out[end:start] = shift[end - 1] * (1 - share) + shift[start] * share
    return out


def _above_ground(ankles: np.ndarray, turns: np.ndarray, toes: np.ndarray | None, skeleton: Skeleton, side: str) -> np.ndarray:
    """Ankles raised where heel, ball or toes would be beneath z = 0."""
    sole, ankle = sole_of(skeleton, side), skeleton.heads[skeleton.index(f"{side}Foot")]
    points = [ankles + turns @ (point - ankle) for point in (sole.heel, sole.ball)]
    if toes is not None:
        joint = skeleton.heads[skeleton.index(f"{side}Toes")]
        points.append(ankles + turns @ (joint - ankle) + toes @ (sole.tip - joint))
    lowest = np.min([p[:, 2] for p in points], 0)
    return ankles + np.maximum(-lowest, 0)[:, None] * [0.0, 0.0, 1.0]
