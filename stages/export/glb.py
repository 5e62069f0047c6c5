"""glTF binary: the textured figure at rest, skinned where there is a rig, with its attachments and morph targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from stages.artifacts.attachments import Attachment
from stages.artifacts.body import Skeleton
from stages.artifacts.glb import GlbAnimation, GlbLayer, GlbMaterial, GlbMesh, animations_of, write_glb
from stages.artifacts.images import encode_png
from stages.artifacts.mesh import TexturedMesh
from stages.artifacts.normals import vertex_normals
from stages.artifacts.parts import HANDS
from stages.artifacts.rig import Skinning
from stages.export.delivery import Delivery
from stages.export.even_normals import EVEN_SHARE, even_normals, fitted_to
from stages.export.figure import Figure
from stages.export.part_meshes import MainMeshes, PartMesh, combined, part_meshes


def write(delivery: Delivery) -> list[str]:
    """``name``.glb; returns its name."""
    file = f"{delivery.settings.name}.glb"
    write_figure(delivery, delivery.folder / file)
    return [file]


def write_figure(delivery: Delivery, path: Path, material: GlbMaterial | None = None) -> None:
    """The figure as it stands in every file that is made of a GLB, with all its textures unless ``material`` says otherwise."""
    settings, figure, textures = delivery.settings, delivery.figure, delivery.textures
    skinning = figure.skinning
    both = settings.double_sided or figure.parts is not None  # cloth is seen from within once what lies over it is taken off
    material = material or GlbMaterial(settings.name, textures.kd, textures.ks, textures.normal, double_sided=both)
    if skinning is None:
        main = main_meshes(delivery, as_reconstructed(figure), material, None)
        write_glb(path, main.mesh, main.material, name=settings.name, layers=main.layers, mesh_name=main.name)
        return
    named = delivery.named(skinning.skeleton)
    surface = surface_at_rest(figure, skinning)
    main = main_meshes(delivery, surface, material, skinning)
    further = fitted_to(figure.attachments, surface.v_pos, surface.v_nrm) if figure.even else figure.attachments
    layers = [*main.layers, *layers_of(further, settings.name, apart(figure), both)]
    write_glb(path, main.mesh, main.material, named, main.joints, main.weights, animations(figure, named), settings.name, layers, main.name)


def main_meshes(delivery: Delivery, surface: GlbMesh, material: GlbMaterial, skinning: Skinning | None) -> MainMeshes:
    """What is seen of the main surface as meshes: one with the figure's name, or one for each of its parts."""
    figure, settings = delivery.figure, delivery.settings
    surface = replace(surface, plain=material.normal_png is None)
    if figure.parts is None:
        whole = PartMesh(settings.name, surface, np.arange(len(surface.v_pos)))
        return combined([whole], material, skinning, own_materials=False)
    shown = np.arange(len(figure.mesh.t_pos_idx)) if figure.hidden is None else np.flatnonzero(~figure.hidden)
    return combined(part_meshes(surface, figure.parts, shown), material, skinning, settings.part_materials)


def as_reconstructed(figure: Figure) -> GlbMesh:
    """A figure without a rig."""
    mesh = figure.mesh
    v_nrm, v_tng = (shaded_normals(figure, mesh.v_pos.astype(np.float64)), None) if figure.even else (mesh.v_nrm, mesh.v_tng)
    return GlbMesh(mesh.v_pos, mesh.t_pos_idx, v_nrm, mesh.v_tex, mesh.t_tex_idx, v_tng)


def surface_at_rest(figure: Figure, skinning: Skinning) -> GlbMesh:
    """What is seen of the main surface, as ``skinning`` has it at rest, and its morphs.

    Tangents belong to the pose of the pictures; at rest the writer makes its own from positions and texture coordinates.
    """
    mesh, v_pos = figure.mesh, skinning.v_pos_rest.astype(np.float64)
    t_pos_idx, t_tex_idx = seen(mesh, figure.hidden)
    return GlbMesh(v_pos, t_pos_idx, shaded_normals(figure, v_pos), mesh.v_tex, t_tex_idx, morphs=figure.morphs)


def shaded_normals(figure: Figure, v_pos: np.ndarray) -> np.ndarray:
    """(V, 3) normals of the main surface at ``v_pos`` (V, 3) that light falls on; of hidden triangles as well, so that no shade shows where they end."""
    t_pos_idx = figure.mesh.t_pos_idx
    return even_normals(v_pos, t_pos_idx, EVEN_SHARE * float(np.ptp(v_pos[:, 2]))) if figure.even else vertex_normals(v_pos, t_pos_idx)


def seen(mesh: TexturedMesh, hidden: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Position and texture triangles (F, 3) without the ``hidden`` ones."""
    return (mesh.t_pos_idx, mesh.t_tex_idx) if hidden is None else (mesh.t_pos_idx[~hidden], mesh.t_tex_idx[~hidden])


def apart(figure: Figure) -> tuple[str, ...]:
    """Further surfaces that are meshes of their own although they need not be: hands, which are a part where there are parts."""
    return () if figure.parts is None else (HANDS,)


def layers_of(attachments: Sequence[Attachment], figure_name: str, own_meshes: tuple[str, ...] = (), both_sides: bool = False) -> list[GlbLayer]:
    """Attachments as a GLB holds them, each with a matt material of its own; those called as in ``own_meshes`` are meshes of their own in any case.

    With ``both_sides`` what continues the main surface is seen from both, as that is.
    """
    layers = []
    for a in attachments:
        mesh = GlbMesh(a.v_pos_rest.astype(np.float64), a.t_pos_idx, a.v_nrm, a.v_tex, a.t_tex_idx, morphs=a.morphs, plain=True)
        material = GlbMaterial(f"{figure_name}_{a.name}", encode_png(a.kd), roughness=0.9, double_sided=a.double_sided or (both_sides and not a.own_mesh))
        layers.append(GlbLayer(a.name, mesh, material, a.joints, a.weights, a.own_mesh or a.name in own_meshes))
    return layers


def animations(figure: Figure, named: Skeleton) -> list[GlbAnimation]:
    """The figure's clips, of joints that are called as in ``named``."""
    called = dict(zip(figure.skinning.skeleton.names, named.names, strict=True)) if figure.skinning else {}
    return [replace(a, rotations_wxyz={called[joint]: q for joint, q in a.rotations_wxyz.items()}) for a in animations_of(figure.clips)]
