"""The skin that shows: the body's own surface where nothing covers it, with its painted tones."""

from __future__ import annotations

import numpy as np

from scripts.generator import palette
from scripts.generator.assemble import Piece
from scripts.generator.atlas import Atlas, place
from scripts.generator.attributes import Attributes
from scripts.generator.face import EYE_PARTS, FACE_PARTS, FaceMap
from scripts.generator.paint import smoothstep
from stages.artifacts.body import BodyModel

UNDER_CHIN_M = 0.030  # how far down the neck the painted tone reaches


def paint_skin(a: Attributes, atlas: Atlas) -> None:
    """A ramp from skin (bottom) to its second tone (top), with a crisp step where they meet."""
    c = atlas.canvas("skin")
    skin = np.array(palette.SKIN[a.skin])
    c.fill(skin)
    _, y = c.grid()
    c.blend(np.broadcast_to(smoothstep(y, 0.46, 0.54), c.pixels.shape[:2]), np.clip(palette.shade(skin) * (1.0, 0.97, 0.98), 0, 1))


def skin_pieces(body: BodyModel, hidden: np.ndarray, face: FaceMap) -> list[Piece]:
    """The body without the triangles whose three vertices are ``hidden`` (V,) bool; face and eyes use the face's tile."""
    names = np.array(body.part_names)[body.t_part]
    keep = ~hidden[body.t_pos_idx].all(1)
    corners = body.v_pos[body.t_pos_idx]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    frontal = np.isin(names, FACE_PARTS) & ((normal[:, 1] < 0) | np.isin(names, EYE_PARTS))
    tone = smoothstep(body.v_pos[:, 2], face.chin_z - UNDER_CHIN_M - 0.02, face.chin_z - UNDER_CHIN_M + 0.02)
    on_neck = np.zeros(len(body.v_pos), bool)
    on_neck[body.t_pos_idx[names == "neck"]] = True
    middle = body.skeleton.heads[body.skeleton.index("head")][1]
    tone = np.where(on_neck, np.minimum(tone, 0.85) * smoothstep(body.v_pos[:, 1], middle + 0.012, middle - 0.004), 0.0)
    plain = place("skin", np.full(keep.shape + (3,), 0.5), tone[body.t_pos_idx])
    uv = np.where(frontal[:, None, None], face.uv(corners), plain)
    eye = np.isin(names, EYE_PARTS)
    out = []
    for part, mask in (("skin", keep & ~eye), ("eye", keep & eye)):
        used, tri = np.unique(body.t_pos_idx[mask], return_inverse=True)
        out.append(Piece(body.v_pos[used], tri.reshape(-1, 3), uv[mask], body.weights[used], part, quiet=True))
    return out
