"""Cut-outs that were kept although GroundingDINO or SAM was not sure of them: said, so that somebody looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stages.masks.settings import MasksSettings

_SURE_OUTLINE = 0.88  # SAM's own generator of masks drops what it rates lower (Kirillov et al. 2023, pred_iou_thresh)
_NAMED = 8


def doubts(report: Mapping[str, Mapping[str, Any]], settings: MasksSettings) -> Iterator[str]:
    """Sentences on the accepted frames of ``masks.json``: detections below the thresholds asked for, outlines that SAM doubts.

    ``weak``, ``box_score`` and ``sam_iou`` are what ``third_party.grounded_sam`` says of a frame; frames without them are silent.
    """
    kept = {name: figures for name, figures in report.items() if figures["rejected"] is None}
    weak = [f"{name} ({f['box_score']:.2f})" for name, f in kept.items() if f.get("weak")]
    if weak:
        yield (f"GroundingDINO found {settings.prompt!r} only with masks.box_threshold {settings.box_threshold:g} and masks.text_threshold "
               f"{settings.text_threshold:g} lowered, in {listed(weak, len(report))} (score of the box); see whether these are cut out well")
    unsure = [f"{name} ({f['sam_iou']:.2f})" for name, f in kept.items() if f.get("sam_iou", 1.0) < _SURE_OUTLINE]
    if unsure:
        yield f"SAM is not sure of its outline in {listed(unsure, len(report))} (its own estimate, below {_SURE_OUTLINE:g}); see whether these are cut out well"


def listed(names: Sequence[str], of: int) -> str:
    """``2 of 32 frames: a, b``."""
    return f"{len(names)} of {of} frames: {first_few(names, _NAMED)}"


def first_few(names: Sequence[str], most: int) -> str:
    """``a, b``; of more than ``most`` the first and how many more."""
    more = "" if len(names) <= most else f" and {len(names) - most} more"
    return f"{', '.join(names[:most])}{more}"
