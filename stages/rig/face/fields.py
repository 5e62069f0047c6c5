"""How the skin of a face gives way to an expression: displacements that fade out round mouth, eyes and brows.

A field is a function of places seen from the front; vertices then follow the surface in depth, so that a cheek stays as full as it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from stages.rig.easing import smoothstep
from stages.rig.face.colours import lab_of
from stages.rig.face.cut import line_z
from stages.rig.face.find import HAIR_WITHIN, Eye, Mouth, hair_lab, skin_lab
from stages.rig.face.shapes import VRM, EyeShape, MouthShape, Shapes, SkinShape
from stages.rig.face.view import FaceView, Landmarks

LIP_HEIGHT_M = (0.0115, 0.0135)  # a shape's unit of height: half the mouth's width, within these
BESIDE_M, ABOVE_M, BELOW_M = 0.018, 0.015, 0.032  # how far skin gives way beside the mouth, above and below it
SPREAD = 0.7  # a chin goes down with the lip in one piece
GAZE, GIVING, GIVING_ACROSS = 0.11, 0.28, 0.14  # an iris' way, and how deep an outline gives way along it and across, in an eye's sizes
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
        return np.stack([shape.sideways(s, below) * self.mouth.half_m, np.where(below, lower, upper) * self.height_m], -1)

    def forward(self, shape: MouthShape, s: np.ndarray, below: np.ndarray) -> np.ndarray:
        """(N,) metres that they move forward."""
        return shape.out(s, below) * self.height_m

    def field(self, shape: MouthShape, x: np.ndarray, z: np.ndarray, below: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Displacement (N, 2) of the skin at places (N,), and forward (N,): what the lips do, over a wider mouth the farther from its line."""
        off = np.abs(z - line_z(self.mouth, x))
        wider = 1 + SPREAD * off / self.mouth.half_m
        s = (x - self.mouth.middle_m) / (wider * self.mouth.half_m)
        beside = np.maximum(np.abs(s) - 1, 0) * self.mouth.half_m / (BESIDE_M * self.scale)
        away = off / (np.where(below, BELOW_M, ABOVE_M) * self.scale * shape.reach)
        share = fade(np.hypot(beside, away))
        return self.moved(shape, s, below) * share[:, None], self.forward(shape, s, below) * share


def eye_field(shape: EyeShape, eye: Eye, scale: float, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """(N, 2) displacement by an eye's brow and its opening."""
    sign = 1.0 if eye.side == "left" else -1.0
    u = sign * (x - eye.middle[0]) / (eye.width / 2)  # -1 at the inner corner
    brow_z = eye.middle[1] + eye.height / 2 + BROW_OVER_M * scale
    brow = fade(np.hypot((x - eye.middle[0]) / (BROW_HALF_M[0] * scale), (z - brow_z) / (BROW_HALF_M[1] * scale)))
    lift = np.interp(u, [-0.9, 0.9], [shape.brow_inner_mm, shape.brow_outer_mm]) * 1e-3 * scale
    grow = fade(np.hypot((x - eye.middle[0]) / (0.75 * eye.width), (z - eye.middle[1]) / (0.75 * eye.height)))
    return np.stack([shape.wider * (x - eye.middle[0]) * grow, shape.taller * (z - eye.middle[1]) * grow + lift * brow], -1)


def gaze_shares(eye: Eye) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) how far what is painted of an eye goes along with its iris, for a look aside and for one up or down: all of it within, its outline not at all.

    What has to give way is the white beside the iris, and lashes above and below it, where that does not show.
    """
    to_side, to_lid = (_depth(eye.mask, axis) / eye.mask.sum(axis).max() for axis in (1, 0))
    calm = lambda side, lid: ndimage.gaussian_filter(smoothstep(to_side / side) * smoothstep(to_lid / lid), 1.0)  # noqa: E731
    return calm(GIVING, GIVING_ACROSS), calm(GIVING_ACROSS, GIVING)


def _depth(mask: np.ndarray, axis: int) -> np.ndarray:
    """(H, W) pixels along an axis to the nearer border of a convex mask."""
    return np.where(mask, np.minimum(np.cumsum(mask, axis), np.flip(np.cumsum(np.flip(mask, axis), axis), axis)), 0)


def skin_field(shape: SkinShape, landmarks: Landmarks, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Displacement (N, 2) and forward (N,) at places (N,)."""
    eyes_x, eyes_z = (landmarks.left[0] - landmarks.right[0]) / 2, (landmarks.left[2] + landmarks.right[2]) / 2
    at = landmarks.middle_x + shape.at[0] * eyes_x, landmarks.mouth[2] + shape.at[1] * (eyes_z - landmarks.mouth[2])
    share = fade(np.hypot(x - at[0], z - at[1]) / (shape.radius_m * landmarks.scale))
    aside, forward, up = (mm * 1e-3 * landmarks.scale * share for mm in shape.shift_mm)
    return np.stack([aside, up], -1), forward


