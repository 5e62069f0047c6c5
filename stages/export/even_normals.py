"""Normals without the bumps of a reconstruction, each of which would throw a patch of shade: all over where the views disagree, on the head for a toon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import cg
from scipy.spatial import cKDTree

from stages.artifacts.attachments import Attachment
from stages.artifacts.links import graph_laplacian, neighbour_mean, vertex_links
from stages.artifacts.normals import unit, vertex_normals
from stages.artifacts.rig import Skinning

ROUNDS = 24  # of taking the mean of one's neighbours
NEAREST = 4
BLINK = "blink"
EVEN_SHARE = 0.025  # of the figure's height: what is smaller throws no shade
SAME_M = 1e-5
_FRONT = np.array([0.0, -1.0, 0.0])


def even_normals(v_pos: np.ndarray, t_pos_idx: np.ndarray, length_m: float) -> np.ndarray:
    """(V, 3) unit normals of the surface without what is smaller than ``length_m``: n of (1 + l^2 L) n = those of the surface, L its graph's Laplacian in
    edges of mean length."""
    plain = vertex_normals(v_pos, t_pos_idx)
    edge = np.linalg.norm(v_pos[t_pos_idx[:, 0]] - v_pos[t_pos_idx[:, 1]], axis=-1).mean()
    system = sparse.identity(len(v_pos), format="csr") + (length_m / max(edge, 1e-12)) ** 2 * graph_laplacian(vertex_links(t_pos_idx, len(v_pos)))
    return unit(np.stack([cg(system, axis, x0=axis, rtol=1e-4)[0] for axis in plain.T], -1), _FRONT)


def even_on_head(v_pos: np.ndarray, t_pos_idx: np.ndarray, skinning: Skinning) -> np.ndarray:
    """(V, 3) unit normals of the surface, even as far as it hangs on the head."""
    plain = vertex_normals(v_pos, t_pos_idx)
    share = np.clip(2 * _on_head(skinning) - 1, 0, 1)[:, None]
    mean, even = neighbour_mean(vertex_links(t_pos_idx, len(v_pos))), plain
    for _ in range(ROUNDS):
        even = unit(plain * (1 - share) + (even + mean @ even) / 2 * share, _FRONT)
    return even


def fitted_to(attachments: Sequence[Attachment], v_pos: np.ndarray, v_nrm: np.ndarray) -> list[Attachment]:
    """``attachments`` with normals as a main surface, ``v_pos`` and ``v_nrm`` (V, 3), has them: where they share places with it, and all over where they
    move on it."""
    out = []
    for a in attachments:
        if a.own_mesh:
            out.append(a)
        elif a.morphs:
            out.append(replace(a, v_nrm=laid_on(a, v_pos, v_nrm)))
        else:
            own = vertex_normals(a.v_pos_rest.astype(np.float64), a.t_pos_idx) if a.v_nrm is None else a.v_nrm
            distance, nearest = cKDTree(v_pos).query(a.v_pos_rest, distance_upper_bound=SAME_M)
            shared = np.isfinite(distance)
            normals = own.copy()
            normals[shared] = v_nrm[nearest[shared]]
            out.append(replace(a, v_nrm=normals.astype(np.float32)))
    return out


def laid_on(attachment: Attachment, v_pos: np.ndarray, v_nrm: np.ndarray) -> np.ndarray:
    """(V', 3) unit normals of what lies on a surface: those that the surface (V, 3) has there; for lids, which are folded up at rest, where they are shut."""
    shut = attachment.morphs[BLINK].dense(len(attachment.v_pos_rest)) if BLINK in attachment.morphs else 0.0
    distance, nearest = cKDTree(v_pos).query(attachment.v_pos_rest + shut, NEAREST)
    weight = 1 / np.maximum(distance, 1e-6)
    return unit((weight[..., None] * v_nrm[nearest]).sum(1), _FRONT).astype(np.float32)


def _on_head(skinning: Skinning) -> np.ndarray:
    """(V,) share of the head's joint in each vertex; of no vertex if there is none."""
    names = skinning.skeleton.names
    return np.where(skinning.joints == names.index("head"), skinning.weights, 0).sum(-1) if "head" in names else np.zeros(len(skinning.joints))
