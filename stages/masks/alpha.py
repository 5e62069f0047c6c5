"""Whether pictures bring the alpha that cuts the figure out, or which of them do not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.errors import MissingError
from stages.artifacts.images import has_alpha
from stages.artifacts.views import ViewSet
from stages.masks.cutters import by_silhouette
from stages.masks.doubts import first_few
from stages.masks.settings import MasksSettings

_NAMED = 5
_OPAQUE = 0.99  # alpha above this everywhere was saved with the picture and cuts nothing out


def cuts_out(image: np.ndarray) -> bool:
    """Whether (H, W, 3|4) float sRGB has an alpha of its own that leaves something out."""
    return image.shape[2] == 4 and bool(image[..., 3].min() <= _OPAQUE)


def refuse(lacking: Sequence[str], of: int) -> None:
    """Raises MissingError that names the pictures ``lacking`` alpha, of ``of``, if there are any."""
    if not lacking:
        return
    raise MissingError(
        f"{len(lacking)} of {of} pictures have no alpha (or one that is opaque everywhere): {first_few(lacking, _NAMED)}; and there is "
        "no posed body to find the figure by. Give pictures with the background transparent (RGBA), or let GroundingDINO and SAM cut it out: "
        "masks.backend: grounded_sam, with masks.grounding_dino and masks.sam named."
    )


def require_channel(views: ViewSet, settings: MasksSettings) -> None:
    """What the headers of a user's pictures tell before anything runs: raises MissingError if some have no alpha, and nothing makes one.

    An alpha that is opaque everywhere shows only when the pictures are read, in the stage.
    """
    if by_silhouette(settings):
        refuse([f.camera.name for f in views.frames if not has_alpha(f.image)], len(views.frames))
