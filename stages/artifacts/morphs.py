"""Morph targets: named displacements of some of a surface's vertices, which programs add with a weight from 0 to 1.

VRM's names are used for what VRM has a name for: ``blink``, ``aa``, ``happy`` and so on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

VISEMES = ("aa", "ih", "ou", "ee", "oh")
EMOTIONS = ("happy", "angry", "sad", "relaxed", "surprised")
BLINKS = ("blink", "blinkLeft", "blinkRight")
GAZES = ("lookUp", "lookDown", "lookLeft", "lookRight")
PRESETS = (*EMOTIONS, *VISEMES, *BLINKS, *GAZES)


@dataclass(frozen=True)
class Morph:
    """``index`` (K,) int32, growing; ``offset`` (K, 3) float32 metres, world axes at rest."""

    index: np.ndarray
    offset: np.ndarray

    def dense(self, count: int) -> np.ndarray:
        """(count, 3) float64, zero where it moves nothing."""
        out = np.zeros((count, 3))
        out[self.index] = self.offset
        return out

    def turned(self, v_rotation: np.ndarray) -> Morph:
        """The same displacement on a surface whose vertices were turned by ``v_rotation`` (V, 3, 3)."""
        return Morph(self.index, np.einsum("kab,kb->ka", v_rotation[self.index], self.offset.astype(np.float64)).astype(np.float32))


def sparse(offset: np.ndarray, least_m: float = 1e-6) -> Morph:
    """A morph of dense offsets (V, 3), without the vertices that it moves by less than ``least_m``."""
    index = np.flatnonzero(np.linalg.norm(offset, axis=-1) >= least_m).astype(np.int32)
    return Morph(index, offset[index].astype(np.float32))


def kept(morph: Morph, vertices: np.ndarray) -> Morph:
    """The displacement of those ``vertices`` (V,), which grow, alone, counted anew."""
    inside = np.isin(morph.index, vertices)
    return Morph(np.searchsorted(vertices, morph.index[inside]).astype(np.int32), morph.offset[inside])


def ordered(names: Mapping[str, object] | set[str]) -> list[str]:
    """Names of morphs, each once: VRM's presets in their order, then the others by name."""
    return [name for name in PRESETS if name in names] + sorted(set(names) - set(PRESETS))


def problem_of(morph: Morph, count: int) -> str | None:
    """What is wrong with a morph of ``count`` vertices; None if it can be used."""
    if morph.index.ndim != 1 or morph.offset.shape != (len(morph.index), 3):
        return f"has {morph.index.shape} vertices and {morph.offset.shape} offsets, expected (k,) and (k, 3)"
    if len(morph.index) and (morph.index[0] < 0 or morph.index[-1] >= count or (np.diff(morph.index) <= 0).any()):
        return f"moves vertices that are not in order or not among {count}"
    return None if np.isfinite(morph.offset).all() else "holds numbers that are not finite"
