"""Dress the body: hair, face, skin, clothes and accessories in the order in which they cover one another."""

from __future__ import annotations

import numpy as np

from scripts.generator.accessories import accessory_pieces, paint_accessory
from scripts.generator.assemble import Character, Piece, joined
from scripts.generator.atlas import Atlas
from scripts.generator.attributes import Attributes
from scripts.generator.bare import paint_skin, skin_pieces
from scripts.generator.clothes import (
    LONG,
    hem_height,
    legwear_pieces,
    paint_bottom,
    paint_legwear,
    paint_shoes,
    paint_top,
    shoe_pieces,
    top_pieces,
    trousers_pieces,
)
from scripts.generator.collars import collar_pieces, paint_neckerchief
from scripts.generator.face import FaceMap, paint_face
from scripts.generator.garments import Figure
from scripts.generator.hair import Head, paint_hair
from scripts.generator.hairstyles import hair_pieces
from scripts.generator.skirt import skirt_piece
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
    paint_neckerchief(a, atlas)
    paint_accessory(a, atlas)
    pieces: list[Piece] = hair_pieces(a, head, rng) + accessory_pieces(a, head)
    figure = Figure(body)
    pieces += collar_pieces(a, figure, head)
    pieces += _clothes(a, figure, hidden, atlas, np.random.default_rng([a.seed, 8]))
    pieces += skin_pieces(body, hidden, face)
    return joined(pieces, atlas.kd, body.skeleton)


def _clothes(a: Attributes, figure: Figure, hidden: np.ndarray, atlas: Atlas, rng: np.random.Generator) -> list[Piece]:
    pieces = top_pieces(a, figure, hidden) + legwear_pieces(a, figure, hidden) + shoe_pieces(a, figure, hidden)
    pleats = 0
    if a.bottom in ("trousers", "shorts"):
        pieces += trousers_pieces(a, figure, hidden)
    else:
        pleats = 24 if a.bottom == "skirt" else 0
        pieces.append(_skirt(a, figure, rng, pleats))
    if a.top == "coat":
        pieces.append(_coat_tail(a, figure, rng))
    paint_top(a, figure, atlas, rng)
    paint_bottom(a, atlas, rng, pleats)
    paint_legwear(a, atlas)
    paint_shoes(a, figure, atlas)
    return pieces


def _coat_tail(a: Attributes, figure: Figure, rng: np.random.Generator) -> Piece:
    """What hangs from a coat's hips to above the knee, over anything."""
    hem = figure.knee_z + rng.uniform(0.12, 0.30) * (figure.crotch_z - figure.knee_z)
    return skirt_piece(figure, rng, hem, 0.060, waves=5, depth=0.010, top_z=hem_height(a, figure) + 0.035, part="top", tile="top", gap_m=0.024)


def _skirt(a: Attributes, figure: Figure, rng: np.random.Generator, pleats: int) -> Piece:
    thigh = figure.crotch_z - figure.knee_z
    over = dict(gap_m=0.015) if a.top not in LONG else dict(gap_m=0.003, top_z=hem_height(a, figure) + 0.03)
    if a.bottom == "skirt":
        return skirt_piece(figure, rng, figure.knee_z + rng.uniform(0.40, 0.52) * thigh, 0.055, pleats=pleats, depth=0.012, **over)
    if a.bottom == "long skirt":
        return skirt_piece(figure, rng, figure.ankle_z + rng.uniform(0.10, 0.22), 0.10, waves=9, depth=0.016, **over)
    return skirt_piece(figure, rng, figure.knee_z + rng.uniform(0.1, 0.3) * thigh, 0.085, waves=8, depth=0.016, part="top", **over)
