"""glTF binary: the textured figure at rest, skinned where there is a rig."""

from __future__ import annotations

from stages.artifacts.glb import GlbMaterial, GlbMesh, write_glb
from stages.export.delivery import Delivery


def write(delivery: Delivery) -> list[str]:
    """``name``.glb; returns its name."""
    settings, figure, textures = delivery.settings, delivery.figure, delivery.textures
    mesh, skinning = figure.mesh, figure.skinning
    material = GlbMaterial(settings.name, textures.kd, textures.ks, textures.normal, double_sided=settings.double_sided)
    file = f"{settings.name}.glb"
    if skinning is None:
        write_glb(delivery.folder / file, mesh, material, name=settings.name)
        return [file]
    # Tangents belong to the pose of the pictures; at rest the writer makes its own from positions and texture coordinates.
    at_rest = GlbMesh(figure.v_pos, mesh.t_pos_idx, figure.v_nrm, mesh.v_tex, mesh.t_tex_idx)
    write_glb(delivery.folder / file, at_rest, material, delivery.named(skinning.skeleton), skinning.joints, skinning.weights, name=settings.name)
    return [file]
