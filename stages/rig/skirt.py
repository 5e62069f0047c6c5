"""Cloth that spans both legs - a skirt, a long coat - and what it follows: the hips above, the legs under it below.

A skirt that took the weights of the leg behind each point would be torn apart by a step. It is told from trousers by what lies
between the legs: a look from there to the front and to the back meets cloth under a skirt, at least as far out as the legs
themselves reach, and nothing, or the valley where they touch, between two trouser legs.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stages.artifacts.body import BodyModel, Skeleton
from stages.artifacts.closest import Closest
from stages.rig.easing import smoothstep

LEGS = ("UpperLeg", "LowerLeg")
# Where one thigh has taken over from the other, in distances between the legs' axes from the middle.
_ACROSS = 0.6
# How far down the thigh the legs have taken over from the hips.
GIVEN_OVER = 0.45
# Closer to the skin than the first, metres, it is a stocking or the leg itself; from the second on it is the skirt.
_OFF_SKIN = (0.004, 0.012)
_SIGHT_M = 0.5
# Cloth counts as spanning from this share of the leg's radius on.
_REACH = 0.8
_LEVELS = 24


def skirt_share(v_pos: np.ndarray, t_pos_idx: np.ndarray, near: Closest, posed: BodyModel) -> np.ndarray:
    """(V,) in [0, 1]: how much of a skirt each vertex is. ``near`` holds closest points on the posed body."""
    skeleton = posed.skeleton
    if not {side + bone for side in ("left", "right") for bone in LEGS} <= set(skeleton.names):
        return np.zeros(len(v_pos))
    hem = spanned_level(v_pos, t_pos_idx, posed)
    along, distance = _along_legs(v_pos, skeleton)
    level = along[np.arange(len(v_pos)), distance.argmin(-1)]
    off = smoothstep((near.distance - _OFF_SKIN[0]) / (_OFF_SKIN[1] - _OFF_SKIN[0]))
    on_legs = near.interpolate(posed.weights, posed.t_pos_idx)[:, leg_joints(skeleton)].sum(-1) > 0.5  # hands hang beside a skirt
    return np.where(on_legs & (level > 0) & (level < hem), off, 0.0)


def leg_joints(skeleton: Skeleton) -> list[int]:
    """The joints whose skin a skirt may lie on: the hips, thighs and shins."""
    return [j for j, name in enumerate(skeleton.names) if name == "hips" or name.endswith(LEGS)]


def skirt_weights(v_pos: np.ndarray, on_body: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """(V, J): the weights ``on_body`` (V, J) of the nearest body points, but what both legs hold there shared by the side of the middle.

    So cloth in front of a thigh goes where the thigh goes, cloth between the legs half-way, and nothing tears in the middle. From the hip joints
    down cloth is given over to the legs more slowly than skin is, or it would fold there.
    """
    along, _ = _along_legs(v_pos, skeleton)
    level = np.clip(along, 0, 2).mean(-1)
    left, right = (_leg_point(skeleton, side, level) for side in ("left", "right"))
    across = left - right
    aside = ((v_pos - (left + right) / 2) * across).sum(-1) / (across * across).sum(-1)
    share = smoothstep((aside + _ACROSS) / (2 * _ACROSS))
    both = {bone: [skeleton.index(side + bone) for side in ("left", "right")] for bone in LEGS}
    held = np.stack([on_body[:, both[bone]].sum(-1) for bone in LEGS], -1)
    held *= np.minimum(1, smoothstep(level / GIVEN_OVER) / np.maximum(held.sum(-1), 1e-9))[:, None]
    weights = np.zeros_like(on_body)
    for bone, of_bone in zip(LEGS, held.T, strict=True):
        weights[:, both[bone]] = of_bone[:, None] * np.stack([share, 1 - share], -1)
    weights[:, skeleton.index("hips")] = np.maximum(1 - weights.sum(-1), 0)
    return weights


def spanned_level(v_pos: np.ndarray, t_pos_idx: np.ndarray, posed: BodyModel) -> float:
    """How far down cloth spans both legs without a gap: 0 at the hip joints, 1 at the knees, 2 at the ankles."""
    skeleton = posed.skeleton
    levels = (np.arange(_LEVELS) + 1) * 2 / _LEVELS
    between = np.mean([_leg_point(skeleton, side, levels) for side in ("left", "right")], 0)
    across = skeleton.heads[skeleton.index("leftUpperLeg")] - skeleton.heads[skeleton.index("rightUpperLeg")]
    down = between[-1] - between[0]
    front = np.cross(across, -down)
    front /= np.linalg.norm(front)
    reach = _REACH * leg_radii(posed, levels)
    met = sees_surface(between, front, v_pos, t_pos_idx, reach) & sees_surface(between, -front, v_pos, t_pos_idx, reach)
    gap = np.flatnonzero(~met)
    return float(levels[-1] if not len(gap) else (levels[gap[0]] if gap[0] else 0.0))  # the hem lies in between


def leg_radii(posed: BodyModel, levels: np.ndarray) -> np.ndarray:
    """(N,) metres from the axis of a bare leg to its skin at levels (N,)."""
    along, distance = _along_legs(posed.v_pos, posed.skeleton)
    legs = [posed.skeleton.index(side + bone) for side in ("left", "right") for bone in LEGS]
    mine = (posed.weights[:, legs].sum(-1) > 0.5) & (distance.min(-1) < _SIGHT_M)
    level, radius = along[mine, distance[mine].argmin(-1)], distance[mine].min(-1)
    near = [np.abs(level - at) <= np.maximum(0.1, np.sort(np.abs(level - at))[min(8, len(level) - 1)]) for at in levels]
    return np.array([np.median(radius[n]) for n in near])


def sees_surface(eyes: np.ndarray, direction: np.ndarray, v_pos: np.ndarray, t_pos_idx: np.ndarray, beyond: np.ndarray) -> np.ndarray:
    """(N,) bool: a look from (N, 3) along the unit ``direction`` meets a triangle between ``beyond`` (N,) and half a metre."""
    return np.array([((t > least) & (t < _SIGHT_M)).any() for t, least in zip(_looks(eyes, direction, v_pos, t_pos_idx), beyond, strict=True)])


def sight(eyes: np.ndarray, direction: np.ndarray, v_pos: np.ndarray, t_pos_idx: np.ndarray) -> np.ndarray:
    """(N,) metres to the furthest triangle within half a metre that a look from (N, 3) along the unit ``direction`` meets; NaN where it meets none."""
    met = [t[(t > 0) & (t < _SIGHT_M)] for t in _looks(eyes, direction, v_pos, t_pos_idx)]
    return np.array([t.max() if len(t) else np.nan for t in met])


def _looks(eyes: np.ndarray, direction: np.ndarray, v_pos: np.ndarray, t_pos_idx: np.ndarray) -> Iterator[np.ndarray]:
    """For each eye (N, 3) the distances at which the line through it along ``direction`` meets triangles.

    Moeller and Trumbore, "Fast, minimum storage ray/triangle intersection" (1997).
    """
    a = v_pos[t_pos_idx[:, 0]].astype(np.float64)
    e1, e2 = (v_pos[t_pos_idx[:, k]] - a for k in (1, 2))
    p = np.cross(direction, e2)
    determinant = (e1 * p).sum(-1)
    inverse = np.where(np.abs(determinant) > 1e-14, 1 / np.where(determinant == 0, 1, determinant), 0.0)
    for eye in eyes:
        s = eye - a
        u = (s * p).sum(-1) * inverse
        q = np.cross(s, e1)
        v = (q @ direction) * inverse
        yield ((e2 * q).sum(-1) * inverse)[(inverse != 0) & (u >= 0) & (v >= 0) & (u + v <= 1)]


def _leg_point(skeleton: Skeleton, side: str, level: np.ndarray) -> np.ndarray:
    """(N, 3) points on the axis of a leg at levels (N,) in [0, 2]."""
    hip, knee = (skeleton.heads[skeleton.index(side + bone)] for bone in LEGS)
    ankle = skeleton.tails[skeleton.index(side + "LowerLeg")]
    level = level[:, None]
    return np.where(level <= 1, hip + level * (knee - hip), knee + (level - 1) * (ankle - knee))


def _along_legs(v_pos: np.ndarray, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """For the left and the right leg (V, 2): level of the nearest point of its axis, below 0 above the hip joint, and distance."""
    levels, distances = [], []
    for side in ("left", "right"):
        hip, knee = (skeleton.heads[skeleton.index(side + bone)] for bone in LEGS)
        ankle = skeleton.tails[skeleton.index(side + "LowerLeg")]
        upper, lower = (((v_pos - a) @ (b - a)) / ((b - a) @ (b - a)) for a, b in ((hip, knee), (knee, ankle)))
        level = np.where(upper <= 1, upper, 1 + np.clip(lower, 0, 1))
        point = _leg_point(skeleton, side, np.clip(level, 0, 2))
        levels.append(level)
        distances.append(np.linalg.norm(v_pos - point, axis=-1))
    return np.stack(levels, -1), np.stack(distances, -1)
