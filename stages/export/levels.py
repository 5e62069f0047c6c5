"""Levels of detail: the same figure with fewer triangles, as further GLBs beside the first.

Vertices are only left out, so weights, morphs, normals, parts and texture coordinates are those of the full figure, and all levels share its textures. The head
keeps more than its share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from stages.artifacts.attachments import Attachment
from stages.artifacts.collapse import thinned
from stages.artifacts.images import contact_sheet, write_png
from stages.artifacts.morphs import kept
from stages.artifacts.normals import vertex_normals
from stages.artifacts.parts import BENEATH
from stages.export import glb
from stages.export.delivery import Delivery
from stages.export.figure import Figure
from stages.rendering.viewpoint import looking_at

HEAD = ("head", "jaw", "neck", "leftEye", "rightEye")
HEAD_IMPORTANCE = 8.0  # of an error on the head beside one elsewhere
SINK_M = 0.012
SLENDER = tuple(side + bone for side in ("left", "right") for bone in ("Hand", "Thumb", "Index", "Middle", "Ring", "Little"))
TOP_SHARE = 1 / 7  # of the height that is the head, where there is no skeleton
SHEET, TILE_PX = "levels.png", 300


def write(delivery: Delivery) -> list[dict[str, Any]]:
    """``name``_lod1.glb and so on for every level below the whole; returns ``file``, ``share`` and ``triangles`` of each."""
    listed, figures = [], [delivery.figure]
    for number, share in enumerate((s for s in delivery.settings.levels if s < 1), 1):
        file, figure = f"{delivery.settings.name}_lod{number}.glb", level_of(delivery.figure, share)
        glb.write_figure(replace(delivery, figure=figure), delivery.folder / file)
        listed.append({"file": file, "share": share, "triangles": len(figure.t_pos_idx)})
        figures.append(figure)
        if len(figure.t_pos_idx) > 1.05 * share * len(delivery.figure.t_pos_idx):
            delivery.context.log.info("%s: %d triangles; fewer would tear the texture or the joins", file, len(figure.t_pos_idx))
    if listed:
        write_png(delivery.folder / "preview" / SHEET, sheet(figures))
    return listed


def level_of(figure: Figure, share: float) -> Figure:
    """The figure with about ``share`` of its triangles. Surfaces that morphs fold and unfold stay whole."""
    mesh, triangles = figure.mesh, figure.mesh.t_pos_idx
    shown = np.arange(len(triangles)) if figure.hidden is None else np.flatnonzero(~figure.hidden)
    v_pos, t_part = figure.v_pos[: len(mesh.v_pos)], None if figure.parts is None else figure.parts.t_part[shown]
    faces, t_tex_idx, source = thinned(v_pos, triangles[shown], mesh.v_tex, mesh.t_tex_idx[shown], round(share * len(shown)), _importance(figure, v_pos), t_part)
    used, t_pos_idx = np.unique(faces, return_inverse=True)
    skinning, parts = figure.skinning, figure.parts
    if skinning is not None:
        skinning = replace(skinning, v_pos_rest=skinning.v_pos_rest[used], joints=skinning.joints[used], weights=skinning.weights[used])
    if parts is not None:
        parts = replace(parts, t_part=parts.t_part[shown][source], t_sure=parts.t_sure[shown][source])
    less = replace(mesh, v_pos=mesh.v_pos[used], v_nrm=mesh.v_nrm[used], t_pos_idx=t_pos_idx.reshape(-1, 3).astype(np.int32), t_tex_idx=t_tex_idx)
    morphs = {name: kept(morph, used) for name, morph in figure.morphs.items()}
    return replace(figure, mesh=less, skinning=skinning, parts=parts, morphs=morphs, hidden=None,
                   attachments=tuple(a if a.morphs else thinned_attachment(a, share, figure.skinning.skeleton.names) for a in figure.attachments))


def thinned_attachment(a: Attachment, share: float, joint_names: Sequence[str]) -> Attachment:
    """A further surface with about ``share`` of its triangles; its border, where it is joined to another, stays. The body beneath lies deeper."""
    v_nrm = vertex_normals(a.v_pos_rest, a.t_pos_idx).astype(np.float32) if a.v_nrm is None else a.v_nrm
    faces, t_tex_idx, _ = thinned(a.v_pos_rest, a.t_pos_idx, a.v_tex, a.t_tex_idx, round(share * len(a.t_pos_idx)))
    used, t_pos_idx = np.unique(faces, return_inverse=True)
    v_pos = a.v_pos_rest if a.name != BENEATH else sunk(a, v_nrm, SINK_M * (1 - share), joint_names)
    return replace(a, v_pos_rest=v_pos[used], v_nrm=v_nrm[used], joints=a.joints[used], weights=a.weights[used],
                   t_pos_idx=t_pos_idx.reshape(-1, 3).astype(np.int32), t_tex_idx=t_tex_idx)


def sunk(a: Attachment, v_nrm: np.ndarray, depth_m: float, joint_names: Sequence[str]) -> np.ndarray:
    """(V, 3) positions ``depth_m`` deeper, so that coarse triangles over them do not cut into them; hands, too thin for that, stay."""
    slender = [j for j, name in enumerate(joint_names) if name.startswith(SLENDER)]
    stays = np.where(np.isin(a.joints, slender), a.weights, 0).sum(-1, keepdims=True)
    return (a.v_pos_rest - depth_m * (1 - stays) * v_nrm).astype(np.float32)


def _importance(figure: Figure, v_pos: np.ndarray) -> np.ndarray:
    """(V,) of an error at each vertex."""
    if figure.skinning is None:
        on_head = v_pos[:, 2] > v_pos[:, 2].max() - TOP_SHARE * figure.height_m
    else:
        joints = [j for j, name in enumerate(figure.skinning.skeleton.names) if name in HEAD]
        on_head = np.where(np.isin(figure.skinning.joints, joints), figure.skinning.weights, 0).sum(-1) > 0.5
    return np.where(on_head, HEAD_IMPORTANCE, 1.0)


def sheet(figures: list[Figure]) -> np.ndarray:
    """All levels side by side: whole, the face, and the triangles of both."""
    tiles, titles = [], []
    for figure in figures:
        cameras = (looking_at(figure.v_pos, 25.0, TILE_PX, round(1.5 * TILE_PX)), figure.face_camera(25.0, TILE_PX))
        for camera, what in zip(cameras, ("", ", face"), strict=True):
            for look in ("texture", "wires"):
                tiles.append(figure.picture(camera, look=look))
                titles.append(f"{len(figure.t_pos_idx):,} triangles{what}")
    return contact_sheet(tiles, 4, titles)
