"""Clips made here: idle, walk, wave, turn. Every curve is periodic, so that each ends exactly as it began."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.interpolate import PchipInterpolator

from stages.artifacts.body import Skeleton
from stages.artifacts.motion import Clip, Posture
from stages.rig.easing import smoothstep
from stages.rig.motion.acting import SIGN, Arm, Score, Step, act
from stages.rig.motion.proportions import leg_length

IDLE_S, WALK_S, WAVE_S, TURN_S = 8.0, 1.0, 4.0, 6.0
STRIDE, STANCE, TURN_STEPS = 0.62, 0.62, 12  # step length in leg lengths; share of a step's cycle on the ground
LANDING = 0.4  # of the ground's speed, that a foot has as it comes down: at all of it the leg would overreach before
TAU = 2 * np.pi


def made_clip(name: str, skeleton: Skeleton, fps: float) -> Clip:
    """The clip ``name`` for a skeleton with the soles of its feet at z = 0 at rest."""
    seconds, score, ground = _CLIPS[name]
    count = round(seconds * fps)
    phase = np.arange(count) / count
    posture = act(skeleton, score(phase, skeleton))
    closed = Posture(skeleton, np.concatenate([posture.turns, posture.turns[:1]]), np.concatenate([posture.heads, posture.heads[:1]]))
    clip = closed.clip(name, fps, loops=True, ground_m_s=ground(skeleton))
    return replace(clip, fps=count / seconds)


def _idle(u: np.ndarray, skeleton: Skeleton) -> Score:
    """Two breaths and one slow shift of the weight from leg to leg."""
    sway, breath = np.sin(TAU * u), np.sin(2 * TAU * u - 0.6)
    leg = leg_length(skeleton)
    return Score(
        hips_m=_columns(0.028 * leg * sway, 0.006 * leg * np.cos(TAU * u), 0 * u),
        hips=_columns(1.0 + 0 * u, -2.2 * sway, 1.5 * np.sin(TAU * u + 0.4)),
        back=_columns(0.5 - 1.4 * breath, 3.0 * sway, -1.5 * np.sin(TAU * u + 0.2)),
        gaze=_columns(1.5 + 1.2 * np.sin(2 * TAU * u + 0.5), 1.2 * np.sin(TAU * u + 0.8), 4.0 * np.sin(TAU * u + 1.1)),
        arms={side: _hanging(u, 1.5 * breath, sway * sign) for side, sign in SIGN.items()},
        steps={side: _standing(u, side, skeleton) for side in SIGN}, bob_m=-0.004 * leg * (1 - np.cos(2 * TAU * u)) / 2,
    )


def _wave(u: np.ndarray, skeleton: Skeleton) -> Score:
    """The right arm goes up by way of the front, the hand waves three times, and everything comes to rest again."""
    idle = _idle(np.zeros_like(u), skeleton)
    up = _between(u, 0.04, 0.24) - _between(u, 0.72, 0.94)
    waving = (_between(u, 0.2, 0.3) - _between(u, 0.66, 0.76)) * np.sin(TAU * 3 * (u - 0.25) / 0.45)
    leg = leg_length(skeleton)
    rest = idle.arms["right"]
    raised = np.array([0.74, -0.16, 0.30]) + waving[:, None] * [0.05, 0.0, 0.06]
    upright = np.array([0.20, -0.30, 0.93]) + waving[:, None] * [0.38, 0.0, 0.0]
    arm = Arm(_by_way(up, rest.upper, (0.62, -0.42, -0.45), raised), _by_way(up, rest.lower, (0.30, -0.88, 0.20), upright),
              rest.raise_deg + 9.0 * up, 75.0 * up)
    return replace(
        idle, hips_m=_columns(0.03 * leg * up, 0 * u, 0 * u), hips=idle.hips + _columns(0 * u, -2.0 * up, 2.0 * up),
        back=idle.back + _columns(-1.0 * up, 4.0 * up + 1.0 * waving, -4.0 * up), gaze=idle.gaze + _columns(-1.0 * up, -5.0 * up - 1.5 * waving, -5.0 * up),
        arms={"left": idle.arms["left"], "right": arm}, bob_m=-0.004 * leg * np.sin(np.pi * u) ** 2,
    )


def _walk(u: np.ndarray, skeleton: Skeleton) -> Score:
    """Two steps on the spot; the left heel comes down at 0, the right one half a cycle later."""
    leg = leg_length(skeleton)
    c, stance_left = np.cos(TAU * u), np.cos(TAU * (u - 0.30))
    return Score(
        hips_m=_columns(0.026 * leg * stance_left, 0.008 * leg * np.cos(2 * TAU * u + 0.5), 0 * u),
        hips=_columns(3.0 + 0 * u, -3.0 * np.cos(TAU * (u - 0.24)), -6.0 * c),
        back=_columns(1.0 + 1.0 * np.cos(2 * TAU * u), 3.5 * np.cos(TAU * (u - 0.24)), 13.0 * np.cos(TAU * (u - 0.02))),
        gaze=_columns(2.0 + 1.0 * np.cos(2 * TAU * u - 0.6), 0.8 * stance_left, 1.5 * c),
        arms={side: _swinging(u, sign * np.cos(TAU * (u - 0.03))) for side, sign in SIGN.items()},
        steps={"left": _pace(u, "left", skeleton), "right": _pace((u + 0.5) % 1.0, "right", skeleton)},
        bob_m=-0.022 * leg * np.cos(2 * TAU * (u - 0.02)),
    )


def _pace(phase: np.ndarray, side: str, skeleton: Skeleton) -> Step:
    """One foot's cycle: down on the heel, flat, off over the ball, through the air. On the ground it goes back as evenly as the ground does."""
    leg = leg_length(skeleton)
    reach = STANCE * STRIDE * leg
    swing = np.clip((phase - STANCE) / (1 - STANCE), 0, 1)
    ground = -reach + 2 * reach * phase / STANCE
    speed = 2 * reach / STANCE * (1 - STANCE)  # of the ground, over the time in the air
    s, s2, s3 = swing, swing**2, swing**3
    air = (2 * s3 - 3 * s2 + 1) * reach + (s3 - 2 * s2 + s) * speed - (3 * s2 - 2 * s3) * reach + (s3 - s2) * LANDING * speed
    ankle = skeleton.heads[skeleton.index(f"{side}Foot")]
    middle = skeleton.heads[0]
    pitch = _keyed(phase, {0: -17, 0.10: 0, 0.34: 0, STANCE: 42, 0.72: 46, 0.90: -8, 1: -17})
    toes = _keyed(phase, {0: -17, 0.10: 0, 0.34: 0, STANCE: 2, 0.74: 24, 0.90: -6, 1: -17})
    base = _columns((middle[0] - ankle[0]) * 0.42 + 0 * phase, np.where(phase < STANCE, ground, air), 0.045 * leg * np.sin(np.pi * swing) ** 2)
    about_heel = np.where(phase < STANCE, np.where(phase < 0.2, 1.0, 0.0), smoothstep(swing))
    return Step(base, pitch, toes, 0 * phase, SIGN[side] * 5.0 + 0 * phase, about_heel)


