"""The mesh stage, step by step: field -> implicit surface -> repaired, remeshed, unwrapped surface -> textures -> files."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import numba
import numpy as np
import torch

from pipeline.errors import StageError
from pipeline.stage import StageContext
from stages.artifacts.field import FieldGrid
from stages.artifacts.glb import GlbMaterial, GlbMesh, write_glb
from stages.artifacts.mesh import KD, KS, LIGHT, NORMAL, MeshAsset, TexturedMesh
from stages.artifacts.normals import unit, vertex_normals
from stages.artifacts.parts import Parts
from stages.artifacts.views import MaskedViews
from stages.mesh import implicit, preview, refine
from stages.mesh.calm import agreeing, fitting
from stages.mesh.cubes import band_cubes
from stages.mesh.fair import faired
from stages.mesh.field_surface import lattice_distance
from stages.mesh.labels import labelled
from stages.mesh.level import best_level
from stages.mesh.light import EVIDENCE, DistantLight, light_on, without_light
from stages.mesh.normals import baked_normal_map, flat_normal_map, tangents
from stages.mesh.observed import Observed, close_ups, corrected, observe
from stages.mesh.paint import filled, painted
from stages.mesh.pits import without_pits
from stages.mesh.reach import in_metres
from stages.mesh.remesh import remeshed
from stages.mesh.repair import face_areas, face_components, is_edge_manifold, repaired
from stages.mesh.settings import MeshSettings
from stages.mesh.tetrahedra import band_grid
from stages.mesh.texels import texels_of
from stages.mesh.untangle import untangled
from stages.mesh.unwrap import unwrap
from stages.rendering.protocol import Rasterizer

BAND_CELLS = 2.0
FINER = 3  # times as many triangles as the first pass's surface has are the most: further ones would only cut its own into pieces
GRIDS = {"tetrahedra": band_grid, "cubes": band_cubes}
KS_SIZE = 64


def run(settings: MeshSettings, inputs: object, context: StageContext) -> MeshAsset:
    """Fill ``context.out``. Everything happens in the field's metres; what is written is in the unit of the cameras.

    Raises ``StageError`` if the field holds no surface or xatlas fails.
    """
    numba.set_num_threads(max(1, min(context.threads, numba.config.NUMBA_NUM_THREADS)))  # first: starting its pool sets torch's number, too
    torch.set_num_threads(context.threads)
    settings = fitting(settings, inputs.field)
    context.log.info("surface: smoothness %.2g, rate %.2g, fairing %.2g m", settings.sdf_smoothness, settings.sdf_rate, settings.fairing)
    rasterizer: Rasterizer = context.backends["rasterizer"].create()
    observed = pictures_of(inputs.masks, inputs.field)
    curves: dict[str, dict[str, list[float]]] = {}
    fixed = context.checkpoint.load("fixed.npz", _read_arrays)
    if fixed is None:
        fixed, curves["implicit surface"] = fixed_topology(settings, inputs.field, observed, rasterizer, context)
        context.checkpoint.save("fixed.npz", lambda path: _write_arrays(path, fixed))
    surface = refine.TexturedSurface.start(
        fixed["v_pos"], fixed["t_pos_idx"], fixed["v_tex"], fixed["t_tex_idx"], fixed["kd"], settings.smoothness,
    )
    context.checkpoint.load("surface.npz", surface.load)
    curves["surface and texture"] = refine.fit(surface, observed, rasterizer, settings, context)
    mesh = finished(surface, fixed, settings, observed)
    parts = labelled(mesh.v_pos, mesh.t_pos_idx, face_colours(mesh), observed, inputs.masks)
    baked, light = mesh, None
    if settings.lighting != "unlit":
        mesh, light = told_apart(mesh, fixed["seen"], settings, context.log)
    asset = write(context.out, replace(mesh, v_pos=mesh.v_pos / np.float32(inputs.field.metres_per_unit)), parts, light, agreeing(inputs.field))
    preview.write(context.out / "preview", mesh, observed, curves, parts)
    if light is not None:
        preview.write_light(context.out / "preview", baked, mesh, light)
    return asset


def pictures_of(masks: MaskedViews, field: FieldGrid) -> list[Observed]:
    """What the mesh is fitted to: cameras in the field's metres, cameras and colours as the field corrected them."""
    return in_metres(corrected(observe(masks), field.corrections), field)


