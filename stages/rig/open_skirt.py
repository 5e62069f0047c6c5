"""A skirt that was reconstructed closed beneath, opened: the inside of its cloth, and the legs that go on in it.

No picture looks up a skirt, so the reconstruction closes it with a skin from hem to hem that the legs go through; in a squat it is seen, stretched
between the knees. Its triangles are left out. In their place stand the inside of the cloth and the body's own legs, from a little below the hem up to the
hips. Both are tucked behind what is left, not sewn to it, so that a hem may be as ragged as it likes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from stages.artifacts.attachments import Attachment
from stages.artifacts.body import BodyModel
from stages.artifacts.closest import SurfaceTree, closest_points
from stages.artifacts.decimate import decimated
from stages.artifacts.rig import Skinning
from stages.rig.beneath import WITH_CLOTH_M, drawn_in
from stages.rig.easing import smoothstep
from stages.rig.hands.colour import baked
from stages.rig.inpaint import strongest
from stages.rig.skirt import GIVEN_OVER, leg_joints, sight
from stages.rig.transfer import Transfer
from stages.rig.underside import Axis, hem_depth, underside
from stages.rig.unpose import unpose

NAME = "skirt_inside"
CLOTH_M = 0.007
FINE = 3  # looks a point, either way
TUCK_M = 0.008  # above the hem, where it begins
AROUND = 48  # directions round the axis
RING_M = 0.05
FIRST_M = -0.06  # below the hip joints, where the inside ends
WAIST_M = 0.06  # below them cloth may lie too close to the skin to be told from it; it is cloth all the same
UNKNOWN = 0.35  # of the directions and rings that may meet no cloth
SHADE = 0.82
ABOVE_M, BELOW_M = 0.1, 0.05  # the hip joints and the hem, where the legs end
STOCKING_M = (0.02, 0.1)  # below the hem, where the legs' colour is taken
LEG_TRIANGLES = 1000  # of both legs
CLEAR_M = 0.018  # what legs keep from the outside of a skirt
OWN_M = 0.04  # above the hem, where they begin to


@dataclass(frozen=True)
class Opened:
    """``attachments``: one surface, the inside and the legs; ``hidden`` (F,) bool: the underside it stands for, None if there is no skirt that can be
    opened; ``refused``: why a skirt that is closed beneath stays so."""

    attachments: tuple[Attachment, ...] = ()
    hidden: np.ndarray | None = None
    refused: str | None = None


@dataclass(frozen=True)
class Piece:
    """A surface in the pose of the pictures: ``v_pos`` (V, 3), ``t_pos_idx`` (F, 3), ``v_rgb`` (V, 3) sRGB, ``weights`` (V, J)."""

    v_pos: np.ndarray
    t_pos_idx: np.ndarray
    v_rgb: np.ndarray
    weights: np.ndarray


def opened(
    skinning: Skinning, v_pos: np.ndarray, t_pos_idx: np.ndarray, v_rgb: np.ndarray, transfer: Transfer, posed: BodyModel, rest2posed: np.ndarray
) -> Opened:
    """What opens the skirt of the surface ``v_pos`` (V, 3), ``t_pos_idx`` (F, 3), posed, bound by ``skinning``; ``v_rgb`` (V, 3) sRGB, ``rest2posed``
    (J, 4, 4). Nothing where there is no skirt, where it is open already, or where cloth does not go all the way round."""
    axis, v_pos = Axis.of(posed), v_pos.astype(np.float64)
    if axis is None or not (transfer.skirt > 0.5).any():
        return Opened()
    under = underside(v_pos, t_pos_idx, transfer.skirt, axis)
    depth = axis.depth(v_pos)
    waist = (depth < WAIST_M) & (depth > FIRST_M - RING_M) & (transfer.weights[:, leg_joints(posed.skeleton)].sum(-1) > 0.5) & ~transfer.hair
    cloth = np.flatnonzero(((transfer.skirt > 0.3) | waist)[t_pos_idx].all(1) & ~under)
    if not under.any():
        return Opened()
    if not len(cloth):
        return Opened(refused="none of its cloth hangs down the sides")
    hem = hem_depth(v_pos, t_pos_idx[cloth], under, t_pos_idx, axis, AROUND)
    wall = cloth_inside(v_pos, t_pos_idx[cloth], hem, axis)
    bare = _part_inside(posed, float(hem.max()), axis)
    if wall is None:
        return Opened(refused="its cloth does not go all the way round")
    if not len(bare[1]):
        return Opened(refused="the base body has no legs in it")
    inside = _lining(wall, skinning, t_pos_idx[cloth], v_rgb)
    legs = _legs(bare, v_pos, t_pos_idx[~under], v_rgb, transfer, float(hem.max()), axis, posed)
    return Opened((_attachment(inside, legs, rest2posed),), under)


@dataclass(frozen=True)
class Wall:
    """The inside of cloth: rings (K, AROUND) from the top down to the hem, ``points`` (K, AROUND, 3), and the place on the cloth behind each of them:
    ``triangle`` (K, AROUND) into the cloth's and ``bary`` (K, AROUND, 3)."""

    points: np.ndarray
    triangle: np.ndarray
    bary: np.ndarray


