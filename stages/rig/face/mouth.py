"""The mouth of a cut-open face: the skin round it with its slit, the pocket behind it, and the upper teeth."""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import spsolve

from stages.artifacts.links import graph_laplacian, vertex_links
from stages.artifacts.normals import vertex_normals
from stages.rig.face.cut import Cut, line_z
from stages.rig.face.fields import Fields, Lips
from stages.rig.face.find import Mouth
from stages.rig.face.pieces import Piece, grid_triangles
from stages.rig.face.skin import SkinWeights
from stages.rig.face.texture import INSIDE, TEETH, FaceTexture

POCKET_M, THROAT_M = 0.0025, 0.0090  # depth behind the lips of where the pocket widens, and of its back
TEETH_M, TEETH_DEPTH_M, TEETH_COLUMNS, LIP_M = 0.0026, 0.0016, 11, 0.004
BULGE_M, DENT_M = 0.004, 0.002  # of lips, before and behind an even face
_ROWS = ((0.0, 1.0, 1.0), (POCKET_M, 1.10, 0.985), (THROAT_M, 1.10, 0.93))  # depth, growth of the lip's way, v; the lower half mirrors it


def skin_piece(cut: Cut, v_pos: np.ndarray, v_nrm: np.ndarray, fields: Fields, texture: FaceTexture, skin: SkinWeights) -> Piece:
    """What takes the place of the hidden triangles; its border moves exactly as the surface that it is joined to."""
    source = cut.sources
    border = len(cut.border)
    points, normals = (np.einsum("nk,nkc->nc", cut.bary, values[cut.corners]) for values in (v_pos, v_nrm))
    points[:border], normals[:border] = v_pos[cut.border], v_nrm[cut.border]
    calm = _without_dents(points[:, 1], cut, fields.landmarks.scale)
    dented = np.abs(calm - points[:, 1]) > 1e-9
    points[:, 1] = calm
    points, normals = points[source], np.where(dented[:, None], vertex_normals(points, source[cut.triangles]), normals)[source]
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    joints, weights = skin.mixed(cut.corners, cut.bary, np.ones(len(cut.corners), bool))
    joints[:border], weights[:border] = skin.skinning.joints[cut.border], skin.skinning.weights[cut.border]
    below = points[:, 2] < line_z(fields.mouth, points[:, 0])
    below[cut.upper], below[cut.lower[1:-1]] = False, True
    offsets = {name: fields.offset(name, points, below) for name in fields.names}
    return Piece(points, normals, cut.triangles, texture.at(points[:, 0], points[:, 2]), offsets, joints[source], weights[source])


def _without_dents(y: np.ndarray, cut: Cut, scale: float) -> np.ndarray:
    """(N,) depths of the cut's points, none far before or behind the even sheet over the border: teeth would stand before a dent."""
    laplacian = graph_laplacian(vertex_links(cut.sources[cut.triangles], len(y)))
    border = len(cut.border)
    even = spsolve(laplacian[border:, border:].tocsc(), -laplacian[border:, :border] @ y[:border])
    return np.concatenate([y[:border], np.clip(y[border:], even - BULGE_M * scale, even + DENT_M * scale)])


def pocket(cut: Cut, lips: np.ndarray, mouth: Mouth, fields: Fields, texture: FaceTexture, skin: SkinWeights) -> Piece:
    """The inside of the mouth, from the upper lip back, down and forward to the lower one; without height while the mouth is closed."""
    scale = fields.landmarks.scale
    s = (lips[:, 0] - mouth.middle_m) / mouth.half_m
    rows = [(*row, False) for row in _ROWS] + [(depth, grow, 1 - v, True) for depth, grow, v in _ROWS[::-1]]
    v_pos = np.stack([lips + [0, depth * scale, 0] for depth, *_ in rows])
    uv = np.stack([texture.cell(INSIDE, (s + 1) / 2, np.full(len(s), v)) for _, _, v, _ in rows])
    mover = Lips(mouth, scale)
    offsets = {}
    for name, shape in fields.shapes.mouths.items():
        shifts = []
        for _, grow, _, below in rows:
            side = np.full(len(s), below)
            flat = mover.moved(shape, s, side) * [1.0, grow]
            shifts.append(fields.along_surface(lips[:, 0], lips[:, 2], flat) - mover.forward(shape, s, side)[:, None] * [0.0, 1.0, 0.0])
        offsets[name] = np.concatenate(shifts)
    flat_pos = v_pos.reshape(-1, 3)
    joints, weights = skin.at(flat_pos[:, 0], flat_pos[:, 2])
    triangles = grid_triangles(len(rows), len(s))
    normals = vertex_normals(flat_pos + offsets["aa"], triangles)
    return Piece(flat_pos, normals, triangles, uv.reshape(-1, 2), offsets, joints, weights)


def teeth(around: np.ndarray, mouth: Mouth, fields: Fields, texture: FaceTexture, skin: SkinWeights) -> Piece:
    """A band behind the upper lip, which comes out below it as far as an expression shows teeth. ``around`` (N, 3): points of the skin round the mouth."""
    scale = fields.landmarks.scale
    s = np.linspace(-0.86, 0.86, TEETH_COLUMNS)
    x = mouth.middle_m + s * mouth.half_m
    line = np.polyval(mouth.line, s)
    height = TEETH_M * scale * (1 - 0.5 * s**2)
    near = np.hypot(around[:, 0] - x[:, None], around[:, 2] - (line + height / 2)[:, None]) < LIP_M * scale
    y = np.where(near, around[:, 1], -np.inf).max(1)
    y = np.where(np.isfinite(y), y, fields.view.depth(x, line)) + TEETH_DEPTH_M * scale  # behind all of the lip that hides them
    v_pos = np.stack([np.stack([x, y, line + 0.0004 * scale + h], -1) for h in (height, 0 * height)])
    mover = Lips(mouth, scale)
    offsets = {}
    for name, shape in fields.shapes.mouths.items():
        above = np.zeros(len(s), bool)
        shown = shape.teeth * mover.height_m * np.sqrt(1 - s**2) * shape.share(s)
        upper = fields.along_surface(x, line, mover.moved(shape, s, above)) - mover.forward(shape, s, above)[:, None] * [0.0, 1.0, 0.0]
        offsets[name] = np.concatenate([upper, upper - np.stack([0 * s, 0 * s, shown], -1)])
    flat_pos = v_pos.reshape(-1, 3)
    u, v = np.broadcast_arrays(np.linspace(0, 1, len(s))[None], np.array([[1.0], [0.0]]))
    joints, weights = skin.at(flat_pos[:, 0], np.tile(line, 2))
    triangles = grid_triangles(2, len(s))
    return Piece(flat_pos, np.tile([0.0, -1.0, 0.0], (len(flat_pos), 1)), triangles, texture.cell(TEETH, u, v).reshape(-1, 2), offsets, joints, weights)
