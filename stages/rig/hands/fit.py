"""Both hands of a figure: fitted where they can be, told of where they cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stages.artifacts.attachments import Attachment
from stages.artifacts.body import BodyModel
from stages.artifacts.normals import vertex_normals
from stages.artifacts.parts import HANDS
from stages.artifacts.rig import Skinning, blended_transforms
from stages.rig.hands.colour import baked, skin_colour
from stages.rig.hands.graft import Hand, grafted
from stages.rig.hands.wrist import NoHand, arm_of, find_wrist
from stages.rig.inpaint import strongest
from stages.rig.transfer import Transfer
from stages.rig.unpose import unpose

SIDES = ("left", "right")


@dataclass(frozen=True)
class Hands:
    """``attachment``, None where no hand was fitted; ``hidden`` (F,) bool: the mittens that it stands for, None for none; ``sides`` that have one."""

    attachment: Attachment | None
    hidden: np.ndarray | None
    sides: tuple[str, ...]


NO_HANDS = Hands(None, None, ())


def fitted_hands(
    skinning: Skinning, v_pos: np.ndarray, t_pos_idx: np.ndarray, v_rgb: np.ndarray, transfer: Transfer, posed: BodyModel,
    rest2posed: np.ndarray, tell: Callable[[str], None],
) -> Hands:
    """Hands for the surface ``v_pos`` (V, 3) posed, bound by ``skinning``; ``v_rgb`` (V, 3) sRGB, ``rest2posed`` (J, 4, 4).

    ``tell`` hears of each hand that stays as it was reconstructed, and why.
    """
    v_nrm, skin = vertex_normals(v_pos, t_pos_idx), skin_colour(v_pos, t_pos_idx, v_rgb, transfer.hair, posed)
    hidden, pieces, sides = np.zeros(len(t_pos_idx), bool), [], []
    for side in SIDES:
        arm = arm_of(posed, side)
        if arm is None:
            continue
        try:
            wrist = find_wrist(v_pos.astype(np.float64), t_pos_idx, transfer.weights, arm)
            replaced = np.setdiff1d(t_pos_idx[wrist.hidden], wrist.loop)
            hand = grafted(wrist, arm, v_pos.astype(np.float64), v_nrm, v_rgb, v_rgb[replaced], skin, posed)
        except NoHand as reason:
            tell(f"the {side} hand stays as it was reconstructed: {reason}")
            continue
        pieces.append(_bound(hand, wrist.loop, skinning, posed, rest2posed))
        hidden |= wrist.hidden
        sides.append(side)
    return Hands(_attachment(pieces), hidden, tuple(sides)) if pieces else NO_HANDS


@dataclass(frozen=True)
class _Bound:
    """A hand at rest with its influences."""

    hand: Hand
    v_pos_rest: np.ndarray
    v_nrm: np.ndarray
    joints: np.ndarray
    weights: np.ndarray


def _bound(hand: Hand, loop: np.ndarray, skinning: Skinning, posed: BodyModel, rest2posed: np.ndarray) -> _Bound:
    """At the wrist every row is the surface's own, beyond it the body's."""
    joints, weights = strongest(posed.weights[hand.source])
    joints, weights = np.concatenate([skinning.joints[loop], joints]), np.concatenate([skinning.weights[loop], weights])
    v_pos_rest = unpose(hand.v_pos, joints, weights, rest2posed)
    v_pos_rest[: hand.joined] = skinning.v_pos_rest[loop]
    turn = blended_transforms(joints, weights, rest2posed)[:, :3, :3]
    v_nrm = np.linalg.solve(turn, hand.v_nrm[..., None])[..., 0]
    return _Bound(hand, v_pos_rest, v_nrm / np.maximum(np.linalg.norm(v_nrm, axis=-1, keepdims=True), 1e-12), joints, weights)


def _attachment(pieces: list[_Bound]) -> Attachment:
    """One surface of all hands."""
    starts = np.cumsum([0, *(len(p.v_pos_rest) for p in pieces)])
    t_pos_idx = np.concatenate([p.hand.t_pos_idx + start for p, start in zip(pieces, starts, strict=False)]).astype(np.int32)
    v_pos, v_rgb = np.concatenate([p.v_pos_rest for p in pieces]), np.concatenate([p.hand.v_rgb for p in pieces])
    v_tex, t_tex_idx, kd = baked(v_pos, t_pos_idx, v_rgb)
    joints, weights, v_nrm = (np.concatenate([getattr(p, name) for p in pieces]) for name in ("joints", "weights", "v_nrm"))
    return Attachment(HANDS, v_pos.astype(np.float32), t_pos_idx, v_tex, t_tex_idx, kd, joints.astype(np.uint16), weights.astype(np.float32),
                      double_sided=True, v_nrm=v_nrm.astype(np.float32))
