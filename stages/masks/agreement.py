"""Is each frame's cut-out believable beside the posed body and beside its neighbours on the ring?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from stages.masks.settings import MasksSettings

_AROUND = 2  # neighbours on each side whose median area is compared with


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boolean masks; 1 for two empty ones."""
    union = float((a | b).sum())
    return float((a & b).sum()) / union if union else 1.0


def centred(mask: np.ndarray) -> np.ndarray:
    """The mask shifted so that its centroid's column is the picture's middle: turning moves a figure sideways."""
    columns = np.nonzero(mask.any(0))[0]
    if not len(columns):
        return mask
    middle = int(round(float((mask.sum(0) * np.arange(mask.shape[1])).sum() / mask.sum())))
    return np.roll(mask, mask.shape[1] // 2 - middle, axis=1)


def score_ring(masks: Sequence[np.ndarray], bodies: Sequence[np.ndarray | None]) -> list[dict[str, float]]:
    """Figures for each frame of one closed ring: area_px, and where there is something to compare with, coverage,
    area_ratio (to the median of the neighbours') and neighbour_iou (the better neighbour's)."""
    areas = np.array([float(m.sum()) for m in masks])
    count = len(masks)
    aligned = [centred(m) for m in masks]
    scores: list[dict[str, float]] = []
    for i, (mask, body) in enumerate(zip(masks, bodies, strict=True)):
        score = {"area_px": areas[i]}
        if body is not None and body.any():
            score["coverage"] = float((mask & body).sum() / body.sum())
        if count >= 2 * _AROUND + 1:
            around = [areas[(i + k) % count] for k in range(-_AROUND, _AROUND + 1) if k]
            score["area_ratio"] = float(areas[i] / max(np.median(around), 1.0))
            score["neighbour_iou"] = max(iou(aligned[i], aligned[(i + k) % count]) for k in (-1, 1))
        scores.append(score)
    return scores


def complaint(score: Mapping[str, float], picture_px: int, settings: MasksSettings) -> str | None:
    """Why a frame of ``picture_px`` pixels cannot be used, or None."""
    if score["area_px"] < 1:
        return "no figure was found"
    if score["area_px"] >= picture_px:
        return "the whole picture was taken for the figure"
    if score.get("coverage", 1.0) < settings.least_coverage:
        return f"covers {score['coverage']:.0%} of the posed body, less than {settings.least_coverage:.0%}"
    ratio = score.get("area_ratio", 1.0)
    if not 1 / settings.area_ratio <= ratio <= settings.area_ratio:
        return f"its area is {ratio:.2f} times its neighbours'"
    if score.get("neighbour_iou", 1.0) < settings.neighbour_iou:
        return f"overlaps its neighbours by {score['neighbour_iou']:.2f} at most"
    return None
