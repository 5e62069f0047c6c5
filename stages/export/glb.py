"""glTF binary: the textured figure at rest, skinned where there is a rig."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from stages.artifacts.body import Skeleton
from stages.artifacts.glb import GlbAnimation, GlbMaterial, GlbMesh, animations_of, write_glb
from stages.export.delivery import Delivery
from stages.export.figure import Figure


def write(delivery: Delivery) -> list[str]:
    """``name``.glb; returns its name."""
    file = f"{delivery.settings.name}.glb"
    write_figure(delivery, delivery.folder / file)
    return [file]


def write_figure(delivery: Delivery, path: Path, material: GlbMaterial | None = None) -> None:
    """The figure as it stands in every file that is made of a GLB, with all its textures unless ``material`` says otherwise."""
    settings, figure, textures = delivery.settings, delivery.figure, delivery.textures
    mesh, skinning = figure.mesh, figure.skinning
    material = material or GlbMaterial(settings.name, textures.kd, textures.ks, textures.normal, double_sided=settings.double_sided)
    if skinning is None:
        write_glb(path, mesh, material, name=settings.name)
        return
    # Tangents belong to the pose of the pictures; at rest the writer makes its own from positions and texture coordinates.
    at_rest = GlbMesh(figure.v_pos, mesh.t_pos_idx, figure.v_nrm, mesh.v_tex, mesh.t_tex_idx)
    named = delivery.named(skinning.skeleton)
    write_glb(path, at_rest, material, named, skinning.joints, skinning.weights, animations(figure, named), name=settings.name)


def animations(figure: Figure, named: Skeleton) -> list[GlbAnimation]:
    """The figure's clips, of joints that are called as in ``named``."""
    called = dict(zip(figure.skinning.skeleton.names, named.names, strict=True)) if figure.skinning else {}
    return [replace(a, rotations_wxyz={called[joint]: q for joint, q in a.rotations_wxyz.items()}) for a in animations_of(figure.clips)]
