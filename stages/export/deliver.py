"""The export stage's run: files, turntable, contact sheet."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.stage import StageContext
from stages.artifacts.exports import CONTACT_SHEET, LISTING, TURNTABLE, ExportSet
from stages.artifacts.glb import GlbMaterial, GlbMesh, write_glb
from stages.artifacts.images import write_png
from stages.artifacts.mesh import MeshAsset
from stages.artifacts.rig import Rig
from stages.artifacts.video import write_mp4
from stages.export.figure import Figure
from stages.export.obj import write_obj
from stages.export.settings import ExportSettings
from stages.export.sheet import contact_sheet_of
from stages.export.textures import Textures, textures_of
from stages.rendering.viewpoint import turntable


def run(settings: ExportSettings, mesh: MeshAsset, rig: Rig | None, context: StageContext) -> ExportSet:
    """Fill ``context.out`` with the files of ``settings.formats``, ``turntable.mp4`` and ``contact_sheet.png``."""
    context.progress.start("export", settings.turntable_frames + len(settings.formats) + 1)
    if rig is None:
        context.warn("There is no rig (no conditions to take a skeleton from): the exported files are static.")
    figure = Figure(mesh.mesh, None if rig is None else rig.skinning)
    textures = textures_of(mesh, settings.texture_px)
    context.out.mkdir(parents=True, exist_ok=True)
    files: list[str] = []
    for name in settings.formats:
        files += _WRITERS[name](context.out, settings, figure, textures)
        context.progress.advance()
    write_mp4(context.out / TURNTABLE, _turn(figure, settings, context), settings.turntable_frames / settings.turntable_s)
    listing = _listing(settings, figure, textures, [*files, TURNTABLE, CONTACT_SHEET])
    write_png(context.out / CONTACT_SHEET, contact_sheet_of(figure, settings.name, _subtitle(listing)))
    context.progress.advance()
    (context.out / LISTING).write_text(json.dumps(listing, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (context.out / "preview").mkdir(exist_ok=True)
    for name in (CONTACT_SHEET, TURNTABLE):
        shutil.copyfile(context.out / name, context.out / "preview" / name)
    return ExportSet.open(context.out)


def _write_glb(folder: Path, settings: ExportSettings, figure: Figure, textures: Textures) -> list[str]:
    mesh = figure.mesh
    material = GlbMaterial(settings.name, textures.kd, textures.ks, textures.normal, double_sided=settings.double_sided)
    file = f"{settings.name}.glb"
    if figure.skinning is None:
        write_glb(folder / file, mesh, material, name=settings.name)
        return [file]
    # Tangents belong to the pose of the pictures; at rest the writer makes its own from positions and texture coordinates.
    at_rest = GlbMesh(figure.v_pos, mesh.t_pos_idx, figure.v_nrm, mesh.v_tex, mesh.t_tex_idx)
    skinning = figure.skinning
    write_glb(folder / file, at_rest, material, skinning.skeleton, skinning.joints, skinning.weights, name=settings.name)
    return [file]


def _write_obj(folder: Path, settings: ExportSettings, figure: Figure, textures: Textures) -> list[str]:
    mesh = figure.mesh
    return write_obj(folder, settings.name, figure.v_pos, figure.v_nrm, mesh.v_tex, mesh.t_pos_idx, mesh.t_tex_idx, textures)


_WRITERS = {"glb": _write_glb, "obj": _write_obj}


def _turn(figure: Figure, settings: ExportSettings, context: StageContext) -> Iterator[np.ndarray]:
    height = settings.turntable_px // 2 * 2
    for camera in turntable(figure.v_pos, settings.turntable_frames, round(height / 3) * 2, height):
        yield figure.picture(camera)
        context.progress.advance()


def _listing(settings: ExportSettings, figure: Figure, textures: Textures, files: list[str]) -> dict[str, object]:
    skinning = figure.skinning
    return {
        "name": settings.name, "files": files, "rigged": skinning is not None, "triangles": len(figure.mesh.t_pos_idx),
        "vertices": len(figure.v_pos), "joints": 0 if skinning is None else len(skinning.skeleton.names),
        "texture_px": textures.side_px, "height_m": round(figure.height_m, 4),
    }


def _subtitle(listing: dict[str, object]) -> str:
    bones = f"{listing['joints']} joints" if listing["rigged"] else "no skeleton"
    return f"{listing['triangles']:,} triangles   ·   {bones}   ·   textures {listing['texture_px']} px   ·   {listing['height_m']:.2f} m tall"
