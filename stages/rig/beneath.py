"""The body beneath: what is seen where hair or a garment is taken off.

The posed base body, drawn in until it lies under the reconstruction, in the figure's skin colour. Where cloth lies close it moves as the cloth does,
so that it does not come through; elsewhere as the body does.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from stages.artifacts.attachments import Attachment
from stages.artifacts.body import BodyModel
from stages.artifacts.closest import Closest, closest_points
from stages.artifacts.decimate import decimated
from stages.artifacts.links import neighbour_mean, vertex_links
from stages.artifacts.normals import unit, vertex_normals
from stages.artifacts.parts import BENEATH
from stages.artifacts.rig import Skinning, skin_sparse
from stages.rig.easing import smoothstep
from stages.rig.hands.colour import baked
from stages.rig.hands.graft import hollowness
from stages.rig.inpaint import components_of, strongest
from stages.rig.transfer import Transfer
from stages.rig.unpose import unpose

MARGIN_M = 0.004  # under the surface
AROUND_M = 0.015
ROUNDS, SMOOTHINGS = 6, 4  # of drawing in, and of evening out in each
WITH_CLOTH_M = (0.015, 0.05)  # distance up to which it moves as the cloth over it, and from which as the body
SHADE = 0.08
SHARE, LEAST_TRIANGLES = 4, 2000  # of the triangles of what lies over it, that it has


def body_beneath(
    skinning: Skinning, v_pos: np.ndarray, t_pos_idx: np.ndarray, transfer: Transfer, further: tuple[Attachment, ...], skin: np.ndarray,
    posed: BodyModel, rest2posed: np.ndarray, inner: tuple[Attachment, ...] = (),
) -> Attachment:
    """Beneath what is seen of the surface ``v_pos`` (V, 3), ``t_pos_idx`` (F, 3) posed, and ``further`` surfaces, and behind those that reach into
    the head (``inner``: a mouth); ``skin`` (3,) sRGB."""
    around, triangles = [v_pos.astype(np.float64)], [t_pos_idx.astype(np.int64)]
    for a in further:
        triangles.append(a.t_pos_idx.astype(np.int64) + sum(map(len, around)))
        around.append(skin_sparse(a.v_pos_rest, a.joints, a.weights, rest2posed))
    v_around, t_around = np.concatenate(around), np.concatenate(triangles)
    start, faces = decimated(*outer_piece(posed), max(LEAST_TRIANGLES, len(t_pos_idx) // SHARE))
    v_body = drawn_in(start.astype(np.float64), faces, v_around, t_around)
    reaching = [skin_sparse(a.v_pos_rest, a.joints, a.weights, rest2posed) for a in inner]
    v_body = behind(v_body, np.concatenate(reaching)) if reaching else v_body
    over, own = closest_points(v_body, v_around, t_around), closest_points(start, posed.v_pos, posed.t_pos_idx)
    dense = moving(own.interpolate(posed.weights, posed.t_pos_idx), over, t_around, len(t_pos_idx), transfer)
    joints, weights = strongest(dense)
    v_pos_rest = unpose(v_body, joints, weights, rest2posed).astype(np.float32)
    shade = SHADE * hollowness(v_body, vertex_normals(v_body, faces), 0.04)[:, None]
    v_tex, t_tex_idx, kd = baked(v_body, faces, skin * (1 - shade * [0.6, 1.0, 1.0]))
    return Attachment(BENEATH, v_pos_rest, faces.astype(np.int32), v_tex, t_tex_idx, kd, joints.astype(np.uint16), weights.astype(np.float32), own_mesh=True)


def outer_piece(body: BodyModel) -> tuple[np.ndarray, np.ndarray]:
    """Positions (V', 3) and triangles (F', 3) of the body's largest connected piece, which has neither eyes nor teeth in it."""
    label = components_of(body.t_pos_idx, len(body.v_pos))
    kept = np.flatnonzero(label == np.bincount(label).argmax())
    return body.v_pos[kept], np.searchsorted(kept, body.t_pos_idx[np.isin(body.t_pos_idx[:, 0], kept)])


def drawn_in(v_body: np.ndarray, faces: np.ndarray, v_around: np.ndarray, t_around: np.ndarray, thick_m: np.ndarray | None = None) -> np.ndarray:
    """(V, 3) the body with every vertex at least about ``MARGIN_M`` under the surface round it, and under ``thick_m`` (of each vertex of that) more; what lies
    deeper stays where it is.

    Each round draws in what is too near, evens out the displacements over the neighbours, and begins again; the last one does not even out.
    """
    normals, mean = vertex_normals(v_around, t_around), neighbour_mean(vertex_links(faces, len(v_body)))
    moved = v_body
    for number in range(ROUNDS):
        near = closest_points(moved, v_around, t_around)
        outward = unit(near.interpolate(normals, t_around), np.array([0.0, 0.0, 1.0]))
        margin = MARGIN_M + (np.zeros(len(moved)) if thick_m is None else near.interpolate(thick_m[:, None], t_around)[:, 0])
        shallow = margin - ((near.point - moved) * outward).sum(-1)
        target = np.where((shallow > 0)[:, None], near.point - margin[:, None] * outward, moved)
        offset = target - v_body
        for _ in range(SMOOTHINGS if number < ROUNDS - 1 else 0):
            offset = np.where((shallow > 0)[:, None], offset, 0.5 * offset + 0.5 * (mean @ offset))
        moved = v_body + offset
    return moved


def behind(v_body: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(V, 3) with what lies before ``points`` (N, 3) of a face that looks to -Y, within ``AROUND_M`` of them beside and above, moved back behind all of these."""
    tree, out = cKDTree(points[:, [0, 2]]), v_body.copy()
    front = v_body[:, 1] < points[:, 1].max() + MARGIN_M
    for i in np.flatnonzero(front):
        near = tree.query_ball_point(v_body[i, [0, 2]], AROUND_M)
        if near:
            out[i, 1] = max(out[i, 1], points[near, 1].max() + MARGIN_M)
    return out


def moving(own: np.ndarray, over: Closest, t_around: np.ndarray, main_count: int, transfer: Transfer) -> np.ndarray:
    """(V, J) weights: those of the main surface's first ``main_count`` triangles where they lie close ``over`` it or are a skirt, and are no hair; else
    the body's ``own``. Under a skirt thighs move as it does: they would come through it, for it follows them by half."""
    on_main = (over.triangle >= 0) & (over.triangle < main_count)
    rows = t_around[np.where(on_main, over.triangle, 0)]
    cloth = np.einsum("nk,nkj->nj", over.bary, transfer.weights[rows])
    hair, skirt = (np.einsum("nk,nk->n", over.bary, there[rows].astype(float)) for there in (transfer.hair, transfer.skirt))
    low, high = WITH_CLOTH_M
    share = np.maximum(1 - smoothstep((over.distance - low) / (high - low)), skirt) * (hair < 0.5) * on_main
    return share[:, None] * cloth + (1 - share[:, None]) * own