def _turn(u: np.ndarray, skeleton: Skeleton) -> Score:
    """Once round to the left in twelve small steps, the eyes ahead of the shoulders, the shoulders ahead of the feet."""
    leg = leg_length(skeleton)
    yaw = 360.0 * u
    steps = {"left": _turning_step(u, "left", 0, skeleton), "right": _turning_step(u, "right", 1, skeleton)}
    over_left = -np.sin(TAU * TURN_STEPS / 2 * u)  # the left foot is in the air in the even steps
    ahead = np.radians(yaw)
    aside = 0.028 * leg * over_left
    arms = {side: _hanging(u, 0 * u, 0.8 * sign * over_left) for side, sign in SIGN.items()}
    return Score(
        hips_m=_columns(aside * np.cos(ahead), aside * np.sin(ahead), 0 * u), hips=_columns(2.0 + 0 * u, -2.0 * over_left, yaw),
        back=_columns(1.0 + 0 * u, 2.5 * over_left, 6.0 + 3.0 * over_left), gaze=_columns(2.0 + 0 * u, 0 * u, yaw + 18.0),
        arms=arms, steps=steps, bob_m=-0.008 * leg * np.cos(TAU * TURN_STEPS * u),
    )


def _turning_step(u: np.ndarray, side: str, first: int, skeleton: Skeleton) -> Step:
    """One foot goes round by a sixth of a turn in each of its steps and stands still between them."""
    each = 2.0 / TURN_STEPS
    since = (u - first / TURN_STEPS) / each
    swing = np.clip((since - np.floor(since)) * 2, 0, 1)
    yaw = 360.0 * each * (np.floor(since) + smoothstep(swing)) + (15.0 if first else -15.0)
    lift = np.sin(np.pi * swing) ** 2
    leg = leg_length(skeleton)
    inwards = -SIGN[side] * 0.015 * leg
    return Step(_columns(inwards + 0 * u, 0 * u, 0.05 * leg * lift), 16.0 * lift * (1 - swing), 10.0 * lift * (1 - swing),
                yaw, SIGN[side] * 6.0 + 0 * u, 0 * u)


