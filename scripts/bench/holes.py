"""What is seen where a part of an exported figure is hidden: holes, from 64 directions.

Each part of a GLB is hidden in turn; what is left is drawn as a program draws it, with the backs of surfaces left out that are not double-sided.
``holes_px``: pixels that show nothing though the ray meets what is left of the figure, or the body that is in it. ``backs_share``: share of the drawn
pixels that show the back of something double-sided, such as the inside of a sleeve.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages.artifacts.cameras import orbit
from stages.artifacts.glb_reader import GlbPart, read_glb
from stages.artifacts.parts import BENEATH
from stages.rendering.viewpoint import viewing_distance
from stages.rendering.zbuffer import rasterize

DIRECTIONS, SIDE_PX, MARGIN = 64, 400, 0.04
GOLDEN_DEG = 137.50776405


def cameras_round(v_pos: np.ndarray) -> list[np.ndarray]:
    """(64, 4, 4) matrices into clip space, evenly spread over the sphere."""
    middle = (v_pos.min(0) + v_pos.max(0)) / 2
    own = float(np.linalg.norm(v_pos - middle, axis=-1).max())
    distance = viewing_distance(v_pos) + own
    focal = (0.5 - MARGIN) * SIDE_PX * np.sqrt(distance**2 - own**2) / own
    heights = np.linspace(-0.97, 0.97, DIRECTIONS)
    return [orbit("out", middle, distance, (GOLDEN_DEG * i) % 360, float(np.degrees(np.arcsin(z))), float(focal), SIDE_PX, SIDE_PX).w2clip()
            for i, z in enumerate(heights)]


def drawn(parts: list[GlbPart], double_sided: list[bool], w2clip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) bool: what a program covers, and where it shows the back of something."""
    v_pos = np.concatenate([p.v_pos for p in parts])
    starts = np.cumsum([0, *(len(p.v_pos) for p in parts)])
    triangles = np.concatenate([p.t_pos_idx + s for p, s in zip(parts, starts, strict=False)])
    both = np.repeat(double_sided, [len(p.t_pos_idx) for p in parts])
    clip = np.concatenate([v_pos, np.ones((len(v_pos), 1))], -1) @ w2clip.T
    flat = clip[:, :2] / clip[:, 3:]
    a, b, c = (flat[triangles[:, k]] for k in range(3))
    front = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0]) > 0
    shown = front | both
    ids, _, _ = rasterize(clip, triangles[shown], SIDE_PX, SIDE_PX)
    return ids >= 0, (ids >= 0) & ~front[shown][ids]


def holes(path: Path) -> dict[str, dict[str, float]]:
    """Part -> what is wrong when it alone is hidden, of a GLB with a mesh for each part."""
    scene, figures = read_glb(path), {}
    sides = {id(p): p.material is not None and scene.materials[p.material].double_sided for p in scene.parts}
    cameras = cameras_round(np.concatenate([p.v_pos for p in scene.parts]))
    for name in dict.fromkeys(p.name for p in scene.parts if p.name != BENEATH):
        left = [p for p in scene.parts if p.name != name]
        missing = backs = total = 0
        for w2clip in cameras:
            covered, back = drawn(left, [sides[id(p)] for p in left], w2clip)
            solid, _ = drawn(left, [True] * len(left), w2clip)
            missing += int((solid & ~covered).sum())
            backs += int(back.sum())
            total += int(covered.sum())
        figures[name] = {"holes_px": missing, "backs_share": round(backs / max(total, 1), 5)}
    return figures
