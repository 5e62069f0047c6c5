"""Folders and contexts that the rig and export stages can run on."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from pipeline.stage import StageContext
from stages.artifacts.glb import GlbMaterial, write_glb
from stages.artifacts.mesh import MeshAsset, TexturedMesh
from stages.artifacts.normals import vertex_normals


class NoCheckpoint:
    """A checkpoint that never has anything."""

    def save(self, name, write):
        return None

    def load(self, name, read):
        return None

    def has(self, name):
        return False

    def due(self, seconds=5.0):
        return False


class Silent:
    """Progress that only counts."""

    def __init__(self):
        self.total, self.done = 0, 0

    def start(self, label, total):
        self.total, self.done = total, 0

    def advance(self, steps=1, **figures):
        self.done += steps


def context_in(folder: Path) -> StageContext:
    """A context whose ``out`` and ``work`` are fresh folders in ``folder``."""
    out, work = folder / "out", folder / "work"
    out.mkdir(parents=True)
    work.mkdir()
    return StageContext(out, work, logging.getLogger("test"), Silent(), {}, checkpoint=NoCheckpoint())


def textured(v_pos: np.ndarray, t_pos_idx: np.ndarray, side: int = 64) -> TexturedMesh:
    """A mesh with a texture projected from the front: stripes up the body, a face on the head. Front and back share texels."""
    low, high = v_pos.min(0), v_pos.max(0)
    v_tex = ((v_pos - low) / (high - low).max())[:, [0, 2]].astype(np.float32)
    u, v = np.meshgrid(np.linspace(0, 1, side), np.linspace(1, 0, side))
    kd = np.stack([0.5 + 0.5 * np.sin(40 * v), 0.4 + 0.4 * u, 0.6 + 0 * u], -1).astype(np.float32)
    ks = np.broadcast_to(np.array([1.0, 0.8, 0.0], np.float32), (side, side, 3))
    tilt = 0.1 * np.sin(20 * u)
    normal = (0.5 + 0.5 * np.stack([tilt, 0 * u, np.sqrt(1 - tilt**2)], -1)).astype(np.float32)
    v_nrm = vertex_normals(v_pos, t_pos_idx)
    v_tng = np.cross([0.0, 1.0, 0.0], v_nrm)
    v_tng /= np.maximum(np.linalg.norm(v_tng, axis=-1, keepdims=True), 1e-9)
    hand = np.ones((len(v_pos), 1))
    return TexturedMesh(v_pos.astype(np.float32), v_nrm.astype(np.float32), np.concatenate([v_tng, hand], -1).astype(np.float32), v_tex,
                        t_pos_idx.astype(np.int32), t_pos_idx.astype(np.int32), kd, ks, normal)


def mesh_asset(folder: Path, v_pos: np.ndarray, t_pos_idx: np.ndarray) -> MeshAsset:
    """A folder as the mesh stage leaves it."""
    asset = MeshAsset.write(folder, textured(v_pos, t_pos_idx), {})
    write_glb(asset.glb, textured(v_pos, t_pos_idx), GlbMaterial())
    return asset