def fixed_topology(
    settings: MeshSettings, field: FieldGrid, observed: list[Observed], rasterizer: Rasterizer, context: StageContext
) -> tuple[dict[str, np.ndarray], dict[str, list[float]]]:
    """First pass, repair, remeshing, unwrapping, projection: the arrays that the second pass starts from, and the first one's curve."""
    v_fine, tri, curve = first_pass(settings, field, observed, rasterizer, context)
    context.progress.start("repair, remesh, unwrap, project", 4)
    v_fine, t_fine = repaired(v_fine, tri)
    context.progress.advance()
    closeness = close_ups(v_fine, observed)
    context.log.info("first pass: %d triangles", len(t_fine))
    v_pos, faces = remeshed(v_fine, t_fine, min(settings.triangles, FINER * len(t_fine)), np.where(closeness, settings.head_detail, 1.0))
    v_pos, faces = repaired(v_pos, faces)
    v_pos = faired(v_pos, faces, settings.fairing)
    context.progress.advance()
    return painted_charts(settings, observed, (v_pos, faces), (v_fine, t_fine), context), curve


def first_pass(
    settings: MeshSettings, field: FieldGrid, observed: list[Observed], rasterizer: Rasterizer, context: StageContext
) -> tuple[np.ndarray, np.ndarray, dict[str, list[float]]]:
    """Vertices and triangles of the implicit surface fitted to the views, and the loss of each step that ran here.

    Raises ``StageError`` if it leaves none.
    """
    level = settings.density_level or best_level(field, observed[0], rasterizer, settings.grid_cells)
    context.log.info("density level %.3g per metre", level)
    density = without_pits(field, level, settings.pit_width, observed)
    sdf, origin, cell = lattice_distance(field, level, settings.grid_cells, density)
    grid, values = GRIDS[settings.extraction](sdf, origin, cell, BAND_CELLS)
    _, rgb = field.sample(grid.v_pos.astype(np.float64))
    state = implicit.ImplicitSurface.start(grid, values, rgb, settings)
    context.checkpoint.load("implicit.npz", state.load)
    curve = implicit.fit(state, observed, rasterizer, settings, context)
    v_fine, _, tri, _ = (x.detach().numpy() for x in state.surface())
    if len(tri) == 0:
        raise StageError("the first pass left no surface: lower mesh.sdf_rate or mesh.sdf_regulariser, or look at the masks")
    return v_fine, tri, curve


def painted_charts(
    settings: MeshSettings, observed: list[Observed], low: tuple[np.ndarray, np.ndarray], fine: tuple[np.ndarray, np.ndarray],
    context: StageContext,
) -> dict[str, np.ndarray]:
    """Texture coordinates, colours as the views show them, which of them they show, and normal map of the remeshed surface ``low``."""
    v_pos, faces = low
    near = close_ups(v_pos, observed)
    v_tex, t_tex_idx = unwrap(v_pos, faces, settings.texture_size, near[faces].all(1), settings.head_detail)
    context.progress.advance()
    texels = texels_of(v_tex, t_tex_idx, settings.texture_size)
    colour, seen = painted(texels, v_pos, faces, observed, settings.view_sharpness, settings.portrait_lead_deg, settings.outvote)
    arrays = {"v_pos": v_pos, "t_pos_idx": faces, "v_tex": v_tex, "t_tex_idx": t_tex_idx, "kd": texels.picture(colour)}
    arrays["seen"] = texels.picture(seen[:, None].astype(np.float32))[..., 0] > 0.5
    context.progress.advance()
    arrays["normal"] = flat_normal_map(settings.texture_size)
    if settings.normal_map == "baked":
        arrays["normal"] = baked_normal_map(texels, low, fine, v_tex, t_tex_idx)
    return arrays


def finished(surface: refine.TexturedSurface, fixed: dict[str, np.ndarray], settings: MeshSettings, observed: list[Observed]) -> TexturedMesh:
    """The artifact's arrays from the fitted surface."""
    v_pos = untangled(surface.v_pos().detach().numpy(), fixed["t_pos_idx"])
    faces, v_tex, t_tex_idx = fixed["t_pos_idx"], fixed["v_tex"], fixed["t_tex_idx"]
    v_nrm = vertex_normals(v_pos, faces)
    texels = texels_of(v_tex, t_tex_idx, settings.texture_size, border_px=1)
    colour = surface.kd().detach().numpy()[texels.place[:, 0], texels.place[:, 1]]
    if settings.final_colours == "projected":
        colour, _ = painted(texels, v_pos, faces, observed, settings.view_sharpness, settings.portrait_lead_deg, settings.outvote)
    ks = np.array([settings.occlusion, settings.roughness, settings.metallic], np.float32)
    return TexturedMesh(
        v_pos, v_nrm.astype(np.float32), tangents(v_pos, v_nrm, faces, v_tex, t_tex_idx).astype(np.float32), v_tex,
        faces, t_tex_idx, texels.picture(colour), np.broadcast_to(ks, (KS_SIZE, KS_SIZE, 3)).copy(), fixed["normal"],
    )


