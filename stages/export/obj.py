"""Wavefront OBJ with its MTL. +Y up, +Z front, metres, as importers expect by default; skeletons and morphs have no place in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from stages.artifacts.attachments import Attachment
from stages.artifacts.glb import z_up_to_y_up
from stages.artifacts.images import encode_png
from stages.artifacts.normals import vertex_normals
from stages.export.delivery import Delivery
from stages.export.even_normals import fitted_to
from stages.export.figure import Figure
from stages.export.glb import seen, shaded_normals
from stages.export.textures import Textures


def write(delivery: Delivery) -> list[str]:
    """``name``.obj, ``name``.mtl and the textures; returns the files' names."""
    figure, mesh = delivery.figure, delivery.figure.mesh
    t_pos_idx, t_tex_idx = seen(mesh, figure.hidden)
    own, further = len(mesh.v_pos), figure.attachments
    v_pos, v_nrm = figure.v_pos[:own], figure.v_nrm[:own]
    if figure.even:
        v_nrm = shaded_normals(figure, v_pos)
        further = fitted_to(further, v_pos, v_nrm)
    return write_obj(delivery.folder, delivery.settings.name, v_pos, v_nrm, mesh.v_tex, t_pos_idx, t_tex_idx, delivery.textures, further, groups(figure))


def groups(figure: Figure) -> dict[str, np.ndarray]:
    """Part -> (F,) bool, which of the seen triangles are its; empty where parts are not held apart."""
    if figure.parts is None:
        return {}
    label = figure.parts.t_part if figure.hidden is None else figure.parts.t_part[~figure.hidden]
    return {name: mine for number, name in enumerate(figure.parts.names) if (mine := label == number).any()}


def write_obj(
    folder: Path, name: str, v_pos: np.ndarray, v_nrm: np.ndarray, v_tex: np.ndarray, t_pos_idx: np.ndarray, t_tex_idx: np.ndarray,
    textures: Textures, attachments: Sequence[Attachment] = (), parts: Mapping[str, np.ndarray] | None = None,
) -> list[str]:
    """``name``.obj, ``name``.mtl, the textures and one of each attachment into ``folder``; returns the files' names. World frame.

    ``parts``: name -> (F,) bool, groups of triangles that stand one after the other under their name.
    """
    pictures = {f"{name}_kd.png": textures.kd, f"{name}_ks.png": textures.ks}
    pictures |= {f"{name}_normal.png": textures.normal} if textures.normal else {}
    pictures |= {f"{name}_{a.name}.png": encode_png(a.kd) for a in attachments}
    for file, png in pictures.items():
        (folder / file).write_bytes(png)
    (folder / f"{name}.mtl").write_text(_mtl(name, textures.normal is not None) + "".join(_attachment_mtl(name, a.name) for a in attachments), encoding="utf-8")
    lines = [f"mtllib {name}.mtl", f"o {name}"]
    lines += _object(v_pos, v_nrm, v_tex, t_pos_idx, t_tex_idx, name, (0, 0), parts or {})
    before = (len(v_pos), len(v_tex))
    for a in attachments:
        v_nrm = vertex_normals(a.v_pos_rest, a.t_pos_idx) if a.v_nrm is None else a.v_nrm
        lines += [f"o {a.name}", *_object(a.v_pos_rest, v_nrm, a.v_tex, a.t_pos_idx, a.t_tex_idx, f"{name}_{a.name}", before)]
        before = (before[0] + len(a.v_pos_rest), before[1] + len(a.v_tex))
    (folder / f"{name}.obj").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [f"{name}.obj", f"{name}.mtl", *pictures]


def _object(
    v_pos: np.ndarray, v_nrm: np.ndarray, v_tex: np.ndarray, t_pos_idx: np.ndarray, t_tex_idx: np.ndarray, material: str, before: tuple[int, int],
    parts: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> list[str]:
    """Lines of one surface; ``before`` are the positions and texture coordinates that the file has already, for it counts on from object to object."""
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in z_up_to_y_up(v_pos).tolist()]
    lines += [f"vt {u:.6f} {v:.6f}" for u, v in v_tex.tolist()]
    lines += [f"vn {x:.5f} {y:.5f} {z:.5f}" for x, y, z in z_up_to_y_up(v_nrm).tolist()]
    lines += [f"usemtl {material}", "s 1"]
    corners = np.stack([t_pos_idx + before[0], t_tex_idx + before[1]], -1).reshape(-1, 6) + 1
    for group, mine in parts.items():
        lines += [f"g {group}", *_faces(corners[mine])]
    return lines if parts else lines + _faces(corners)


def _faces(corners: np.ndarray) -> list[str]:
    """Triangles (F, 6) of position and texture corner in turn, counted from 1."""
    return [f"f {a}/{ta}/{a} {b}/{tb}/{b} {c}/{tc}/{c}" for a, ta, b, tb, c, tc in corners.tolist()]


def _mtl(name: str, bumps: bool) -> str:
    """Base colour and, with ``bumps``, a normal map; ORM stands in a comment, since MTL has no packed form."""
    normal = [f"map_Bump -bm 1 {name}_normal.png", f"norm {name}_normal.png"] if bumps else []
    return "\n".join([
        f"newmtl {name}", "Kd 1 1 1", "Ks 0 0 0", "d 1", "illum 1", f"map_Kd {name}_kd.png", *normal, f"# occlusion, roughness, metallic in red, green, blue: {name}_ks.png",
    ]) + "\n"


def _attachment_mtl(name: str, attachment: str) -> str:
    """Base colour alone, on a line of its own after the others."""
    return "\n".join([f"newmtl {name}_{attachment}", "Kd 1 1 1", "Ks 0 0 0", "d 1", "illum 1", f"map_Kd {name}_{attachment}.png"]) + "\n"
