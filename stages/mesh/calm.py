"""How calm the surface has to be: as calm as its views disagree.

Views that one shape explains may shape the surface closely. Painted views contradict one another, and a surface that follows each of
them crumples, in faces first. What the field could not explain of its own training views says which they are. The figures below enter no
key: whoever changes them raises the stage's version.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from stages.artifacts.field import FieldGrid
from stages.mesh.settings import MeshSettings


@dataclass(frozen=True)
class Calm:
    """What the settings of these names are where the user leaves them open, for views with this training PSNR."""

    psnr_db: float
    sdf_smoothness: float
    sdf_rate: float
    pit_width: float
    grid_cells: int
    fairing: float


ANCHORS = (
    Calm(26.0, 3e-4, 0.04, 0.06, 128, 0.08),  # embedded views leave the field at 21 to 26 dB
    Calm(28.0, 1e-6, 0.06, 0.03, 144, 0.0),  # renders of one shape: 29 dB for 30 small ones with drawn outlines,
    Calm(30.0, 1e-6, 0.06, 0.0, 160, 0.0),  # 30 to 34 dB for large ones from all sides
)
MEAN_FROM_DB = 27.0  # training PSNR from which the mean of all pictures is sharper than one of them
LOGARITHMIC = ("sdf_smoothness",)


def fitting(settings: MeshSettings, field: FieldGrid) -> MeshSettings:
    """``settings`` with what is open filled in, between ``ANCHORS`` by the PSNR that ``field`` ended its training with.

    A field that does not say it counts as learnt from painted views.
    """
    psnr, agree = explained_db(field), agreeing(field)
    if settings.final_colours is None:
        settings = settings.model_copy(update={"final_colours": "fitted" if agree else "projected"})
    if settings.normal_map is None:
        settings = settings.model_copy(update={"normal_map": "baked" if agree else "flat"})
    names = [f.name for f in fields(Calm) if f.name != "psnr_db" and getattr(settings, f.name) is None]
    return settings.model_copy(update={name: _between(name, psnr) for name in names})


def explained_db(field: FieldGrid) -> float:
    """The PSNR that ``field`` ended its training with."""
    return float(field.metrics.get("training_psnr_db", ANCHORS[0].psnr_db))


def agreeing(field: FieldGrid) -> bool:
    """Do the views that ``field`` has learnt from show one and the same thing?"""
    return explained_db(field) >= MEAN_FROM_DB


def _between(name: str, psnr_db: float) -> float | int:
    """The value of a setting at ``psnr_db``: straight lines between the anchors, in the logarithm for what spans decades."""
    known = np.array([getattr(calm, name) for calm in ANCHORS], float)
    known = np.log(known) if name in LOGARITHMIC else known
    value = float(np.interp(psnr_db, [calm.psnr_db for calm in ANCHORS], known))
    value = float(np.exp(value)) if name in LOGARITHMIC else value
    return round(value) if isinstance(getattr(ANCHORS[0], name), int) else value
