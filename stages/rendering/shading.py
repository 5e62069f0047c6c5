"""Diffuse light from all round, as nine spherical harmonics for each colour.

Ramamoorthi & Hanrahan, An Efficient Representation for Irradiance Environment Maps, 2001. Coefficients here are those of the
irradiance itself (the cosine lobe already folded in), in the real, orthonormal basis divided by its first member, so that
light (1, 0, ..., 0) has irradiance 1 from every side. Colours are linear.
"""

from __future__ import annotations

import torch
from torch import Tensor

COUNT = 9


def basis(normal: Tensor) -> Tensor:
    """(..., 9) at unit normals (..., 3), world frame."""
    x, y, z = normal.unbind(-1)
    a, b, c = 3.0**0.5, 15.0**0.5, 5.0**0.5
    return torch.stack(
        [torch.ones_like(x), a * y, a * z, a * x, b * x * y, b * y * z, c / 2 * (3 * z * z - 1), b * x * z, b / 2 * (x * x - y * y)], -1
    )


def irradiance(light: Tensor, normal: Tensor) -> Tensor:
    """(..., 3) linear light, at least 0.02, that falls on a surface with unit ``normal`` (..., 3); ``light`` (9, 3)."""
    return (basis(normal) @ light).clamp_min(0.02)


def to_linear(srgb: Tensor) -> Tensor:
    """IEC 61966-2-1 decoding."""
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)


def to_srgb(linear: Tensor) -> Tensor:
    """IEC 61966-2-1 encoding of linear colours, clipped to [0, 1]."""
    x = linear.clamp(0, 1)
    return torch.where(x <= 0.0031308, x * 12.92, 1.055 * x.clamp_min(0.0031308) ** (1 / 2.4) - 0.055)


def lit(kd_srgb: Tensor, normal: Tensor, light: Tensor) -> Tensor:
    """sRGB picture (..., 3) of a matt surface with base colour ``kd_srgb`` (..., 3) under ``light`` (9, 3)."""
    return to_srgb(to_linear(kd_srgb) * irradiance(light, normal))
