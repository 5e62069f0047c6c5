"""Dress the body: hair, face, skin, clothes and accessories in the order in which they cover one another."""

from __future__ import annotations

import numpy as np

from scripts.generator.assemble import Character, Piece, joined
from scripts.generator.atlas import Atlas
from scripts.generator.attributes import Attributes
from scripts.generator.bare import paint_skin, skin_pieces
from scripts.generator.face import FaceMap, paint_face
from scripts.generator.hair import Head, paint_hair
from scripts.generator.hairstyles import hair_pieces
from stages.artifacts.body import BodyModel


def dressed(a: Attributes, body: BodyModel) -> Character:
    """The character in rest pose."""
    rng = np.random.default_rng([a.seed, 7])
    atlas = Atlas()
    face, head = FaceMap(body), Head.of(body)
    hidden = np.zeros(len(body.v_pos), bool)
    paint_skin(a, atlas)
    paint_face(a, face, atlas, rng)
    paint_hair(a, atlas, rng)
    pieces: list[Piece] = hair_pieces(a, head, rng)
    pieces += skin_pieces(body, hidden, face)
    return joined(pieces, atlas.kd, body.skeleton)
