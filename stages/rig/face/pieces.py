"""Pieces of a face's geometry, each with its shape in every expression, and the one attachment that they make together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stages.artifacts.attachments import Attachment
from stages.artifacts.morphs import ordered, sparse

NAME = "face"


@dataclass(frozen=True)
class Piece:
    """``v_pos`` and ``v_nrm`` (V, 3) at rest; ``triangles`` (F, 3); ``uv`` (V, 2) in the face's texture; ``offsets`` expression -> (V, 3); ``joints``
    and ``weights`` (V, 4)."""

    v_pos: np.ndarray
    v_nrm: np.ndarray
    triangles: np.ndarray
    uv: np.ndarray
    offsets: Mapping[str, np.ndarray]
    joints: np.ndarray
    weights: np.ndarray


def grid_triangles(rows: int, columns: int) -> np.ndarray:
    """(F, 3) of a grid whose rows go down and whose columns go to +x, seen from the front: counter-clockwise."""
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij")
    a, b = (r * columns + c).ravel(), (r * columns + c + 1).ravel()
    return np.concatenate([np.stack([a, a + columns, b], -1), np.stack([b, a + columns, b + columns], -1)]).astype(np.int64)


def attachment_of(pieces: Sequence[Piece], kd: np.ndarray) -> Attachment:
    """All pieces as one surface with one texture ``kd`` (H, W, 3) uint8."""
    starts = np.cumsum([0, *(len(p.v_pos) for p in pieces)])
    triangles = np.concatenate([p.triangles + start for p, start in zip(pieces, starts, strict=False)]).astype(np.int32)
    names = ordered(set().union(*(p.offsets for p in pieces)))
    morphs = {name: sparse(np.concatenate([p.offsets.get(name, np.zeros_like(p.v_pos)) for p in pieces])) for name in names}
    whole = {name: np.concatenate([getattr(p, name) for p in pieces]) for name in ("v_pos", "v_nrm", "uv", "joints", "weights")}
    return Attachment(NAME, whole["v_pos"].astype(np.float32), triangles, whole["uv"].astype(np.float32), triangles, kd,
                      whole["joints"].astype(np.uint16), whole["weights"].astype(np.float32), morphs, v_nrm=whole["v_nrm"].astype(np.float32))
