"""Which part of the surface is hair, and what it follows: the head at the top, the upper chest where it falls over the shoulders.

Hair that lies on a shoulder is as close to it as a sleeve is; distance cannot tell them apart, colour can. Hair is what has the
colours found over the body's scalp and hangs together with it. Where that would take in the clothes too (black hair on a
black shirt) nothing is called hair; but if it is a hat's colour that does, the hair under it is told from the hat first.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from stages.artifacts.body import BodyModel, Skeleton
from stages.artifacts.closest import Closest
from stages.rig.easing import smoothstep
from stages.rig.inpaint import edges_of

# Distances of sRGB colours in [0, 1]: cel shading moves a colour by about 0.1 within one third of its range.
_ALIKE = 0.14
_TONES = 3
_LEAST_SEEDS = 20
# What lies over the face but further than this from it, metres, is a fringe or a side lock and says nothing of the skin's colour.
_ON_SKIN_M = 0.012
# What stands off these is hair or a hat.
_HEAD = ("scalp", "face", "ear_l", "ear_r")
_ROUNDS = 12
# If more than this share of what lies on a part of the body were hair, it is cloth of the same colour.
_CLOTH = {"chest": 0.6, "abdomen": 0.4, "lower_arm_l": 0.15, "lower_arm_r": 0.15, "upper_arm_l": 0.4, "upper_arm_r": 0.4, "pelvis_front": 0.3}


def find_hair(v_rgb: np.ndarray, t_pos_idx: np.ndarray, near: Closest, posed: BodyModel) -> np.ndarray:
    """(V,) bool, from colours (V, 3) sRGB in [0, 1] and each vertex's closest point on the posed body. All False where it cannot be told."""
    nothing = np.zeros(len(v_rgb), bool)
    if "scalp" not in posed.part_names or "face" not in posed.part_names:
        return nothing
    part = np.where(near.triangle >= 0, posed.t_part[np.maximum(near.triangle, 0)], -1)
    smooth = smoothed(v_rgb, t_pos_idx)
    scalp, face = (part == posed.part_names.index(name) for name in ("scalp", "face"))
    if scalp.sum() < _LEAST_SEEDS or face.sum() < _LEAST_SEEDS:
        return nothing
    bare = face & (near.distance < _ON_SKIN_M)
    to_skin = distance_to_tones(smooth, tones(smooth[bare if bare.sum() >= _LEAST_SEEDS else face]))
    hair = _of_tones(smooth, scalp, to_skin, part, t_pos_idx, posed)
    if hair.any():
        return hair
    head = [i for i, name in enumerate(posed.part_names) if name in _HEAD]
    kinds = two_kinds(smooth, scalp | (np.isin(part, head) & (near.distance > _ON_SKIN_M)))
    for seeds, others in (kinds, kinds[::-1]) if kinds else ():
        to_others = np.minimum(to_skin, distance_to_tones(smooth, tones(smooth[others])))
        hair |= _of_tones(smooth, seeds, to_others, part, t_pos_idx, posed)
    return hair


def two_kinds(colours: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """``mask`` (V,) in two, by colour (V, 3): a hat and the hair under it. None where all of it is of one kind.

    Lloyd's two means, begun at the ends of the longest axis of the colours.
    """
    mine = colours[mask]
    axis = np.linalg.svd(mine - mine.mean(0), full_matrices=False)[2][0]
    first = (mine - mine.mean(0)) @ axis > 0
    for _ in range(_ROUNDS):
        if min(first.sum(), (~first).sum()) < _LEAST_SEEDS:
            return None
        means = mine[first].mean(0), mine[~first].mean(0)
        first = np.linalg.norm(mine - means[0], axis=-1) < np.linalg.norm(mine - means[1], axis=-1)
    if np.linalg.norm(means[0] - means[1]) < 2 * _ALIKE:
        return None
    halves = np.zeros((2, len(mask)), bool)
    halves[:, mask] = first, ~first
    return halves[0], halves[1]


def _of_tones(
    colours: np.ndarray, seeds: np.ndarray, to_others: np.ndarray, part: np.ndarray, t_pos_idx: np.ndarray, posed: BodyModel
) -> np.ndarray:
    """(V,) bool: what is nearer to the tones of ``seeds`` than ``to_others`` (V,) and hangs together with them; nothing if that is cloth."""
    to_hair = distance_to_tones(colours, tones(colours[seeds]))
    alike = (to_hair < _ALIKE) & (to_hair < to_others)
    hair = reached(alike & seeds, alike, t_pos_idx)
    for name, share in _CLOTH.items():
        on_part = part == posed.part_names.index(name) if name in posed.part_names else np.zeros(len(part), bool)
        if on_part.any() and hair[on_part].mean() > share:
            return np.zeros(len(part), bool)
    return hair


def hair_weights(v_pos: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """(V, J): the head above the neck joint, the upper chest from the chest joint down, a smooth change between. Posed heights."""
    weights = np.zeros((len(v_pos), len(skeleton.names)))
    chest = next(n for n in ("upperChest", "chest", "spine", "hips") if n in skeleton.names)
    low = next(n for n in ("chest", "spine", "hips") if n in skeleton.names)
    top, bottom = skeleton.heads[skeleton.index("neck" if "neck" in skeleton.names else "head"), 2], skeleton.heads[skeleton.index(low), 2]
    share = smoothstep((top - v_pos[:, 2]) / max(top - bottom, 1e-3))
    weights[:, skeleton.index("head")] = 1 - share
    weights[:, skeleton.index(chest)] += share
    return weights


def smoothed(values: np.ndarray, t_pos_idx: np.ndarray, rounds: int = 2) -> np.ndarray:
    """Vertex values (V, C) averaged with their neighbours': a drawn line is thinner than a lock."""
    e = edges_of(t_pos_idx)
    count = len(values)
    link = sparse.coo_matrix((np.ones(2 * len(e)), (np.r_[e[:, 0], e[:, 1]], np.r_[e[:, 1], e[:, 0]])), (count, count)).tocsr()
    degree = 1 + np.asarray(link.sum(1))
    for _ in range(rounds):
        values = (values + link @ values) / degree
    return values


def tones(colours: np.ndarray) -> np.ndarray:
    """(3, 3) mean colours of the dark, middle and light third of ``colours`` (N, 3)."""
    order = np.argsort(colours.sum(-1), kind="stable")
    return np.stack([colours[third].mean(0) for third in np.array_split(order, _TONES)])


def distance_to_tones(colours: np.ndarray, to: np.ndarray) -> np.ndarray:
    """(N,) distance of each colour to the nearest tone."""
    return np.linalg.norm(colours[:, None] - to[None], axis=-1).min(1)


def reached(start: np.ndarray, allowed: np.ndarray, t_pos_idx: np.ndarray) -> np.ndarray:
    """(V,) bool: allowed vertices that hang together with a start through allowed ones."""
    e = edges_of(t_pos_idx)
    e = e[allowed[e].all(-1)]
    graph = sparse.coo_matrix((np.ones(len(e)), (e[:, 0], e[:, 1])), (len(start), len(start)))
    label = csgraph.connected_components(graph, directed=False)[1]
    return allowed & np.isin(label, np.unique(label[start & allowed]))
