"""The masks stage: every picture cut out, checked, and written with straight alpha."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import StageError
from pipeline.stage import StageContext
from stages.artifacts.conditions import ConditionSet
from stages.artifacts.images import contact_sheet, to_u8, write_png
from stages.artifacts.views import MaskedViews, ViewSet, write_view_set
from stages.masks import matting
from stages.masks.agreement import complaint, score_ring
from stages.masks.cutters import Cutter
from stages.masks.settings import MasksSettings

_SHEET_COLUMNS = 8
_SHEET_BACKDROP = np.array([0.35, 0.75, 0.45], np.float32)  # a colour that shows fringes


@dataclass(frozen=True)
class Cut:
    """One picture, cut out."""

    inside: np.ndarray
    rgba: np.ndarray
    figures: dict[str, float]


def cut_one(image: np.ndarray, body: np.ndarray | None, cutter: Cutter, settings: MasksSettings, device: str) -> Cut:
    """(H, W, 3|4) float sRGB -> its cut-out. A picture's own alpha is believed; else ``cutter`` finds the figure."""
    if image.shape[2] == 4:
        return Cut(image[..., 3] > 0.5, image.astype(np.float32), {})
    inside, figures = cutter.figure(image, body, device)
    if not inside.any():
        return Cut(inside, np.dstack([image, np.zeros(inside.shape)]).astype(np.float32), figures)
    inside = matting.clean(inside, body)
    background, _ = matting.background_color(image, inside)
    alpha, color = matting.soft_alpha(image, inside, background, settings.edge_px)
    return Cut(alpha > 0.5, np.dstack([color, alpha]), figures)


def _body(conditions: ConditionSet | None, name: str) -> np.ndarray | None:
    if conditions is None:
        return None
    return conditions.mask(name) > 0.5


def judge(views: ViewSet, cuts: dict[str, Cut], bodies: dict[str, Any], settings: MasksSettings) -> dict[str, dict[str, Any]]:
    """Scores of every frame, with ``rejected``: the reason, or None."""
    names = views.names
    report: dict[str, dict[str, Any]] = {}
    for ring, members in views.rings.items():
        of = [names[i] for i in members]
        scores = score_ring([cuts[n].inside for n in of], [bodies[n] for n in of])
        closed = ring in ("body", "head")  # only our own rings are known to be evenly spaced
        for name, score in zip(of, scores, strict=True):
            seen = score if closed else {"area_px": score["area_px"]}
            report[name] = {"ring": ring, **seen, **cuts[name].figures, "rejected": complaint(seen, settings)}
    return {name: report[name] for name in names}


def run(settings: MasksSettings, inputs: Any, context: StageContext) -> MaskedViews:
    """Cut out ``inputs.views``; frames that fail a check are named in ``masks.json`` and left out of ``transforms.json``."""
    views: ViewSet = inputs.views
    conditions: ConditionSet | None = inputs.conditions
    known = set() if conditions is None else {c.name for c in conditions.cameras}
    cutter: Cutter = context.backends["matting"]
    context.progress.start("cutting out", len(views.names))
    cuts: dict[str, Cut] = {}
    bodies: dict[str, Any] = {}
    for name in views.names:
        bodies[name] = _body(conditions, name) if name in known else None
        cuts[name] = cut_one(views.image(name), bodies[name], cutter, settings, context.device)
        context.progress.advance()
    report = judge(views, cuts, bodies, settings)
    accepted = [n for n in views.names if report[n]["rejected"] is None]
    for name in views.names:
        if report[name]["rejected"]:
            context.warn(f"frame {name} was left out: {report[name]['rejected']}")
    _write(views, cuts, accepted, report, context)
    if len(accepted) < settings.fewest_frames:
        reasons = sorted({str(r["rejected"]) for r in report.values() if r["rejected"]})
        raise StageError(
            f"only {len(accepted)} of {len(views.names)} pictures could be cut out ({'; '.join(reasons[:3])}). "
            "Look at the views' contact sheet; another seed, or masks.least_coverage, may help."
        )
    return MaskedViews.open(context.out)


def _write(views: ViewSet, cuts: dict[str, Cut], accepted: list[str], report: dict[str, Any], context: StageContext) -> None:
    frames = {f.camera.name: f for f in views.frames}
    extras = [{**frames[n].extra, "split": views.split(n)} for n in accepted]
    write_view_set(context.out, ((frames[n].camera, to_u8(cuts[n].rgba)) for n in accepted), extras)
    (context.out / "masks.json").write_text(json.dumps({"frames": report}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    tiles, labels = [], []
    for name in views.names:
        rgba = cuts[name].rgba
        tiles.append(rgba[..., :3] * rgba[..., 3:] + _SHEET_BACKDROP * (1 - rgba[..., 3:]))
        labels.append(name if report[name]["rejected"] is None else f"{name} left out")
    write_png(context.out / "preview" / "contact_sheet.png", contact_sheet(tiles, columns=_SHEET_COLUMNS, labels=labels))
