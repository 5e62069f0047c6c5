"""Export: the files that the user came for, and pictures of them."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.stage import Capability, Stage, StageContext
from stages.artifacts.exports import ExportSet
from stages.artifacts.mesh import MeshAsset
from stages.artifacts.rig import Rig
from stages.export.settings import ExportSettings


@dataclass(frozen=True)
class ExportInputs:
    """The textured surface, and its rig where there is one."""

    mesh: MeshAsset
    rig: Rig | None = None


def _capabilities(settings: ExportSettings) -> tuple[Capability, ...]:
    """Blender, if there is anything that only it writes."""
    from stages.export.converter import CAPABILITY, FORMATS, BlenderConverter

    return (Capability(CAPABILITY, "auto", (BlenderConverter(),)),) if set(FORMATS) & set(settings.formats) else ()


def _run(settings: ExportSettings, inputs: ExportInputs, context: StageContext) -> ExportSet:
    from stages.export.deliver import run

    return run(settings, inputs.mesh, inputs.rig, context)


STAGE = Stage("export", 8, ExportSettings, ExportInputs, ExportSet, _run, capabilities=_capabilities)
