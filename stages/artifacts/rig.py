"""The skinned form of the surface: rest positions, skin weights and the skeleton, row for row with the mesh stage's vertices.

``rig.safetensors``: ``v_pos_rest`` (V, 3) f32 world metres in the skeleton's rest pose; ``joints`` (V, 4) u16, strongest first;
``weights`` (V, 4) f32 with rows summing to 1; ``heads`` and ``tails`` (J, 3) f64; ``parents`` (J,) i32. ``skeleton.json``: the same
skeleton for people to read. ``metrics.json``: figures of the transfer. Where there are motions: the files of ``stages.artifacts.motion``; where there
are chains of hair or cloth, ``colliders.json``: what they shall not swing into; where there are further surfaces, those of ``stages.artifacts.attachments``.
Where there are expressions or surfaces in place of a part of this one, ``rig.safetensors`` also holds ``morph_index.<name>`` (K,) i32 with
``morph_offset.<name>`` (K, 3) f32 metres, and ``hidden`` (F,) bool: triangles that the attachments stand for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from pipeline.errors import ArtifactError
from stages.artifacts.attachments import Attachment, read_attachments, write_attachments
from stages.artifacts.body import Skeleton
from stages.artifacts.chains import Collider, read_colliders, write_colliders
from stages.artifacts.morphs import Morph, ordered, problem_of
from stages.artifacts.motion import Clip, read_clips, write_clips

RIG = "rig.safetensors"
SKELETON = "skeleton.json"
METRICS = "metrics.json"
INFLUENCES = 4
HIDDEN, MORPH_INDEX, MORPH_OFFSET = "hidden", "morph_index.", "morph_offset."
REMEDY = "Run the rig stage again (--force rig)."
_EXPECTED = {"v_pos_rest": (np.float32, 3), "joints": (np.uint16, INFLUENCES), "weights": (np.float32, INFLUENCES),
             "heads": (np.float64, 3), "tails": (np.float64, 3)}


@dataclass(frozen=True)
class Skinning:
    """A surface bound to a skeleton at rest; the arrays are as in the module's docstring."""

    v_pos_rest: np.ndarray
    joints: np.ndarray
    weights: np.ndarray
    skeleton: Skeleton

    def posed(self, transforms: np.ndarray) -> np.ndarray:
        """(V, 3) float64 positions after joint transforms (J, 4, 4), by linear blend skinning."""
        return skin_sparse(self.v_pos_rest, self.joints, self.weights, transforms)


def blended_transforms(joints: np.ndarray, weights: np.ndarray, transforms: np.ndarray) -> np.ndarray:
    """(V, 4, 4) weighted sums of joint transforms (J, 4, 4) over (V, K) influences."""
    return np.einsum("vk,vkab->vab", weights.astype(np.float64), transforms[joints])


def skin_sparse(v_pos: np.ndarray, joints: np.ndarray, weights: np.ndarray, transforms: np.ndarray) -> np.ndarray:
    """Linear blend skinning of (V, 3) points with (V, K) influences; (V, 3) float64."""
    blended = blended_transforms(joints, weights, transforms)
    return np.einsum("vab,vb->va", blended[:, :3, :3], v_pos.astype(np.float64)) + blended[:, :3, 3]


