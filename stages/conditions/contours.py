"""Geometric edges of a view, and the ``lineart`` picture made of them.

Encoding of ``lineart``: white lines on black, antialiased, one width (see ``LINE_SHARE``), as control_v11p_sd15_lineart and the anime variant were
trained on. Lines are drawn where a surface ends in front of another (silhouettes and occlusions), where its direction breaks (creases), and
along borders that an artist would draw: eyes, irises, brows, mouth, ears, and the hems of the bodysuit at neck, hands and feet. No line
separates limbs from each other or front from back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.conditions.buffers import ViewBuffers, box_down

LINE_SHARE = 1 / 320  # width of a line in heights of the picture, at least one pixel
CREASE_DEG = 38.0
STEP_FLOOR = 0.003  # share of the distance to the camera
FEATURES = ("eye_l", "eye_r", "iris_l", "iris_r", "brow_l", "brow_r", "mouth", "ear_l", "ear_r")
HEMS = ("neck", "hand_l", "hand_r", "foot_l", "foot_r")


@dataclass(frozen=True)
class Contours:
    """Edge pixels of a view, (h, w) bool each: ``outline`` where depth jumps, ``inner`` for creases and borders."""

    outline: np.ndarray
    inner: np.ndarray


def find_contours(view: ViewBuffers, part_names: tuple[str, ...]) -> Contours:
    """Compares each pixel with its right and lower neighbour; the one that is nearer is marked."""
    outline, inner = np.zeros(view.part.shape, bool), np.zeros(view.part.shape, bool)
    drawn = _drawn_borders(part_names)
    steep = _steepness(view)
    for axis in (0, 1):
        here, there = _pair(axis)
        near_here = view.depth[here] <= view.depth[there]
        jump = _jumps(view, steep, here, there)
        broken = (view.normal[here] * view.normal[there]).sum(-1) < np.cos(np.radians(CREASE_DEG))
        border = drawn[view.part[here], view.part[there]]
        soft = (broken | border) & ~jump & view.covered[here] & view.covered[there]
        for mask, found in ((outline, jump), (inner, soft)):
            mask[here] |= found & near_here
            mask[there] |= found & ~near_here
    return Contours(outline, inner)


def lineart_picture(contours: Contours, samples: int, height: int) -> np.ndarray:
    """(H, W, 3) float32; ``contours`` are those of a view, or of a window of it, with ``samples`` x ``samples`` pixels for each of the
    result's. ``height`` is that of the whole picture, for the width of the lines.
    """
    width = line_width(height) * samples
    return np.repeat(box_down(_widened(contours.outline | contours.inner, width), samples)[..., None], 3, -1)


def line_width(height: int) -> float:
    """Width of a drawn line in pixels of a picture ``height`` pixels tall."""
    return max(1.0, height * LINE_SHARE)


def _pair(axis: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Index of all pixels that have a next one along ``axis``, and of those next ones."""
    head, tail, whole = slice(None, -1), slice(1, None), slice(None)
    return ((head, whole), (tail, whole)) if axis == 0 else ((whole, head), (whole, tail))


def _steepness(view: ViewBuffers) -> np.ndarray:
    """(h, w) depth that the visible surface gains from one pixel to the next, metres."""
    n = np.abs(view.normal @ view.camera.w2c[:3, :3].T.astype(np.float32))
    slope = np.minimum(np.maximum(n[..., 0], n[..., 1]) / np.maximum(n[..., 2], 0.08), 12.0)
    return slope * np.where(view.covered, view.depth, 0) / view.camera.fx


def _jumps(view: ViewBuffers, steep: np.ndarray, here: tuple, there: tuple) -> np.ndarray:
    """Where depth changes by more than the slopes on both sides explain, or a surface ends."""
    step = np.abs(np.where(view.covered[here], view.depth[here], 1e3) - np.where(view.covered[there], view.depth[there], 1e3))
    floor = STEP_FLOOR * np.minimum(view.depth[here], view.depth[there])
    with np.errstate(invalid="ignore"):
        found = step > np.minimum(2.5 * np.maximum(steep[here], steep[there]), 0.04) + np.minimum(floor, 12 * _pixel_m(view, here))
    return found & (view.covered[here] | view.covered[there])


def _pixel_m(view: ViewBuffers, here: tuple) -> np.ndarray:
    """Size of a pixel on the surface, metres; that of four metres away where there is none."""
    return np.where(view.covered[here], view.depth[here], 4.0) / view.camera.fx


def _drawn_borders(part_names: tuple[str, ...]) -> np.ndarray:
    """(P + 1, P + 1) bool table of part pairs between which a line is drawn; the last row and column stand for "empty"."""
    count = len(part_names)
    table = np.zeros((count + 1, count + 1), bool)
    for i, name in enumerate(part_names):
        if name in FEATURES or name in HEMS:
            table[i, :count] = table[:count, i] = True
    for i, name in enumerate(part_names):
        table[i, i] = False
        if name == "neck":  # the suit ends here; the chin and the nape are no hem
            for j, other in enumerate(part_names):
                if other in ("face", "scalp"):
                    table[i, j] = table[j, i] = False
    return table


def _widened(edges: np.ndarray, width: float) -> np.ndarray:
    """(h, w) float32: 1 on lines ``width`` pixels wide along the marked pixels, falling to 0 within one pixel."""
    from scipy.ndimage import distance_transform_edt

    if not edges.any():
        return np.zeros(edges.shape, np.float32)
    return np.clip(width / 2 + 0.5 - distance_transform_edt(~edges), 0, 1).astype(np.float32)