@dataclass(frozen=True)
class Fields:
    """All displacements of a face."""

    view: FaceView
    landmarks: Landmarks
    eyes: tuple[Eye, ...]
    mouth: Mouth | None
    free: np.ndarray  # (H, W) share of 1 where skin can move, 0 where hair lies on it
    calm: np.ndarray  # (H, W) y of the surface without its small bumps and dents
    gazes: tuple[tuple[np.ndarray, np.ndarray], ...]  # of each eye, see ``gaze_shares``
    shapes: Shapes

    @classmethod
    def of(cls, view: FaceView, landmarks: Landmarks, eyes: tuple[Eye, ...], mouth: Mouth | None, shapes: Shapes = VRM) -> Fields:
        """The fields of what was found."""
        px = landmarks.scale / view.pixel_m
        lab, hair = lab_of(view.rgb), hair_lab(view, landmarks)
        hairy = np.zeros(view.y.shape)
        if np.linalg.norm(hair - skin_lab(view, landmarks)) > HAIR_WITHIN:
            hairy = ndimage.median_filter((np.linalg.norm(lab - hair, axis=-1) < HAIR_WITHIN).astype(np.uint8), size=round(0.006 * px)).astype(float)
        free = np.clip(1 - 1.5 * ndimage.gaussian_filter(ndimage.maximum_filter(hairy, size=round(0.004 * px)), 0.002 * px), 0, 1)
        even = ndimage.grey_opening(view.y, size=round(DENT_M * px))  # lips of a reconstruction may part at rest
        return cls(view, landmarks, eyes, mouth, free, ndimage.gaussian_filter(even, CALM_M * px), tuple(map(gaze_shares, eyes)),
                   shapes)

    @property
    def names(self) -> list[str]:
        """Expressions that move skin."""
        of = (self.shapes.eyes if self.eyes else (), self.shapes.mouths if self.mouth is not None else (), self.shapes.skin)
        return list(dict.fromkeys(name for names in of for name in names))

    def offset(self, name: str, points: np.ndarray, below: np.ndarray | None = None) -> np.ndarray:
        """(N, 3) displacement of points (N, 3) of the face's skin; ``below`` (N,) says which side of the mouth's line those on it belong to."""
        x, z = points[:, 0], points[:, 2]
        flat, forward = np.zeros((len(points), 2)), np.zeros(len(points))
        free = self.free[self.view.nearest(x, z)]
        if name in self.shapes.eyes:
            flat += self._eyes(self.shapes.eyes[name], x, z, free)
        if self.mouth is not None and name in self.shapes.mouths:
            lower = z < line_z(self.mouth, x) if below is None else below
            lips = Lips(self.mouth, self.landmarks.scale).field(self.shapes.mouths[name], x, z, lower)
            flat, forward = flat + lips[0], forward + lips[1]
        for shape in self.shapes.skin.get(name, ()):
            skin = skin_field(shape, self.landmarks, x, z)
            flat, forward = flat + skin[0] * free[:, None], forward + skin[1] * free
        out = self.along_surface(x, z, flat) - forward[:, None] * [0.0, 1.0, 0.0]
        return self._behind_lids(points, out) if name in self.shapes.eyes and any(self.shapes.eyes[name].gaze) else out

    def _behind_lids(self, points: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """(N, 3) displacement, no bump of the eye carried before where the surface was: a lid lies close before that."""
        after = points + offset
        back = self._at(self.view.y, after[:, 0], after[:, 2]) - after[:, 1]
        slid = np.abs(offset).max(-1) > 0
        return offset + (np.clip(back, 0, DEEPEST_M * self.landmarks.scale) * slid)[:, None] * [0.0, 1.0, 0.0]

    def _eyes(self, shape: EyeShape, x: np.ndarray, z: np.ndarray, free: np.ndarray) -> np.ndarray:
        """(N, 2) by the eyes that a shape is for."""
        flat = np.zeros((len(x), 2))
        for eye, shares in zip(self.eyes, self.gazes, strict=True):
            if shape.side in (None, eye.side):
                flat += eye_field(shape, eye, self.landmarks.scale, x, z) * free[:, None]
                for axis, way in enumerate(shape.gaze):
                    flat[:, axis] += way * GAZE * min(eye.width, eye.height) * self._at(shares[axis], x, z)
        return flat

    def along_surface(self, x: np.ndarray, z: np.ndarray, flat: np.ndarray) -> np.ndarray:
        """(N, 3) of displacements (N, 2) seen from the front: what slides over the surface goes in and out with it."""
        deepest = DEEPEST_M * self.landmarks.scale
        y = np.clip(self._at(self.calm, x + flat[:, 0], z + flat[:, 1]) - self._at(self.calm, x, z), -deepest, deepest)
        return np.stack([flat[:, 0], y, flat[:, 1]], -1)

    def _at(self, picture: np.ndarray, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        return ndimage.map_coordinates(picture, [*self.view.pixels(x, z)], order=1, mode="nearest")
