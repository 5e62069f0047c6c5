"""Masks: the figure cut out of every picture (RGBA, straight alpha), frames that fail left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.stage import AbsentModel, Capability, ModelUse, Stage, StageContext
from stages.artifacts.conditions import ConditionSet
from stages.artifacts.views import MaskedViews, ViewSet
from stages.masks.cutters import GroundedSam, by_silhouette, ways
from stages.masks.settings import MasksSettings


@dataclass(frozen=True)
class MasksInputs:
    """Pictures, and where there is one the posed body that they show."""

    views: ViewSet
    conditions: ConditionSet | None = None


def _capabilities(settings: MasksSettings) -> tuple[Capability, ...]:
    return (Capability("matting", settings.backend, ways(settings)),)


def _models(settings: MasksSettings) -> tuple[ModelUse, ...]:
    if (by_silhouette(settings) and not settings.parts) or GroundedSam(settings).probe() is not None:
        return ()
    from third_party.models import use_all

    return tuple(use_all(name for name in (settings.grounding_dino, settings.sam) if name))


def _absent(settings: MasksSettings) -> Sequence[AbsentModel]:
    """Only where they are asked for by name, or parts are: auto does without."""
    if settings.backend != "grounded_sam" and not settings.parts:
        return ()
    from third_party.models import absent

    return absent(name for name in (settings.grounding_dino, settings.sam) if name)


def _run(settings: MasksSettings, inputs: MasksInputs, context: StageContext) -> Any:
    from stages.masks.cut import run

    return run(settings, inputs, context)


STAGE = Stage(
    name="masks",
    version=4,
    settings=MasksSettings,
    inputs=MasksInputs,
    output=MaskedViews,
    run=_run,
    capabilities=_capabilities,
    models=_models,
    absent=_absent,
)
