"""Morph targets of a primitive, as sparse accessors: most of a surface does not move.

All primitives of a mesh must have the same targets; what moves nothing in one of them is an accessor without data, which means zeros.
Specification: Khronos glTF 2.0, sections 3.6.2.3 (sparse accessors) and 3.7.2.2 (morph targets).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stages.artifacts.glb_document import FLOAT, U16, U32, GlbDocument
from stages.artifacts.morphs import Morph


def add_targets(document: GlbDocument, primitive: dict[str, Any], names: Sequence[str], offsets: Mapping[str, Morph], source: np.ndarray) -> None:
    """Give ``primitive``, whose vertices are ``source`` (N,) of the surface's, a target for each of ``names``; ``offsets`` in glTF's axes."""
    if names:
        primitive["targets"] = [{"POSITION": _target(document, offsets.get(name), source)} for name in names]


def _target(document: GlbDocument, morph: Morph | None, source: np.ndarray) -> int:
    """The accessor of one target's displacements."""
    item: dict[str, Any] = {"componentType": FLOAT, "count": len(source), "type": "VEC3", "min": [0.0] * 3, "max": [0.0] * 3}
    if morph is None or not len(morph.index):
        return document.add("accessors", item)
    place = np.clip(np.searchsorted(morph.index, source), 0, len(morph.index) - 1)
    where = np.flatnonzero(morph.index[place] == source)
    values = morph.offset[place[where]].astype(np.float32)
    if not len(where):
        return document.add("accessors", item)
    wide = len(source) > np.iinfo(np.uint16).max
    indices = where.astype(np.uint32 if wide else np.uint16)
    bounds = values if len(where) == len(source) else np.concatenate([values, np.zeros((1, 3), np.float32)])
    item |= {"min": bounds.min(0).tolist(), "max": bounds.max(0).tolist(), "sparse": {
        "count": len(where), "indices": {"bufferView": document.view(indices.tobytes()), "componentType": U32 if wide else U16},
        "values": {"bufferView": document.view(np.ascontiguousarray(values).tobytes())}}}
    return document.add("accessors", item)
