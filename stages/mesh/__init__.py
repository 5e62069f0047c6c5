"""Mesh: from the field and the masked views to a repaired, unwrapped, textured surface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.stage import Capability, Stage, StageContext
from stages.artifacts.field import FieldGrid
from stages.artifacts.mesh import MeshAsset
from stages.artifacts.views import MaskedViews
from stages.mesh.settings import MeshSettings
from stages.rendering import rasterizer_capability


@dataclass(frozen=True)
class MeshInputs:
    """Where the surface roughly is, and what it has to look like."""

    field: FieldGrid
    masks: MaskedViews


def _capabilities(settings: MeshSettings) -> tuple[Capability, ...]:
    return (rasterizer_capability(settings.rasterizer),)


def _run(settings: MeshSettings, inputs: MeshInputs, context: StageContext) -> Any:
    from stages.mesh.build import run

    return run(settings, inputs, context)


def _prepare() -> None:
    from stages.mesh.warm import warm

    warm()


STAGE = Stage(
    name="mesh",
    version=13,
    settings=MeshSettings,
    inputs=MeshInputs,
    output=MeshAsset,
    run=_run,
    capabilities=_capabilities,
    prepare=_prepare,
)
