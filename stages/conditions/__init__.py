"""Conditions: one posed body seen from two rings of cameras, as the pictures that ControlNets read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.stage import Capability, ModelUse, Stage, StageContext
from stages.artifacts.conditions import ConditionSet
from stages.conditions.settings import ConditionsSettings


@dataclass(frozen=True)
class NoInputs:
    """The first stage: it needs nothing but its settings."""


def _capabilities(settings: ConditionsSettings) -> Sequence[Capability]:
    from stages.conditions.blender import BlenderRenderer
    from stages.conditions.software import SoftwareRenderer

    wanted = [Capability("geometry", settings.backend, (BlenderRenderer(), SoftwareRenderer()))]
    if settings.body is not None:
        from stages.conditions.importing import importers

        wanted.append(Capability("body import", "auto", importers(settings.body)))
    return wanted


def _models(settings: ConditionsSettings) -> Sequence[ModelUse]:
    """The built-in body enters the key by its content."""
    if settings.body is not None:
        return ()
    import hashlib
    from pathlib import Path

    digest = hashlib.sha256()
    for path in sorted((Path(__file__).parent / "body").glob("base_body*")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return (ModelUse("base body", digest.hexdigest(), "Apache-2.0"),)


def _run(settings: ConditionsSettings, inputs: NoInputs, context: StageContext) -> Any:
    from stages.conditions.run import run

    return run(settings, context)


STAGE = Stage(
    name="conditions", version=3, settings=ConditionsSettings, inputs=NoInputs, output=ConditionSet, run=_run,
    capabilities=_capabilities, models=_models,
)
