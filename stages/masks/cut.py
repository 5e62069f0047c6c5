"""The masks stage: every picture cut out, checked, and written with straight alpha."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from pipeline.errors import StageError
from pipeline.stage import StageContext
from stages.artifacts.cameras import Camera
from stages.artifacts.conditions import ConditionSet
from stages.artifacts.images import contact_sheet, to_u8, write_png
from stages.artifacts.thumbnails import thumbnails
from stages.artifacts.views import MaskedViews, ViewSet, write_view_cameras
from stages.masks import matting
from stages.masks.agreement import complaint, score_ring
from stages.masks.alpha import cuts_out, refuse
from stages.masks.cutters import Cutter
from stages.masks.doubts import doubts
from stages.masks.kept import KeptCuts
from stages.masks.parts import label_all, write_parts
from stages.masks.settings import MasksSettings

_SHEET_COLUMNS = 8
_SHEET_BACKDROP = np.array([0.35, 0.75, 0.45], np.float32)  # a colour that shows fringes


@dataclass(frozen=True)
class Frame:
    """What the checks need of one view: the figure and the posed body (H, W) bool, and what the cutter said."""

    inside: np.ndarray
    body: np.ndarray | None
    figures: dict[str, float]


def cut_one(
    image: np.ndarray, body: np.ndarray | None, cutter: Cutter, settings: MasksSettings, device: str
) -> tuple[np.ndarray, dict[str, float]]:
    """(H, W, 3|4) float sRGB -> its cut-out (H, W, 4) uint8 and figures. A picture's own alpha is believed, unless it is
    opaque everywhere; else ``cutter`` finds the figure."""
    if cuts_out(image):
        return to_u8(image), {}
    image = np.ascontiguousarray(image[..., :3])
    inside, figures = cutter.figure(image, body, device)
    if not inside.any():
        return to_u8(np.dstack([image, np.zeros(inside.shape)])), figures
    inside = matting.clean(inside, body)
    background, _ = matting.background_color(image, inside)
    alpha, color = matting.soft_alpha(image, inside, background, settings.edge_px)
    return to_u8(np.dstack([color, alpha])), figures


def judge(views: ViewSet, frames: Mapping[str, Frame], settings: MasksSettings) -> dict[str, dict[str, Any]]:
    """Scores of every frame, with ``rejected``: the reason, or None."""
    names = views.names
    report: dict[str, dict[str, Any]] = {}
    for ring, members in views.rings.items():
        of = [names[i] for i in members]
        scores = score_ring([frames[n].inside for n in of], [frames[n].body for n in of])
        closed = ring in ("body", "head")  # only our own rings are known to be evenly spaced
        for name, score in zip(of, scores, strict=True):
            seen = score if closed else {"area_px": score["area_px"]}
            rejected = complaint(seen, frames[name].inside.size, settings)
            report[name] = {"ring": ring, **seen, **frames[name].figures, "rejected": rejected}
    return {name: report[name] for name in names}


def run(settings: MasksSettings, inputs: Any, context: StageContext) -> MaskedViews:
    """Cut out ``inputs.views``; frames that fail a check are named in ``masks.json`` and left out of ``transforms.json``."""
    views: ViewSet = inputs.views
    kept = KeptCuts(context.checkpoint, views.names)
    report = judge(views, _cut_all(settings, views, inputs.conditions, kept, context), settings)
    accepted = [n for n in views.names if report[n]["rejected"] is None]
    for name in views.names:
        if report[name]["rejected"]:
            context.warn(f"frame {name} was left out: {report[name]['rejected']}")
    for doubt in doubts(report, settings):
        context.warn(doubt)
    _write(views, kept, accepted, report, settings.parts, context)
    if len(accepted) < settings.fewest_frames:
        reasons = sorted({str(r["rejected"]) for r in report.values() if r["rejected"]})
        raise StageError(
            f"only {len(accepted)} of {len(views.names)} pictures could be cut out ({'; '.join(reasons[:3])}). "
            "Look at the views' contact sheet; another seed, or masks.least_coverage, may help."
        )
    if settings.parts:
        label_all(settings, kept, accepted, context)
        write_parts(kept, accepted, settings.parts, context)
    return MaskedViews.open(context.out)


def _cut_all(
    settings: MasksSettings, views: ViewSet, conditions: ConditionSet | None, kept: KeptCuts, context: StageContext
) -> dict[str, Frame]:
    """Cut out what is not yet in ``kept``. Of every view only the masks stay in memory.

    Raises MissingError that names all pictures that need a posed body and have none.
    """
    posed = set() if conditions is None else {c.name for c in conditions.cameras}
    cutter: Cutter = context.backends["matting"]
    alone = [n for n in views.names if cutter.needs_body and n not in posed and not kept.has(n)]
    refuse([n for n in alone if not cuts_out(views.image(n))], len(views.names))
    context.progress.start("cutting out", len(views.names))
    frames = {}
    for name, camera in zip(views.names, views.cameras, strict=True):
        body = _silhouette(conditions, camera) if conditions is not None and name in posed else None
        if not kept.has(name):
            kept.keep(name, *cut_one(views.image(name), body, cutter, settings, context.device))
        frames[name] = Frame(kept.rgba_u8(name)[..., 3] > 127, body, kept.figures(name))
        context.progress.advance()
    return frames


def _silhouette(conditions: ConditionSet, camera: Camera) -> np.ndarray:
    """The posed body in the view of ``camera``, (height, width) bool; the picture may be larger than what it was painted after."""
    mask = Image.fromarray(conditions.mask(camera.name))
    return np.asarray(mask.resize((camera.width, camera.height), Image.Resampling.BILINEAR)) > 0.5


def _write(
    views: ViewSet, kept: KeptCuts, accepted: list[str], report: dict[str, Any], parts: Sequence[str], context: StageContext
) -> None:
    given = {f.camera.name: f for f in views.frames}
    (context.out / "images").mkdir(parents=True, exist_ok=True)
    for name in accepted:
        (context.out / "images" / f"{name}.png").write_bytes(kept.png(name))
    if accepted:
        extras = [{**given[n].extra, "split": views.split(n)} for n in accepted]
        write_view_cameras(context.out, [given[n].camera for n in accepted], extras)
    (context.out / "masks.json").write_text(json.dumps({"frames": report, "parts": list(parts)}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    labels = [n if report[n]["rejected"] is None else f"{n} left out" for n in views.names]
    tiles = thumbnails((_on_backdrop(kept.rgba_u8(n)) for n in views.names), len(views.names))
    write_png(context.out / "preview" / "contact_sheet.png", contact_sheet(tiles, columns=_SHEET_COLUMNS, labels=labels))


def _on_backdrop(rgba_u8: np.ndarray) -> np.ndarray:
    rgba = rgba_u8.astype(np.float32) / 255
    return rgba[..., :3] * rgba[..., 3:] + _SHEET_BACKDROP * (1 - rgba[..., 3:])
