"""One evaluator for every mesh, whatever made it: figure PSNR, Chamfer distance, F-score, soundness.

``python -m scripts.bench.evaluate_mesh mesh.glb views/ --truth truth.npz`` (arrays ``v_pos``, ``t_pos_idx``). Definitions:

- figure PSNR: as ``stages.artifacts.scores``, of the mesh as re-imported from its GLB, drawn with 16 samples a pixel.
- Chamfer: mean distance from 100,000 area-weighted samples of one surface to the other *surface*, both ways averaged, as a share of the
  truth's bounding-box diagonal. Only samples that can be seen from outside count, and only faces that can be seen are aimed at.
- F@0.5%: harmonic mean of the shares of those samples within 0.5 % of the diagonal.
- outside: seen by a 1024 px depth picture from one of 48 directions, 16 azimuths at elevations -20, 10 and 40 degrees.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numba
import numpy as np
from scipy import ndimage

from scripts.bench.machine import report
from stages.artifacts.cameras import Camera, orbit
from stages.artifacts.closest import closest_points
from stages.artifacts.glb_reader import read_glb
from stages.artifacts.scores import figure_psnr, gradient_energy_ratio, on_white, psnr
from stages.artifacts.views import ViewSet
from stages.mesh.repair import face_areas, face_components, is_edge_manifold
from stages.rendering.picture import Surface, draw
from stages.rendering.zbuffer import interpolate, rasterize

SAMPLES = 100_000
WITHIN = 0.005
DIRECTIONS = [(22.5 * i + elevation / 4, elevation) for elevation in (-20, 10, 40) for i in range(16)]
DEPTH_PX = 1024
FEW = 50  # pixels of a picture


def imported(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(v_pos (V, 3), triangles (F, 3), v_tex (V, 2) v up, kd (H, W, 3) uint8) of the first part of a GLB, in the world frame."""
    from PIL import Image

    scene = read_glb(path)
    part = scene.parts[0]
    material = scene.materials[part.material]
    kd = np.asarray(Image.open(io.BytesIO(material.kd_png)).convert("RGB"))
    return part.v_pos, part.t_pos_idx, part.v_tex, kd


def picture_scores(path: Path, views: ViewSet) -> dict[str, float]:
    """Mean figure PSNR of an exported mesh over ``views``, by ring, and over whole pictures."""
    v_pos, faces, v_tex, kd = imported(path)
    surface = Surface(np.zeros_like(v_pos), faces.astype(np.int64), v_tex, faces.astype(np.int64), kd)
    scores: dict[str, list[float]] = {}
    for name, camera in zip(views.names, views.cameras, strict=True):
        drawn = draw(surface, v_pos, camera, supersample=4) / 255.0
        add_scores(scores, name, views.image(name), drawn, coverage(v_pos, faces, camera))
    return {key: float(np.mean(values)) for key, values in scores.items()}


def add_scores(scores: dict[str, list[float]], name: str, view: np.ndarray, drawn: np.ndarray, covered: np.ndarray) -> None:
    """Scores of ``drawn`` (H, W, 3), on white, against an RGBA ``view`` called ``name``, appended to ``scores``."""
    picture = opaque(drawn, covered)
    figure = figure_psnr(view, picture)
    scores.setdefault("psnr_db", []).append(figure)
    scores.setdefault(f"psnr_{name.split('_')[0]}_db", []).append(figure)
    scores.setdefault("psnr_whole_picture_db", []).append(psnr(on_white(view), drawn))
    scores.setdefault("gradient_energy_ratio", []).append(gradient_energy_ratio(view, picture))


