"""Brushes for the texture: antialiased strokes and polygons on a float32 canvas, in the canvas's own coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def _stroke(cover, points, half_width):
    height, width = cover.shape
    for k in range(len(points) - 1):
        ax, ay, bx, by = points[k, 0], points[k, 1], points[k + 1, 0], points[k + 1, 1]
        ra, rb = half_width[k], half_width[k + 1]
        r = max(ra, rb) + 1.0
        dx, dy = bx - ax, by - ay
        length2 = dx * dx + dy * dy + 1e-9
        for y in range(max(int(min(ay, by) - r), 0), min(int(max(ay, by) + r) + 2, height)):
            for x in range(max(int(min(ax, bx) - r), 0), min(int(max(ax, bx) + r) + 2, width)):
                px, py = x + 0.5 - ax, y + 0.5 - ay
                t = min(max((px * dx + py * dy) / length2, 0.0), 1.0)
                d = np.sqrt((px - t * dx) ** 2 + (py - t * dy) ** 2)
                here = ra + t * (rb - ra)
                a = min(max(here - d + 0.5, 0.0), 1.0) * min(2.0 * here, 1.0)
                if a > cover[y, x]:
                    cover[y, x] = a


@numba.njit(cache=True, nogil=True)
def _polygon(cover, points):
    height, width = cover.shape
    n = len(points)
    x0, x1 = points[:, 0].min() - 1, points[:, 0].max() + 2
    y0, y1 = points[:, 1].min() - 1, points[:, 1].max() + 2
    for y in range(max(int(y0), 0), min(int(y1) + 1, height)):
        for x in range(max(int(x0), 0), min(int(x1) + 1, width)):
            px, py = x + 0.5, y + 0.5
            inside, nearest = False, 1e9
            for i in range(n):
                ax, ay = points[i, 0], points[i, 1]
                bx, by = points[(i + 1) % n, 0], points[(i + 1) % n, 1]
                if (ay > py) != (by > py) and px < (bx - ax) * (py - ay) / (by - ay) + ax:
                    inside = not inside
                dx, dy = bx - ax, by - ay
                t = min(max(((px - ax) * dx + (py - ay) * dy) / (dx * dx + dy * dy + 1e-9), 0.0), 1.0)
                nearest = min(nearest, (px - ax - t * dx) ** 2 + (py - ay - t * dy) ** 2)
            d = np.sqrt(nearest)
            a = min(max(0.5 + (d if inside else -d), 0.0), 1.0)
            if a > cover[y, x]:
                cover[y, x] = a


@numba.njit(cache=True, nogil=True)
def _blend(pixels, cover, r, g, b):
    for y in range(cover.shape[0]):
        for x in range(cover.shape[1]):
            a = cover[y, x]
            if a > 0.0:
                pixels[y, x, 0] += a * (r - pixels[y, x, 0])
                pixels[y, x, 1] += a * (g - pixels[y, x, 1])
                pixels[y, x, 2] += a * (b - pixels[y, x, 2])


@dataclass(frozen=True)
class Canvas:
    """A window of the texture. ``pixels`` (H, W, 3) is a view; ``low`` and ``high`` (2,) are the canvas coordinates (x right,
    y up) of the window's lower left and upper right corners. All lengths of brushes are in canvas units along x."""

    pixels: np.ndarray
    low: tuple[float, float]
    high: tuple[float, float]

    @property
    def texel(self) -> float:
        """Width of a texel in canvas units."""
        return (self.high[0] - self.low[0]) / self.pixels.shape[1]

    def to_texels(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) canvas coordinates to (N, 2) texel coordinates, y down."""
        h, w = self.pixels.shape[:2]
        unit = (np.asarray(points, float) - self.low) / np.subtract(self.high, self.low)
        return np.ascontiguousarray(np.stack([unit[:, 0] * w, (1 - unit[:, 1]) * h], 1))

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Canvas coordinates x (1, W) and y (H, 1) of the texels."""
        h, w = self.pixels.shape[:2]
        x = self.low[0] + (np.arange(w, dtype=np.float32) + 0.5) / w * (self.high[0] - self.low[0])
        y = self.high[1] - (np.arange(h, dtype=np.float32) + 0.5) / h * (self.high[1] - self.low[1])
        return x[None], y[:, None]

    def fill(self, rgb: np.ndarray) -> None:
        """One colour everywhere."""
        self.pixels[:] = rgb

    def blend(self, cover: np.ndarray, rgb: np.ndarray) -> None:
        """Lay a colour over the canvas with opacity ``cover`` (H, W), or what broadcasts to it."""
        _blend(self.pixels, np.ascontiguousarray(np.broadcast_to(cover, self.pixels.shape[:2]), np.float32), *map(float, rgb))

    def cover(self) -> np.ndarray:
        """An empty stencil (H, W) float32."""
        return np.zeros(self.pixels.shape[:2], np.float32)

    def stroke_cover(self, points: np.ndarray, width: float | np.ndarray, cover: np.ndarray | None = None) -> np.ndarray:
        """Stencil of a line of round dabs through ``points`` (N, 2); ``width`` one value or (N,), 0 tapers to a hair."""
        cover = self.cover() if cover is None else cover
        half = np.broadcast_to(np.asarray(width, float) / 2 / self.texel, (len(points),))
        _stroke(cover, self.to_texels(points), np.ascontiguousarray(half))
        return cover

    def polygon_cover(self, points: np.ndarray, cover: np.ndarray | None = None) -> np.ndarray:
        """Stencil of a closed polygon (N, 2)."""
        cover = self.cover() if cover is None else cover
        _polygon(cover, self.to_texels(points))
        return cover

    def window(self, low: np.ndarray, high: np.ndarray) -> Canvas:
        """The part of the canvas that holds the box from ``low`` to ``high``, cut at texels."""
        h, w = self.pixels.shape[:2]
        (x0, y1), (x1, y0) = self.to_texels(np.array([low, high]))
        x0, y0 = min(max(int(x0), 0), w - 1), min(max(int(y0), 0), h - 1)
        x1, y1 = max(min(int(x1) + 1, w), x0 + 1), max(min(int(y1) + 1, h), y0 + 1)
        step = np.subtract(self.high, self.low) / (w, h)
        corner = (self.low[0] + x0 * step[0], self.high[1] - y1 * step[1])
        return Canvas(self.pixels[y0:y1, x0:x1], corner, (corner[0] + (x1 - x0) * step[0], corner[1] + (y1 - y0) * step[1]))

    def _around(self, points: np.ndarray, reach: float) -> Canvas:
        reach_y = reach / self.texel * (self.high[1] - self.low[1]) / self.pixels.shape[0]
        margin = np.array([reach + 2 * self.texel, reach_y + 2 * reach_y / max(reach / self.texel, 1.0)])
        points = np.asarray(points, float)
        return self.window(points.min(0) - margin, points.max(0) + margin)

    def stroke(self, points: np.ndarray, width: float | np.ndarray, rgb: np.ndarray, opacity: float = 1.0) -> None:
        """Draw a line."""
        near = self._around(points, float(np.max(width)) / 2)
        near.blend(near.stroke_cover(points, width) * np.float32(opacity), rgb)

    def polygon(self, points: np.ndarray, rgb: np.ndarray, opacity: float = 1.0) -> None:
        """Fill a polygon."""
        near = self._around(points, self.texel)
        near.blend(near.polygon_cover(points) * np.float32(opacity), rgb)


