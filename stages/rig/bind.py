"""The rig stage's run: transfer, smooth, keep four influences, unpose, draw a few poses."""

from __future__ import annotations

import numpy as np

from pipeline.errors import StageError
from pipeline.stage import StageContext
from stages.artifacts.body import BodyModel
from stages.artifacts.conditions import ConditionSet
from stages.artifacts.mesh import MeshAsset
from stages.artifacts.rig import Rig, Skinning
from stages.rig.inpaint import strongest
from stages.rig.settings import RigSettings
from stages.rig.transfer import Transfer, transfer_weights
from stages.rig.unpose import unpose


def bind(
    v_pos: np.ndarray, t_pos_idx: np.ndarray, rest: BodyModel, posed: BodyModel, rest2posed: np.ndarray, settings: RigSettings
) -> tuple[Skinning, Transfer]:
    """The surface ``v_pos`` (V, 3), in the posed frame, bound to the body's skeleton at rest; and how the weights came about."""
    transfer = transfer_weights(v_pos.astype(np.float64), t_pos_idx, posed, settings)
    joints, weights = strongest(transfer.weights)
    v_pos_rest = unpose(v_pos, joints, weights, rest2posed)
    return Skinning(v_pos_rest.astype(np.float32), joints, weights, rest.skeleton), transfer


def run(settings: RigSettings, mesh: MeshAsset, conditions: ConditionSet, context: StageContext) -> Rig:
    """Fill ``context.out`` with the rig. Raises StageError if the surface lies nowhere near the body."""
    from stages.rig.preview import write_preview

    context.progress.start("skin weights", 3)
    rest, posed = conditions.body_rest, conditions.body_posed
    skinning, transfer = bind(mesh.v_pos, mesh.t_pos_idx, rest, posed, conditions.rest2posed, settings)
    trusted = float((transfer.confidence > 0.5).mean())
    context.progress.advance(1, trusted=trusted)
    if trusted < 0.02:
        raise StageError(
            f"only {trusted:.1%} of the surface lies within {settings.far_m} m of the posed body and faces as it does; expected most of it. "
            "Mesh and conditions are not in one frame, or rig.near_m and rig.far_m are too small"
        )
    if trusted < 0.3:
        context.warn(f"Skin weights: only {trusted:.0%} of the surface lies on the body; the rest is inpainted and may bend wrongly.")
    again = skinning.posed(conditions.rest2posed)
    metrics = {
        "vertices": len(skinning.weights), "joints_used": int(len(np.unique(skinning.joints[skinning.weights > 0]))),
        "trusted_share": round(trusted, 6), "inpainted_share": round(float((transfer.confidence < 0.05).mean()), 6),
        "unpose_error_m": round(float(np.abs(again - mesh.v_pos).max()), 9),
    }
    rig = Rig.write(context.out, skinning, metrics)
    context.progress.advance()
    write_preview(context.out / "preview", mesh, skinning, transfer.confidence, settings.preview_px)
    context.progress.advance()
    return rig
