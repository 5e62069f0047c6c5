"""Lids before painted eyes: folded up along the eye's upper and lower border at rest, drawn over it by expressions, with a line of lashes.

A morph moves straight. What is folded up has no area, so it may stand as far before the face as its way over the curve of the eye takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from stages.rig.face.closings import Closing
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
DRAWN_FROM = 0.10  # of the eye's height that the lid has to be drawn for its lashes to have their thickness
FRINGE_M, LASHES_M, DENT_M = 0.006, 0.009, 0.004  # how far before an even eye lids go round what is there, and round what belongs to the eye; behind it
EVEN_M = 0.005
CLEAR_SHARE = 0.5  # of a sheet's distance from the face, that it keeps between its vertices
_STEPS = np.linspace(0.0, 0.85, 12)
_IN_CELL = np.linspace(0, 1, 9)


def lids(eye: Eye, closings: Mapping[str, Closing], view: FaceView, texture: FaceTexture, skin: SkinWeights, scale: float) -> list[Piece]:
    """Upper lid, lower lid and lash line of an eye, drawn as ``closings`` say; one of these is ``blink``."""
    maker = _LidMaker(eye, closings, view, texture, skin, scale)
    upper = maker.upper()
    return [maker.lid(upper), maker.lid(maker.lower()), maker.line(upper)]


@dataclass(frozen=True)
class _Sheet:
    """A grid of (rows, columns) places: ``x``, ``y`` and ``z`` at rest; ``y_ends`` and ``z_ends`` in each expression. It keeps its x."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    y_ends: dict[str, np.ndarray]
    z_ends: dict[str, np.ndarray]

    def at(self, name: str, z: np.ndarray) -> np.ndarray:
        """(rows, columns) y of the sheet in an expression at heights in its columns; of its edge beyond that. Its rows go down."""
        down, y = -self.z_ends[name], self.y_ends[name]
        return np.stack([np.interp(-z[:, k], down[:, k], y[:, k]) for k in range(z.shape[1])], -1)


