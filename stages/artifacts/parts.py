"""Which part of the character each triangle of its surface is: hair, a shirt, shoes; stands beside a mesh whose pictures were labelled.

``parts.safetensors``: ``t_part`` (F,) u8 and ``t_sure`` (F,) f32, row for row with the mesh's triangles. ``parts.json``: the parts' names, in the
order of ``t_part``. What no word was given for is ``BODY``, which is always there and always first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import ArtifactError

PARTS = "parts.safetensors"
NAMES = "parts.json"
BODY = "body"
HANDS = "hands"  # the further surface of a rig that stands for both mittens
BENEATH = "beneath"  # the further surface of a rig that is seen where a part is taken off


@dataclass(frozen=True)
class Parts:
    """``names`` of the parts; ``t_part`` (F,) index into them; ``t_sure`` (F,) in [0, 1]: how much of the evidence speaks for that part."""

    names: tuple[str, ...]
    t_part: np.ndarray
    t_sure: np.ndarray

    def triangles(self, name: str) -> np.ndarray:
        """Indices of a part's triangles. Raises ValueError if there is no such part."""
        return np.flatnonzero(self.t_part == self.names.index(name))

    @property
    def used(self) -> tuple[str, ...]:
        """Names of the parts that have a triangle, in order."""
        there = np.bincount(self.t_part, minlength=len(self.names)) > 0
        return tuple(name for name, some in zip(self.names, there, strict=True) if some)


def write_parts(folder: Path, parts: Parts) -> None:
    """Both files into ``folder``."""
    from safetensors.numpy import save_file

    tensors = {"t_part": np.ascontiguousarray(parts.t_part, np.uint8), "t_sure": np.ascontiguousarray(parts.t_sure, np.float32)}
    save_file(tensors, str(folder / PARTS))
    (folder / NAMES).write_text(json.dumps(list(parts.names), ensure_ascii=False) + "\n", encoding="utf-8")


def read_parts(folder: Path, triangles: int, remedy: str) -> Parts | None:
    """What ``write_parts`` wrote beside a mesh of so many ``triangles``, None where the files are not there. Raises ArtifactError."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not (folder / PARTS).is_file():
        return None
    try:
        tensors = load_file(str(folder / PARTS))
        names = tuple(json.loads((folder / NAMES).read_text(encoding="utf-8")))
        parts = Parts(names, tensors["t_part"], tensors["t_sure"])
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ArtifactError(folder, f"{PARTS} and {NAMES} cannot be read ({type(error).__name__}: {error})", remedy) from error
    if len(parts.t_part) != triangles or len(parts.t_sure) != triangles:
        raise ArtifactError(folder, f"{PARTS} labels {len(parts.t_part)} triangles, and the mesh has {triangles}", remedy)
    if parts.names[:1] != (BODY,) or len(set(names)) != len(names) or parts.t_part.max(initial=0) >= len(names):
        raise ArtifactError(folder, f"{NAMES} names {', '.join(names) or 'nothing'}; expected '{BODY}' first, names that differ, one for each label", remedy)
    return parts
