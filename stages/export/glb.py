"""glTF binary: the textured figure at rest, skinned where there is a rig."""

from __future__ import annotations

from pathlib import Path

from stages.artifacts.glb import GlbMaterial, GlbMesh, write_glb
from stages.export.delivery import Delivery


def write(delivery: Delivery) -> list[str]:
    """``name``.glb; returns its name."""
    file = f"{delivery.settings.name}.glb"
    write_figure(delivery, delivery.folder / file)
    return [file]


def write_figure(delivery: Delivery, path: Path) -> None:
    """The figure as it stands in every file that is made of a GLB."""
    settings, figure, textures = delivery.settings, delivery.figure, delivery.textures
    mesh, skinning = figure.mesh, figure.skinning
    material = GlbMaterial(settings.name, textures.kd, textures.ks, textures.normal, double_sided=settings.double_sided)
    if skinning is None:
        write_glb(path, mesh, material, name=settings.name)
        return
    # Tangents belong to the pose of the pictures; at rest the writer makes its own from positions and texture coordinates.
    at_rest = GlbMesh(figure.v_pos, mesh.t_pos_idx, figure.v_nrm, mesh.v_tex, mesh.t_tex_idx)
    write_glb(path, at_rest, material, delivery.named(skinning.skeleton), skinning.joints, skinning.weights, name=settings.name)
