"""Wavefront OBJ with its MTL. +Y up, +Z front, metres, as importers expect by default; skeletons have no place in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages.artifacts.glb import z_up_to_y_up
from stages.export.delivery import Delivery
from stages.export.textures import Textures


def write(delivery: Delivery) -> list[str]:
    """``name``.obj, ``name``.mtl and three textures; returns the files' names."""
    figure, mesh = delivery.figure, delivery.figure.mesh
    return write_obj(delivery.folder, delivery.settings.name, figure.v_pos, figure.v_nrm, mesh.v_tex, mesh.t_pos_idx, mesh.t_tex_idx,
                     delivery.textures)


def write_obj(
    folder: Path, name: str, v_pos: np.ndarray, v_nrm: np.ndarray, v_tex: np.ndarray, t_pos_idx: np.ndarray, t_tex_idx: np.ndarray,
    textures: Textures,
) -> list[str]:
    """``name``.obj, ``name``.mtl and three textures into ``folder``; returns the files' names. Positions and normals in the world frame."""
    pictures = {f"{name}_kd.png": textures.kd, f"{name}_ks.png": textures.ks, f"{name}_normal.png": textures.normal}
    for file, png in pictures.items():
        (folder / file).write_bytes(png)
    (folder / f"{name}.mtl").write_text(_mtl(name), encoding="utf-8")
    lines = [f"mtllib {name}.mtl", f"o {name}"]
    lines += [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in z_up_to_y_up(v_pos).tolist()]
    lines += [f"vt {u:.6f} {v:.6f}" for u, v in v_tex.tolist()]
    lines += [f"vn {x:.5f} {y:.5f} {z:.5f}" for x, y, z in z_up_to_y_up(v_nrm).tolist()]
    lines += [f"usemtl {name}", "s 1"]
    corners = np.stack([t_pos_idx, t_tex_idx], -1).reshape(-1, 6) + 1
    lines += [f"f {a}/{ta}/{a} {b}/{tb}/{b} {c}/{tc}/{c}" for a, ta, b, tb, c, tc in corners.tolist()]
    (folder / f"{name}.obj").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [f"{name}.obj", f"{name}.mtl", *pictures]


def _mtl(name: str) -> str:
    """Base colour and normal map; ORM stands in a comment, since MTL has no packed form."""
    return "\n".join([
        f"newmtl {name}", "Kd 1 1 1", "Ks 0 0 0", "d 1", "illum 1", f"map_Kd {name}_kd.png", f"map_Bump -bm 1 {name}_normal.png",
        f"norm {name}_normal.png", f"# occlusion, roughness, metallic in red, green, blue: {name}_ks.png",
    ]) + "\n"
