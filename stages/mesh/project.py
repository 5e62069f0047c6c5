"""The views laid onto the surface: every point takes the colours of the pictures that see it best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from stages.artifacts.cameras import Camera
from stages.mesh.laying import Layer, laid
from stages.mesh.observed import Observed
from stages.rendering.zbuffer import interpolate, rasterize

SOFT_SHARE = 0.015  # of a picture's height, over which details are smoothed away before views are compared
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
    votes = np.array(TOLERANCES if outvote else (), float)
    return laid(points, normals, given, exponent, float(np.radians(portrait_lead_deg)), votes)


def _extended(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colours of the nearest solid pixel where alpha is not full, so that no background bleeds in."""
    index = ndimage.distance_transform_edt(alpha < 0.99, return_distances=False, return_indices=True)
    return rgb[index[0], index[1]] if (alpha >= 0.99).any() else rgb