@dataclass(frozen=True)
class Rig:
    """A folder with a rig. Arrays are read on first use."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Wrap ``folder``. Raises ``ArtifactError`` if it holds no rig."""
        folder = Path(folder)
        for name in (RIG, SKELETON):
            if not (folder / name).is_file():
                raise ArtifactError(folder, f"there is no {name}", REMEDY)
        return cls(folder)

    @classmethod
    def write(
        cls, folder: Path, skinning: Skinning, metrics: Mapping[str, Any], clips: Sequence[Clip] = (), colliders: Sequence[Collider] = (),
        attachments: Sequence[Attachment] = (), morphs: Mapping[str, Morph] | None = None, hidden: np.ndarray | None = None,
    ) -> Self:
        """Store a rig, the figures of its making, its motions, what its chains shall not swing into; further surfaces, expressions, what is hidden."""
        from safetensors.numpy import save_file

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        skeleton = skinning.skeleton
        sources = {"v_pos_rest": skinning.v_pos_rest, "joints": skinning.joints, "weights": skinning.weights,
                   "heads": skeleton.heads, "tails": skeleton.tails}
        tensors = {name: np.ascontiguousarray(values, _EXPECTED[name][0]) for name, values in sources.items()}
        tensors["parents"] = np.ascontiguousarray(skeleton.parents, np.int32)
        for name, morph in (morphs or {}).items():
            tensors[MORPH_INDEX + name] = np.ascontiguousarray(morph.index, np.int32)
            tensors[MORPH_OFFSET + name] = np.ascontiguousarray(morph.offset, np.float32)
        if hidden is not None and hidden.any():
            tensors[HIDDEN] = np.ascontiguousarray(hidden, bool)
        save_file(tensors, str(folder / RIG))
        (folder / SKELETON).write_text(_skeleton_json(skeleton), encoding="utf-8")
        (folder / METRICS).write_text(json.dumps(dict(metrics), indent=2, sort_keys=True) + "\n", encoding="utf-8")
        if clips:
            write_clips(folder, clips)
        if colliders:
            write_colliders(folder, colliders)
        if attachments:
            write_attachments(folder, attachments)
        return cls.open(folder)

    @cached_property
    def _tensors(self) -> Mapping[str, np.ndarray]:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            return load_file(str(self.folder / RIG))
        except (SafetensorError, OSError) as error:
            raise ArtifactError(self.folder, f"{RIG} cannot be read ({error})", REMEDY) from error

    @cached_property
    def skeleton(self) -> Skeleton:
        """Joints at rest, world frame."""
        try:
            names = tuple(json.loads((self.folder / SKELETON).read_text(encoding="utf-8"))["order"])
        except (json.JSONDecodeError, KeyError, UnicodeDecodeError) as error:
            raise ArtifactError(self.folder, f"{SKELETON} cannot be read ({type(error).__name__}: {error})", REMEDY) from error
        return Skeleton(names, self._tensors["parents"].astype(np.int64), self._tensors["heads"], self._tensors["tails"])

    @property
    def skinning(self) -> Skinning:
        """The whole content."""
        t = self._tensors
        return Skinning(t["v_pos_rest"], t["joints"], t["weights"], self.skeleton)

    @cached_property
    def clips(self) -> tuple[Clip, ...]:
        """Motions of the skeleton; none if none were asked for."""
        return read_clips(self.folder, self.skeleton)

    @cached_property
    def metrics(self) -> Mapping[str, Any]:
        """Figures of the transfer; empty if none were written."""
        path = self.folder / METRICS
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    @cached_property
    def colliders(self) -> tuple[Collider, ...]:
        """What chains shall not swing into, at rest; empty where there are no chains."""
        return read_colliders(self.folder, REMEDY)

    @cached_property
    def attachments(self) -> tuple[Attachment, ...]:
        """Further surfaces; empty where there are none."""
        return read_attachments(self.folder, len(self.skeleton.names), REMEDY)

    @cached_property
    def morphs(self) -> Mapping[str, Morph]:
        """Displacements of the main surface by name; empty where there are none."""
        names = {key.removeprefix(MORPH_INDEX) for key in self._tensors if key.startswith(MORPH_INDEX)}
        missing = sorted(name for name in names if MORPH_OFFSET + name not in self._tensors)
        if missing:
            raise ArtifactError(self.folder, f"{RIG} has no tensor '{MORPH_OFFSET}{missing[0]}'", REMEDY)
        return {name: Morph(self._tensors[MORPH_INDEX + name], self._tensors[MORPH_OFFSET + name]) for name in ordered(names)}

    @property
    def hidden(self) -> np.ndarray | None:
        """(F,) bool, the main surface's triangles that attachments stand for; None where all are seen."""
        return self._tensors.get(HIDDEN)

    def validate(self) -> None:
        """Types, shapes, joint indices, partition of unity, parents before children. Raises ``ArtifactError``."""
        for name, (dtype, columns) in _EXPECTED.items():
            got = self._tensors.get(name)
            if got is None:
                raise ArtifactError(self.folder, f"{RIG} has no tensor '{name}'", REMEDY)
            if got.dtype != dtype or got.ndim != 2 or got.shape[1] != columns:
                raise ArtifactError(self.folder, f"'{name}' is {got.dtype} {got.shape}, expected {np.dtype(dtype)} (n, {columns})", REMEDY)
            if not np.isfinite(got).all():
                raise ArtifactError(self.folder, f"'{name}' holds numbers that are not finite", REMEDY)
        self._validate_skeleton()
        _ = self.clips, self.attachments  # reading them checks them
        self._validate_morphs()
        weights, joints = self._tensors["weights"], self._tensors["joints"]
        if len({len(weights), len(joints), len(self._tensors["v_pos_rest"])}) != 1:
            raise ArtifactError(self.folder, "positions, joints and weights do not have the same number of rows", REMEDY)
        if weights.min() < 0 or np.abs(weights.sum(-1, dtype=np.float64) - 1).max() > 1e-5:
            raise ArtifactError(self.folder, "skin weights must not be negative and must sum to 1", REMEDY)
        if joints.max() >= len(self.skeleton.names):
            raise ArtifactError(self.folder, f"a joint index {joints.max()} is past the last of {len(self.skeleton.names)} joints", REMEDY)
        strangers = sorted({c.joint for c in self.colliders} - set(self.skeleton.names))
        if strangers:
            raise ArtifactError(self.folder, f"colliders hang on joints that there are not: {', '.join(strangers)}", REMEDY)

    def _validate_morphs(self) -> None:
        for name, morph in self.morphs.items():
            problem = problem_of(morph, len(self._tensors["v_pos_rest"]))
            if problem:
                raise ArtifactError(self.folder, f"morph '{name}' {problem}", REMEDY)
        if self.hidden is not None and (self.hidden.dtype != bool or self.hidden.ndim != 1 or self.hidden.all()):
            raise ArtifactError(self.folder, f"'{HIDDEN}' is {self.hidden.dtype} {self.hidden.shape}, expected bool (n,) that leaves something to see", REMEDY)

    def _validate_skeleton(self) -> None:
        count = len(self.skeleton.names)
        parents = self._tensors.get("parents")
        if parents is None or len({count, len(parents), len(self._tensors["heads"]), len(self._tensors["tails"])}) != 1:
            raise ArtifactError(self.folder, f"names, parents, heads and tails of {count} joints do not match", REMEDY)
        if len(set(self.skeleton.names)) != count or (parents >= np.arange(count)).any():
            raise ArtifactError(self.folder, "joint names must differ and parents must come before their children", REMEDY)


def _skeleton_json(skeleton: Skeleton) -> str:
    """Joints by name with parent, head and tail, and their ``order``."""
    bones = {}
    for j, name in enumerate(skeleton.names):
        parent = int(skeleton.parents[j])
        bones[name] = {
            "parent": skeleton.names[parent] if parent >= 0 else None,
            "head_m": [round(float(x), 6) for x in skeleton.heads[j]], "tail_m": [round(float(x), 6) for x in skeleton.tails[j]],
        }
    return json.dumps({"order": list(skeleton.names), "bones": bones}, indent=1) + "\n"