def cloth_inside(v_pos: np.ndarray, cloth: np.ndarray, hem: np.ndarray, axis: Axis) -> Wall | None:
    """The wall ``CLOTH_M`` inside ``cloth`` (C, 3), found by looking outward from the axis; None where too many looks meet nothing."""
    rings = max(3, int(np.ceil((hem.max() - FIRST_M) / RING_M)) + 1)
    finely = (FINE * (rings - 1) + 1, FINE * AROUND)
    hem = np.interp(np.arange(finely[1]) / FINE, np.arange(AROUND), hem, period=AROUND)
    depth = FIRST_M + np.linspace(0, 1, finely[0])[:, None] * (hem - TUCK_M - FIRST_M)
    angle = 2 * np.pi * np.arange(finely[1]) / finely[1]
    ways = np.stack([np.cos(angle), np.sin(angle)], 1) @ axis.sides.T
    radius = np.full(finely, np.nan)
    for a, way in enumerate(ways):
        eyes = axis.origin + depth[:, a, None] * axis.down
        radius[:, a] = sight(eyes, way, v_pos, cloth)
    if np.isnan(radius).mean() > UNKNOWN or np.isnan(radius).all():
        return None
    radius = _filled(_filled(radius.T).T, period=finely[1])  # along the cloth first: across, its sides stand further out than its back
    radius = ndimage.minimum_filter(radius, FINE, mode=("nearest", "wrap"))[::FINE, ::FINE]  # hollows between the points of a coarse wall count
    depth, ways = depth[::FINE, ::FINE], ways[::FINE]
    points = axis.origin + depth[..., None] * axis.down + (radius - CLOTH_M)[..., None] * ways
    near = SurfaceTree.of(v_pos, cloth).closest(points.reshape(-1, 3))
    return Wall(points, near.triangle.reshape(rings, AROUND), near.bary.reshape(rings, AROUND, 3))


def _filled(rows: np.ndarray, period: int | None = None) -> np.ndarray:
    """(N, M) with NaN between known values of a row on the straight line between them; rows of nothing but NaN as they are."""
    out = rows.copy()
    for row in out:
        known = np.flatnonzero(~np.isnan(row))
        if len(known):
            row[:] = np.interp(np.arange(len(row)), known, row[known], period=period)
    return out


def ring_triangles(rings: int, around: int) -> np.ndarray:
    """(2 (rings - 1) around, 3) triangles between closed rings of vertices, counter-clockwise as seen from the axis if the turn is."""
    k, a = np.meshgrid(np.arange(rings - 1), np.arange(around), indexing="ij")
    first, second = k * around + a, k * around + (a + 1) % around
    quads = np.stack([first, second, second + around, first + around], -1).reshape(-1, 4)
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def _lining(wall: Wall, skinning: Skinning, cloth: np.ndarray, v_rgb: np.ndarray) -> Piece:
    """The inside of ``cloth`` (C, 3), moving with it and in its colour, darker."""
    bary, rows = wall.bary.reshape(-1, 3), cloth[wall.triangle.ravel()]
    dense = np.zeros((len(rows), len(skinning.skeleton.names)))
    for corner in range(3):
        at = rows[:, corner]
        np.add.at(dense, (np.arange(len(rows))[:, None], skinning.joints[at]), bary[:, corner, None] * skinning.weights[at])
    return Piece(wall.points.reshape(-1, 3), ring_triangles(*wall.triangle.shape), SHADE * np.einsum("nk,nkc->nc", bary, v_rgb[rows]), dense)


