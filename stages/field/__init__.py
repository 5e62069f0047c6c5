"""Field: a radiance field (instant-NGP) learnt from posed pictures, baked into a grid of density and colour."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.stage import Capability, Stage, StageContext
from stages.artifacts.field import FieldGrid
from stages.artifacts.views import MaskedViews
from stages.field.backends import BACKENDS
from stages.field.settings import FieldSettings


@dataclass(frozen=True)
class FieldInputs:
    """Pictures with alpha and cameras."""

    masks: MaskedViews


def _capabilities(settings: FieldSettings) -> tuple[Capability, ...]:
    return (Capability("radiance field", settings.backend, BACKENDS),)


def _run(settings: FieldSettings, inputs: FieldInputs, context: StageContext) -> FieldGrid:
    from stages.field.run import run

    return run(settings, inputs.masks, context)


def _prepare() -> None:
    from stages.field.warm import warm

    warm()


STAGE = Stage("field", 4, FieldSettings, FieldInputs, FieldGrid, _run, capabilities=_capabilities, prepare=_prepare)
