"""How calm the surface has to be: as calm as its views disagree.

Views that one shape explains may shape the surface closely. Painted views contradict one another, and a surface that follows each of
them crumples, in faces first. What the field could not explain of its own training views says which they are. The figures below enter no
key: whoever changes them raises the stage's version.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.artifacts.field import FieldGrid
from stages.mesh.settings import MeshSettings


@dataclass(frozen=True)
class Calm:
    """What ``sdf_smoothness`` and ``sdf_rate`` are where the user leaves them open, for views with this training PSNR."""

    psnr_db: float
    sdf_smoothness: float
    sdf_rate: float


PAINTED = Calm(21.0, 3e-4, 0.04)  # embedded views leave the field at 20 to 21 dB
TRUE = Calm(25.0, 3e-6, 0.06)  # renders of one shape leave it at 26 dB


def fitting(settings: MeshSettings, field: FieldGrid) -> MeshSettings:
    """``settings`` with what is open filled in, between ``PAINTED`` and ``TRUE`` by the PSNR that ``field`` ended its training with.

    A field that does not say it counts as learnt from painted views.
    """
    psnr = float(field.metrics.get("training_psnr_db", PAINTED.psnr_db))
    t = float(np.clip((psnr - PAINTED.psnr_db) / (TRUE.psnr_db - PAINTED.psnr_db), 0, 1))
    smoothness = PAINTED.sdf_smoothness ** (1 - t) * TRUE.sdf_smoothness**t
    rate = (1 - t) * PAINTED.sdf_rate + t * TRUE.sdf_rate
    filled = {"sdf_smoothness": smoothness, "sdf_rate": rate}
    return settings.model_copy(update={name: value for name, value in filled.items() if getattr(settings, name) is None})