class _LidMaker:
    """The lids of one eye. Arrays are (rows, columns); heights are metres."""

    def __init__(self, eye: Eye, closings: Mapping[str, Closing], view: FaceView, texture: FaceTexture, skin: SkinWeights, scale: float) -> None:
        self.eye, self.closings, self.texture, self.skin, self.scale = eye, closings, texture, skin, scale
        beyond = BEYOND_M * scale
        self.u = np.linspace(-1, 1, COLUMNS)
        self.x = self.eye.x(self.u) + beyond * np.sign(self.u) * np.abs(self.u) ** 4
        highest, lowest = _reach(view, eye, self.x)
        self.top = np.minimum(np.polyval(eye.top, self.u), highest) + beyond
        self.bottom = np.maximum(np.polyval(eye.bottom, self.u), lowest) - beyond
        self.out = self.u if eye.side == "left" else -self.u  # +1 at the outer corner
        self.view, self.near = view, near_eye(view, eye, scale)
        self.front = front_of(self.near, view, scale)
        self.even = ndimage.gaussian_filter(self.front, EVEN_M * scale / view.pixel_m)

    def border(self, closing: Closing) -> np.ndarray:
        """(columns,) height of the upper lid's edge."""
        return _softly_below(self.eye.middle[1] + closing.upper(self.out) * self.eye.height, self.top, SOFT * self.eye.height)

    def lower_border(self, closing: Closing) -> np.ndarray:
        """(columns,) height of the lower lid's edge."""
        if closing.lower is None:
            return self.bottom
        return np.maximum(self.eye.middle[1] + closing.lower(self.out) * self.eye.height, self.bottom)

    def upper(self) -> _Sheet:
        """From the border above the eye down."""
        share = np.linspace(0, 1, ROWS)[:, None]
        shapes = {name: self.top + share * (self.border(c) - self.top) for name, c in self.closings.items()}
        return self._sheet(np.broadcast_to(self.top, (ROWS, COLUMNS)), shapes, BEFORE_M * self.scale)

    def lower(self) -> _Sheet:
        """From the border below the eye up; rows still go down."""
        share = np.linspace(1, 0, LOWER_ROWS)[:, None]
        moving = {name: c for name, c in self.closings.items() if c.lower is not None}
        shapes = {name: self.bottom + share * (self.lower_border(c) - self.bottom) for name, c in moving.items()}
        return self._sheet(np.broadcast_to(self.bottom, (LOWER_ROWS, COLUMNS)), shapes, BEFORE_M * self.scale)

    def lid(self, sheet: _Sheet) -> Piece:
        """A lid with the skin that lies where it is when shut."""
        return self._piece(sheet, self.texture.at(sheet.x, sheet.z_ends["blink"]))

    def line(self, lid: _Sheet) -> Piece:
        """Lashes along the upper ``lid``'s edge: thick towards the outer corner, thin at the inner one, and nothing where the lid is not drawn.

        They begin as far before the lid as they end, and so stay before it on their way.
        """
        thick = LINE_SHARE * self.eye.height * np.interp(self.out, [-1, -0.85, -0.45, 0.3, 0.75, 1], [0.0, 0.15, 0.75, 1.0, 1.0, 0.12])
        offset = np.array([0.5, -0.5])[:, None]
        shapes = {name: self.border(c) + offset * thick * c.line * self._drawn(c) for name, c in self.closings.items()}
        uv = self.texture.cell(LASHES, *np.broadcast_arrays(np.linspace(0, 1, COLUMNS)[None], np.array([[1.0], [0.0]])))
        before = LINE_BEFORE_M * self.scale
        own = self._sheet(np.broadcast_to(self.top, (2, COLUMNS)), shapes, BEFORE_M * self.scale + before)
        ends = {name: np.minimum(y, lid.at(name, shapes[name]) - before) for name, y in own.y_ends.items()}
        return self._piece(replace(own, y=np.minimum(own.y, lid.y[:1] - before), y_ends=ends), uv)

    def _drawn(self, closing: Closing) -> np.ndarray:
        """(columns,) from 0, where the upper lid's edge lies on the eye's border, to 1."""
        return np.clip((self.top - self.border(closing)) / (DRAWN_FROM * self.eye.height), 0, 1)

    def _x(self, rows: int) -> np.ndarray:
        return np.broadcast_to(self.x, (rows, COLUMNS))

    def _sheet(self, rest: np.ndarray, shapes: dict[str, np.ndarray], before: float) -> _Sheet:
        """Folded up at heights ``rest``, spread to ``shapes``, ``before`` the face all the way."""
        x = self._x(len(rest))
        ends = {name: self._before(x, z, before) for name, z in shapes.items()}
        y = np.min([self._start(x, rest, z, ends[name], before) for name, z in shapes.items()], 0)
        return _Sheet(x, np.broadcast_to(y.min(0), rest.shape), rest, ends, shapes)

    def _piece(self, sheet: _Sheet, uv: np.ndarray) -> Piece:
        v_pos = np.stack([sheet.x, sheet.y, sheet.z], -1)
        offsets = {name: (np.stack([sheet.x, sheet.y_ends[name], z], -1) - v_pos).reshape(-1, 3) for name, z in sheet.z_ends.items()}
        joints, weights = self.skin.at(sheet.x.ravel(), np.asarray(sheet.z_ends["blink"]).ravel())
        return Piece(v_pos.reshape(-1, 3), self._normals(sheet.x, sheet.z_ends["blink"]).reshape(-1, 3), grid_triangles(*sheet.x.shape), uv.reshape(-1, 2),
                     offsets, joints, weights)

    def _start(self, x: np.ndarray, rest: np.ndarray, end_z: np.ndarray, end_y: np.ndarray, before: float) -> np.ndarray:
        """y at rest from which the straight way to an end leads before the face all along."""
        needed = [(self._before(x, rest + w * (end_z - rest), before) - w * end_y) / (1 - w) for w in _STEPS]
        return np.min(needed, 0)

    def _before(self, x: np.ndarray, z: np.ndarray, before: float) -> np.ndarray:
        """(rows, columns) y of a sheet ``before`` the face at its vertices, and so far forward that none of the face stands out of it between them."""
        y = self._front(x, z) - before
        inside = [_within_cells(values) for values in (x, z, y)]
        short = np.maximum(inside[2] - (_sampled(self.near, self.view, inside[0], inside[1]) - CLEAR_SHARE * before), 0).max(-1)
        around = np.pad(short, 1)
        return y - np.max([around[:-1, :-1], around[:-1, 1:], around[1:, :-1], around[1:, 1:]], 0)

    def _front(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        return _sampled(self.front, self.view, x, z)

    def _normals(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        """(rows, columns, 3) of an even lid: in a toon's shading bumps would be spots."""
        step = 4 * self.view.pixel_m
        at = lambda x, z: _sampled(self.even, self.view, x, z)  # noqa: E731
        slope_x, slope_z = (at(x + step, z) - at(x - step, z)) / (2 * step), (at(x, z + step) - at(x, z - step)) / (2 * step)
        n = np.stack([slope_x, -np.ones_like(slope_x), slope_z], -1)
        return n / np.linalg.norm(n, axis=-1, keepdims=True)


def _softly_below(heights: np.ndarray, limit: np.ndarray, soft: float) -> np.ndarray:
    """The lower of two curves, their corner rounded over a length ``soft``."""
    return limit - soft * np.logaddexp(0, (limit - heights) / soft)


def _within_cells(corners: np.ndarray) -> np.ndarray:
    """(rows - 1, columns - 1, N) of values at a grid's vertices: those at places within its cells, as the two triangles of each have them."""
    right, down = (share.ravel() for share in np.meshgrid(_IN_CELL, _IN_CELL))
    a, b, c, d = (part[..., None] for part in (corners[:-1, :-1], corners[:-1, 1:], corners[1:, :-1], corners[1:, 1:]))
    return np.where(right + down <= 1, a + right * (b - a) + down * (c - a), d + (1 - right) * (c - d) + (1 - down) * (b - d))


def _sampled(picture: np.ndarray, view: FaceView, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    row, column = view.pixels(x, z)
    return ndimage.map_coordinates(picture, [row.ravel(), column.ravel()], order=1, mode="nearest").reshape(row.shape)


def _reach(view: FaceView, eye: Eye, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Heights (N,) of the highest and the lowest of what is painted of an eye at ``x`` (N,), to the next of them on either side."""
    columns = np.flatnonzero(eye.mask.any(0))
    high, low = (view.places(pick, np.zeros(1))[1] for pick in (
        eye.mask[:, columns].argmax(0).astype(float), len(eye.mask) - 1 - eye.mask[::-1, columns].argmax(0).astype(float)))
    at, step = view.places(np.zeros(1), columns.astype(float))[0], np.gradient(x)
    near = np.abs(at - np.clip(x, at[0], at[-1])[:, None]) <= step[:, None]
    return np.where(near, high, -np.inf).max(1), np.where(near, low, np.inf).min(1)


def near_eye(view: FaceView, eye: Eye, scale: float) -> np.ndarray:
    """(H, W) y of the face at an eye. What hangs far before it, such as a fringe, is not followed, nor what lies far behind."""
    rows, columns = np.nonzero(eye.mask)
    x, z = view.places(*np.indices(view.y.shape).astype(float))
    terms = np.stack([np.ones_like(x), x, z, x * x, x * z, z * z], -1)
    plain = terms @ np.linalg.lstsq(terms[rows, columns], view.y[rows, columns], rcond=None)[0]
    before = np.where(eye.mask, LASHES_M, FRINGE_M) * scale
    return ndimage.minimum_filter(np.clip(view.y, plain - before, plain + DENT_M * scale), size=3)  # a sharp peak may lie between pixels


def front_of(near: np.ndarray, view: FaceView, scale: float) -> np.ndarray:
    """(H, W) y of a calm surface just before ``near``."""
    px = scale / view.pixel_m
    return ndimage.gaussian_filter(ndimage.minimum_filter(near, size=max(3, round(0.005 * px))), 0.0012 * px)