def opaque(drawn: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """RGBA (H, W, 4) that shows ``drawn`` unchanged over white and whose alpha still says where the figure is."""
    alpha = np.where(covered, 1.0, 1e-3)[..., None]
    return np.concatenate([1 - (1 - drawn) / alpha, alpha], -1)


def coverage(v_pos: np.ndarray, faces: np.ndarray, camera: Camera) -> np.ndarray:
    """(H, W) bool: pixels whose centre the mesh covers."""
    clip = np.concatenate([v_pos, np.ones((len(v_pos), 1))], -1) @ camera.w2clip().T
    return rasterize(clip, faces, camera.height, camera.width)[0] >= 0


def _outside_cameras(v_pos: np.ndarray) -> list[Camera]:
    middle = (v_pos.min(0) + v_pos.max(0)) / 2
    radius = float(np.linalg.norm(v_pos - middle, axis=-1).max())
    focal = 0.48 * DEPTH_PX * np.sqrt(15.0)
    return [orbit("outside", middle, 4 * radius, a, e, focal, DEPTH_PX, DEPTH_PX) for a, e in DIRECTIONS]


def outside(v_pos: np.ndarray, faces: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which ``points`` (N, 3) of the surface, and which faces (F,), can be seen from outside."""
    seen, shown = np.zeros(len(points), bool), np.zeros(len(faces), bool)
    homogeneous = np.concatenate([v_pos, np.ones((len(v_pos), 1))], -1)
    for camera in _outside_cameras(v_pos):
        clip = homogeneous @ camera.w2clip().T
        ids, bary, _ = rasterize(clip, faces, DEPTH_PX, DEPTH_PX)
        shown[ids[ids >= 0]] = True
        depth = np.where(ids >= 0, interpolate(clip[:, 3:], faces, ids, bary)[..., 0], np.inf)
        depth = ndimage.maximum_filter(depth, 2)  # a point may lie between pixel centres
        pixel, distance = camera.project(points)
        at = np.clip(pixel.astype(int), 0, DEPTH_PX - 1)
        seen |= distance <= depth[at[:, 1], at[:, 0]] * 1.0005
    return seen, shown


def sampled(v_pos: np.ndarray, faces: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(SAMPLES, 3) points spread evenly by area, and the normals there."""
    area = face_areas(v_pos, faces)
    face = rng.choice(len(faces), SAMPLES, p=area / area.sum())
    u, v = rng.random((2, SAMPLES))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    p = v_pos[faces[face]]
    return p[:, 0] + u[:, None] * (p[:, 1] - p[:, 0]) + v[:, None] * (p[:, 2] - p[:, 0]), face_normals(v_pos, faces)[face]


def shape_scores(
    mesh: tuple[np.ndarray, np.ndarray], truth: tuple[np.ndarray, np.ndarray], head: np.ndarray | None = None, seed: int = 0
) -> dict[str, float]:
    """Chamfer distance, F-score and agreement of normals of two surfaces (vertices, triangles); with ``head``, which triangles of the truth
    are the head's, (F,) bool, the F-score there, within half the distance. Of the mesh, what is nearest to those triangles counts as head."""
    rng = np.random.default_rng(seed)
    diagonal = float(np.linalg.norm(np.ptp(truth[0], axis=0)))
    sides = []
    for v_pos, faces in (mesh, truth):
        points, normals = sampled(v_pos, faces, rng)
        seen, shown = outside(v_pos, faces, points)
        sides.append((points[seen], normals[seen], v_pos, np.flatnonzero(shown), faces))
    (p, p_nrm, v_m, shown_m, f_m), (q, q_nrm, v_t, shown_t, f_t) = sides
    there, back = closest_points(p, v_t, f_t[shown_t]), closest_points(q, v_m, f_m[shown_m])
    near, far = there.distance / diagonal, back.distance / diagonal
    precision, recall = float((near <= WITHIN).mean()), float((far <= WITHIN).mean())
    scores = {
        "chamfer_percent": 100 * float(near.mean() + far.mean()) / 2, "chamfer_mesh_to_truth_percent": 100 * float(near.mean()),
        "chamfer_truth_to_mesh_percent": 100 * float(far.mean()), "precision": precision, "recall": recall,
        "f_score": _harmonic(precision, recall), "diagonal_m": diagonal,
        "normal_consistency": float(
            _agreement(p_nrm, face_normals(v_t, f_t)[shown_t][there.triangle]) + _agreement(q_nrm, face_normals(v_m, f_m)[shown_m][back.triangle])
        ) / 2,
    }  # fmt: skip
    if head is not None and head.any():
        on_head = head[shown_t][there.triangle], head[shown_t][closest_points(q, v_t, f_t[shown_t]).triangle]
        scores["f_score_head_quarter"] = _harmonic(float((near[on_head[0]] <= WITHIN / 2).mean()), float((far[on_head[1]] <= WITHIN / 2).mean()))
    return scores


def _harmonic(precision: float, recall: float) -> float:
    return 2 * precision * recall / max(precision + recall, 1e-9)


def _agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Mean cosine of unit normals, whichever side they are on: a thin sheet is seen from both."""
    return float(np.abs((a * b).sum(1)).mean())


def face_normals(v_pos: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F, 3) unit normals, 0 for a triangle without area."""
    a, b, c = v_pos[faces].astype(np.float64).transpose(1, 0, 2)
    normal = np.cross(b - a, c - a)
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-30)


def soundness(v_pos: np.ndarray, faces: np.ndarray) -> dict[str, float]:
    """Of a welded mesh: share of triangles whose longest side is more than four times the height on it; edges of one triangle (borders) and
    of more than two (non-manifold); pieces."""
    sides = np.linalg.norm(v_pos[faces] - v_pos[np.roll(faces, 1, 1)], axis=-1)
    area = face_areas(v_pos, faces)
    longest = sides.max(1)
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
    count = np.unique(edges, axis=0, return_counts=True)[1]
    return {
        "aspect_over_4_share": float((longest**2 > 4 * 2 * area).mean()), "border_edges": int((count == 1).sum()),
        "non_manifold_edges": int((count > 2).sum()), "pieces": int(face_components(faces).max() + 1),
    }  # fmt: skip


def holes_seen(v_pos: np.ndarray, faces: np.ndarray) -> float:
    """Share of the pixels of the outside pictures whose ray meets the back of a face first: 0 for a closed surface without folds.

    The pictures' depth cannot tell front from back where both are a hair apart, as at every outline; so the rays of the pixels in
    question, where they are few, are cut with all faces in float64.
    """
    backs = total = 0
    homogeneous = np.concatenate([v_pos, np.ones((len(v_pos), 1))], -1)
    p = v_pos[faces].astype(np.float64)
    normal, middle = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]), p.mean(1)
    for camera in _outside_cameras(v_pos):
        ids = rasterize(homogeneous @ camera.w2clip().T, faces, DEPTH_PX, DEPTH_PX)[0]
        away = ((camera.position - middle) * normal).sum(-1) < 0
        asked = np.argwhere((ids >= 0) & away[ids])
        if len(asked) <= FEW:
            directions = camera.rays()[1]
            asked = [at for at in asked if away[_first_hit(camera.position, directions[tuple(at)], p, ids[tuple(at)])]]
        backs += len(asked)
        total += int((ids >= 0).sum())
    return backs / max(total, 1)


