"""Pictures of one character from every camera: diffusion with cross-frame attention, or the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import StageError
from pipeline.stage import AbsentModel, ModelUse, Stage, StageContext
from stages.artifacts.conditions import ConditionSet
from stages.artifacts.views import ViewSet
from stages.views.settings import ViewsSettings


@dataclass(frozen=True)
class ViewsInputs:
    """Nothing is needed where the user brings the pictures."""

    conditions: ConditionSet | None


def _run(settings: ViewsSettings, inputs: ViewsInputs, context: StageContext) -> ViewSet:
    if settings.source == "images" and settings.folder is not None:
        from stages.views.own import adopt

        return adopt(settings.folder, context)
    if inputs.conditions is None:
        raise StageError("views are painted from condition pictures, but the conditions stage was left out")
    from stages.views.paint import paint

    return paint(settings, inputs.conditions, context)


def _model_names(settings: ViewsSettings) -> tuple[str, ...]:
    if settings.source == "images":
        return ()
    adapter = settings.ip_adapter
    others = (settings.vae, adapter.image_encoder if adapter else None, adapter.file if adapter and isinstance(adapter.file, str) else None)
    return settings.model, *(c.model for c in settings.controlnets), *(name for name in others if name)


def _models(settings: ViewsSettings) -> Sequence[ModelUse]:
    from third_party import models

    return models.use_all(_model_names(settings))


def _absent(settings: ViewsSettings) -> Sequence[AbsentModel]:
    from third_party import models

    return models.absent(_model_names(settings))


def _notices(settings: ViewsSettings) -> Sequence[str]:
    if settings.source == "images":
        return ()
    from stages.views.notices import picture_notices, text_notices
    from third_party import models

    folder = models.find(settings.model)
    return [*(text_notices(settings, folder) if folder else ()), *picture_notices(settings)]


STAGE = Stage(
    name="views",
    version=3,
    settings=ViewsSettings,
    inputs=ViewsInputs,
    output=ViewSet,
    run=_run,
    models=_models,
    absent=_absent,
    notices=_notices,
)
