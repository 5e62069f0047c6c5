"""Rig: the body's skeleton and skin weights on the reconstructed surface, brought back to rest pose, with a face that moves."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.stage import Stage, StageContext
from stages.artifacts.conditions import ConditionSet
from stages.artifacts.mesh import MeshAsset
from stages.artifacts.rig import Rig
from stages.rig.settings import RigSettings


@dataclass(frozen=True)
class RigInputs:
    """The surface, in the pose of the pictures, and the body that stood for them."""

    mesh: MeshAsset
    conditions: ConditionSet


def _run(settings: RigSettings, inputs: RigInputs, context: StageContext) -> Rig:
    from stages.rig.bind import run

    return run(settings, inputs.mesh, inputs.conditions, context)


STAGE = Stage("rig", 10, RigSettings, RigInputs, Rig, _run)