def told_apart(mesh: TexturedMesh, seen: np.ndarray, settings: MeshSettings, log: logging.Logger) -> tuple[TexturedMesh, DistantLight | None]:
    """``mesh``, whose texture shows it lit, with base colours instead; and the light. ``seen`` (S, S) are the texels that a view shows.

    The same mesh and no light where ``settings.lighting`` is auto and the views look evenly lit.
    """
    texels = texels_of(mesh.v_tex, mesh.t_tex_idx, settings.texture_size, border_px=1)
    at = texels.place[:, 0], texels.place[:, 1]
    points, colours = texels.carry(mesh.v_pos, mesh.t_pos_idx).astype(np.float64), mesh.kd[at]
    normals = unit(texels.carry(mesh.v_nrm, mesh.t_pos_idx).astype(np.float64), np.array([0.0, 0.0, 1.0]))
    shown = seen[at] if seen[at].any() else np.ones(len(points), bool)
    light = light_on(colours[shown], mesh.v_pos, mesh.t_pos_idx, points[shown], normals[shown], settings.seed)
    even = settings.lighting == "auto" and light.explained < EVIDENCE
    log.info("light: points of one paint look more alike by %.0f %%%s", 100 * light.explained, "; counts as even" if even else "")
    if even:
        return mesh, None
    base = without_light(colours, light.falling(mesh.v_pos, mesh.t_pos_idx, points, normals))
    return replace(mesh, kd=texels.picture(filled(base, shown, texels, mesh.t_pos_idx))), light


def face_colours(mesh: TexturedMesh) -> np.ndarray:
    """(F, 3) sRGB: the base colour at the middle of each triangle."""
    height, width = mesh.kd.shape[:2]
    middle = mesh.v_tex[mesh.t_tex_idx].mean(1)
    row, column = ((1 - middle[:, 1]) * height).astype(int), (middle[:, 0] * width).astype(int)
    return mesh.kd[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]


def write(folder: Path, mesh: TexturedMesh, parts: Parts | None = None, light: DistantLight | None = None, agree: bool = True) -> MeshAsset:
    """The artifact's files: arrays, textures, figures (whether the views ``agree`` among them), parts and light where there are some, and the GLB."""
    lengths = np.linalg.norm(np.ptp(mesh.v_pos, axis=0))
    metrics = {
        "triangles": len(mesh.t_pos_idx), "vertices": len(mesh.v_pos), "pieces": len(np.unique(face_components(mesh.t_pos_idx))),
        "edges_manifold": is_edge_manifold(mesh.t_pos_idx), "bounding_box_diagonal_m": round(float(lengths), 4),
        "views_agree": agree,
    }
    if parts is not None:
        area = face_areas(mesh.v_pos, mesh.t_pos_idx)
        metrics["parts_area_share"] = {name: round(float(area[parts.triangles(name)].sum() / area.sum()), 4) for name in parts.used}
    if light is not None:
        metrics["light_explains_share"] = round(light.explained, 4)
        lamps = {"directions": light.directions.round(5).tolist(), "colours_linear": light.colours.round(6).tolist()}
        (folder / LIGHT).write_text(json.dumps(lamps) + "\n")
    asset = MeshAsset.write(folder, mesh, metrics, parts)
    kd, ks, normal = ((folder / name).read_bytes() for name in (KD, KS, NORMAL))
    geometry = GlbMesh(mesh.v_pos, mesh.t_pos_idx, mesh.v_nrm, mesh.v_tex, mesh.t_tex_idx, mesh.v_tng)
    write_glb(asset.glb, geometry, GlbMaterial(kd_png=kd, ks_png=ks, normal_png=normal))
    return asset


def _write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as state:
        return {name: state[name] for name in state.files}
