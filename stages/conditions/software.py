"""Geometry drawn by our own z-buffer: needs nothing but numpy and numba."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from importlib.metadata import version as package_version
from pathlib import Path

import numpy as np

from stages.artifacts.body import BodyModel
from stages.artifacts.cameras import Camera
from stages.conditions.buffers import ViewBuffers


class SoftwareRenderer:
    """The z-buffer of ``stages/rendering``."""

    name = "software"

    def probe(self) -> str | None:
        """None unless numba is missing."""
        return None if importlib.util.find_spec("numba") else "the package numba is not installed"

    def version(self) -> str:
        """Ours, with numba's."""
        return f"1+numba{package_version('numba')}"

    def render(self, body: BodyModel, cameras: Sequence[Camera], work: Path) -> Iterator[ViewBuffers]:
        """See ``GeometryRenderer``."""
        v_nrm = vertex_normals(body.v_pos, body.t_pos_idx)
        for camera in cameras:
            yield draw(body, v_nrm, camera)


def draw(body: BodyModel, v_nrm: np.ndarray, camera: Camera) -> ViewBuffers:
    """One view at one sample a pixel; ``v_nrm`` (V, 3) as from ``vertex_normals``."""
    from stages.conditions.carry import carry
    from stages.rendering.zbuffer import rasterize

    v_clip = np.c_[body.v_pos, np.ones(len(body.v_pos))] @ camera.w2clip().T
    tri_id, bary, _ = rasterize(v_clip, body.t_pos_idx, camera.height, camera.width)
    _, v_depth = camera.project(body.v_pos)
    facing = np.where(_seen_from_behind(body, camera), -1.0, 1.0)
    depth, normal, albedo = carry(
        tri_id, bary, np.ascontiguousarray(body.t_pos_idx, np.int64), np.ascontiguousarray(body.t_tex_idx, np.int64), v_depth,
        np.ascontiguousarray(v_nrm, np.float64), facing, np.ascontiguousarray(body.v_tex, np.float64),
        np.ascontiguousarray(body.kd, np.float32),
    )
    part = np.append(body.t_part, -1).astype(np.int16)[tri_id]
    return ViewBuffers(camera, tri_id, part, depth, normal, albedo)


def vertex_normals(v_pos: np.ndarray, t_pos_idx: np.ndarray) -> np.ndarray:
    """(V, 3) unit normals, faces weighted by their angle at the vertex (Thuermer and Wuethrich 1998)."""
    p = v_pos[t_pos_idx]
    edges = np.roll(p, -1, 1) - p
    face = np.cross(edges[:, 0], edges[:, 1])
    size = np.linalg.norm(face, axis=-1, keepdims=True)
    face = np.where(size > 1e-13, face / np.maximum(size, 1e-13), 0.0)  # slivers have no direction
    edges /= np.maximum(np.linalg.norm(edges, axis=-1, keepdims=True), 1e-12)
    angle = np.arccos(np.clip((edges * -np.roll(edges, 1, 1)).sum(-1), -1, 1))
    out = np.zeros_like(v_pos, dtype=np.float64)
    for corner in range(3):
        for axis in range(3):
            out[:, axis] += np.bincount(t_pos_idx[:, corner], angle[:, corner] * face[:, axis], len(v_pos))
    return out / np.maximum(np.linalg.norm(out, axis=-1, keepdims=True), 1e-12)


def _seen_from_behind(body: BodyModel, camera: Camera) -> np.ndarray:
    """(F,) bool: the triangle turns its back to the camera."""
    p = body.v_pos[body.t_pos_idx]
    face = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])
    return ((p[:, 0] - camera.position) * face).sum(-1) > 0
