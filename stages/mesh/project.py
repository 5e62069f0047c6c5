"""The views laid onto the surface: every point takes the colours of the pictures that see it best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from scipy import ndimage

from stages.artifacts.cameras import Camera
from stages.mesh.observed import Observed
from stages.rendering.zbuffer import interpolate, rasterize

DEPTH_SLACK = 0.004  # share of the distance by which a visible point may lie behind the depth buffer
LEAST_FACING = 0.15  # cosine below which a view says nothing
SOFT_SHARE = 0.015  # of a picture's height, over which details are smoothed away before views are compared
GENTLE = 2.0  # exponent of the facing angle while views vote
TOLERANCES = (0.0, 0.5, 0.3, 0.2, 0.12)  # distances of colours at which a view counts for a quarter of what it would, vote by vote; 0: all count
RIM_PX = 2.5  # pixels from an outline, of the figure or of one part before another, over which trust grows to full
CUT_SHARE = 0.1  # of a picture's height, from where its border cuts off the figure, over which it comes to count in full beside others
CUT_WORTH = 1e-3  # at the border itself: it undoes that a close-up has more pixels, so that it gives way to whole views by degrees


def depth_map(v_pos: np.ndarray, faces: np.ndarray, camera: Camera) -> np.ndarray:
    """(H, W) float32 distance along the view axis, +inf where empty."""
    clip = np.concatenate([v_pos, np.ones((len(v_pos), 1))], -1) @ camera.w2clip().T
    ids, bary, _ = rasterize(clip, faces, camera.height, camera.width)
    depth = interpolate(clip[:, 3:], faces, ids, bary)[..., 0]
    return np.where(ids >= 0, depth, np.inf).astype(np.float32)


def trust(depth: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """(H, W) in [0, 1]: 0 at outlines of the rendered depth or the observed alpha, 1 from ``RIM_PX`` on."""
    low, high = ndimage.minimum_filter(depth, 3), ndimage.maximum_filter(depth, 3)
    broken = ~np.isfinite(high) | (high > 1.02 * low) | (alpha < 0.99)
    return np.clip(ndimage.distance_transform_edt(~broken) / RIM_PX, 0, 1).astype(np.float32)


def wholeness(alpha: np.ndarray) -> np.ndarray:
    """(H, W) in [CUT_WORTH, 1]: least where the picture's border cuts off the figure, 1 from ``CUT_SHARE`` on; 1 everywhere if it does not."""
    cut = np.ones(alpha.shape, bool)
    cut[1:-1, 1:-1] = False
    cut &= alpha > 0.5
    if not cut.any():
        return np.ones(alpha.shape, np.float32)
    away = np.clip(ndimage.distance_transform_edt(~cut) / (CUT_SHARE * len(alpha)), 0, 1)
    return (CUT_WORTH ** (1 - away)).astype(np.float32)


