"""Skin weights of chains: what a body's joint holds of hair and cloth is shared with the chains that hang on it.

The share of every other joint stays, and so does the sum over the anchor and its chains. A joint that is not turned moves as its parent
does, hence with the chains unturned every pose is what it would be without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stages.artifacts.body import Skeleton
from stages.artifacts.rig import INFLUENCES, Skinning
from stages.rig.chains import Strand, with_strands
from stages.rig.inpaint import strongest

# A share of a chain below this is left to its neighbours.
_LEAST = 0.004


def with_chains(skinning: Skinning, strands: Sequence[Strand]) -> Skinning:
    """``skinning`` with the strands' joints, and what they take of their anchors' weights. Rest positions stay."""
    if not strands:
        return skinning
    skeleton = with_strands(skinning.skeleton, strands)
    own = len(skinning.skeleton.names)
    weights = np.zeros((len(skinning.weights), len(skeleton.names)))
    np.add.at(weights, (np.arange(len(weights))[:, None], skinning.joints), skinning.weights)
    families = _families(strands, skinning, own)
    rooms = rooms_of(weights[:, :own], list(families), [shares.sum(-1) > 0 for _, shares in families.values()])
    for (anchor, (columns, shares)), room in zip(families.items(), rooms, strict=True):
        held = weights[:, anchor]
        family = np.concatenate([held[:, None] * (1 - shares.sum(-1, keepdims=True)), held[:, None] * shares], -1)
        weights[:, [anchor, *columns]] = fewest(family, room)
    joints, weights = strongest(weights, INFLUENCES, least=0.0)
    return replace(skinning, joints=joints, weights=weights, skeleton=skeleton)


def following(transforms: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Joint transforms (J, 4, 4) of the body's joints, and for those that come after them their parents': chains that are not turned."""
    out = list(transforms)
    for parent in skeleton.parents[len(out) :]:
        out.append(out[parent])
    return np.stack(out)


def shares_along(strand: Strand) -> np.ndarray:
    """(V, joints) in [0, 1]: 0 at the root, linear from the middle of one bone to the middle of the next, the last one to the tip."""
    down = np.where(np.isfinite(strand.loose.down_m), strand.loose.down_m, -1.0)
    middles = np.r_[strand.knots_m[0], (strand.knots_m[1:] + strand.knots_m[:-1]) / 2]
    place = np.interp(down, middles, np.arange(len(middles)))
    return np.maximum(0.0, 1 - np.abs(place[:, None] - np.arange(1, len(middles))))


def rooms_of(weights: np.ndarray, anchors: Sequence[int], moved: Sequence[np.ndarray]) -> list[np.ndarray]:
    """For each anchor (V,): how many influences it and its chains may have, beside those of other joints in ``weights`` (V, J).

    ``moved`` says for each anchor which vertices (V,) its chains reach. Two families at one vertex share what is left.
    """
    active = np.stack([(weights[:, anchor] > 0) & mask for anchor, mask in zip(anchors, moved, strict=True)], -1)
    others = (weights > 0).sum(-1) - active.sum(-1)
    each, over = np.divmod(INFLUENCES - others, np.maximum(active.sum(-1), 1))
    first = np.cumsum(active, -1) - 1
    return [np.where(active[:, k], each + (first[:, k] < over), 1) for k in range(len(anchors))]


def fewest(family: np.ndarray, room: np.ndarray) -> np.ndarray:
    """(V, C) weights with at most ``room`` (V,) entries in each row and the rows' sums as in ``family``; column 0 is the anchor.

    The largest entry that has to go is taken off all that stay, so that an entry fades out before it goes and nothing jumps. Where that
    leaves nothing, because all are equal, the first ones stay.
    """
    total = family.sum(-1, keepdims=True)
    kept = np.where(family >= _LEAST * total, family, 0.0)
    order = -np.sort(-np.pad(kept, ((0, 0), (0, INFLUENCES))), -1)
    limit = np.take_along_axis(order, room[:, None], -1)
    faded = np.maximum(kept - limit, 0.0)
    place = np.argsort(np.argsort(-kept, axis=-1, kind="stable"), axis=-1)
    equal = faded.sum(-1, keepdims=True) <= 1e-6 * total
    kept = np.where(equal, (place < room[:, None]) * np.maximum(kept, 1e-30), faded)
    return kept * (total / kept.sum(-1, keepdims=True))


def _families(strands: Sequence[Strand], skinning: Skinning, own: int) -> dict[int, tuple[list[int], np.ndarray]]:
    """Anchor -> (columns of its chains' joints, their shares (V, columns) of its weight)."""
    found: dict[int, tuple[list[int], list[np.ndarray]]] = {}
    for strand in strands:
        columns, shares = found.setdefault(skinning.skeleton.index(strand.anchor), ([], []))
        columns += range(own, own + strand.count)
        shares.append(shares_along(strand) * (strand.breadth * strand.loose.freedom)[:, None])
        own += strand.count
    return {anchor: (columns, np.concatenate(shares, -1)) for anchor, (columns, shares) in found.items()}
