"""The field written down the slow, obvious way: one point, one ray, one pair of samples at a time, in double precision torch."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from stages.field.encoding import GridLayout

PRIMES = (1, 2654435761, 805459861)


def encode_point(point: Tensor, table: Tensor, layout: GridLayout) -> Tensor:
    """(L * F,) features of one unit point (3,): trilinear interpolation of the eight corners at every level."""
    out = []
    for level in range(layout.levels):
        at = point.float() * float(layout.scale[level]) + 0.5
        low, base = at.floor(), int(layout.offset[level])
        rows = int(layout.offset[level + 1]) - base
        value = torch.zeros(layout.features, dtype=table.dtype)
        for bits in itertools.product((0, 1), repeat=3):
            corner = [int(low[a]) + bits[a] for a in range(3)]
            weight = 1.0
            for a in range(3):
                f = float(at[a] - low[a])
                weight *= f if bits[a] else 1 - f
            if layout.hashed[level]:
                mixed = 0
                for c, prime in zip(corner, PRIMES):
                    mixed ^= (c * prime) % 2**32
                row = mixed % rows
            else:
                nx, ny, _ = (int(n) for n in layout.shape[level])
                row = corner[0] + nx * (corner[1] + ny * corner[2])
            value = value + weight * table[base + row]
        out.append(value)
    return torch.cat(out)


def networks(features: Tensor, harmonics: Tensor, weights: dict[str, Tensor], log_density: float) -> tuple[Tensor, Tensor]:
    """Density () per metre and colour (3,) of one point; ``harmonics`` is empty where colour does not depend on the view."""
    geometry = weights["w2"] @ torch.relu(weights["w1"] @ features)
    hidden = torch.relu(weights["w3"] @ torch.cat([geometry, harmonics]))
    return torch.exp(geometry[0] + log_density), torch.sigmoid(weights["w4"][:3] @ hidden)


def composite(density: Tensor, rgb: Tensor, step: float) -> tuple[Tensor, Tensor]:
    """Premultiplied colour (3,) and weights (n,) along one ray of samples, front to back."""
    through, colour, weights = torch.ones((), dtype=density.dtype), torch.zeros(3, dtype=density.dtype), []
    for sigma, c in zip(density, rgb):
        alpha = 1 - torch.exp(-sigma * step)
        weights.append(through * alpha)
        colour = colour + through * alpha * c
        through = through * (1 - alpha)
    return colour, torch.stack(weights) if weights else torch.zeros(0, dtype=density.dtype)


def ray_loss(
    colour: Tensor, weights: Tensor, t: Tensor, step: float, target: Tensor, background: Tensor, robust: bool, mask_weight: float,
    distortion_weight: float, eps: float,
) -> Tensor:
    """Colour, mask and distortion terms of one ray; the last is mip-NeRF 360's equation 15 as its double sum."""
    opacity = weights.sum()
    seen = colour + (1 - opacity) * background
    wanted = target[3] * target[:3] + (1 - target[3]) * background
    error = seen - wanted
    terms = torch.sqrt(error**2 + eps**2) - eps if robust else error**2
    bent = (weights[:, None] * weights[None, :] * (t[:, None] - t[None, :]).abs()).sum() + (weights**2).sum() * step / 3
    return terms.sum() + mask_weight * (opacity - target[3]) ** 2 + distortion_weight * bent
