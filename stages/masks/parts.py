"""Parts of the character, named by words (hair, face, dress, shoes), found in every picture by GroundingDINO and SAM."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.stage import StageContext
from stages.artifacts.images import contact_sheet, write_png
from stages.artifacts.labels import label_colours, write_labels
from stages.artifacts.thumbnails import thumbnails
from stages.masks.cutters import GroundedSam
from stages.masks.kept import KeptCuts
from stages.masks.settings import MasksSettings

_COLUMNS = 8
_TINT = 0.65  # share of the label's colour in the preview


def composed(found: Sequence[np.ndarray | None], inside: np.ndarray) -> np.ndarray:
    """(H, W) uint8: 1 + the number of the part at each pixel of the figure ``inside``, 0 where none is.

    ``found`` holds each part's logits (H, W), above 0 where it is, or None. Smaller parts lie over larger ones: a ribbon over hair.
    """
    labels = np.zeros(inside.shape, np.uint8)
    masks = {k: (logits > 0) & inside for k, logits in enumerate(found) if logits is not None}
    for k in sorted(masks, key=lambda k: (-int(masks[k].sum()), k)):
        labels[masks[k]] = 1 + k
    return labels


def label_all(settings: MasksSettings, kept: KeptCuts, names: Sequence[str], context: StageContext) -> None:
    """Label the views ``names`` that are not labelled yet; words that find nothing, or that the detector cannot read, are named."""
    cutter, words = GroundedSam(settings), settings.parts
    context.progress.start("labelling parts", len(names))
    for name in names:
        if kept.labels(name) is None:
            rgba = kept.rgba_u8(name).astype(np.float32) / 255
            found = cutter.open(context.device).find_parts(_on_white(rgba), words, settings.box_threshold)
            kept.keep_labels(name, composed(found, rgba[..., 3] > 0.5))
        context.progress.advance()
    unread = cutter.open(context.device).unread(words)
    if unread:
        context.warn(f"GroundingDINO never learnt {', '.join(map(repr, unread))}, and cannot find it")
    seen = set().union(*(np.unique(kept.labels(name)).tolist() for name in names))
    for word in (word for k, word in enumerate(words, 1) if k not in seen and word not in unread):
        context.warn(f"no picture shows {word!r}, as far as GroundingDINO can tell")


def write_parts(kept: KeptCuts, names: Sequence[str], words: Sequence[str], context: StageContext) -> None:
    """``labels/<view>.png`` and a sheet that lays them over the pictures."""
    colours = label_colours(len(words))
    for name in names:
        write_labels(context.out / "labels" / f"{name}.png", kept.labels(name), len(words))
    tiles = thumbnails((_tinted(kept.rgba_u8(name), colours[kept.labels(name)]) for name in names), len(names))
    write_png(context.out / "preview" / "parts.png", contact_sheet(tiles, columns=_COLUMNS, labels=list(names)))


def _on_white(rgba: np.ndarray) -> np.ndarray:
    return rgba[..., :3] * rgba[..., 3:] + (1 - rgba[..., 3:])


def _tinted(rgba_u8: np.ndarray, colours: np.ndarray) -> np.ndarray:
    picture = _on_white(rgba_u8.astype(np.float32) / 255)
    labelled = colours.any(-1, keepdims=True)
    return np.where(labelled, (1 - _TINT) * picture + _TINT * colours / 255.0, picture).astype(np.float32)