def curve(points: np.ndarray | list, count: int = 24) -> np.ndarray:
    """(count, 2) points of a Catmull-Rom curve through the control points."""
    p = np.asarray(points, float)
    p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    t = np.linspace(0, len(p) - 3, count)
    i = np.minimum(t.astype(int), len(p) - 4)
    f = (t - i)[:, None]
    a, b, c, d = p[i], p[i + 1], p[i + 2], p[i + 3]
    return 0.5 * (2 * b + (c - a) * f + (2 * a - 5 * b + 4 * c - d) * f**2 + (3 * b - a - 3 * c + d) * f**3)


def taper(count: int, width: float, start: float = 0.0, end: float = 0.0, belly: float = 0.5) -> np.ndarray:
    """(count,) widths that swell from ``start`` to 1 at ``belly`` and fall to ``end`` (shares of ``width``)."""
    t = np.linspace(0, 1, count)
    up = np.clip(t / max(belly, 1e-6), 0, 1)
    down = np.clip((1 - t) / max(1 - belly, 1e-6), 0, 1)
    return width * np.where(t < belly, start + (1 - start) * np.sin(up * np.pi / 2), end + (1 - end) * np.sin(down * np.pi / 2))


def smoothstep(x: np.ndarray | float, low: float, high: float) -> np.ndarray:
    """0 below ``low``, 1 above ``high``, a cubic between (``low`` may exceed ``high``)."""
    t = np.clip((np.asarray(x) - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
