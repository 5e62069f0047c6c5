"""The underside of a skirt: which triangles of a closed surface look from the hem at the legs and the ground, and where the hem is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from stages.artifacts.body import BodyModel
from stages.artifacts.normals import unit
from stages.rig.inpaint import components_of
from stages.rig.skirt import LEGS

SIDES = ("left", "right")
FORWARD = np.array([0.0, -1.0, 0.0])  # in place of a direction that there is none of
APART_DEG = 70.0  # between the thighs; further apart they span the cloth, and there is no inside to look into
DOWN, INWARD = 0.45, 0.25  # of a triangle's normal: what looks down, or at the axis between the legs, is the underside
AT_LEGS_M = 0.03  # the underside's rim on the legs, which lies too close to the skin to be told from it, is as wide
LEAST_M2 = 0.002
LIP_M = 0.01  # of the underside that stays at the hem


@dataclass(frozen=True)
class Axis:
    """Cylinder coordinates between the legs: ``origin`` (3,) between the hip joints, ``down`` (3,) to between the knees, ``sides`` (3, 2) square to it;
    ``thigh_m`` the distance."""

    origin: np.ndarray
    down: np.ndarray
    sides: np.ndarray
    thigh_m: float

    @classmethod
    def of(cls, posed: BodyModel) -> Self | None:
        """None for a body without legs, or with legs so far apart that nothing lies between them."""
        skeleton = posed.skeleton
        if not {side + bone for side in SIDES for bone in LEGS} <= set(skeleton.names):
            return None
        hips, knees = (np.array([skeleton.heads[skeleton.index(side + bone)] for side in SIDES]) for bone in LEGS)
        thighs = unit(knees - hips, FORWARD)
        if thighs[0] @ thighs[1] < np.cos(np.radians(APART_DEG)):
            return None
        way = knees.mean(0) - hips.mean(0)
        down = way / np.linalg.norm(way)
        across = hips[0] - hips[1]
        across = unit((across - (across @ down) * down)[None], FORWARD)[0]
        return cls(hips.mean(0), down, np.stack([across, np.cross(across, down)], 1), float(np.linalg.norm(way)))

    def depth(self, points: np.ndarray) -> np.ndarray:
        """(N,) metres below the hip joints."""
        return (points - self.origin) @ self.down

    def outward(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) unit directions away from the axis."""
        flat = (points - self.origin) @ self.sides
        return unit(flat, np.array([1.0, 0.0])) @ self.sides.T

    def turn(self, points: np.ndarray) -> np.ndarray:
        """(N,) direction from the axis as a share of a turn, in [0, 1)."""
        flat = (points - self.origin) @ self.sides
        return np.arctan2(flat[:, 1], flat[:, 0]) / (2 * np.pi) % 1


def underside(v_pos: np.ndarray, t_pos_idx: np.ndarray, skirt: np.ndarray, axis: Axis) -> np.ndarray:
    """(F,) bool: the triangles of a skirt that look down or inward, up to the legs, less a lip along the hem. Small patches are left out."""
    corners = v_pos[t_pos_idx]
    crossed = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area, middle = np.linalg.norm(crossed, axis=-1) / 2, corners.mean(1)
    normal = unit(crossed, FORWARD)
    turned = (normal @ axis.down > DOWN) | ((normal * axis.outward(middle)).sum(-1) < -INWARD)
    on_skirt = skirt[t_pos_idx].mean(1) > 0.5
    inner = evened(turned & on_skirt, area, t_pos_idx, len(v_pos))
    if not inner.any():
        return inner
    rim = turned & ~on_skirt & (cKDTree(middle[inner]).query(middle, distance_upper_bound=AT_LEGS_M)[0] < np.inf)
    inner |= rim & joined(inner | rim, inner, t_pos_idx, len(v_pos))
    nearest = np.flatnonzero(inner)[cKDTree(middle[inner]).query(middle)[1]]
    wall = on_skirt & ~inner & (axis.depth(middle) < axis.depth(middle[nearest]))  # and not the legs below
    lip = cKDTree(v_pos[np.unique(t_pos_idx[wall])]).query(v_pos, distance_upper_bound=LIP_M)[0] < np.inf
    inner &= ~lip[t_pos_idx].any(1)
    label = components_of(t_pos_idx[inner], len(v_pos))[t_pos_idx[:, 0]]
    size = np.bincount(label[inner], area[inner], minlength=len(v_pos))
    return inner & (size[label] > LEAST_M2)


def evened(chosen: np.ndarray, area: np.ndarray, t_pos_idx: np.ndarray, count: int, rounds: int = 2) -> np.ndarray:
    """(F,) ``chosen`` triangles (F,) without specks and notches: by the majority of the area round their corners, ``rounds`` times."""
    whole = np.maximum(np.bincount(t_pos_idx.ravel(), np.repeat(area, 3), count), 1e-12)
    for _ in range(rounds):
        share = np.bincount(t_pos_idx.ravel(), np.repeat(area * chosen, 3), count) / whole
        chosen = share[t_pos_idx].mean(1) > 0.5
    return chosen


def joined(region: np.ndarray, seeds: np.ndarray, t_pos_idx: np.ndarray, count: int) -> np.ndarray:
    """(F,) bool: triangles of ``region`` (F,) that hang together with one of ``seeds`` (F,) in it."""
    label = components_of(t_pos_idx[region], count)[t_pos_idx[:, 0]]
    return region & np.isin(label, np.unique(label[region & seeds]))


def hem_depth(v_pos: np.ndarray, cloth: np.ndarray, under: np.ndarray, t_pos_idx: np.ndarray, axis: Axis, around: int) -> np.ndarray:
    """(around,) metres below the hip joints of the seam between ``cloth`` (C, 3) and the underside, in even directions."""
    seam = v_pos[np.intersect1d(cloth, t_pos_idx[under])]
    if len(seam) < 3:
        seam = v_pos[np.unique(cloth)]
    turn, depth = axis.turn(seam), axis.depth(seam)
    order = np.argsort(turn)
    at = np.interp(np.arange(around) / around, turn[order], depth[order], period=1.0)
    return ndimage.gaussian_filter1d(at, 1.0, mode="wrap")
