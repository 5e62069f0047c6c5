"""A tongue that can be put out: folded up without area behind the lips, spread over the lower one in ``tongueOut``."""

from __future__ import annotations

import numpy as np

from stages.artifacts.normals import vertex_normals
from stages.rig.face.fields import Fields, Lips
from stages.rig.face.find import Mouth
from stages.rig.face.pieces import Piece, grid_triangles
from stages.rig.face.skin import SkinWeights
from stages.rig.face.texture import TONGUE, FaceTexture

OUT = "tongueOut"
COLUMNS, ROWS = 9, 11
FOLDED_M, BEHIND_M = 0.0025, 0.006  # behind the lips: where it is folded up, and where it begins when it is out
OVER_M = 0.0012  # its distance from the lip that it lies on
WIDTH, MOST_HALF_M, LONG_M = 0.52, 0.0065, 0.0090  # share of the mouth's width; half of it at most; how far it hangs down
STIFF = 0.4  # of the lip's bow, that it follows
_LIP = 0.45  # share of its length at which it passes the lip


def tongue(lips: np.ndarray, mouth: Mouth, fields: Fields, texture: FaceTexture, skin: SkinWeights) -> Piece:
    """From behind the ``lips`` (S, 3) down before the lower one."""
    scale, mover = fields.landmarks.scale, Lips(mouth, fields.landmarks.scale)
    across, along = np.meshgrid(np.linspace(-1, 1, COLUMNS), np.sin(np.linspace(0, np.pi / 2, ROWS)))  # denser towards the tip
    half = min(WIDTH * mouth.half_m, MOST_HALF_M * scale)
    s = across * half / mouth.half_m
    x, line = mouth.middle_m + s * mouth.half_m, np.polyval(mouth.line, s)
    y = np.interp(x, lips[:, 0], lips[:, 1]) + FOLDED_M * scale
    folded = np.stack([x, y, line], -1).reshape(-1, 3)
    offsets = {name: _with_lower_lip(fields, mover, name, STIFF * s.ravel(), folded) for name in fields.shapes.mouths}
    spread = _spread(across, along, half, lips, mouth, scale) - folded
    offsets[OUT] = offsets[OUT] + spread
    joints, weights = skin.at(folded[:, 0], folded[:, 2])
    triangles = grid_triangles(ROWS, COLUMNS)
    uv = texture.cell(TONGUE, (across + 1) / 2, 1 - along)
    return Piece(folded, vertex_normals(folded + spread, triangles), triangles, uv.reshape(-1, 2), offsets, joints, weights)


def _with_lower_lip(fields: Fields, mover: Lips, name: str, s: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N, 3) what the lower lip does in an expression."""
    shape, below = fields.shapes.mouths[name], np.ones(len(s), bool)
    return fields.along_surface(points[:, 0], points[:, 2], mover.moved(shape, s, below)) - mover.forward(shape, s, below)[:, None] * [0.0, 1.0, 0.0]


def _spread(across: np.ndarray, along: np.ndarray, half: float, lips: np.ndarray, mouth: Mouth, scale: float) -> np.ndarray:
    """(N, 3) places when it is out, beside a lower lip at rest: a blade with a round end that bends over the lip, hollow along its middle."""
    out = np.clip((along - _LIP) / (1 - _LIP), 0, 1)
    x = mouth.middle_m + across * half * np.sqrt(1 - np.clip(1.6 * out - 0.6, 0, 1) ** 2)
    lip = np.interp(x, lips[:, 0], lips[:, 1])
    z = np.polyval(mouth.line, (x - mouth.middle_m) / mouth.half_m) + OVER_M * scale - LONG_M * scale * out**1.3
    bend = np.interp(along, [0, _LIP, 1], [BEHIND_M, -OVER_M, -0.0045]) * scale
    hollow = 0.0008 * scale * (1 - np.abs(across)) * np.minimum(2 * out, 1)
    return np.stack([x, lip + bend + hollow, z], -1).reshape(-1, 3)
