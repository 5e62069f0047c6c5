"""Normals of a head for a toon's shade: without the bumps of a reconstruction, each of which would throw a patch of shade on the face."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from stages.artifacts.attachments import Attachment
from stages.artifacts.links import neighbour_mean, vertex_links
from stages.artifacts.normals import unit, vertex_normals
from stages.artifacts.rig import Skinning

ROUNDS = 24  # of taking the mean of one's neighbours
NEAREST = 4
BLINK = "blink"
_FRONT = np.array([0.0, -1.0, 0.0])


def even_normals(v_pos: np.ndarray, t_pos_idx: np.ndarray, skinning: Skinning) -> np.ndarray:
    """(V, 3) unit normals of the surface, even as far as it hangs on the head."""
    plain = vertex_normals(v_pos, t_pos_idx)
    share = np.clip(2 * _on_head(skinning) - 1, 0, 1)[:, None]
    mean, even = neighbour_mean(vertex_links(t_pos_idx, len(v_pos))), plain
    for _ in range(ROUNDS):
        even = unit(plain * (1 - share) + (even + mean @ even) / 2 * share, _FRONT)
    return even


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
