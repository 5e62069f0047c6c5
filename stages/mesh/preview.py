"""Pictures of the mesh for people: all round in texture, clay and wires, the unwrapped texture, the losses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from stages.artifacts.cameras import Camera
from stages.artifacts.images import contact_sheet, linear_to_srgb, to_u8, write_png
from stages.artifacts.labels import label_colours
from stages.artifacts.mesh import TexturedMesh
from stages.artifacts.parts import Parts
from stages.mesh.light import DistantLight
from stages.mesh.observed import Observed
from stages.rendering.picture import Surface, draw, draw_colours
from stages.rendering.viewpoint import turntable

TURNS = 8
CLAY = 0.7  # linear


def write(
    folder: Path, mesh: TexturedMesh, observed: Sequence[Observed], curves: Mapping[str, Mapping[str, list[float]]], parts: Parts | None = None
) -> None:
    """``turnaround.png``, ``beside_views.png``, ``uv_atlas.png``, one curve for each pass that ran here, ``parts.png`` where there are some."""
    surface = Surface(mesh.v_nrm, mesh.t_pos_idx.astype(np.int64), mesh.v_tex, mesh.t_tex_idx.astype(np.int64), to_u8(mesh.kd))
    cameras = turntable(mesh.v_pos, TURNS, 256, 384)
    rows = [draw(surface, mesh.v_pos, c, look) for look in ("texture", "clay", "wires") for c in cameras]
    write_png(folder / "turnaround.png", contact_sheet(rows, TURNS))
    write_png(folder / "beside_views.png", _beside(surface, mesh, observed))
    write_png(folder / "uv_atlas.png", uv_atlas(mesh))
    if parts is not None:
        write_png(folder / "parts.png", parts_sheet(mesh, parts))
    for title, series in curves.items():
        if any(series.values()):
            count = max(len(values) for values in series.values())
            curve = {"title": f"mesh: {title}", "x_label": "step", "x": list(range(1, count + 1)), "series": dict(series)}
            (folder / f"{title.replace(' ', '_')}.json").write_text(json.dumps(curve))


def write_light(folder: Path, baked: TexturedMesh, mesh: TexturedMesh, light: DistantLight) -> None:
    """``light.png``: as the views show it, the base colour, the light on white clay, and where the light comes from (azimuth 0, the front, in the middle; up above)."""
    cameras = turntable(mesh.v_pos, TURNS, 256, 384)[::2]
    on = light.falling(mesh.v_pos, mesh.t_pos_idx, mesh.v_pos, mesh.v_nrm)
    faces, tiles = mesh.t_pos_idx.astype(np.int64), []
    for camera in cameras:
        for of in (baked, mesh):
            tiles.append(draw(Surface(of.v_nrm, faces, of.v_tex, of.t_tex_idx.astype(np.int64), to_u8(of.kd)), of.v_pos, camera))
        tiles.append(draw_colours(mesh.v_pos, faces, linear_to_srgb(CLAY * on), camera))
    tiles.append(to_u8(light_map(light, 256, 128)))
    write_png(folder / "light.png", contact_sheet(tiles, 6))


def light_map(light: DistantLight, width: int, height: int) -> np.ndarray:
    """(height, width, 3) sRGB: the lamp nearest to each direction, the brightest white; azimuth -180 to 180 degrees from left to right."""
    azimuth, elevation = np.meshgrid((np.arange(width) + 0.5) / width * 2 * np.pi - np.pi, np.pi / 2 - (np.arange(height) + 0.5) / height * np.pi)
    towards = np.stack([np.sin(azimuth) * np.cos(elevation), -np.cos(azimuth) * np.cos(elevation), np.sin(elevation)], -1)
    return linear_to_srgb(light.colours / max(float(light.colours.max()), 1e-9))[np.argmax(towards @ light.directions.T, -1)]


def parts_sheet(mesh: TexturedMesh, parts: Parts) -> np.ndarray:
    """The parts in flat colours from all round (grey: none of the words; pale: doubtful), and one tile for each with its name."""
    colours = np.concatenate([[[0.72] * 3], label_colours(len(parts.names) - 1)[1:] / 255.0])[parts.t_part]
    colours = 1 - (1 - colours) * (0.3 + 0.7 * parts.t_sure[:, None])
    cameras = turntable(mesh.v_pos, TURNS, 256, 384)
    tiles, titles = [_flat(mesh, colours, c) for c in cameras], [f"{c.azimuth_deg:.0f} degrees" for c in cameras]
    for name in parts.used:
        mine = (parts.t_part == parts.names.index(name))[:, None]
        tiles.append(_flat(mesh, np.where(mine, colours, 0.92), cameras[1]))
        titles.append(name)
    return contact_sheet(tiles, TURNS, titles)


def _flat(mesh: TexturedMesh, t_rgb: np.ndarray, camera: Camera) -> np.ndarray:
    """A picture with one colour (F, 3) for each triangle."""
    corners = np.arange(3 * len(t_rgb)).reshape(-1, 3)
    return draw_colours(mesh.v_pos[mesh.t_pos_idx].reshape(-1, 3), corners, np.repeat(t_rgb, 3, 0), camera)


def _beside(surface: Surface, mesh: TexturedMesh, observed: Sequence[Observed]) -> np.ndarray:
    tiles = []
    for o in observed:
        rings = [c.name.split("_")[0] for c in o.cameras]
        for ring in dict.fromkeys(rings):
            members = [k for k, name in enumerate(rings) if name == ring]
            for k in members[:: max(len(members) // 4, 1)][:4]:
                view = o.rgb[k].numpy() * o.alpha[k].numpy() + 1 - o.alpha[k].numpy()
                tiles += [to_u8(view), draw(surface, mesh.v_pos, o.cameras[k])]
    return contact_sheet(tiles, 8)


def uv_atlas(mesh: TexturedMesh) -> np.ndarray:
    """(S, S, 3) uint8: the base colour with the outlines of the charts."""
    from PIL import Image, ImageDraw

    size = mesh.kd.shape[0]
    image = Image.fromarray(to_u8(mesh.kd))
    e = np.sort(mesh.t_tex_idx[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1)
    edges, use = np.unique(e, axis=0, return_counts=True)
    pen = ImageDraw.Draw(image)
    for a, b in edges[use == 1]:
        ends = [(float(u * size), float((1 - v) * size)) for u, v in mesh.v_tex[[a, b]]]
        pen.line(ends, fill=(255, 0, 120))
    return np.asarray(image)
