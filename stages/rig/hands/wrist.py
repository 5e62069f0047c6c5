"""Where the reconstruction's hand begins, and whether it is a hand that the body's own can stand for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from stages.artifacts.body import BodyModel
from stages.artifacts.normals import unit
from stages.rig.hands.loops import border_loops

FINGERS = ("Thumb", "Index", "Middle", "Ring", "Little")
CUTS_M = (0.012, 0.018, 0.006, 0.025, 0.032, 0.0, 0.04)  # before the wrist, in the order in which they are tried
REACH = 2.0  # lengths of the body's hand round the wrist in which the hand is looked for
OWN_SHARE = 0.6  # of its weight that a vertex of a hand gets from the arm
LENGTH, GIRTH = (0.55, 1.4), 1.7  # what the hand may measure, in the body's
ROUND = 2.2  # longest over shortest radius of a wrist


class NoHand(Exception):
    """Why a hand is left as it was reconstructed."""


@dataclass(frozen=True)
class Wrist:
    """``hidden`` (F,) bool, the mitten's triangles; ``loop`` (N,) vertices where it was cut off, in the direction of the triangles that remain;
    ``centre`` (3,) and ``radius_m`` of the loop."""

    hidden: np.ndarray
    loop: np.ndarray
    centre: np.ndarray
    radius_m: float


@dataclass(frozen=True)
class Arm:
    """One side of the posed body: ``wrist`` (3,) and ``axis`` (3,) along the forearm; ``joints`` of the hand and fingers; ``hand`` (T,) the
    body's triangles beyond the wrist; ``length_m`` and ``girth_m`` of that hand along and across the axis."""

    side: str
    wrist: np.ndarray
    axis: np.ndarray
    joints: np.ndarray
    lower_arm: int
    hand: np.ndarray
    length_m: float
    girth_m: float


def arm_of(posed: BodyModel, side: str) -> Arm | None:
    """The arm of a ``side`` ("left", "right"); None if the body has no fingers there, and so nothing to put in a mitten's place."""
    names = posed.skeleton.names
    fingers = [j for j, n in enumerate(names) if n.startswith(tuple(side + f for f in FINGERS))]
    if not fingers or side + "LowerArm" not in names or side + "Hand" not in names:
        return None
    lower, hand = posed.skeleton.index(side + "LowerArm"), posed.skeleton.index(side + "Hand")
    wrist = posed.skeleton.heads[hand]
    axis = unit(wrist - posed.skeleton.heads[lower], np.array([1.0, 0, 0]))
    part = f"hand_{side[0]}"
    triangles = np.flatnonzero(posed.t_part == posed.part_names.index(part)) if part in posed.part_names else np.zeros(0, int)
    if not len(triangles):
        return None
    out = posed.v_pos[np.unique(posed.t_pos_idx[triangles])] - wrist
    across = out - (out @ axis)[:, None] * axis
    return Arm(side, wrist, axis, np.array([hand, *fingers]), lower, triangles, float((out @ axis).max()), float(np.linalg.norm(across, axis=-1).max()))


def find_wrist(v_pos: np.ndarray, t_pos_idx: np.ndarray, weights: np.ndarray, arm: Arm) -> Wrist:
    """The cut through the surface (posed) with dense skin ``weights`` (V, J). Raises NoHand, saying why."""
    why = "there is no wrist"
    for back in CUTS_M:
        try:
            return _cut(v_pos, t_pos_idx, weights, arm, back)
        except NoHand as reason:
            why = str(reason)
    raise NoHand(why)


def _cut(v_pos: np.ndarray, t_pos_idx: np.ndarray, weights: np.ndarray, arm: Arm, back_m: float) -> Wrist:
    out = v_pos - arm.wrist
    along = out @ arm.axis
    own = weights[:, [*arm.joints, arm.lower_arm]].sum(1)
    beyond = (along > -back_m) & (np.linalg.norm(out, axis=-1) < REACH * arm.length_m) & (own > 0.05)
    inside = beyond[t_pos_idx].any(1)
    hand = _piece_with(t_pos_idx, inside, weights[:, arm.joints].sum(1))
    vertices = np.unique(t_pos_idx[hand])
    if (own[vertices] < OWN_SHARE).mean() > 0.1:
        raise NoHand("it has grown together with something else")
    _check_size(v_pos[vertices], along[vertices], arm)
    loops = border_loops(t_pos_idx[~hand])
    edge = [loop for loop in loops if np.isin(loop, vertices).all()]
    if len(edge) != 1:
        raise NoHand(f"the wrist is no single ring, but {len(edge)}")
    ring = v_pos[edge[0]]
    centre = ring.mean(0)
    spoke = ring - centre
    radius = np.linalg.norm(spoke - (spoke @ arm.axis)[:, None] * arm.axis, axis=-1)
    if radius.max() > ROUND * max(radius.min(), 1e-6) * 1.5 or radius.mean() > 0.6 * arm.girth_m + 0.02:
        raise NoHand("the wrist is not round enough to join a hand to")
    return Wrist(hand, edge[0], centre, float(radius.mean()))


def _piece_with(t_pos_idx: np.ndarray, inside: np.ndarray, hand_weight: np.ndarray) -> np.ndarray:
    """(F,) bool: of the triangles ``inside``, the connected piece that most of the hand's weight is on."""
    faces = t_pos_idx[inside]
    if not len(faces):
        raise NoHand("there is nothing where the body's hand is")
    count = len(hand_weight)
    rows, columns = np.concatenate([faces[:, 0], faces[:, 1]]), np.concatenate([faces[:, 1], faces[:, 2]])
    piece = connected_components(sparse.coo_matrix((np.ones(len(rows), bool), (rows, columns)), (count, count)), directed=False)[1]
    heaviest = np.bincount(piece[faces[:, 0]], hand_weight[faces].sum(1)).argmax()
    out = np.zeros(len(t_pos_idx), bool)
    out[inside] = piece[faces[:, 0]] == heaviest
    return out


def _check_size(v_pos: np.ndarray, along: np.ndarray, arm: Arm) -> None:
    length = float(along.max()) / arm.length_m
    out = v_pos - arm.wrist
    girth = float(np.percentile(np.linalg.norm(out - (out @ arm.axis)[:, None] * arm.axis, axis=-1), 98)) / arm.girth_m
    if length > LENGTH[1] or girth > GIRTH:
        raise NoHand(f"it is {length:.1f} times as long and {girth:.1f} times as thick as a hand: something is held, or worn")
    if length < LENGTH[0]:
        raise NoHand(f"only {length:.0%} of a hand's length was reconstructed")
