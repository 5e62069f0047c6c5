"""A figure's main surface and its attachments as one surface that can be drawn: one list of vertices, one texture with all of theirs in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stages.artifacts.attachments import Attachment
from stages.artifacts.images import to_u8
from stages.artifacts.mesh import TexturedMesh
from stages.artifacts.morphs import Morph, ordered
from stages.artifacts.normals import vertex_normals
from stages.artifacts.rig import Skinning, skin_sparse
from stages.rendering.picture import Surface


@dataclass(frozen=True)
class Joined:
    """The main surface's vertices come first, then those of each attachment; ``hidden`` (F,) bool are triangles of the main surface left out."""

    mesh: TexturedMesh
    skinning: Skinning | None = None
    attachments: Sequence[Attachment] = ()
    morphs: Mapping[str, Morph] | None = None
    hidden: np.ndarray | None = None

    @cached_property
    def v_pos(self) -> np.ndarray:
        """(V, 3) float64: at rest if there is a rig, else as reconstructed."""
        main = self.mesh.v_pos if self.skinning is None else self.skinning.v_pos_rest
        return np.concatenate([main, *(a.v_pos_rest for a in self.attachments)]).astype(np.float64)

    @cached_property
    def v_nrm(self) -> np.ndarray:
        """(V, 3) unit normals that belong to ``v_pos``; those next to hidden triangles are as if these were seen."""
        main = self.mesh.v_nrm if self.skinning is None else vertex_normals(self.v_pos[: len(self.mesh.v_pos)], self.mesh.t_pos_idx)
        return np.concatenate([main, *(vertex_normals(a.v_pos_rest, a.t_pos_idx) if a.v_nrm is None else a.v_nrm for a in self.attachments)])

    @cached_property
    def t_pos_idx(self) -> np.ndarray:
        """(F, 3) of all that is seen."""
        starts = len(self.mesh.v_pos) + np.cumsum([0, *(len(a.v_pos_rest) for a in self.attachments)])
        return np.concatenate([self._seen(self.mesh.t_pos_idx), *(a.t_pos_idx + start for a, start in zip(self.attachments, starts, strict=False))])

    @cached_property
    def names(self) -> list[str]:
        """Of all morphs."""
        return ordered(set(self.morphs or ()).union(*(a.morphs for a in self.attachments)))

    def offset(self, weights: Mapping[str, float]) -> np.ndarray:
        """(V, 3) displacement at rest by morphs with their weights. Raises KeyError for a name that no surface knows."""
        strangers = sorted(set(weights) - set(self.names))
        if strangers:
            raise KeyError(f"there is no morph '{strangers[0]}'; there are: {', '.join(self.names) or 'none'}")
        sizes = [len(self.mesh.v_pos), *(len(a.v_pos_rest) for a in self.attachments)]
        sets = [self.morphs or {}, *(a.morphs for a in self.attachments)]
        still = Morph(np.zeros(0, np.int32), np.zeros((0, 3), np.float32))
        return np.concatenate([sum((w * morphs.get(name, still).dense(size) for name, w in weights.items()), np.zeros((size, 3)))
                               for size, morphs in zip(sizes, sets, strict=True)])

    def posed(self, transforms: np.ndarray, weights: Mapping[str, float] | None = None) -> np.ndarray:
        """(V, 3) after joint transforms (J, 4, 4), with morphs. Raises ValueError without a rig."""
        if self.skinning is None:
            raise ValueError("a figure without a rig cannot be posed")
        at_rest = self.v_pos + self.offset(weights) if weights else self.v_pos
        joints = np.concatenate([self.skinning.joints, *(a.joints for a in self.attachments)])
        return skin_sparse(at_rest, joints, np.concatenate([self.skinning.weights, *(a.weights for a in self.attachments)]), transforms)

    @cached_property
    def surface(self) -> Surface:
        """To be drawn with vertices at ``v_pos`` or ``posed``; the textures stand one above the other."""
        kd = np.ascontiguousarray(to_u8(self.mesh.kd)[..., :3])
        if not self.attachments:
            return Surface(self.v_nrm, self.t_pos_idx, self.mesh.v_tex, self._seen(self.mesh.t_tex_idx), kd)
        # A texel of each picture's own edge stands between it and the next, which bilinear sampling would mix in.
        tiles = [np.pad(tile, ((1, 1), (0, 0), (0, 0)), "edge") for tile in (kd, *(a.kd for a in self.attachments))]
        width = max(tile.shape[1] for tile in tiles)
        height = sum(len(tile) for tile in tiles)
        v_tex, t_tex_idx, below, start = [], [], 0, 0
        for tile, uv, corners in zip(tiles, (self.mesh.v_tex, *(a.v_tex for a in self.attachments)),
                                     (self._seen(self.mesh.t_tex_idx), *(a.t_tex_idx for a in self.attachments)), strict=True):
            row = below + 1 + (1 - uv[:, 1].astype(np.float64)) * (len(tile) - 2)
            v_tex.append(np.stack([uv[:, 0] * tile.shape[1] / width, 1 - row / height], -1))
            t_tex_idx.append(corners + start)
            below, start = below + len(tile), start + len(uv)
        sheet = np.concatenate([np.pad(tile, ((0, 0), (0, width - tile.shape[1]), (0, 0)), "edge") for tile in tiles])
        return Surface(self.v_nrm, self.t_pos_idx, np.concatenate(v_tex), np.concatenate(t_tex_idx), sheet)

    def _seen(self, triangles: np.ndarray) -> np.ndarray:
        return triangles if self.hidden is None else triangles[~self.hidden]
