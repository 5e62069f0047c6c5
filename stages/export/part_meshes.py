"""The main surface as it goes into files: one mesh, or a mesh for each part of the character.

Parts share normals, weights and morphs where they meet, so that no border shows as long as all of them are seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stages.artifacts.glb import GlbLayer, GlbMaterial, GlbMesh
from stages.artifacts.morphs import kept
from stages.artifacts.normals import vertex_normals
from stages.artifacts.parts import BODY, Parts
from stages.artifacts.rig import Skinning

FIRST = ("face", "head", BODY)  # what further surfaces of the face are laid to, if there is such a part


@dataclass(frozen=True)
class PartMesh:
    """One mesh of the main surface and where its vertices (V,) stand in it."""

    name: str
    mesh: GlbMesh
    vertices: np.ndarray


@dataclass(frozen=True)
class MainMeshes:
    """The main surface in a file: its first mesh, and ``layers`` for the rest of it. ``joints`` and ``weights`` are None without a rig."""

    name: str
    mesh: GlbMesh
    material: GlbMaterial
    joints: np.ndarray | None
    weights: np.ndarray | None
    layers: list[GlbLayer]


def part_meshes(surface: GlbMesh, parts: Parts, triangles: np.ndarray) -> list[PartMesh]:
    """A mesh for each of ``parts`` that has one of ``triangles`` (F',): which of the labelled triangles those of ``surface`` are."""
    whole = surface if surface.v_nrm is not None else replace(surface, v_nrm=vertex_normals(surface.v_pos, surface.t_pos_idx))
    label = parts.t_part[triangles]
    names = sorted((name for name in parts.names if (label == parts.names.index(name)).any()), key=lambda name: _rank(name, parts))
    return [_cut_out(name, whole, np.flatnonzero(label == parts.names.index(name))) for name in names]


def _rank(name: str, parts: Parts) -> tuple[int, int]:
    return (FIRST.index(name) if name in FIRST else len(FIRST), parts.names.index(name))


def _cut_out(name: str, surface: GlbMesh, triangles: np.ndarray) -> PartMesh:
    vertices, t_pos_idx = np.unique(surface.t_pos_idx[triangles], return_inverse=True)
    corners, t_tex_idx = np.unique(surface.t_tex_idx[triangles], return_inverse=True)
    mesh = GlbMesh(
        surface.v_pos[vertices], t_pos_idx.reshape(-1, 3).astype(np.int32), surface.v_nrm[vertices], surface.v_tex[corners],
        t_tex_idx.reshape(-1, 3).astype(np.int32), None if surface.v_tng is None else surface.v_tng[corners],
        {key: kept(morph, vertices) for key, morph in surface.morphs.items() if np.isin(morph.index, vertices).any()},
    )
    return PartMesh(name, mesh, vertices)


def combined(meshes: Sequence[PartMesh], material: GlbMaterial, skinning: Skinning | None, own_materials: bool) -> MainMeshes:
    """The first mesh and the others as layers; all share ``material`` unless each is to have its own, on the same textures."""
    looks = [replace(material, name=f"{material.name}_{part.name}") if own_materials else material for part in meshes]
    rows = [(None, None) if skinning is None else (skinning.joints[part.vertices], skinning.weights[part.vertices]) for part in meshes]
    layers = [GlbLayer(part.name, part.mesh, look, *row, own_mesh=True) for part, look, row in zip(meshes, looks, rows, strict=True)]
    return MainMeshes(meshes[0].name, meshes[0].mesh, looks[0], *rows[0], layers[1:])