def _legs(
    bare: tuple[np.ndarray, np.ndarray], v_pos: np.ndarray, kept: np.ndarray, v_rgb: np.ndarray, transfer: Transfer, hem: float, axis: Axis, posed: BodyModel
) -> Piece:
    """The ``bare`` legs and hips (vertices, triangles) under the surface's ``kept`` triangles (K, 3), which lack the underside; in the colour of the legs below
    the ``hem``."""
    start, faces = decimated(*bare, LEG_TRIANGLES)
    start, around = start.astype(np.float64), np.unique(kept)
    own = closest_points(start, posed.v_pos, posed.t_pos_idx).interpolate(posed.weights, posed.t_pos_idx)
    moved = drawn_in(start, faces, v_pos, kept, CLEAR_M * transfer.skirt)
    over = closest_points(moved, v_pos, kept)
    low, high = WITH_CLOTH_M  # as the cloth over them: along the thigh until that is given over to it, and where it lies close, or they would come through
    close = np.maximum(1 - smoothstep(axis.depth(start) / (GIVEN_OVER * axis.thigh_m)), 1 - smoothstep((over.distance - low) / (high - low)))
    share = (close * smoothstep((hem - axis.depth(start)) / OWN_M))[:, None]
    dense = (1 - share) * own + share * over.interpolate(transfer.weights, kept)
    below = axis.depth(v_pos[around]) - hem
    stocking = around[(transfer.skirt[around] < 0.3) & (below > STOCKING_M[0]) & (below < STOCKING_M[1])]
    colour = np.median(v_rgb[stocking if len(stocking) else around], axis=0)
    return Piece(moved, faces, np.tile(colour, (len(moved), 1)), dense)


def _part_inside(posed: BodyModel, hem: float, axis: Axis) -> tuple[np.ndarray, np.ndarray]:
    """Positions (V', 3) and triangles (F', 3) of the body's hips and legs down to a little below the ``hem``."""
    depth = axis.depth(posed.v_pos)
    inside = (posed.weights[:, leg_joints(posed.skeleton)].sum(-1) > 0.5) & (depth > -ABOVE_M) & (depth < hem + BELOW_M)
    used, index = np.unique(posed.t_pos_idx[inside[posed.t_pos_idx].all(1)], return_inverse=True)
    return posed.v_pos[used], index.reshape(-1, 3)


def _attachment(inside: Piece, legs: Piece, rest2posed: np.ndarray) -> Attachment:
    """Both as one surface with one texture. ``legs`` know nothing of joints beyond the body's, which are chains in the cloth."""
    dense = np.zeros((len(inside.v_pos) + len(legs.v_pos), len(rest2posed)))
    dense[: len(inside.v_pos)] = inside.weights
    dense[len(inside.v_pos) :, : legs.weights.shape[1]] = legs.weights
    joints, weights = strongest(dense)
    v_pos = np.concatenate([inside.v_pos, legs.v_pos])
    faces = np.concatenate([inside.t_pos_idx, legs.t_pos_idx + len(inside.v_pos)])
    v_pos_rest = unpose(v_pos, joints, weights, rest2posed).astype(np.float32)
    v_tex, t_tex_idx, kd = baked(v_pos, faces, np.concatenate([inside.v_rgb, legs.v_rgb]))
    return Attachment(NAME, v_pos_rest, faces.astype(np.int32), v_tex, t_tex_idx, kd, joints.astype(np.uint16), weights.astype(np.float32))
