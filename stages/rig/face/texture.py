"""The face's own texture: the front of the face with skin where eyes were painted, and beside it what lies inside a mouth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from stages.artifacts.images import to_u8
from stages.rig.face.colours import healed, lab_of
from stages.rig.face.find import Eye, skin_lab
from stages.rig.face.view import FaceView, Landmarks

CELL_PX = 64  # side of each picture in the strip
LASHES, INSIDE, TEETH, TONGUE = "lashes", "inside", "teeth", "tongue"
_CELLS = (LASHES, INSIDE, TEETH, TONGUE)
_DEEP, _THROAT = np.array([0.42, 0.12, 0.16]), np.array([0.30, 0.07, 0.11])
_TONGUE, _TONGUE_SHADE = np.array([0.88, 0.45, 0.47]), np.array([0.78, 0.35, 0.39])
_TEETH = np.array([0.98, 0.97, 0.96])
SKIN_WITHIN, SOFT_M = 8.0, 0.003


@dataclass(frozen=True)
class FaceTexture:
    """``kd`` (H, W, 3) uint8: the rows and columns of the view from ``row`` and ``column`` on, and a strip of cells at its foot."""

    kd: np.ndarray
    view: FaceView
    row: int
    column: int

    def at(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        """(..., 2) texture coordinates of places in metres on the front of the face."""
        row, column = self.view.pixels(x, z)
        height, width = self.kd.shape[:2]
        return np.stack([(column - self.column + 0.5) / width, 1 - (row - self.row + 0.5) / height], -1)

    def cell(self, name: str, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """(..., 2) texture coordinates in a picture of the strip, ``u`` and ``v`` in [0, 1], v up."""
        height, width = self.kd.shape[:2]
        inset = 1.5
        x = _CELLS.index(name) * CELL_PX + inset + u * (CELL_PX - 2 * inset)
        y = inset + v * (CELL_PX - 2 * inset)
        return np.stack([x / width, y / height], -1)


def face_texture(view: FaceView, landmarks: Landmarks, eyes: tuple[Eye, ...], box: tuple[int, int, int, int]) -> FaceTexture:
    """The texture of the rows and columns ``box`` (first row, last, first column, last) of a view."""
    top, low, left, right = box
    clean = without_eyes(view, landmarks, eyes)[top:low, left : max(right, left + CELL_PX * len(_CELLS))]
    dark = np.mean([eye.lash_rgb for eye in eyes], 0) if eyes else np.array([0.2, 0.15, 0.16])
    strip = np.concatenate([np.broadcast_to(dark, (CELL_PX, CELL_PX, 3)), _inside(), np.broadcast_to(_TEETH, (CELL_PX, CELL_PX, 3)), _tongue()], 1)
    height, width = (1 << int(np.ceil(np.log2(side))) for side in (len(clean) + CELL_PX, clean.shape[1]))  # what engines compress best
    clean = np.pad(clean, ((0, height - CELL_PX - len(clean)), (0, width - clean.shape[1]), (0, 0)), "edge")
    strip = np.pad(strip, ((0, 0), (0, width - strip.shape[1]), (0, 0)), "edge")
    return FaceTexture(to_u8(np.concatenate([clean, strip])), view, top, left)


def without_eyes(view: FaceView, landmarks: Landmarks, eyes: tuple[Eye, ...]) -> np.ndarray:
    """(H, W, 3) picture of the face in which skin goes on where the eyes are painted."""
    out = view.rgb.copy()
    spread = max(1, round(0.0024 * landmarks.scale / view.pixel_m))
    skin = np.linalg.norm(lab_of(view.rgb) - skin_lab(view, landmarks), axis=-1) < SKIN_WITHIN
    for eye in eyes:
        out = healed(out, ndimage.binary_dilation(eye.mask, iterations=spread), skin, SOFT_M * landmarks.scale / view.pixel_m)
    return out


def _inside() -> np.ndarray:
    """(CELL_PX, CELL_PX, 3): the inside of an open mouth, flat as it is drawn: dark, darker above, with a tongue that rises from below."""
    v, u = np.meshgrid(np.linspace(1, 0, CELL_PX), np.linspace(-1, 1, CELL_PX), indexing="ij")
    out = _THROAT + (1 - v[..., None]) * (_DEEP - _THROAT)
    hump = np.clip((1 - (u / 0.78) ** 2 - ((v + 0.1) / 0.58) ** 2) / 0.06, 0, 1)[..., None]
    groove = np.exp(-(u / 0.10) ** 2)[..., None] * np.clip(1 - v[..., None] / 0.45, 0, 1)
    return out * (1 - hump) + hump * (_TONGUE + (_TONGUE_SHADE - _TONGUE) * groove)


def _tongue() -> np.ndarray:
    """(CELL_PX, CELL_PX, 3): a tongue from behind, at the top, to its tip; darker along its middle and at its root."""
    v, u = np.meshgrid(np.linspace(1, 0, CELL_PX), np.linspace(-1, 1, CELL_PX), indexing="ij")
    dark = np.maximum(np.exp(-(u / 0.12) ** 2) * np.clip((v - 0.15) / 0.3, 0, 1), np.clip((v - 0.6) / 0.4, 0, 1))[..., None]
    return _TONGUE + (_TONGUE_SHADE - _TONGUE) * dark
