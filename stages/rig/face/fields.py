"""How the skin of a face gives way to an expression: displacements that fade out round mouth, eyes and brows.

A field is a function of places seen from the front; vertices then follow the surface in depth, so that a cheek stays as full as it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from stages.rig.face.colours import lab_of
from stages.rig.face.cut import line_z
from stages.rig.face.find import HAIR_WITHIN, Eye, Mouth, hair_lab, skin_lab
from stages.rig.face.shapes import EYES, MOUTHS, EyeShape, MouthShape
from stages.rig.face.view import FaceView, Landmarks

LIP_HEIGHT_M = (0.0115, 0.0135)  # a shape's unit of height: half the mouth's width, within these
BESIDE_M, ABOVE_M, BELOW_M = 0.018, 0.015, 0.032  # how far skin gives way beside the mouth, above and below it
SPREAD = 0.7  # a chin goes down with the lip in one piece
BROW_OVER_M, BROW_HALF_M = 0.009, (0.034, 0.016)
CALM_M, DENT_M, DEEPEST_M = 0.002, 0.014, 0.004


def fade(q: np.ndarray) -> np.ndarray:
    """1 at 0, 0 from 1 on, smooth at both ends."""
    return np.clip(1 - q**2, 0, 1) ** 2


@dataclass(frozen=True)
class Lips:
    """The mouth's own movement: ``s`` from corner to corner, heights in metres."""

    mouth: Mouth
    scale: float

    @property
    def height_m(self) -> float:
        """What 1 means for a height in a shape."""
        return float(np.clip(self.mouth.half_m, LIP_HEIGHT_M[0] * self.scale, LIP_HEIGHT_M[1] * self.scale))

    def moved(self, shape: MouthShape, s: np.ndarray, below: np.ndarray) -> np.ndarray:
        """(N, 2) displacement in x and z of points of the lips, ``below`` (N,) of the lower one."""
        upper, lower = shape.lips(s)
        return np.stack([shape.wide * self.mouth.half_m * np.clip(s, -1, 1), np.where(below, lower, upper) * self.height_m], -1)

    def field(self, shape: MouthShape, x: np.ndarray, z: np.ndarray, below: np.ndarray) -> np.ndarray:
        """(N, 2) displacement of the skin at places (N,): what the lips do, over a wider mouth the farther from its line."""
        off = np.abs(z - line_z(self.mouth, x))
        wider = 1 + SPREAD * off / self.mouth.half_m
        s = (x - self.mouth.middle_m) / (wider * self.mouth.half_m)
        beside = np.maximum(np.abs(s) - 1, 0) * self.mouth.half_m / (BESIDE_M * self.scale)
        away = off / (np.where(below, BELOW_M, ABOVE_M) * self.scale)
        return self.moved(shape, s, below) * fade(np.hypot(beside, away))[:, None]


def eye_field(shape: EyeShape, eye: Eye, scale: float, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """(N, 2) displacement by an eye's brow and its opening."""
    sign = 1.0 if eye.side == "left" else -1.0
    u = sign * (x - eye.middle[0]) / (eye.width / 2)  # -1 at the inner corner
    brow_z = eye.middle[1] + eye.height / 2 + BROW_OVER_M * scale
    brow = fade(np.hypot((x - eye.middle[0]) / (BROW_HALF_M[0] * scale), (z - brow_z) / (BROW_HALF_M[1] * scale)))
    lift = np.interp(u, [-0.9, 0.9], [shape.brow_inner_mm, shape.brow_outer_mm]) * 1e-3 * scale
    grow = fade(np.hypot((x - eye.middle[0]) / (0.75 * eye.width), (z - eye.middle[1]) / (0.75 * eye.height)))
    return np.stack([shape.wider * (x - eye.middle[0]) * grow, shape.taller * (z - eye.middle[1]) * grow + lift * brow], -1)


@dataclass(frozen=True)
class Fields:
    """All displacements of a face."""

    view: FaceView
    landmarks: Landmarks
    eyes: tuple[Eye, ...]
    mouth: Mouth | None
    free: np.ndarray  # (H, W) share of 1 where skin can move, 0 where hair lies on it
    calm: np.ndarray  # (H, W) y of the surface without its small bumps and dents

    @classmethod
    def of(cls, view: FaceView, landmarks: Landmarks, eyes: tuple[Eye, ...], mouth: Mouth | None) -> Fields:
        """The fields of what was found."""
        px = landmarks.scale / view.pixel_m
        lab, hair = lab_of(view.rgb), hair_lab(view, landmarks)
        hairy = np.zeros(view.y.shape)
        if np.linalg.norm(hair - skin_lab(view, landmarks)) > HAIR_WITHIN:
            hairy = ndimage.median_filter((np.linalg.norm(lab - hair, axis=-1) < HAIR_WITHIN).astype(np.uint8), size=round(0.006 * px)).astype(float)
        free = np.clip(1 - 1.5 * ndimage.gaussian_filter(ndimage.maximum_filter(hairy, size=round(0.004 * px)), 0.002 * px), 0, 1)
        even = ndimage.grey_opening(view.y, size=round(DENT_M * px))  # lips of a reconstruction may part at rest
        return cls(view, landmarks, eyes, mouth, free, ndimage.gaussian_filter(even, CALM_M * px))

    @property
    def names(self) -> list[str]:
        """Expressions that move skin."""
        return [name for name in dict.fromkeys([*EYES, *MOUTHS]) if (name in MOUTHS and self.mouth is not None) or (name in EYES and self.eyes)]

    def offset(self, name: str, points: np.ndarray, below: np.ndarray | None = None) -> np.ndarray:
        """(N, 3) displacement of points (N, 3) of the face's skin; ``below`` (N,) says which side of the mouth's line those on it belong to."""
        x, z = points[:, 0], points[:, 2]
        flat = np.zeros((len(points), 2))
        row, column = self.view.nearest(x, z)
        if name in EYES:
            for eye in self.eyes:
                flat += eye_field(EYES[name], eye, self.landmarks.scale, x, z) * self.free[row, column][:, None]
        if self.mouth is not None and name in MOUTHS:
            lower = z < line_z(self.mouth, x) if below is None else below
            flat += Lips(self.mouth, self.landmarks.scale).field(MOUTHS[name], x, z, lower)
        return self.along_surface(x, z, flat)

    def along_surface(self, x: np.ndarray, z: np.ndarray, flat: np.ndarray) -> np.ndarray:
        """(N, 3) of displacements (N, 2) seen from the front: what slides over the surface goes in and out with it."""
        deepest = DEEPEST_M * self.landmarks.scale
        y = np.clip(self._calm(x + flat[:, 0], z + flat[:, 1]) - self._calm(x, z), -deepest, deepest)
        return np.stack([flat[:, 0], y, flat[:, 1]], -1)

    def _calm(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        return ndimage.map_coordinates(self.calm, [*self.view.pixels(x, z)], order=1, mode="nearest")
