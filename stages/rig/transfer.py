"""Skin weights carried from the posed body to another surface in the same pose.

The body's weights are believed where the surface lies close to the body, faces the same way, and neighbours on the surface have
neighbours on the body; elsewhere - cloth that stands off, webs between limbs - they are inpainted. Hair and skirts have rules of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.artifacts.body import BodyModel, Skeleton
from stages.artifacts.closest import Closest, closest_points
from stages.artifacts.normals import vertex_normals
from stages.rig.easing import smoothstep
from stages.rig.hair import find_hair, hair_weights
from stages.rig.inpaint import components_of, edges_of, inpaint
from stages.rig.settings import RigSettings
from stages.rig.skirt import skirt_share, skirt_weights

# A pair of neighbours whose closest points lie further apart than this many edge lengths (and a centimetre) crosses a gap.
_STRETCH, _SLACK_M = 3.0, 0.01
# A piece is bound as one rigid thing if less than this share of it can be trusted.
_RIGID_SHARE = 0.02


@dataclass(frozen=True)
class Transfer:
    """Weights (V, J) with rows summing to 1; how far each vertex's own value was believed, (V,) in [0, 1]; which vertices are hair;
    how much of a skirt each is, (V,) in [0, 1]; how far from the posed body, (V,) metres."""

    weights: np.ndarray
    confidence: np.ndarray
    hair: np.ndarray
    skirt: np.ndarray
    off_body_m: np.ndarray


def transfer_weights(
    v_pos: np.ndarray, t_pos_idx: np.ndarray, posed: BodyModel, settings: RigSettings, v_rgb: np.ndarray | None = None
) -> Transfer:
    """Weights for the surface ``v_pos`` (V, 3), ``t_pos_idx`` (F, 3) from the body in the same pose and frame.

    ``v_rgb`` (V, 3), sRGB in [0, 1], tells hair from clothes; without it hair is treated as everything else.
    """
    v_nrm = vertex_normals(v_pos, t_pos_idx)
    near = closest_points(v_pos, posed.v_pos, posed.t_pos_idx, v_nrm, np.cos(np.radians(settings.normal_deg)))
    confidence = believed(v_pos, v_nrm, near, posed, settings)
    confidence[continuity_breaks(v_pos, t_pos_idx, near.point)] = 0.0
    anyhow = closest_points(v_pos, posed.v_pos, posed.t_pos_idx)
    nearest = anyhow.interpolate(posed.weights, posed.t_pos_idx)
    wanted = np.where((confidence > 0)[:, None], near.interpolate(posed.weights, posed.t_pos_idx), nearest)
    skirt = skirt_share(v_pos, t_pos_idx, anyhow, posed)
    if skirt.any():
        wanted = (1 - skirt[:, None]) * wanted + skirt[:, None] * skirt_weights(v_pos, nearest, posed.skeleton)
        confidence = np.maximum(confidence, skirt)
    hair = np.zeros(len(v_pos), bool) if v_rgb is None else find_hair(v_rgb, t_pos_idx, anyhow, posed)
    wanted[hair] = hair_weights(v_pos[hair], posed.skeleton)
    confidence[hair] = 1.0
    skirt[hair] = 0.0
    weights = inpaint(v_pos, t_pos_idx, wanted, confidence, settings.smoothing_m)
    weights = _bind_loose_pieces(v_pos, t_pos_idx, weights, confidence)
    return Transfer(_eyes_to_head(weights, t_pos_idx, posed.skeleton), confidence, hair, skirt, anyhow.distance)


def believed(v_pos: np.ndarray, v_nrm: np.ndarray, near: Closest, posed: BodyModel, settings: RigSettings) -> np.ndarray:
    """(V,) trust in the closest point: falls with distance from ``near_m`` to ``far_m`` and with the angle between smooth normals."""
    body_nrm = near.interpolate(vertex_normals(posed.v_pos, posed.t_pos_idx), posed.t_pos_idx)
    body_nrm /= np.maximum(np.linalg.norm(body_nrm, axis=-1, keepdims=True), 1e-12)
    least = np.cos(np.radians(settings.normal_deg))
    facing = smoothstep(((body_nrm * v_nrm).sum(-1) - least) / (1 - least) * 2)
    distance = np.where(np.isfinite(near.distance), near.distance, settings.far_m)
    return facing * (1 - smoothstep((distance - settings.near_m) / (settings.far_m - settings.near_m)))


def continuity_breaks(v_pos: np.ndarray, t_pos_idx: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Vertices (n,) on edges whose closest points lie on different parts of the body: there the match jumps over a gap."""
    e = edges_of(t_pos_idx)
    length = np.linalg.norm(v_pos[e[:, 0]] - v_pos[e[:, 1]], axis=-1)
    apart = np.linalg.norm(points[e[:, 0]] - points[e[:, 1]], axis=-1)
    return np.unique(e[apart > _STRETCH * length + _SLACK_M])



def _eyes_to_head(weights: np.ndarray, t_pos_idx: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Eye joints turn eyeballs that are pieces of their own; painted on one surface with the face, eyes stay with the head."""
    eyes = [j for j, name in enumerate(skeleton.names) if name in ("leftEye", "rightEye")]
    if not eyes or "head" not in skeleton.names:
        return weights
    label = components_of(t_pos_idx, len(weights))
    eyeball = np.bincount(label, weights[:, eyes].sum(-1)) / np.bincount(label) > 0.5
    fixed = ~eyeball[label]
    out = weights.copy()
    out[fixed, skeleton.index("head")] += weights[np.ix_(fixed, eyes)].sum(-1)
    out[np.ix_(fixed, eyes)] = 0.0
    return out


def _bind_loose_pieces(v_pos: np.ndarray, t_pos_idx: np.ndarray, weights: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Pieces that touch nothing trusted move rigidly with the nearest part of what is: a ribbon, a floating speck."""
    from scipy.spatial import cKDTree

    label = components_of(t_pos_idx, len(v_pos))
    trusted = np.bincount(label, confidence) / np.bincount(label)
    loose = np.flatnonzero(trusted < _RIGID_SHARE)
    held = ~np.isin(label, loose)
    if not len(loose) or not held.any():
        return weights
    tree = cKDTree(v_pos[held])
    out = weights.copy()
    for piece in loose:
        mine = np.flatnonzero(label == piece)
        distance, index = tree.query(v_pos[mine])
        closest = index[np.argsort(distance, kind="stable")[: max(1, len(mine) // 10)]]
        out[mine] = weights[held][closest].mean(0)
    return out
