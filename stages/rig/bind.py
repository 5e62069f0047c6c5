"""The rig stage's run: transfer, smooth, keep four influences, unpose, lay chains, fit a face, make it move, draw a few poses."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.errors import StageError
from pipeline.stage import StageContext
from stages.artifacts.body import BodyModel
from stages.artifacts.chains import Chain, chains_of
from stages.artifacts.conditions import ConditionSet
from stages.artifacts.images import to_u8
from stages.artifacts.mesh import MeshAsset, TexturedMesh
from stages.artifacts.rig import Rig, Skinning
from stages.rendering.joined import Joined
from stages.rig.beneath import body_beneath
from stages.rig.chain_weights import following, with_chains
from stages.rig.chains import lay_strands
from stages.rig.colliders import fit_colliders
from stages.rig.face.fit import Face, fit_face
from stages.rig.hands.colour import skin_colour
from stages.rig.hands.fit import NO_HANDS, fitted_hands
from stages.rig.inpaint import strongest
from stages.rig.loose import loose_parts
from stages.rig.open_skirt import Opened, opened
from stages.rig.settings import RigSettings
from stages.rig.transfer import Transfer, transfer_weights
from stages.rig.unpose import unpose


def bind(
    v_pos: np.ndarray, t_pos_idx: np.ndarray, rest: BodyModel, posed: BodyModel, rest2posed: np.ndarray, settings: RigSettings,
    v_rgb: np.ndarray | None = None,
) -> tuple[Skinning, Transfer]:
    """The surface ``v_pos`` (V, 3), in the posed frame, bound to the body's skeleton at rest; and how the weights came about."""
    transfer = transfer_weights(v_pos.astype(np.float64), t_pos_idx, posed, settings, v_rgb)
    joints, weights = strongest(transfer.weights)
    v_pos_rest = unpose(v_pos, joints, weights, rest2posed)
    return Skinning(v_pos_rest.astype(np.float32), joints, weights, rest.skeleton), transfer


def chained(skinning: Skinning, t_pos_idx: np.ndarray, transfer: Transfer, settings: RigSettings) -> Skinning:
    """``skinning`` with chains in what hangs loose, if any are wanted and anything does."""
    if settings.chains == "none":
        return skinning
    return with_chains(skinning, lay_strands(loose_parts(skinning, t_pos_idx, transfer), skinning, settings.chain_limits))


def vertex_colours(mesh: TexturedMesh) -> np.ndarray:
    """(V, 3) sRGB in [0, 1]: the base colour at each vertex, the mean over the texture corners that meet there."""
    kd = to_u8(mesh.kd)[..., :3].astype(np.float64) / 255
    x = np.clip((mesh.v_tex[:, 0] * kd.shape[1]).astype(int), 0, kd.shape[1] - 1)
    y = np.clip(((1 - mesh.v_tex[:, 1]) * kd.shape[0]).astype(int), 0, kd.shape[0] - 1)
    return corner_mean(kd[y, x][mesh.t_tex_idx], mesh.t_pos_idx, len(mesh.v_pos))


def corner_mean(corners: np.ndarray, t_pos_idx: np.ndarray, count: int) -> np.ndarray:
    """Values of triangle corners (F, 3, C) averaged at the vertices, (count, C)."""
    index = t_pos_idx.ravel()
    flat = corners.reshape(len(index), -1)
    total = np.stack([np.bincount(index, flat[:, c], count) for c in range(flat.shape[1])], -1)
    return total / np.maximum(np.bincount(index, minlength=count), 1)[:, None]


