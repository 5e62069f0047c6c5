"""The face seen straight from the front, without perspective: what is painted where, and how far forward it lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates

from stages.artifacts.images import to_u8
from stages.artifacts.mesh import TexturedMesh
from stages.rendering.zbuffer import interpolate, rasterize

EYE_DISTANCE_M = 0.074  # of a face whose lengths in this package are meant as they are written; others are scaled by theirs
PIXEL_M = 0.0004


@dataclass(frozen=True)
class Landmarks:
    """Where a face is expected, (3,) metres at rest: the middles of both eyes and of the mouth's upper lip, and the chin. ``scale``: see EYE_DISTANCE_M."""

    left: np.ndarray
    right: np.ndarray
    mouth: np.ndarray
    chin: np.ndarray

    @property
    def scale(self) -> float:
        """How much larger than usual the face is."""
        return float(self.left[0] - self.right[0]) / EYE_DISTANCE_M

    @property
    def middle_x(self) -> float:
        """Of both eyes."""
        return float(self.left[0] + self.right[0]) / 2


@dataclass(frozen=True)
class FaceView:
    """Pictures (H, W) of the front of the face, ``pixel_m`` a pixel; row 0 is the top at ``top_m``, column 0 begins at ``left_m`` in x.

    ``rgb`` (H, W, 3) sRGB in [0, 1]; ``y`` (H, W) metres, small is to the front; ``triangle`` (H, W), -1 where nothing is; ``bary`` (H, W, 3).
    """

    rgb: np.ndarray
    y: np.ndarray
    triangle: np.ndarray
    bary: np.ndarray
    left_m: float
    top_m: float
    pixel_m: float

    def pixels(self, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row and column, as floats, of places in metres; a pixel's middle is a whole number."""
        return (self.top_m - z) / self.pixel_m - 0.5, (x - self.left_m) / self.pixel_m - 0.5

    def places(self, row: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x and z in metres of pixels."""
        return self.left_m + (column + 0.5) * self.pixel_m, self.top_m - (row + 0.5) * self.pixel_m

    def depth(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        """y of the surface at places, bilinear; of the nearest pixel beyond the picture."""
        row, column = self.pixels(x, z)
        return map_coordinates(self.y, [np.ravel(row), np.ravel(column)], order=1, mode="nearest").reshape(np.shape(row))

    def nearest(self, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Integer rows and columns of the pixels that places lie in, inside the picture."""
        row, column = self.pixels(x, z)
        height, width = self.y.shape
        return np.clip(np.rint(row).astype(int), 0, height - 1), np.clip(np.rint(column).astype(int), 0, width - 1)


def front_view(v_pos: np.ndarray, mesh: TexturedMesh, landmarks: Landmarks) -> FaceView:
    """The face from the chin to above the brows, of the surface with its vertices at ``v_pos`` (V, 3), at rest."""
    scale = landmarks.scale
    half, top = 0.085 * scale, max(landmarks.left[2], landmarks.right[2]) + 0.07 * scale
    low = landmarks.chin[2] - 0.02 * scale
    pixel = PIXEL_M * scale
    width, height = round(2 * half / pixel), round((top - low) / pixel)
    left = landmarks.middle_x - half
    clip = np.stack([(v_pos[:, 0] - left) / (width * pixel) * 2 - 1, (v_pos[:, 2] - top) / (height * pixel) * 2 + 1,
                     v_pos[:, 1] - landmarks.mouth[1], np.ones(len(v_pos))], -1)
    triangle, bary, _ = rasterize(clip, mesh.t_pos_idx, height, width)
    uv = interpolate(mesh.v_tex, mesh.t_tex_idx, triangle, bary)
    y = interpolate(v_pos[:, 1:2], mesh.t_pos_idx, triangle, bary)[..., 0].astype(np.float64)
    y[triangle < 0] = v_pos[:, 1].max()
    rgb = np.where((triangle >= 0)[..., None], _sampled(to_u8(mesh.kd)[..., :3], uv), 1.0)
    whole = np.concatenate([bary, 1 - bary.sum(-1, keepdims=True)], -1).astype(np.float64)
    return FaceView(rgb, y, triangle, whole, left, top, pixel)


def _sampled(kd: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """(H, W, 3) in [0, 1] of a texture at coordinates (H, W, 2), v up, bilinear."""
    row, column = (1 - uv[..., 1]) * kd.shape[0] - 0.5, uv[..., 0] * kd.shape[1] - 0.5
    return np.stack([map_coordinates(kd[..., c].astype(np.float64), [row, column], order=1, mode="nearest") for c in range(3)], -1) / 255