@numba.njit(cache=True, nogil=True, parallel=True)
def _gather(points, normals, w2c, centre, intrinsics, rgb, soft, depth, trusted, whole, exponent, lead, slack, least, agreed, tolerance, colour, weight, sight):
    """Add one view to ``colour`` (N, 3) and ``weight`` (N,), less of it where ``soft`` is farther than ``tolerance`` from ``agreed`` (N, 3) or the figure is
    cut off; and to ``sight`` (N,), whatever is cut off."""
    height, width = depth.shape
    fx, fy, cx, cy = intrinsics
    for i in numba.prange(points.shape[0]):
        p, n = points[i], normals[i]
        x = w2c[0, 0] * p[0] + w2c[0, 1] * p[1] + w2c[0, 2] * p[2] + w2c[0, 3]
        y = w2c[1, 0] * p[0] + w2c[1, 1] * p[1] + w2c[1, 2] * p[2] + w2c[1, 3]
        z = -(w2c[2, 0] * p[0] + w2c[2, 1] * p[1] + w2c[2, 2] * p[2] + w2c[2, 3])
        if z <= 1e-6:
            continue
        px, py = cx + fx * x / z - 0.5, cy - fy * y / z - 0.5
        x0, y0 = int(np.floor(px)), int(np.floor(py))
        if x0 < 0 or y0 < 0 or x0 > width - 2 or y0 > height - 2:
            continue
        dx, dy, dz = centre[0] - p[0], centre[1] - p[1], centre[2] - p[2]
        facing = (dx * n[0] + dy * n[1] + dz * n[2]) / np.sqrt(dx * dx + dy * dy + dz * dz)
        if facing < least:
            continue
        facing = np.cos(max(np.arccos(min(facing, 1.0)) - lead, 0.0))
        a, b = px - x0, py - y0
        wa, wb, wc, wd = (1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b
        xr, yr = int(px + 0.5), int(py + 0.5)
        if z > depth[yr, xr] * (1 + slack):
            continue
        t = wa * trusted[y0, x0] + wb * trusted[y0, x0 + 1] + wc * trusted[y0 + 1, x0] + wd * trusted[y0 + 1, x0 + 1]
        share = (t * t + 1e-4) * facing**exponent * (fx / z) ** 2
        if tolerance > 0:
            away = 0.0
            for c in range(3):
                away += (wa * soft[y0, x0, c] + wb * soft[y0, x0 + 1, c] + wc * soft[y0 + 1, x0, c] + wd * soft[y0 + 1, x0 + 1, c] - agreed[i, c]) ** 2
            share /= (1 + away / tolerance**2) ** 2
        sight[i] += share
        share *= wa * whole[y0, x0] + wb * whole[y0, x0 + 1] + wc * whole[y0 + 1, x0] + wd * whole[y0 + 1, x0 + 1]
        for c in range(3):
            colour[i, c] += share * (
                wa * rgb[y0, x0, c] + wb * rgb[y0, x0 + 1, c] + wc * rgb[y0 + 1, x0, c] + wd * rgb[y0 + 1, x0 + 1, c]
            )
        weight[i] += share


@dataclass(frozen=True)
class Layer:
    """One view, ready to be laid on: ``rgb`` and ``soft``, the same without its details, (H, W, 3); ``depth``, ``trusted`` and ``whole`` (H, W)."""

    camera: Camera
    rgb: np.ndarray
    soft: np.ndarray
    depth: np.ndarray
    trusted: np.ndarray
    whole: np.ndarray
    portrait: bool


def layers(v_pos: np.ndarray, faces: np.ndarray, observed: Sequence[Observed]) -> list[Layer]:
    """All views, as the surface hides itself from them."""
    out = []
    for o in observed:
        for k, camera in enumerate(o.cameras):
            depth, alpha = depth_map(v_pos, faces, camera), o.alpha[k, ..., 0].numpy()
            rgb = np.ascontiguousarray(_extended(o.rgb[k].numpy(), alpha), np.float32)
            blur = SOFT_SHARE * camera.height
            out.append(Layer(camera, rgb, ndimage.gaussian_filter(rgb, (blur, blur, 0)), depth, trust(depth, alpha), wholeness(alpha), k == o.portrait))
    return out


def project(
    points: np.ndarray, normals: np.ndarray, v_pos: np.ndarray, faces: np.ndarray, observed: Sequence[Observed], exponent: float,
    portrait_lead_deg: float = 0.0, outvote: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Colour (N, 3) sRGB and weight (N,) of surface ``points`` (N, 3) with unit ``normals``, from all views that see them.

    A view counts by the facing angle to the power ``exponent``, by its pixels per square metre (so close-ups win where they look) and
    little near outlines, where pictures mix figure and background, or where the picture's border cuts off the figure. The portrait counts as looking ``portrait_lead_deg`` straighter than it
    does: painted close-ups disagree by pixels, and a face is whole if one of them painted it. With ``outvote``, a view counts little
    where its colours, details apart, are not those that most views show; the portrait is believed all the same. Weight 0: no view sees the point.
    """
    given = layers(v_pos, faces, observed)
    points, normals = np.ascontiguousarray(points, np.float64), np.ascontiguousarray(normals, np.float64)
    if not outvote:
        return _laid(points, normals, given, exponent, np.radians(portrait_lead_deg), False, None)
    agreed = None
    for tolerance in TOLERANCES:
        agreed, _ = _laid(points, normals, given, GENTLE, 0.0, True, agreed, tolerance)
    return _laid(points, normals, given, exponent, np.radians(portrait_lead_deg), False, agreed, TOLERANCES[-1])


def _laid(
    points: np.ndarray, normals: np.ndarray, given: Sequence[Layer], exponent: float, lead: float, softly: bool, agreed: np.ndarray | None,
    tolerance: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Colours (N, 3) and weights (N,) of one blending; ``softly``: of the pictures without their details."""
    colour, weight, sight = np.zeros((len(points), 3)), np.zeros(len(points)), np.zeros(len(points))
    held = np.zeros((1, 3), np.float32) if agreed is None else agreed
    for layer in given:
        c = layer.camera
        _gather(points, normals, c.w2c, c.position, (c.fx, c.fy, c.cx, c.cy), layer.soft if softly else layer.rgb, layer.soft, layer.depth, layer.trusted, layer.whole,
                exponent, lead if layer.portrait else 0.0, DEPTH_SLACK, LEAST_FACING, held,
                0.0 if layer.portrait and not softly else tolerance, colour, weight, sight)
    return (colour / np.maximum(weight, 1e-20)[:, None]).astype(np.float32), sight


def _extended(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colours of the nearest solid pixel where alpha is not full, so that no background bleeds in."""
    index = ndimage.distance_transform_edt(alpha < 0.99, return_distances=False, return_indices=True)
    return rgb[index[0], index[1]] if (alpha >= 0.99).any() else rgb