def run(settings: RigSettings, mesh: MeshAsset, conditions: ConditionSet, context: StageContext) -> Rig:
    """Fill ``context.out`` with the rig. Raises StageError if the surface lies nowhere near the body."""
    from stages.rig.clip_video import write_clip_video
    from stages.rig.face.preview import write_expressions
    from stages.rig.hands.preview import write_hands
    from stages.rig.motion.clips import clips_of
    from stages.rig.preview import write_preview

    context.progress.start("skin weights", 5)
    rest, posed = conditions.body_rest, conditions.body_posed
    v_rgb = vertex_colours(mesh.mesh)
    skinning, transfer = bind(mesh.v_pos, mesh.t_pos_idx, rest, posed, conditions.rest2posed, settings, v_rgb)
    trusted = float(((transfer.confidence > 0.5) & ~transfer.hair).mean())
    context.progress.advance(1, trusted=trusted)
    if trusted < 0.02:
        raise StageError(
            f"only {trusted:.1%} of the surface lies within {settings.far_m} m of the posed body and faces as it does; expected most of it. "
            "Mesh and conditions are not in one frame, or rig.near_m and rig.far_m are too small"
        )
    if trusted < 0.3:
        context.warn(f"Skin weights: only {trusted:.0%} of the surface lies on the body; the rest is inpainted and may bend wrongly.")
    skinning = chained(skinning, mesh.t_pos_idx, transfer, settings)
    chains = [chain for chain in chains_of(skinning.skeleton) if chain.joints[0] >= len(rest.skeleton.names)]
    context.progress.advance(1, chains=len(chains))
    face = _face(mesh.mesh, skinning, rest, settings, context)
    rest2posed = following(conditions.rest2posed, skinning.skeleton)
    again = skinning.posed(rest2posed)
    hands = NO_HANDS
    if settings.hands == "auto":
        hands = fitted_hands(skinning, mesh.v_pos, mesh.t_pos_idx, v_rgb, transfer, posed, rest2posed, lambda said: context.warn(f"Hands: {said}."))
    skirt = Opened()
    if settings.skirts == "auto" and mesh.parts is None:
        skirt = opened(skinning, mesh.v_pos, mesh.t_pos_idx, v_rgb, transfer, posed, rest2posed)
        if skirt.refused:
            context.warn(f"The skirt stays closed beneath: {skirt.refused}.")
    metrics = _figures(skinning, transfer, trusted, chains) | face.metrics | {
        "hands": list(hands.sides), "skirt_opened": skirt.hidden is not None, "unpose_error_m": round(float(np.abs(again - mesh.v_pos).max()), 9),
    }
    clips = clips_of(settings, skinning.skeleton, context)
    colliders = fit_colliders(rest) if chains else ()
    own_hands = () if hands.attachment is None else (hands.attachment,)
    attachments, hidden = (*face.attachments, *own_hands, *skirt.attachments), any_of(face.hidden, hands.hidden, skirt.hidden)
    shown = Joined(mesh.mesh, skinning, attachments, face.morphs, hidden)
    if settings.beneath == "auto" and mesh.parts is not None:
        seen = mesh.t_pos_idx if hands.hidden is None else mesh.t_pos_idx[~hands.hidden]
        skin = skin_colour(mesh.v_pos, mesh.t_pos_idx, v_rgb, transfer.hair, posed)
        attachments += (body_beneath(skinning, mesh.v_pos, seen, transfer, own_hands, skin, posed, rest2posed, face.attachments),)
    rig = Rig.write(context.out, skinning, metrics, clips, colliders, attachments, face.morphs, hidden)
    context.progress.advance()
    write_preview(context.out / "preview", shown, skinning, transfer.confidence, settings.preview_px)
    if face.attachments:
        write_expressions(context.out / "preview", mesh.mesh, skinning, rest, face, settings.preview_px // 2)
    if hands.sides:
        write_hands(context.out / "preview", mesh.mesh, skinning, hands)
    context.progress.advance()
    if clips and settings.clip_preview_s:
        write_clip_video(context.out / "preview", shown, skinning, clips[0], settings.clip_preview_s, settings.preview_px)
    context.progress.advance()
    return rig


def any_of(*hidden: np.ndarray | None) -> np.ndarray | None:
    """Triangles (F,) that are hidden by one or another; None where there is none of them."""
    there = [triangles for triangles in hidden if triangles is not None]
    return np.any(there, axis=0) if there else None


def _figures(skinning: Skinning, transfer: Transfer, trusted: float, chains: list[Chain]) -> dict[str, Any]:
    """Of the weights and the chains, for ``metrics.json``; ``trusted`` is the share of the surface whose weights are the body's."""
    return {
        "vertices": len(skinning.weights), "joints_used": int(len(np.unique(skinning.joints[skinning.weights > 0]))),
        "trusted_share": round(trusted, 6), "inpainted_share": round(float((transfer.confidence < 0.05).mean()), 6),
        "hair_share": round(float(transfer.hair.mean()), 6),
        "hair_chains": sum(chain.kind == "hair" for chain in chains), "skirt_chains": sum(chain.kind == "skirt" for chain in chains),
        "chain_joints": sum(len(chain.joints) for chain in chains),
    }


def _face(mesh: TexturedMesh, skinning: Skinning, rest: BodyModel, settings: RigSettings, context: StageContext) -> Face:
    """The face, if one is wanted; what could not be made of it is told."""
    face = fit_face(mesh, skinning, rest, settings.expressions == "arkit") if settings.face == "auto" else Face()
    for reason in face.refused:
        context.warn(f"No expressions for {reason}; there it stays as it was reconstructed.")
    context.progress.advance(1, expressions=len(face.metrics["face_expressions"]))
    return face
