"""Cutting a figure from an even background, starting from the silhouette of the posed body.

Background is what can be reached from the picture's border through pixels of the background's colour; clothes of that same
colour are kept because lines and the body's silhouette stand in the way.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_CROSS = ndimage.generate_binary_structure(2, 1)
_SQUARE = np.ones((3, 3), bool)
_BORDER_PX = 4
_LEAST_DIFFERENCE = 0.035  # in sRGB; below this a pixel counts as background
_NOISE_FACTOR = 5.0
_HOLE_OVERLAP = 0.15  # an enclosed patch of background colour is a hole if less than this share of it lies on the body
_HOLE_DIFFERENCE = 0.015  # and its mean is this close to the background: white cloth is painted a little darker
_SPECK_SHARE = 0.002  # of the figure; smaller separate pieces are dropped
_NEAR_PX = 4


def background_color(image: np.ndarray, body: np.ndarray) -> tuple[np.ndarray, float]:
    """Colour (3,) of the border away from the body, and its noise (three channels' largest median absolute deviation)."""
    border = np.ones(body.shape, bool)
    border[_BORDER_PX:-_BORDER_PX, _BORDER_PX:-_BORDER_PX] = False
    border &= ~ndimage.binary_dilation(body, _SQUARE, iterations=6)
    pixels = image[border] if border.any() else image[:1, :, :].reshape(-1, 3)
    color = np.median(pixels, axis=0)
    return color, float(np.median(np.abs(pixels - color), axis=0).max())


def figure(image: np.ndarray, body: np.ndarray) -> np.ndarray:
    """(H, W) bool: the figure in ``image`` (H, W, 3) sRGB that stands on ``body`` (H, W) bool."""
    color, noise = background_color(image, body)
    difference = np.abs(image - color).max(-1)
    different = difference > max(_LEAST_DIFFERENCE, _NOISE_FACTOR * noise)
    core = ndimage.binary_erosion(body, _CROSS, iterations=2)
    wall = ndimage.binary_closing(np.pad(different | core, 2), _SQUARE)[2:-2, 2:-2]
    outside = _reached_from_border(~wall)
    even = max(_HOLE_DIFFERENCE, 2 * noise)
    inside = ~(outside | _holes(~wall & ~outside, body, difference, even))
    return clean(inside, body)


def clean(inside: np.ndarray, body: np.ndarray | None) -> np.ndarray:
    """Specks and hairlines gone: the piece that holds the body (or the largest) and what lies close to it."""
    smooth = ndimage.binary_opening(inside, _CROSS) | (inside & _thick(inside))
    pieces, count = ndimage.label(smooth, _SQUARE)
    if count == 0:
        return inside
    anchor = smooth if body is None else (smooth & body if (smooth & body).any() else smooth)
    main = pieces == np.bincount(pieces[anchor])[1:].argmax() + 1
    near = ndimage.binary_dilation(main, _SQUARE, iterations=_NEAR_PX)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    keep = np.zeros(count + 1, bool)
    for piece in range(1, count + 1):
        of = pieces == piece
        large = sizes[piece] >= max(12, _SPECK_SHARE * main.sum())
        keep[piece] = large and bool((of & (near if body is None else near | body)).any())
    whole = keep[pieces]
    holes = ndimage.binary_fill_holes(whole) & ~whole
    labels, number = ndimage.label(holes)
    for hole in range(1, number + 1):
        if (labels == hole).sum() < 10:
            whole |= labels == hole
    return whole


def _thick(inside: np.ndarray) -> np.ndarray:
    """Pixels with at least four of eight neighbours: thin strands stay, single teeth go."""
    return ndimage.convolve(inside.astype(np.int8), np.ones((3, 3), np.int8), mode="constant") >= 5


def _reached_from_border(passable: np.ndarray) -> np.ndarray:
    labels, _ = ndimage.label(passable, _CROSS)
    edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    return np.isin(labels, edge[edge > 0])


def _holes(enclosed: np.ndarray, body: np.ndarray, difference: np.ndarray, even: float) -> np.ndarray:
    """Enclosed patches of background colour off the body: gaps between the legs, between arm and trunk, between strands."""
    labels, count = ndimage.label(enclosed, _CROSS)
    if count == 0:
        return enclosed
    index = np.arange(1, count + 1)
    size = ndimage.sum_labels(enclosed, labels, index)
    overlap = ndimage.mean(body.astype(float), labels, index)
    unlike = ndimage.mean(difference, labels, index)
    return np.isin(labels, index[(size >= 10) & (overlap < _HOLE_OVERLAP) & (unlike < even)])


def soft_alpha(image: np.ndarray, inside: np.ndarray, background: np.ndarray, edge_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Straight alpha (H, W) and colours freed of the background (H, W, 3), float32.

    In the band along the outline alpha solves image = a F + (1 - a) B with F the colour of the nearest pixel well inside;
    where F is too close to B to tell, the outline's own coverage (a blurred edge) is taken.
    """
    if edge_px == 0:
        return inside.astype(np.float32), image.astype(np.float32)
    to_outside = ndimage.distance_transform_edt(inside)
    to_inside = ndimage.distance_transform_edt(~inside)
    sure = to_outside > edge_px + 0.5
    if not sure.any():
        return inside.astype(np.float32), image.astype(np.float32)
    rows, columns = ndimage.distance_transform_edt(~sure, return_distances=False, return_indices=True)
    nearest = image[rows, columns]
    span = nearest - background
    power = (span**2).sum(-1)
    solved = ((image - background) * span).sum(-1) / np.maximum(power, 1e-6)
    covered = np.clip(0.5 + 0.5 * (to_outside - to_inside), 0, 1)
    trust = np.clip((np.sqrt(power) - 0.15) / 0.25, 0, 1)
    alpha = np.clip(trust * np.maximum(solved, covered * (to_outside > 1.5)) + (1 - trust) * covered, 0, 1)
    alpha = np.where(sure, 1.0, np.where(to_inside > edge_px, 0.0, alpha))
    alpha[alpha < 0.04] = 0.0
    freed = np.clip((image - (1 - alpha[..., None]) * background) / np.maximum(alpha[..., None], 0.25), 0, 1)
    color = np.where(alpha[..., None] > 0.999, image, np.where(alpha[..., None] > 0.35, freed, nearest))
    return alpha.astype(np.float32), color.astype(np.float32)