def _standing(u: np.ndarray, side: str, skeleton: Skeleton) -> Step:
    still = 0 * u
    return Step(_columns(still, still, still), still, still, still, SIGN[side] * 8.0 + still, still)


def _hanging(u: np.ndarray, raise_deg: np.ndarray, sway: np.ndarray) -> Arm:
    """An arm at the side, a little away from the body, the elbow not quite straight."""
    still = 0 * u
    return Arm(_columns(0.30 + 0.01 * sway, 0.05 + 0.015 * sway, -0.95 + still), _columns(0.23 + 0.02 * sway, -0.16 + 0.02 * sway, -0.96 + still), raise_deg + still, still)


def _swinging(u: np.ndarray, back: np.ndarray) -> Arm:
    """An arm that swings: ``back`` (K,) from 1, all the way back, to -1; the elbow bends as it comes forward."""
    upper = np.radians(24.0 * back + 2.0)
    lower = upper - np.radians(20.0 - 12.0 * back)
    direction = lambda angle, out: _columns(out + 0 * u, np.sin(angle), -np.cos(angle))  # noqa: E731
    return Arm(direction(upper, 0.28), direction(lower, 0.18 - 0.06 * (1 - back) / 2), 0 * u, 0 * u)


def _by_way(share: np.ndarray, start: np.ndarray, way: tuple[float, float, float], end: np.ndarray) -> np.ndarray:
    """(K, 3) from ``start`` (K, 3) to ``end`` (K, 3) by way of ``way``, as ``share`` (K,) goes from 0 to 1: a parabola through the three."""
    s = share[:, None]
    return (1 - s) * (1 - 2 * s) * start + 4 * s * (1 - s) * np.array(way) + s * (2 * s - 1) * end


def _between(u: np.ndarray, start: float, end: float) -> np.ndarray:
    """0 before ``start``, 1 after ``end``, smooth."""
    return smoothstep((u - start) / (end - start))


def _keyed(phase: np.ndarray, keys: dict[float, float]) -> np.ndarray:
    """Values at ``phase`` of a periodic curve through keys, without overshoot."""
    at, value = np.array(list(keys)), np.array(list(keys.values()), float)
    around = np.concatenate([at[:-1] - 1, at[:-1], at + 1]), np.concatenate([value[:-1], value[:-1], value])
    return PchipInterpolator(*around)(phase)


def _columns(*values: np.ndarray) -> np.ndarray:
    return np.stack(np.broadcast_arrays(*values), -1)


def _nothing(skeleton: Skeleton) -> float:
    return 0.0


def _walking_speed(skeleton: Skeleton) -> float:
    """Metres a second at which the ground passes under the walk."""
    return 2 * STRIDE * leg_length(skeleton) / WALK_S


_CLIPS: dict[str, tuple[float, Callable[[np.ndarray, Skeleton], Score], Callable[[Skeleton], float]]] = {
    "idle": (IDLE_S, _idle, _nothing), "walk": (WALK_S, _walk, _walking_speed), "wave": (WAVE_S, _wave, _nothing), "turn": (TURN_S, _turn, _nothing),
}
