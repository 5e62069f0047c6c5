"""Which parts of the surface may swing: hair below the eyes or off the head, and cloth that goes round both legs.

A part is described along and across: metres along the surface from where it is fastened, and the angle round the upright axis of what it
hangs on. Where it is grown together with skin or clothes that stay, it stays too, and gains its freedom over the next centimetres.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from stages.artifacts.body import Skeleton
from stages.artifacts.chains import Kind
from stages.artifacts.normals import vertex_normals
from stages.artifacts.rig import Skinning
from stages.rig.easing import smoothstep
from stages.rig.geodesic import geodesic_m, vertex_areas
from stages.rig.inpaint import components_of
from stages.rig.skirt import LEGS
from stages.rig.transfer import Transfer

# Hair above the eyes lies on the skull, unless it is further than this from it.
_OFF_SKULL_M = 0.09
# What follows the head, is not hair by its colour, and yet is this far from the skin and found by inpainting, is hair in another tone.
_OFF_FACE_M = 0.02
_UNTRUSTED = 0.05
# Over this length from a seam a loose part gains its freedom.
_SEAM_M = 0.025
# A smaller piece is nothing to hang a chain on, and a smaller hole in one swings with it.
_LEAST_AREA_M2, _HOLE_M2 = 0.0015, 0.0005
# Above the hip joints and just below the hem, whose height is known no better than that, what is this far from the skin is the skirt's too.
_OFF_LEGS_M, _HEM_M = 0.012, 0.035
# Where a skirt begins below the hips, this share of it holds the rest.
_WAISTBAND = 0.1
# What goes round this share of a turn goes all the way round.
_ROUND = 0.75
_BINS = 72
_SIDES = ("left", "right")
# A direction with less than this share of the mean holds nothing: a fringe is no part of the hair round the head.
_EMPTY = 0.15


@dataclass(frozen=True)
class Loose:
    """One part that may swing, over all V vertices.

    ``freedom`` (V,) in [0, 1], 0 outside; ``down_m`` (V,) metres along the surface from its root, inf outside; ``angle_rad`` (V,) round the
    upright axis, from ``first_rad`` to ``last_rad`` without a jump; ``closed`` if the last angle meets the first; ``mass`` (V,) square metres,
    of a skirt those of its outer side, as seen from outside; ``anchors``, the joints that it may hang on, from the top.
    """

    kind: Kind
    freedom: np.ndarray
    down_m: np.ndarray
    angle_rad: np.ndarray
    first_rad: float
    last_rad: float
    closed: bool
    mass: np.ndarray
    radius_m: float
    anchors: tuple[str, ...]


def loose_parts(skinning: Skinning, t_pos_idx: np.ndarray, transfer: Transfer) -> list[Loose]:
    """Hair first, largest part first, then the skirt's left and right half. Positions are those at rest."""
    return [*loose_hair(skinning, t_pos_idx, transfer), *loose_skirt(skinning, t_pos_idx, transfer)]


def loose_hair(skinning: Skinning, t_pos_idx: np.ndarray, transfer: Transfer) -> list[Loose]:
    """Pieces of hair that hang from the head, each on its own."""
    skeleton, v_pos = skinning.skeleton, skinning.v_pos_rest.astype(np.float64)
    if "head" not in skeleton.names:
        return []
    hair = _without_holes(transfer.hair | _hair_in_another_tone(skinning, transfer), v_pos, t_pos_idx)
    on_skull = (v_pos[:, 2] > eye_height_m(skeleton)) & (transfer.off_body_m < _OFF_SKULL_M)
    down = geodesic_m(v_pos, t_pos_idx, hair & on_skull, hair)
    loose = hair & ~on_skull & np.isfinite(down)
    anchors = ("head", *[name for name in ("upperChest", "chest") if name in skeleton.names][:1])
    axis = skeleton.heads[skeleton.index("head")]
    parts = [_part("hair", piece, ~hair, v_pos, t_pos_idx, down, axis, anchors) for piece in _pieces(loose, v_pos, t_pos_idx)]
    return [part for part in parts if part is not None]


