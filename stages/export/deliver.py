"""The export stage's run: files, turntable, contact sheet."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.errors import StageError
from pipeline.stage import StageContext
from stages.artifacts.chains import chains_of
from stages.artifacts.exports import CONTACT_SHEET, LISTING, TURNTABLE, ExportSet
from stages.artifacts.images import encode_png, write_png
from stages.artifacts.mesh import MeshAsset
from stages.artifacts.parts import BENEATH, Parts
from stages.artifacts.rig import Rig
from stages.artifacts.video import write_mp4
from stages.export import blender, glb, levels, obj, performance, stl, swing_preview, vrm
from stages.export.delivery import Delivery
from stages.export.figure import Figure
from stages.export.settings import ExportSettings
from stages.export.sheet import contact_sheet_of
from stages.export.textures import Textures, textures_of
from stages.export.viewer.page import write_viewer
from stages.rendering.viewpoint import turntable

SWING_PX = 480


def run(settings: ExportSettings, mesh: MeshAsset, rig: Rig | None, context: StageContext) -> ExportSet:
    """Fill ``context.out`` with the files of ``settings.formats``, ``turntable.mp4`` and ``contact_sheet.png``."""
    context.progress.start("export", settings.turntable_frames + len(settings.formats) + 1)
    if rig is None:
        context.warn("There is no rig (no conditions to take a skeleton from): the exported files are static.")
    parts = separate_parts(settings, mesh)
    even = settings.normals == "even" or (settings.normals == "auto" and not mesh.metrics.get("views_agree", True))
    figure = Figure(mesh.mesh, parts=parts, even=even)
    if rig is not None:
        figure = replace(figure, skinning=rig.skinning, clips=rig.clips, colliders=rig.colliders, attachments=rig.attachments, morphs=rig.morphs, hidden=rig.hidden)
        figure = figure if parts is not None else figure.without(BENEATH)
    textures = textures_of(mesh, settings.texture_px)
    context.out.mkdir(parents=True, exist_ok=True)
    delivery = Delivery(settings, figure, textures, context)
    files: list[str] = []
    for name in settings.formats:
        files += _WRITERS[name](delivery)
        context.progress.advance()
    further = levels.write(delivery)
    files += [level["file"] for level in further]
    write_mp4(context.out / TURNTABLE, _turn(figure, settings, context), settings.turntable_frames / settings.turntable_s)
    listing = _listing(settings, figure, textures, [*files, TURNTABLE, CONTACT_SHEET])
    if further:
        listing["levels"] = further
    write_png(context.out / CONTACT_SHEET, contact_sheet_of(figure, settings.name, _subtitle(listing)))
    context.progress.advance()
    (context.out / LISTING).write_text(json.dumps(listing, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (context.out / "preview").mkdir(exist_ok=True)
    for name in (CONTACT_SHEET, TURNTABLE):
        shutil.copyfile(context.out / name, context.out / "preview" / name)
    if settings.viewer_px:
        write_viewer(delivery, mesh, listing["clips"])
    if figure.skinning is not None and chains_of(figure.skinning.skeleton):
        frames = swing_preview.swinging(figure, settings.springs, min(settings.turntable_px, SWING_PX))
        write_mp4(context.out / "preview" / swing_preview.FILE, frames, swing_preview.FRAMES_PER_S)
    return ExportSet.open(context.out)


def separate_parts(settings: ExportSettings, mesh: MeshAsset) -> Parts | None:
    """The parts that files are to hold apart; None for all in one mesh. Raises StageError if parts are asked for by name and there are none."""
    if settings.parts == "joined":
        return None
    if settings.parts == "separate" and mesh.parts is None:
        raise StageError("export.parts is separate, and no parts were labelled; name them in masks.parts, such as [hair, face, shirt, skirt, shoes]")
    return mesh.parts if mesh.parts is not None and len(mesh.parts.used) > 1 else None


_WRITERS: Mapping[str, Callable[[Delivery], list[str]]] = {
    "glb": glb.write, "vrm": vrm.write, "obj": obj.write, "stl": stl.write,
    "fbx": blender.write_fbx, "usdz": blender.write_usdz, "blend": blender.write_blend,
}


def _turn(figure: Figure, settings: ExportSettings, context: StageContext) -> Iterator[np.ndarray]:
    height = settings.turntable_px // 2 * 2
    for camera in turntable(figure.v_pos, settings.turntable_frames, round(height / 3) * 2, height):
        yield figure.picture(camera)
        context.progress.advance()


def _listing(settings: ExportSettings, figure: Figure, textures: Textures, files: list[str]) -> dict[str, Any]:
    skinning = figure.skinning
    joints = 0 if skinning is None else len(skinning.skeleton.names)
    listing: dict[str, Any] = {
        "name": settings.name, "files": files, "rigged": skinning is not None, "triangles": len(figure.t_pos_idx),
        "vertices": len(figure.v_pos), "joints": joints, "texture_px": textures.side_px, "height_m": round(figure.height_m, 4),
        "clips": [{"name": c.name, "seconds": round(c.duration_s, 4), "fps": c.fps, "loops": c.loops, "ground_m_s": round(c.ground_m_s, 4)} for c in figure.clips],
    }
    if skinning is not None:
        pictures = (textures.kd, textures.ks, *([textures.normal] if textures.normal else []), *(encode_png(a.kd) for a in figure.attachments))
        cost = performance.Cost(len(figure.t_pos_idx), performance.texture_memory_mb(pictures), _materials(settings, figure), joints)
        listing["vrchat"] = performance.told(cost)
    if figure.parts is not None:
        listing["parts"] = list(figure.parts.used)
    if figure.joined.names:
        listing["morphs"] = figure.joined.names
    return listing


def _materials(settings: ExportSettings, figure: Figure) -> int:
    """How many the file has: one, or one for each part, and one for each further surface."""
    return (len(figure.parts.used) if figure.parts is not None and settings.part_materials else 1) + len(figure.attachments)


def _subtitle(listing: Mapping[str, Any]) -> str:
    bones = f"{listing['joints']} joints" if listing["rigged"] else "no skeleton"
    said = [f"{listing['triangles']:,} triangles", bones, f"textures {listing['texture_px']} px", f"{listing['height_m']:.2f} m tall"]
    said += [clip["name"] for clip in listing["clips"]]
    if "vrchat" in listing:
        said.append("VRChat: " + ", ".join(f"{listing['vrchat'][platform]['rank']} on {platform}" for platform in performance.LIMITS))
    return "   ·   ".join(said)
