"""Volume rendering along rays, its losses and their gradients, one ray at a time.

Weights: Max, Optical models for direct volume rendering, 1995; NeRF (Mildenhall et al. 2020), eq. 3. Distortion: mip-NeRF 360
(Barron et al. 2022), eq. 15, with prefix sums as in DVGO v2 (Sun et al. 2022).
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from stages.field.encoding import BLOCK, FAST

CHARBONNIER = np.float32(0.08)


@njit(**FAST)
def gather(first, last, t, step, density, rgb, weights):
    """Fill ``weights`` of one ray; its premultiplied colour, the light that is left, the weighted distance."""
    through = np.float32(1)
    red = green = blue = far = np.float32(0)
    for n in range(first, last):
        b, s = n // BLOCK, n % BLOCK
        alpha = np.float32(1) - np.exp(-density[n] * step)
        w = through * alpha
        weights[n] = w
        red += w * rgb[b, 0, s]
        green += w * rgb[b, 1, s]
        blue += w * rgb[b, 2, s]
        far += w * t[n]
        through *= np.float32(1) - alpha
    return red, green, blue, through, far


@njit(**FAST)
def share_out(first, last, step, total, weights, d_density):
    """Turn d loss / d weight of one ray, in ``d_density``, into d loss / d density; ``total`` is the sum of weight times the former."""
    through, so_far = np.float32(1), np.float32(0)
    for n in range(first, last):
        g, w = d_density[n], weights[n]
        so_far += g * w
        through -= w
        d_density[n] = step * (through * g - (total - so_far))


@njit(parallel=True, **FAST)
def render(start, t, step, density, rgb, weights, out):
    """``out`` (R, 5): premultiplied colour, opacity, opacity-weighted distance. Ray r owns samples
    start[r]:start[r + 1]; ``weights`` (N,) is scratch."""
    for r in prange(start.shape[0] - 1):
        red, green, blue, through, far = gather(start[r], start[r + 1], t, step, density, rgb, weights)
        out[r, 0], out[r, 1], out[r, 2], out[r, 3], out[r, 4] = red, green, blue, np.float32(1) - through, far


@njit(inline="always", **FAST)
def colour_loss(difference, robust):
    """Loss of one channel and its derivative."""
    if robust:
        root = np.sqrt(difference * difference + CHARBONNIER * CHARBONNIER)
        return root - CHARBONNIER, difference / root
    return difference * difference, np.float32(2) * difference


@njit(parallel=True, **FAST)
def loss(
    start, t, step, density, rgb, target, background, robust, mask_weight, distortion_weight, weights, d_density, d_rgb, out
):
    """Loss of every ray and its gradients, which are divided by the number of rays.

    ``target`` (R, 4) straight RGBA, ``background`` (R, 3), ``weights`` (N,) scratch. Fills ``d_density`` (N,), ``d_rgb``
    (nb, 4, BLOCK) and ``out`` (R, 3): loss, squared colour error averaged over channels, opacity. Distances enter the distortion in
    metres.
    """
    rays = start.shape[0] - 1
    inverse = np.float32(1) / np.float32(rays)
    for r in prange(rays):
        first, last = start[r], start[r + 1]
        red, green, blue, through, sum_wt = gather(first, last, t, step, density, rgb, weights)
        sum_w = np.float32(1) - through
        back0, back1, back2 = background[r, 0], background[r, 1], background[r, 2]
        a = target[r, 3]
        e0 = red + through * back0 - (a * target[r, 0] + (np.float32(1) - a) * back0)
        e1 = green + through * back1 - (a * target[r, 1] + (np.float32(1) - a) * back1)
        e2 = blue + through * back2 - (a * target[r, 2] + (np.float32(1) - a) * back2)
        l0, g0 = colour_loss(e0, robust)
        l1, g1 = colour_loss(e1, robust)
        l2, g2 = colour_loss(e2, robust)
        g0, g1, g2 = g0 * inverse, g1 * inverse, g2 * inverse
        opacity = np.float32(1) - through
        g_mask = np.float32(2) * mask_weight * (opacity - a) * inverse
        bent = np.float32(0)
        before_w = before_wt = np.float32(0)
        scale = distortion_weight * inverse
        total = np.float32(0)
        for n in range(first, last):
            b, s = n // BLOCK, n % BLOCK
            w = weights[n]
            spread = t[n] * (np.float32(2) * before_w + w - sum_w) + sum_wt - np.float32(2) * before_wt - w * t[n]
            before_w += w
            before_wt += w * t[n]
            bent += w * (spread + w * step / np.float32(3))
            g = g0 * (rgb[b, 0, s] - back0) + g1 * (rgb[b, 1, s] - back1) + g2 * (rgb[b, 2, s] - back2) + g_mask
            g += scale * np.float32(2) * (spread + w * step / np.float32(3))
            d_density[n] = g
            total += g * w
            d_rgb[b, 0, s] = g0 * w
            d_rgb[b, 1, s] = g1 * w
            d_rgb[b, 2, s] = g2 * w
        share_out(first, last, step, total, weights, d_density)
        out[r, 0] = l0 + l1 + l2 + mask_weight * (opacity - a) ** 2 + distortion_weight * bent
        out[r, 1] = (e0 * e0 + e1 * e1 + e2 * e2) / np.float32(3)
        out[r, 2] = opacity
