"""Lids before painted eyes: folded up along the eye's upper and lower border at rest, drawn over it by expressions, with a line of lashes.

A morph moves straight. What is folded up has no area, so it may stand as far before the face as its way over the curve of the eye takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from stages.rig.face.find import Eye
from stages.rig.face.pieces import Piece, grid_triangles
from stages.rig.face.skin import SkinWeights
from stages.rig.face.texture import LASHES, FaceTexture
from stages.rig.face.view import FaceView

COLUMNS, ROWS, LOWER_ROWS = 17, 7, 4
BEFORE_M, LINE_BEFORE_M = 0.0007, 0.0005  # lids before the face; lashes before the lids
BEYOND_M = 0.0030  # how far lids reach beyond what is painted
LINE_SHARE = 0.070  # thickness of the lash line in heights of the eye
SOFT = 0.025  # rounding of the lash line where it meets the eye's border, in heights of the eye
_STEPS = np.linspace(0.0, 0.85, 12)


@dataclass(frozen=True)
class Closing:
    """How far the lids of an eye are drawn in one expression, as functions of u in [-1, 1], +1 to the outer corner, in heights of the eye.

    ``upper`` and ``lower``: height of the lids' edges above the eye's middle, None where the lower one stays open; ``line``: how thick lashes are.
    """

    upper: Callable[[np.ndarray], np.ndarray]
    lower: Callable[[np.ndarray], np.ndarray] | None = None
    line: float = 1.0


def _blink(u: np.ndarray) -> np.ndarray:
    return -0.13 - 0.15 * (1 - u**2)


def _smile(u: np.ndarray) -> np.ndarray:
    return -0.20 + 0.27 * (1 - u**2)


BLINK = Closing(upper=_blink, lower=_blink)
CLOSINGS = {
    "happy": Closing(upper=_smile, lower=_smile),
    "angry": Closing(upper=lambda u: 0.24 + 0.17 * u),
    "sad": Closing(upper=lambda u: 0.24 - 0.15 * u, line=0.8),
    "relaxed": Closing(upper=lambda u: 0.06 + 0.15 * (1 - u**2)),
    "blink": BLINK,
}


def lids(eye: Eye, view: FaceView, texture: FaceTexture, skin: SkinWeights, scale: float) -> list[Piece]:
    """Upper lid, lower lid and lash line of an eye."""
    maker = _LidMaker(eye, view, texture, skin, scale)
    return [maker.upper(), maker.lower(), maker.line()]


def closings_of(side: str) -> dict[str, Closing]:
    """Expressions that move the lids on a side."""
    return CLOSINGS | {"blinkLeft" if side == "left" else "blinkRight": BLINK}


class _LidMaker:
    """The lids of one eye. Arrays are (rows, columns); heights are metres."""

    def __init__(self, eye: Eye, view: FaceView, texture: FaceTexture, skin: SkinWeights, scale: float) -> None:
        self.eye, self.texture, self.skin, self.scale = eye, texture, skin, scale
        beyond = BEYOND_M * scale
        self.u = np.linspace(-1, 1, COLUMNS)
        self.x = self.eye.x(self.u) + beyond * np.sign(self.u) * np.abs(self.u) ** 4
        self.top = np.polyval(eye.top, self.u) + beyond
        self.bottom = np.polyval(eye.bottom, self.u) - beyond
        self.out = self.u if eye.side == "left" else -self.u  # +1 at the outer corner
        self.view, self.front = view, front_of(view, eye, scale)

    def border(self, closing: Closing) -> np.ndarray:
        """(columns,) height of the upper lid's edge."""
        return _softly_below(self.eye.middle[1] + closing.upper(self.out) * self.eye.height, self.top, SOFT * self.eye.height)

    def lower_border(self, closing: Closing) -> np.ndarray:
        """(columns,) height of the lower lid's edge."""
        if closing.lower is None:
            return self.bottom
        return np.maximum(self.eye.middle[1] + closing.lower(self.out) * self.eye.height, self.bottom)

    def upper(self) -> Piece:
        """From the border above the eye down."""
        share = np.linspace(0, 1, ROWS)[:, None]
        shapes = {name: self.top + share * (self.border(c) - self.top) for name, c in closings_of(self.eye.side).items()}
        return self._piece(np.broadcast_to(self.top, (ROWS, COLUMNS)), shapes, BEFORE_M, self.texture.at(self._x(ROWS), shapes["blink"]))

    def lower(self) -> Piece:
        """From the border below the eye up; rows still go down."""
        share = np.linspace(1, 0, LOWER_ROWS)[:, None]
        moving = {name: c for name, c in closings_of(self.eye.side).items() if c.lower is not None}
        shapes = {name: self.bottom + share * (self.lower_border(c) - self.bottom) for name, c in moving.items()}
        return self._piece(np.broadcast_to(self.bottom, (LOWER_ROWS, COLUMNS)), shapes, BEFORE_M, self.texture.at(self._x(LOWER_ROWS), shapes["blink"]))

    def line(self) -> Piece:
        """Lashes along the upper lid's edge: thick towards the outer corner, thin at the inner one."""
        thick = LINE_SHARE * self.eye.height * np.interp(self.out, [-1, -0.85, -0.45, 0.3, 0.8, 1], [0.0, 0.15, 0.75, 1.0, 1.0, 0.4])
        offset = np.array([0.5, -0.5])[:, None]
        shapes = {name: self.border(c) + offset * thick * c.line for name, c in closings_of(self.eye.side).items()}
        uv = self.texture.cell(LASHES, *np.broadcast_arrays(np.linspace(0, 1, COLUMNS)[None], np.array([[1.0], [0.0]])))
        return self._piece(np.broadcast_to(self.top, (2, COLUMNS)), shapes, BEFORE_M + LINE_BEFORE_M, uv)

    def _x(self, rows: int) -> np.ndarray:
        return np.broadcast_to(self.x, (rows, COLUMNS))

    def _piece(self, rest: np.ndarray, shapes: dict[str, np.ndarray], before_m: float, uv: np.ndarray) -> Piece:
        """A sheet that is folded up at heights ``rest`` and spread to ``shapes``."""
        rows, x = len(rest), self._x(len(rest))
        before = before_m * self.scale
        ends = {name: self._front(x, z) - before for name, z in shapes.items()}
        y = np.min([self._start(x, rest, z, ends[name], before) for name, z in shapes.items()], 0)
        y = np.broadcast_to(y.min(0), rest.shape)
        v_pos = np.stack([x, y, rest], -1)
        offsets = {name: (np.stack([x, ends[name], z], -1) - v_pos).reshape(-1, 3) for name, z in shapes.items()}
        joints, weights = self.skin.at(x.ravel(), np.asarray(shapes["blink"]).ravel())
        return Piece(v_pos.reshape(-1, 3), self._normals(x, shapes["blink"]).reshape(-1, 3), grid_triangles(rows, COLUMNS), uv.reshape(-1, 2), offsets,
                     joints, weights)

    def _start(self, x: np.ndarray, rest: np.ndarray, end_z: np.ndarray, end_y: np.ndarray, before: float) -> np.ndarray:
        """y at rest from which the straight way to an end leads before the face all along."""
        needed = [(self._front(x, rest + w * (end_z - rest)) - before - w * end_y) / (1 - w) for w in _STEPS]
        return np.min(needed, 0)

    def _front(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        row, column = self.view.pixels(x, z)
        return ndimage.map_coordinates(self.front, [row.ravel(), column.ravel()], order=1, mode="nearest").reshape(row.shape)

    def _normals(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        """(rows, columns, 3) of the lids' own curve."""
        step = 4 * self.view.pixel_m
        slope_x = (self._front(x + step, z) - self._front(x - step, z)) / (2 * step)
        slope_z = (self._front(x, z + step) - self._front(x, z - step)) / (2 * step)
        n = np.stack([slope_x, -np.ones_like(slope_x), slope_z], -1)
        return n / np.linalg.norm(n, axis=-1, keepdims=True)


def _softly_below(heights: np.ndarray, limit: np.ndarray, soft: float) -> np.ndarray:
    """The lower of two curves, their corner rounded over a length ``soft``."""
    return limit - soft * np.logaddexp(0, (limit - heights) / soft)


def front_of(view: FaceView, eye: Eye, scale: float) -> np.ndarray:
    """(H, W) y of a calm surface just before the eye. What hangs far before it, such as a fringe, is not followed."""
    px = scale / view.pixel_m
    rows, columns = np.nonzero(eye.mask)
    x, z = view.places(*np.indices(view.y.shape).astype(float))
    terms = np.stack([np.ones_like(x), x, z, x * x, x * z, z * z], -1)
    plain = terms @ np.linalg.lstsq(terms[rows, columns], view.y[rows, columns], rcond=None)[0]
    within = np.clip(view.y, plain - 0.006 * scale, plain + 0.004 * scale)
    nearest = ndimage.minimum_filter(within, size=max(3, round(0.005 * px)))
    return ndimage.gaussian_filter(nearest, 0.0012 * px)
