"""Which point of the surface each texel shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from stages.rendering.zbuffer import rasterize


@dataclass(frozen=True)
class Texels:
    """``place`` (N, 2) row and column of the texels that charts cover, border texels included; ``face`` (N,) their triangle and
    ``bary`` (N, 3) their weights; ``size`` of the square texture."""

    place: np.ndarray
    face: np.ndarray
    bary: np.ndarray
    size: int

    def carry(self, attributes: np.ndarray, t_idx: np.ndarray) -> np.ndarray:
        """Corner attributes (V, C) at the texels, (N, C) float32."""
        return np.einsum("nk,nkc->nc", self.bary, attributes[t_idx[self.face]]).astype(np.float32)

    def picture(self, values: np.ndarray) -> np.ndarray:
        """(size, size, C) float32 with ``values`` (N, C) in their places and every other texel a copy of the nearest of them."""
        out = np.zeros((self.size, self.size, values.shape[1]), np.float32)
        out[self.place[:, 0], self.place[:, 1]] = values
        row, column = self._nearest
        return out[row, column]

    @cached_property
    def _nearest(self) -> np.ndarray:
        empty = np.ones((self.size, self.size), bool)
        empty[self.place[:, 0], self.place[:, 1]] = False
        return ndimage.distance_transform_edt(empty, return_distances=False, return_indices=True)


def texels_of(v_tex: np.ndarray, t_tex_idx: np.ndarray, size: int, border_px: int = 1) -> Texels:
    """Texels whose centre lies in a chart, and those within ``border_px`` of one, which extend its triangle's plane.

    Row 0 is v = 1. The border is what bilinear filtering reads beside a chart's edge.
    """
    clip = np.concatenate([v_tex * 2.0 - 1.0, np.zeros((len(v_tex), 1)), np.ones((len(v_tex), 1))], 1)
    ids, _, _ = rasterize(clip, t_tex_idx, size, size)
    distance, (row, column) = ndimage.distance_transform_edt(ids < 0, return_indices=True)
    place = np.argwhere(distance <= border_px + 0.5)
    face = ids[row[place[:, 0], place[:, 1]], column[place[:, 0], place[:, 1]]]
    point = np.stack([(place[:, 1] + 0.5) / size, 1.0 - (place[:, 0] + 0.5) / size], -1)
    return Texels(place, face, _barycentric(v_tex[t_tex_idx[face]].astype(np.float64), point), size)


def _barycentric(corners: np.ndarray, point: np.ndarray) -> np.ndarray:
    """(N, 3) weights of ``point`` (N, 2) in triangles (N, 3, 2), kept within half a triangle of the outline."""
    e1, e2, d = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], point - corners[:, 0]
    area = e1[:, 0] * e2[:, 1] - e1[:, 1] * e2[:, 0]
    safe = np.where(np.abs(area) < 1e-12, 1.0, area)
    b1 = (d[:, 0] * e2[:, 1] - d[:, 1] * e2[:, 0]) / safe
    b2 = (e1[:, 0] * d[:, 1] - e1[:, 1] * d[:, 0]) / safe
    bary = np.stack([1 - b1 - b2, b1, b2], -1)
    bary = np.where(np.abs(area)[:, None] < 1e-12, 1 / 3, np.clip(bary, -0.5, 1.5))
    return bary / bary.sum(-1, keepdims=True)