@numba.njit(cache=True, nogil=True)
def _first_hit(origin, direction, p, otherwise):
    """The triangle of ``p`` (F, 3, 3) that a ray meets first; ``otherwise`` if it misses them all (Moeller and Trumbore 1997)."""
    first, nearest = otherwise, np.inf
    for f in range(len(p)):
        e1, e2, s = p[f, 1] - p[f, 0], p[f, 2] - p[f, 0], origin - p[f, 0]
        h = np.cross(direction, e2)
        d = (e1 * h).sum()
        if d == 0.0:
            continue
        u = (s * h).sum() / d
        if u < 0 or u > 1:
            continue
        q = np.cross(s, e1)
        v, t = (direction * q).sum() / d, (e2 * q).sum() / d
        if v >= 0 and u + v <= 1 and 0 < t < nearest:
            first, nearest = f, t
    return first


def uses_of_charts(v_tex: np.ndarray, t_tex_idx: np.ndarray, size: int) -> dict[str, float]:
    """Of the texels of a ``size`` texture the share whose centre lies strictly inside a triangle; of these the share inside more than one."""
    corners = v_tex[t_tex_idx].astype(np.float64) * size
    count = np.zeros((size, size), np.int32)
    for a, b, c in corners:
        low = np.maximum(np.floor(np.minimum(np.minimum(a, b), c)).astype(int), 0)
        high = np.minimum(np.ceil(np.maximum(np.maximum(a, b), c)).astype(int) + 1, size)
        x, y = np.meshgrid(np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1]) + 0.5)
        sides = [(q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]) for p, q in ((a, b), (b, c), (c, a))]
        inside = np.all([s > 1e-6 for s in sides], 0) | np.all([s < -1e-6 for s in sides], 0)
        count[low[1] : high[1], low[0] : high[0]] += inside
    return {"chart_overlap_share": float((count > 1).sum() / max((count > 0).sum(), 1)), "chart_use_share": float((count > 0).mean())}


def welded(v_pos: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and triangles without the seams that a texture cuts."""
    joined, index = np.unique(v_pos.round(7), axis=0, return_inverse=True)
    return joined, index.reshape(-1)[faces]


def evaluate(
    path: Path, views: Sequence[tuple[str, ViewSet]], truth: tuple[np.ndarray, np.ndarray] | None, head: np.ndarray | None = None
) -> dict[str, Any]:
    """Every figure of one GLB; ``views`` are named sets of pictures, ``head`` the triangles of ``truth`` that are the head's."""
    v_pos, faces, v_tex, _ = imported(path)
    joined, closed = welded(v_pos, faces)
    out: dict[str, Any] = {
        "triangles": len(faces), "edges_manifold": is_edge_manifold(closed), "backs_seen_share": holes_seen(joined, closed),
        **uses_of_charts(v_tex, faces, 1024), **soundness(joined, closed),
    }
    for name, view_set in views:
        out[name] = picture_scores(path, view_set)
    if truth is not None:
        out["shape"] = shape_scores((joined, closed), truth, head)
    return out


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mesh", type=Path, help="GLB file")
    parser.add_argument("views", type=Path, help="folder with transforms.json and RGBA pictures")
    parser.add_argument("--truth", type=Path, help="npz with v_pos and t_pos_idx")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    a = parser.parse_args()
    truth = None
    if a.truth:
        with np.load(a.truth, allow_pickle=False) as arrays:
            truth = arrays["v_pos"], arrays["t_pos_idx"]
    report(evaluate(a.mesh, [("views", ViewSet.open(a.views))], truth), a.json)


if __name__ == "__main__":
    main()