def loose_skirt(skinning: Skinning, t_pos_idx: np.ndarray, transfer: Transfer) -> list[Loose]:
    """The left and the right half of the skirt or long coat, if there is one that goes all the way round: each hangs on its leg."""
    skeleton, v_pos = skinning.skeleton, skinning.v_pos_rest.astype(np.float64)
    cloth = transfer.skirt > 0.5
    if not cloth.any() or not {"hips", *(side + bone for side in _SIDES for bone in LEGS)} <= set(skeleton.names):
        return []
    hips, waist = skeleton.heads[skeleton.index("hips")], skeleton.tails[skeleton.index("hips"), 2]
    cloth = _without_holes(cloth | _beyond_skirt(skinning, transfer, v_pos[cloth, 2].min() - _HEM_M, waist), v_pos, t_pos_idx)
    below = v_pos[:, 2] <= min(hips[2], np.percentile(v_pos[cloth, 2], 100 * (1 - _WAISTBAND)))
    down = geodesic_m(v_pos, t_pos_idx, cloth & ~below, cloth)
    loose, others = cloth & below & np.isfinite(down), ~cloth & below
    parts = [_part("skirt", piece, others, v_pos, t_pos_idx, down, hips, ("hips",)) for piece in _pieces(loose, v_pos, t_pos_idx)[:1]]
    return [_half(part, side, skinning) for part in parts if part is not None and part.closed for side in _SIDES]


def _half(skirt: Loose, side: str, skinning: Skinning) -> Loose:
    """What of a whole skirt follows the ``side``'s leg, from the middle in front to the middle behind."""
    anchors = tuple(side + bone for bone in LEGS)
    joints = [skinning.skeleton.index(name) for name in anchors]
    on_leg = np.where(np.isin(skinning.joints, joints), skinning.weights, 0.0).sum(-1)
    first = 0.0 if side == "left" else -np.pi
    angle = (skirt.angle_rad - first + np.pi / 2) % (2 * np.pi) + first - np.pi / 2  # cut in the middle of the other half
    return replace(skirt, angle_rad=angle, first_rad=first, last_rad=first + np.pi, closed=False, mass=skirt.mass * on_leg, anchors=anchors)


def _beyond_skirt(skinning: Skinning, transfer: Transfer, hem_m: float, waist_m: float) -> np.ndarray:
    """(V,) bool: what hangs on hips or legs, off the skin, between the heights of the hem and the waist."""
    names, height = skinning.skeleton.names, skinning.v_pos_rest[:, 2]
    joints = [j for j, name in enumerate(names) if name == "hips" or name.endswith(LEGS)]
    on_legs = np.where(np.isin(skinning.joints, joints), skinning.weights, 0.0).sum(-1) > 0.5  # hands hang beside a skirt
    return on_legs & (transfer.off_body_m > _OFF_LEGS_M) & (height > hem_m) & (height < waist_m)


def eye_height_m(skeleton: Skeleton) -> float:
    """Height of the eyes at rest; 3/8 up the skull where there are no eye joints."""
    if "leftEye" in skeleton.names:
        return float(skeleton.heads[skeleton.index("leftEye"), 2])
    head = skeleton.index("head")
    return float(skeleton.heads[head, 2] + 0.375 * (skeleton.tails[head, 2] - skeleton.heads[head, 2]))


