"""The ``openpose`` picture, as pretrained ControlNets expect it: body sticks, hands in hues, white dots on the face.

Encoding (that of the detector with which control_v11p_sd15_openpose was trained): each of 17 limbs is an ellipse from point to point in its
colour times 0.6, drawn in order; then a disc in full colour on each of the 18 points. A hand is 20 lines, hue i / 20 for the i-th, with blue
discs on its points. The face is 70 white discs. Ellipses are 9 px wide and reach half a pixel beyond their points, body and hand discs have
radius 4, face discs 3, hand lines are 3 wide, for a picture whose shorter side is 512 (the detector says 8 and 2, and draws the pixels that
the edges run through as well); other sizes are drawn in proportion, antialiased. Points that the view does not see are absent, and the limbs
to them: from behind there are no nose and eyes, and the ears are lone dots. Left and right are the body's.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np

from stages.artifacts.conditions import ViewKeypoints
from stages.conditions.buffers import box_down

REFERENCE_SIDE_PX = 512
COLOURS = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85), (0, 255, 170),
    (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85),
)
LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16),
    (0, 15), (15, 17),
)
HAND_LINES = tuple((0 if k == 0 else 4 * finger + k, 4 * finger + k + 1) for finger in range(5) for k in range(4))
LIMB_SHADE = 0.6
LIMB_WIDTH_PX, LIMB_BEYOND_PX, POINT_RADIUS_PX, FACE_RADIUS_PX, HAND_LINE_PX = 9, 0.5, 4, 3, 3  # at the reference side
_SUBSAMPLES = 4


def openpose_picture(points: ViewKeypoints, width: int, height: int, hands: bool = True, face: bool = True) -> np.ndarray:
    """(height, width, 3) float32 in [0, 1]; see the module's head."""
    canvas = np.zeros((height, width, 3), np.float32)
    scale = min(width, height) / REFERENCE_SIDE_PX
    body = points.body
    for (a, b), colour in zip(LIMBS, COLOURS, strict=False):
        if body[a, 2] and body[b, 2]:
            _stick(canvas, body[a, :2], body[b, :2], scale, np.array(colour) / 255 * LIMB_SHADE)
    for point, colour in zip(body, COLOURS, strict=True):
        if point[2]:
            _disc(canvas, point[:2], POINT_RADIUS_PX * scale, np.array(colour) / 255)
    for hand in (points.hand_left, points.hand_right) if hands else ():
        _hand(canvas, hand, scale)
    for point in points.face if face else ():
        if point[2]:
            _disc(canvas, point[:2], FACE_RADIUS_PX * scale, np.ones(3))
    return canvas


def _hand(canvas: np.ndarray, hand: np.ndarray, scale: float) -> None:
    if not len(hand):
        return
    for i, (a, b) in enumerate(HAND_LINES):
        if hand[a, 2] and hand[b, 2]:
            _line(canvas, hand[a, :2], hand[b, :2], HAND_LINE_PX * scale, np.array(colorsys.hsv_to_rgb(i / len(HAND_LINES), 1, 1)))
    for point in hand:
        if point[2]:
            _disc(canvas, point[:2], POINT_RADIUS_PX * scale, np.array([0.0, 0.0, 1.0]))


def _stick(canvas: np.ndarray, a: np.ndarray, b: np.ndarray, scale: float, colour: np.ndarray) -> None:
    """The ellipse whose long axis goes from ``a`` to ``b``, and a little beyond."""
    middle, half, half_width = (a + b) / 2, np.linalg.norm(b - a) / 2, LIMB_WIDTH_PX / 2 * scale
    along = (b - a) / max(2 * half, 1e-9)
    half += LIMB_BEYOND_PX * scale

    def inside(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        u, v = (x - middle[0]) * along[0] + (y - middle[1]) * along[1], (y - middle[1]) * along[0] - (x - middle[0]) * along[1]
        return (u / half) ** 2 + (v / half_width) ** 2 <= 1

    _paint(canvas, middle, max(half, half_width), inside, colour)


def _line(canvas: np.ndarray, a: np.ndarray, b: np.ndarray, thickness: float, colour: np.ndarray) -> None:
    """A straight line with round ends."""
    length2 = max(((b - a) ** 2).sum(), 1e-9)

    def inside(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        t = np.clip(((x - a[0]) * (b[0] - a[0]) + (y - a[1]) * (b[1] - a[1])) / length2, 0, 1)
        return np.hypot(x - a[0] - t * (b[0] - a[0]), y - a[1] - t * (b[1] - a[1])) <= thickness / 2

    _paint(canvas, (a + b) / 2, np.sqrt(length2) / 2 + thickness, inside, colour)


def _disc(canvas: np.ndarray, centre: np.ndarray, radius: float, colour: np.ndarray) -> None:
    _paint(canvas, centre, radius, lambda x, y: np.hypot(x - centre[0], y - centre[1]) <= radius, colour)


def _paint(
    canvas: np.ndarray, centre: np.ndarray, reach: float, inside: Callable[[np.ndarray, np.ndarray], np.ndarray], colour: np.ndarray
) -> None:
    """Lay ``colour`` over the part of ``canvas`` where ``inside(x, y)`` holds, pixels at the edge by their coverage."""
    height, width = canvas.shape[:2]
    x0, y0 = np.maximum(np.floor(centre - reach).astype(int) - 1, 0)
    x1, y1 = np.minimum(np.ceil(centre + reach).astype(int) + 1, [width, height])
    if x0 >= x1 or y0 >= y1:
        return
    n = _SUBSAMPLES
    x, y = np.meshgrid(x0 + (np.arange((x1 - x0) * n) + 0.5) / n, y0 + (np.arange((y1 - y0) * n) + 0.5) / n)
    cover = box_down(inside(x, y), n)[..., None]
    region = canvas[y0:y1, x0:x1]
    region += cover * (colour.astype(np.float32) - region)
