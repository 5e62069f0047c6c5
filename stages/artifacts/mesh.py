"""The textured surface that the mesh stage leaves and that rig and export read.

World frame of CONVENTIONS (metres, +Z up, facing -Y), or that of a user's own cameras, in their unit. ``mesh.safetensors`` holds positions and their smooth normals (one per
position), texture coordinates and their tangents (one per texture vertex: tangents break at chart borders, positions do not),
and the two index lists. Texture coordinates have v up: row 0 of a texture lies at v = 1. Where the pictures were labelled, the files of
``stages.artifacts.parts`` stand beside it; where the pictures were lit and their light was told apart, ``light.json``: unit ``directions`` towards distant lamps, world
frame, and ``colours_linear``, what each lays on a surface that faces it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from pipeline.errors import ArtifactError
from stages.artifacts.parts import Parts, read_parts, write_parts

MESH = "mesh.safetensors"
METRICS = "metrics.json"
GLB = "mesh.glb"
KD, KS, NORMAL = "kd.png", "ks.png", "normal.png"
LIGHT = "light.json"
REMEDY = "Run the mesh stage again (--force mesh)."


@dataclass(frozen=True)
class TexturedMesh:
    """A surface with one material.

    ``v_pos`` (V, 3) f32 metres; ``v_nrm`` (V, 3) f32 unit; ``v_tex`` (T, 2) f32 in [0, 1], v up; ``v_tng`` (T, 4) f32: unit
    tangent along +u and the sign of the bitangent along +v; ``t_pos_idx`` and ``t_tex_idx`` (F, 3) int32, counter-clockwise from outside.
    ``kd`` (H, W, 3) float32 sRGB; ``ks`` (H, W, 3) float32 linear (occlusion, roughness, metallic); ``normal`` (H, W, 3)
    float32 tangent-space normal mapped from [-1, 1] to [0, 1], green up. Row 0 of each is v = 1.
    """

    v_pos: np.ndarray
    v_nrm: np.ndarray
    v_tng: np.ndarray
    v_tex: np.ndarray
    t_pos_idx: np.ndarray
    t_tex_idx: np.ndarray
    kd: np.ndarray
    ks: np.ndarray
    normal: np.ndarray


_EXPECTED = {
    "v_pos": (np.float32, 3), "v_nrm": (np.float32, 3), "v_tng": (np.float32, 4), "v_tex": (np.float32, 2),
    "t_pos_idx": (np.int32, 3), "t_tex_idx": (np.int32, 3),
}


@dataclass(frozen=True)
class MeshAsset:
    """A folder with a textured mesh. Arrays and textures are read on first use."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Wrap ``folder``. Raises ``ArtifactError`` if it holds no mesh."""
        folder = Path(folder)
        if not (folder / MESH).is_file():
            raise ArtifactError(folder, f"there is no {MESH}", REMEDY)
        return cls(folder)

    @classmethod
    def write(cls, folder: Path, mesh: TexturedMesh, metrics: Mapping[str, Any], parts: Parts | None = None) -> Self:
        """Store ``mesh`` (geometry, three PNGs), its ``metrics`` and its ``parts``; ``mesh.glb`` is written by ``stages.artifacts.glb``."""
        from safetensors.numpy import save_file

        from stages.artifacts.images import write_png

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: np.ascontiguousarray(getattr(mesh, name), dtype) for name, (dtype, _) in _EXPECTED.items()}
        save_file(tensors, str(folder / MESH))
        for name, texture in ((KD, mesh.kd), (KS, mesh.ks), (NORMAL, mesh.normal)):
            write_png(folder / name, texture)
        (folder / METRICS).write_text(json.dumps(dict(metrics), indent=2, sort_keys=True) + "\n")
        if parts is not None:
            write_parts(folder, parts)
        return cls.open(folder)

    @cached_property
    def _tensors(self) -> Mapping[str, np.ndarray]:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            return load_file(str(self.folder / MESH))
        except (SafetensorError, OSError) as error:
            raise ArtifactError(self.folder, f"{MESH} cannot be read ({error})", REMEDY) from error

    @cached_property
    def mesh(self) -> TexturedMesh:
        """Geometry and textures together."""
        return TexturedMesh(**self._tensors, kd=self._texture(KD), ks=self._texture(KS), normal=self._texture(NORMAL))

    @cached_property
    def metrics(self) -> Mapping[str, Any]:
        """Figures of the optimisation; empty if none were written."""
        path = self.folder / METRICS
        return json.loads(path.read_text()) if path.is_file() else {}

    @cached_property
    def parts(self) -> Parts | None:
        """Which part of the character each triangle is; None where no parts were labelled."""
        return read_parts(self.folder, len(self.t_pos_idx), REMEDY)

    @property
    def v_pos(self) -> np.ndarray:
        """(V, 3) float32 world metres, without reading the textures."""
        return self._tensors["v_pos"]

    @property
    def t_pos_idx(self) -> np.ndarray:
        """(F, 3) int32, without reading the textures."""
        return self._tensors["t_pos_idx"]

    @property
    def glb(self) -> Path:
        """The same mesh as a static glTF binary (Y up)."""
        return self.folder / GLB

    def _texture(self, name: str) -> np.ndarray:
        from stages.artifacts.images import read_srgb

        path = self.folder / name
        if not path.is_file():
            raise ArtifactError(self.folder, f"there is no {name}", REMEDY)
        return read_srgb(path)[..., :3]

    def validate(self) -> None:
        """Types, shapes, ranges, index bounds and textures. Raises ``ArtifactError``."""
        for name, (dtype, columns) in _EXPECTED.items():
            got = self._tensors.get(name)
            if got is None:
                raise ArtifactError(self.folder, f"{MESH} has no tensor '{name}'", REMEDY)
            if got.dtype != dtype or got.ndim != 2 or got.shape[1] != columns:
                expected = f"expected {np.dtype(dtype)} (n, {columns})"
                raise ArtifactError(self.folder, f"'{name}' is {got.dtype} {got.shape}, {expected}", REMEDY)
            if not np.isfinite(got).all():
                raise ArtifactError(self.folder, f"'{name}' holds numbers that are not finite", REMEDY)
        self._validate_indices()
        _ = self.parts  # reading them checks them
        for name in (KD, KS, NORMAL):
            self._texture(name)
        if not self.glb.is_file():
            raise ArtifactError(self.folder, f"there is no {GLB}", REMEDY)

    def _validate_indices(self) -> None:
        t = self._tensors
        if len(t["t_pos_idx"]) == 0 or len(t["t_pos_idx"]) != len(t["t_tex_idx"]):
            problem = f"{len(t['t_pos_idx'])} position triangles and {len(t['t_tex_idx'])} texture triangles"
            raise ArtifactError(self.folder, problem, REMEDY)
        for index, of in (("t_pos_idx", "v_pos"), ("t_tex_idx", "v_tex")):
            if t[index].min() < 0 or t[index].max() >= len(t[of]):
                raise ArtifactError(self.folder, f"'{index}' points outside '{of}' ({len(t[of])} rows)", REMEDY)
        if len(t["v_nrm"]) != len(t["v_pos"]) or len(t["v_tng"]) != len(t["v_tex"]):
            raise ArtifactError(self.folder, "normals or tangents do not match their vertices", REMEDY)
        if t["v_tex"].min() < 0 or t["v_tex"].max() > 1:
            raise ArtifactError(self.folder, "texture coordinates leave [0, 1]", REMEDY)