def azimuth_rad(v_pos: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """(V,) in (-pi, pi]: 0 in front (-Y), positive to the character's left (+X)."""
    return np.arctan2(v_pos[:, 0] - axis[0], -(v_pos[:, 1] - axis[1]))


def _hair_in_another_tone(skinning: Skinning, transfer: Transfer) -> np.ndarray:
    head = skinning.skeleton.index("head")
    on_head = np.where(skinning.joints == head, skinning.weights, 0.0).sum(-1) > 0.5
    return on_head & (transfer.off_body_m > _OFF_FACE_M) & (transfer.confidence < _UNTRUSTED)


def _pieces(mask: np.ndarray, v_pos: np.ndarray, t_pos_idx: np.ndarray) -> list[np.ndarray]:
    """Masks (V,) of the connected pieces of ``mask`` (V,), largest first, without specks."""
    label, area = _labelled(mask, v_pos, t_pos_idx)
    return [mask & (label == piece) for piece in np.argsort(-area, kind="stable") if area[piece] > _LEAST_AREA_M2]


def _without_holes(mask: np.ndarray, v_pos: np.ndarray, t_pos_idx: np.ndarray) -> np.ndarray:
    """``mask`` (V,) with the smallest pieces of what it is not."""
    label, area = _labelled(~mask, v_pos, t_pos_idx)
    return mask | (area[label] < _HOLE_M2) if mask.any() else mask


def _labelled(mask: np.ndarray, v_pos: np.ndarray, t_pos_idx: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(V,) label of the piece of ``mask`` that a vertex belongs to, and each piece's area, 0 outside of ``mask``."""
    label = components_of(t_pos_idx[mask[t_pos_idx].all(-1)], len(v_pos))
    return label, np.bincount(label[mask], vertex_areas(v_pos, t_pos_idx)[mask], label.max() + 1)


def _part(
    kind: Kind, piece: np.ndarray, others: np.ndarray, v_pos: np.ndarray, t_pos_idx: np.ndarray, down: np.ndarray, axis: np.ndarray,
    anchors: tuple[str, ...],
) -> Loose | None:
    """``piece`` (V,) described; None if none of it looks outwards."""
    seam = geodesic_m(v_pos, t_pos_idx, others, np.ones(len(v_pos), bool))
    freedom = np.where(piece, smoothstep(seam / _SEAM_M), 0.0)
    outwards = (v_pos - axis) * [1, 1, 0]
    outwards /= np.maximum(np.linalg.norm(outwards, axis=-1, keepdims=True), 1e-9)
    faces_out = (vertex_normals(v_pos, t_pos_idx) * outwards).sum(-1)
    seen = np.where(faces_out > 0.2, faces_out, 0.0) if kind == "skirt" else 1.0
    mass = np.where(piece, vertex_areas(v_pos, t_pos_idx) * seen, 0.0)
    if mass.sum() <= 0:
        return None
    angle, first, last, closed = _unrolled(azimuth_rad(v_pos, axis), mass)
    radius = float(np.average(np.linalg.norm((v_pos - axis)[:, :2], axis=-1), weights=mass))
    return Loose(kind, freedom, np.where(piece, down, np.inf), angle, first, last, closed, mass, radius, anchors)


def _unrolled(azimuth: np.ndarray, mass: np.ndarray) -> tuple[np.ndarray, float, float, bool]:
    """Azimuths (V,) cut at the middle of the widest gap in ``mass`` (V,); first and last angle with mass; whether it goes round.

    What goes round is cut behind, so that the middle is the front.
    """
    turn = 2 * np.pi
    held = np.histogram(azimuth, _BINS, (-np.pi, np.pi), weights=mass)[0]
    width, middle = _widest_gap(held > _EMPTY * held.mean())
    closed = width < (1 - _ROUND) * _BINS
    start = -np.pi if closed else -np.pi + middle * turn / _BINS
    angle = (azimuth - start) % turn + start
    if closed:
        return angle, start, start + turn, True
    order = np.argsort(angle, kind="stable")
    share = np.cumsum(mass[order]) / mass.sum()
    first, last = (float(angle[order[np.searchsorted(share, at)]]) for at in (0.01, 0.99))
    return angle, first, last, False


def _widest_gap(filled: np.ndarray) -> tuple[int, float]:
    """Width in bins of the longest empty run of a ring of bins, and its middle in bins from the first. At least one bin is filled."""
    ring = np.flatnonzero(np.r_[filled, filled])
    gaps = np.diff(ring) - 1
    widest = int(gaps.argmax())
    return int(gaps[widest]), float(ring[widest] + 1 + gaps[widest] / 2)
