"""The body's hand set on the reconstruction's wrist: moved to its middle and girth, joined to it triangle by triangle, coloured from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from stages.artifacts.body import BodyModel
from stages.artifacts.normals import vertex_normals
from stages.rig.easing import smoothstep
from stages.rig.hands.loops import border_loops, bridge
from stages.rig.hands.wrist import Arm, NoHand, Wrist

SETTLES_M = 0.06  # beyond the wrist, where the hand is as thick as the body's again
SPOKES = 48  # directions in which the outlines of both wrists are compared
GROWTH = (0.7, 1.8)  # of a wrist, in any direction
SAME_SKIN = 0.22  # sRGB distance up to which what was reconstructed is bare skin
SAME_HUE, VIVID = 0.97, 2.0  # cosine and length, in those of the skin's, of what is left of a colour without its grey: a shade of the skin
FADE_M, EDGE_M = 0.03, 0.004  # along which the colour changes: skin into skin, a sleeve into skin
SHADE = 0.1  # of the colour that creases lose, and the underside
UNDERSIDE = 0.35  # shade of what looks down, beside that of a crease
RED = np.array([1.0, 0.86, 0.84])  # what is left of a colour in the shade of fingers


@dataclass(frozen=True)
class Hand:
    """A hand in the pose of the pictures: ``v_pos`` (V, 3), ``v_nrm`` (V, 3), ``t_pos_idx`` (F, 3), ``v_rgb`` (V, 3) sRGB; the first ``joined`` vertices
    are those of ``Wrist.loop``; ``weights`` (V, J), zero there; ``source`` (V - joined,) the body's vertices that the others are."""

    v_pos: np.ndarray
    v_nrm: np.ndarray
    t_pos_idx: np.ndarray
    v_rgb: np.ndarray
    joined: int
    source: np.ndarray


def grafted(wrist: Wrist, arm: Arm, v_pos: np.ndarray, v_nrm: np.ndarray, v_rgb: np.ndarray, hand_rgb: np.ndarray, skin: np.ndarray, posed: BodyModel) -> Hand:
    """The body's hand on ``wrist`` of the surface ``v_pos``, ``v_nrm``, ``v_rgb`` (V, 3). ``hand_rgb`` (N, 3) are the colours of what it replaces.

    Raises NoHand if the body's own hand does not end in one ring.
    """
    source, faces = np.unique(posed.t_pos_idx[arm.hand], return_inverse=True)
    faces = faces.reshape(-1, 3)
    loops = border_loops(faces)
    if len(loops) != 1:
        raise NoHand(f"the body's own hand ends in {len(loops)} rings")
    own = settled(posed.v_pos[source], posed.v_pos[source][loops[0]], wrist, v_pos[wrist.loop], arm)
    both = np.concatenate([v_pos[wrist.loop], own])
    start = len(wrist.loop)
    band = bridge(np.arange(start)[::-1], loops[0] + start, both)
    triangles = np.concatenate([faces + start, band])
    normals = vertex_normals(both, triangles)
    normals[:start] = v_nrm[wrist.loop]
    colours = coloured(both, normals, triangles, start, v_rgb[wrist.loop], hand_rgb, skin)
    return Hand(both, normals, triangles, colours, start, source)


def settled(v_pos: np.ndarray, ring: np.ndarray, wrist: Wrist, loop: np.ndarray, arm: Arm) -> np.ndarray:
    """Vertices (V, 3) of the hand, its wrist's ``ring`` moved to the middle and the outline of the reconstruction's ``loop`` (N, 3), unchanged from
    ``SETTLES_M`` on."""
    middle, sides = ring.mean(0), across(arm.axis)
    growth = np.clip(outline((loop - wrist.centre) @ sides) / outline((ring - middle) @ sides), *GROWTH)
    out = v_pos - middle
    flat = out @ sides
    spoke = (np.arctan2(flat[:, 1], flat[:, 0]) / (2 * np.pi) % 1) * SPOKES
    grown = np.interp(spoke, np.arange(SPOKES + 1), np.append(growth, growth[0]))
    moved = (wrist.centre - middle) @ sides + (grown - 1)[:, None] * flat
    share = 1 - smoothstep(out @ arm.axis / SETTLES_M)
    return v_pos + (share[:, None] * moved) @ sides.T


def across(axis: np.ndarray) -> np.ndarray:
    """(3, 2) two directions square to ``axis`` and to one another."""
    first = np.cross(axis, np.eye(3)[np.abs(axis).argmin()])
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(axis, first)], 1)


def outline(ring: np.ndarray) -> np.ndarray:
    """(SPOKES,) distances of a ring (N, 2) from the origin in even directions, slightly smoothed."""
    turn = np.arctan2(ring[:, 1], ring[:, 0]) / (2 * np.pi) % 1
    radius = np.interp(np.arange(SPOKES) / SPOKES, turn[np.argsort(turn)], np.linalg.norm(ring, axis=-1)[np.argsort(turn)], period=1.0)
    return ndimage.gaussian_filter1d(radius, 1.5, mode="wrap")


def coloured(
    v_pos: np.ndarray, v_nrm: np.ndarray, t_pos_idx: np.ndarray, joined: int, ring_rgb: np.ndarray, hand_rgb: np.ndarray, skin: np.ndarray
) -> np.ndarray:
    """(V, 3) sRGB: skin, or the glove's colour if what is replaced is none of it; the wrist's own colours at the wrist, shade between the fingers."""
    seen = np.median(hand_rgb, axis=0)
    base = seen if is_glove(seen, skin) else skin
    distance, near = cKDTree(v_pos[:joined]).query(v_pos)
    shade = SHADE * smoothstep(distance / SETTLES_M) * np.clip(hollowness(v_pos, v_nrm) + UNDERSIDE * np.maximum(-v_nrm[:, 2], 0), 0, 1)
    colour = base * (1 - shade[:, None] * (1 + 2 * (1 - RED)))
    at_wrist = ring_rgb[near]
    fade = np.where(np.linalg.norm(at_wrist - base, axis=-1) < SAME_SKIN, FADE_M, EDGE_M)
    share = (1 - smoothstep(distance / fade))[:, None]
    out = share * at_wrist + (1 - share) * colour
    out[:joined] = ring_rgb
    return np.clip(out, 0, 1)


def is_glove(seen: np.ndarray, skin: np.ndarray) -> bool:
    """Is the colour (3,) sRGB of a hand something else than ``skin`` (3,)? A darker shade of it is not: small painters let dark sleeves run over hands."""
    if np.linalg.norm(seen - skin) < SAME_SKIN:
        return False
    hue, own = seen - seen.mean(), skin - skin.mean()
    much, own_much = np.linalg.norm(hue), np.linalg.norm(own)
    return not (seen.mean() < skin.mean() and hue @ own > SAME_HUE * much * own_much and much < VIVID * own_much)


def hollowness(v_pos: np.ndarray, v_nrm: np.ndarray, reach_m: float = 0.02) -> np.ndarray:
    """(V,) in [0, 1]: how much of the surface within ``reach_m`` rises above a vertex's tangent plane, as between fingers."""
    tree, out = cKDTree(v_pos), np.zeros(len(v_pos))
    for i, near in enumerate(tree.query_ball_point(v_pos, reach_m)):
        rise = (v_pos[near] - v_pos[i]) @ v_nrm[i]
        out[i] = np.maximum(rise, 0).sum() / (0.25 * reach_m * len(near))
    return np.clip(out, 0, 1)
