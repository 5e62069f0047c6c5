"""A radiance field baked into a dense grid: what every stage after the field may know of it.

``grid.safetensors`` holds ``density`` f16 (Rx, Ry, Rz) per metre, ``rgb`` f16 (Rx, Ry, Rz, 3) sRGB in [0, 1],
``grid2world`` f64 (4, 4) and ``metres_per_unit`` f64 (1,). Samples lie on the integer grid points: (i, j, k, 1) -> world metres,
i along world x. Opacity of a step of length s is 1 - exp(-density * s). Where a user's cameras are in another unit, the field is in
metres all the same: multiply their positions by ``metres_per_unit`` (see ``stages.artifacts.units``).
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
from stages.artifacts.corrections import Corrections

GRID = "grid.safetensors"
METRICS = "metrics.json"
MAX_DENSITY = 60000.0  # below the largest float16
REMEDY = "Run the field stage again (--force field)."


@dataclass(frozen=True)
class FieldGrid:
    """A folder with a baked field. Arrays are read on first use."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Wrap ``folder``. Raises ``ArtifactError`` if it holds no baked grid."""
        folder = Path(folder)
        if not (folder / GRID).is_file():
            raise ArtifactError(folder, f"there is no {GRID}", REMEDY)
        return cls(folder)

    @classmethod
    def write(cls, folder: Path, density: np.ndarray, rgb: np.ndarray, grid2world: np.ndarray, metres_per_unit: float = 1.0) -> Self:
        """Store a field: ``density`` (Rx, Ry, Rz) >= 0 per metre, ``rgb`` (Rx, Ry, Rz, 3) sRGB, ``grid2world`` (4, 4)."""
        from safetensors.numpy import save_file

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({
            "density": np.ascontiguousarray(np.clip(density, 0, MAX_DENSITY), np.float16),
            "rgb": np.ascontiguousarray(np.clip(rgb, 0, 1), np.float16),
            "grid2world": np.ascontiguousarray(grid2world, np.float64),
            "metres_per_unit": np.array([metres_per_unit], np.float64),
        }, str(folder / GRID))
        return cls.open(folder)

    @cached_property
    def _tensors(self) -> Mapping[str, np.ndarray]:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            return load_file(str(self.folder / GRID))
        except (SafetensorError, OSError) as error:
            raise ArtifactError(self.folder, f"{GRID} cannot be read ({error})", REMEDY) from error

    @property
    def density(self) -> np.ndarray:
        """(Rx, Ry, Rz) float16, per metre, >= 0."""
        return self._tensors["density"]

    @property
    def rgb(self) -> np.ndarray:
        """(Rx, Ry, Rz, 3) float16 sRGB in [0, 1]; meaningful at and a few cells inside the surface."""
        return self._tensors["rgb"]

    @property
    def grid2world(self) -> np.ndarray:
        """(4, 4) float64, grid index to world metres."""
        return self._tensors["grid2world"]

    @property
    def metres_per_unit(self) -> float:
        """Metres of the field in one unit of the cameras that it was learnt from; 1 where those are in metres."""
        return float(self._tensors["metres_per_unit"][0])

    @property
    def resolution(self) -> tuple[int, int, int]:
        """Number of samples along x, y and z."""
        return tuple(int(n) for n in self.density.shape)

    @property
    def cell_m(self) -> np.ndarray:
        """(3,) spacing of the samples in metres."""
        return np.linalg.norm(self.grid2world[:3, :3], axis=0)

    @property
    def box(self) -> np.ndarray:
        """(2, 3) world positions of the first and the last sample, metres."""
        corners = np.array([[0, 0, 0], np.array(self.resolution) - 1], np.float64)
        return corners @ self.grid2world[:3, :3].T + self.grid2world[:3, 3]

    @cached_property
    def corrections(self) -> Corrections:
        """What was wrong with the views that it was learnt from."""
        return Corrections.read(self.folder)

    @cached_property
    def metrics(self) -> Mapping[str, Any]:
        """Held-out figures of the training; empty if none were written."""
        path = self.folder / METRICS
        return json.loads(path.read_text()) if path.is_file() else {}

    def sample(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Density (N,) and colour (N, 3), float32, at world ``points`` (N, 3): trilinear, density 0 outside the box."""
        inverse = np.linalg.inv(self.grid2world)
        at = points @ inverse[:3, :3].T + inverse[:3, 3]
        top = np.array(self.resolution) - 1
        inside = np.all((at >= 0) & (at <= top), axis=-1)
        at = np.clip(at, 0, top)
        low = np.minimum(at.astype(np.int64), np.maximum(top - 1, 0))
        weight = (at - low).astype(np.float32)
        density = np.zeros(len(points), np.float32)
        rgb = np.zeros((len(points), 3), np.float32)
        for corner in np.ndindex(2, 2, 2):
            i, j, k = np.minimum(low + corner, top).T
            w = np.prod(np.where(corner, weight, 1 - weight), axis=-1)
            density += w * self.density[i, j, k]
            rgb += w[:, None] * self.rgb[i, j, k]
        return np.where(inside, density, 0), rgb

    def validate(self) -> None:
        """Shapes, types, ranges and the transform. Raises ``ArtifactError``."""
        expected = {"density": (np.float16, 3), "rgb": (np.float16, 4), "grid2world": (np.float64, 2), "metres_per_unit": (np.float64, 1)}
        for name, (dtype, rank) in expected.items():
            if name not in self._tensors:
                raise ArtifactError(self.folder, f"{GRID} has no tensor '{name}'", REMEDY)
            got = self._tensors[name]
            if got.dtype != dtype or got.ndim != rank:
                problem = f"'{name}' is {got.dtype} of rank {got.ndim}, expected {np.dtype(dtype)} of rank {rank}"
                raise ArtifactError(self.folder, problem, REMEDY)
        if self.rgb.shape != (*self.density.shape, 3) or self.grid2world.shape != (4, 4):
            problem = f"shapes do not agree: density {self.density.shape}, rgb {self.rgb.shape}, grid2world {self.grid2world.shape}"
            raise ArtifactError(self.folder, problem, REMEDY)
        for name in expected:
            if not np.isfinite(self._tensors[name]).all():
                raise ArtifactError(self.folder, f"'{name}' holds numbers that are not finite", REMEDY)
        if len(self._tensors["metres_per_unit"]) != 1 or self.metres_per_unit <= 0:
            raise ArtifactError(self.folder, "'metres_per_unit' is not one positive number", REMEDY)
        if self.density.min() < 0 or self.rgb.min() < 0 or self.rgb.max() > 1:
            raise ArtifactError(self.folder, "density is negative or colours leave [0, 1]", REMEDY)
        if abs(np.linalg.det(self.grid2world[:3, :3])) < 1e-15 or (self.grid2world[3] != [0, 0, 0, 1]).any():
            raise ArtifactError(self.folder, "grid2world is not an invertible affine transform", REMEDY)
