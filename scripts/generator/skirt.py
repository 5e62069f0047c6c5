"""Skirts: a ring of cloth swept from the waist, clear of hips and thighs, with pleats or waves that open towards the hem."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from scripts.generator.assemble import Piece
from scripts.generator.atlas import place
from scripts.generator.garments import Figure
from scripts.generator.paint import smoothstep

AROUND, DOWN = 144, 18


def clearance(figure: Figure, centre_y: float, z: np.ndarray) -> np.ndarray:
    """(len(z), AROUND) radius of the trunk and thighs about the upright axis at ``centre_y``, the gap between the legs closed."""
    body = figure.body
    keep = (figure.arm_weight < 0.3) & (figure.z < figure.waist_z + 0.06)
    p = body.v_pos[keep]
    bins = 48
    angle = np.arctan2(p[:, 0], -(p[:, 1] - centre_y))
    radius = np.hypot(p[:, 0], p[:, 1] - centre_y)
    column = ((angle + np.pi) / (2 * np.pi) * bins).astype(int) % bins
    out = np.zeros((len(z), bins))
    step = abs(z[1] - z[0])
    row = (z[0] - p[:, 2]) / step
    for shift in (-2, -1, 0, 1, 2):
        k = np.clip(np.round(row + shift).astype(int), 0, len(z) - 1)
        np.maximum.at(out, (k, column), radius * (np.abs(row - k) < 2.6))
    for _ in range(3):  # close the gap between the legs and gaps in the sampling
        out = np.maximum(out, 0.5 * (np.roll(out, 1, 1) + np.roll(out, -1, 1)))
    theta = np.linspace(-np.pi, np.pi, AROUND, endpoint=False)
    centres = -np.pi + (np.arange(bins) + 0.5) * 2 * np.pi / bins
    wide = np.concatenate([out[:, -1:], out, out[:, :1]], 1)
    at = np.r_[centres[0] - 2 * np.pi / bins, centres, centres[-1] + 2 * np.pi / bins]
    return np.stack([np.interp(theta, at, row) for row in wide])


def skirt_piece(
    figure: Figure, rng: np.random.Generator, hem_z: float, flare: float, pleats: int = 0, waves: int = 0, top_z: float | None = None,
    part: str = "bottom", tile: str = "bottom", gap_m: float = 0.008, depth: float = 0.0,
) -> Piece:
    """A skirt from ``top_z`` (the waist) to ``hem_z``; ``flare`` is how far the hem stands out beyond the hips in metres; ``pleats`` sharp
    folds or ``waves`` round ones; ``depth`` their height at the hem in metres."""
    top = figure.waist_z if top_z is None else top_z
    z = np.linspace(top, hem_z, DOWN)
    u = (top - z) / (top - hem_z)
    centre_y = 0.008
    body = clearance(figure, centre_y, z)
    body = np.where(z[:, None] < figure.crotch_z, np.maximum(body, 0.0), body)
    r = np.maximum.accumulate(body + gap_m, 0)
    out = flare * u**1.1
    hips = r[np.argmin(np.abs(z - figure.hips_z))][None]
    fan = r[:1] + (np.maximum(hips, r[:1]) - r[:1]) * smoothstep(u, 0.0, 0.5)[:, None] * 0.6 + out[:, None]
    r = np.maximum(r, fan)
    for _ in range(4):
        r[1:] = np.maximum(r[1:], (r[1:] + np.roll(r[1:], 1, 1) + np.roll(r[1:], -1, 1)) / 3)
    theta = np.linspace(-np.pi, np.pi, AROUND, endpoint=False)
    grow = smoothstep(u, 0.05, 1.0)[:, None]
    if pleats:
        saw = (theta * pleats / (2 * np.pi)) % 1.0
        r = r + depth * grow * (1 - np.abs(2 * saw - 1) ** 1.5 - 0.2)[None]
    hem_dip = np.zeros_like(theta)
    if waves:
        swing = np.sin(theta * waves + rng.uniform(0, 6)) + 0.4 * np.sin(theta * (waves + 3) + rng.uniform(0, 6))
        r = r + depth * grow * (0.6 * swing + 0.5)[None]
        hem_dip = 0.25 * depth * swing
    x, y = np.sin(theta) * r, centre_y - np.cos(theta) * r
    height = z[:, None] + grow * hem_dip[None]
    outer = np.stack([x, y, np.broadcast_to(height, x.shape)], -1)
    return _lined(figure, outer, u, part, tile)


def _lined(figure: Figure, outer: np.ndarray, u: np.ndarray, part: str, tile: str) -> Piece:
    """The outer cloth, an inner one a few millimetres behind it, painted darker, and the hem between them."""
    inward = outer[::-1].copy()
    axis = np.array([0.0, 0.008])
    away = inward[..., :2] - axis
    inward[..., :2] -= 0.005 * away / np.linalg.norm(away, axis=-1, keepdims=True)
    v = np.concatenate([outer, inward])
    rows = len(v)
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(AROUND), indexing="ij")
    jn = (j + 1) % AROUND
    a, b, c, d = i * AROUND + j, i * AROUND + jn, (i + 1) * AROUND + jn, (i + 1) * AROUND + j
    tri = np.concatenate([np.stack([a, d, b], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])
    row = np.concatenate([i.reshape(-1), i.reshape(-1)])
    column = np.concatenate([np.stack([j, j, j + 1], -1).reshape(-1, 3), np.stack([j + 1, j, j + 1], -1).reshape(-1, 3)])
    t_rows = 1 - np.r_[u, u[::-1]]
    t = np.concatenate([np.stack([t_rows[i], t_rows[i + 1], t_rows[i]], -1).reshape(-1, 3), np.stack([t_rows[i], t_rows[i + 1], t_rows[i + 1]], -1).reshape(-1, 3)])
    inside = row >= len(outer) - 1
    uv = np.where(inside[:, None, None], place("inner", np.full(t.shape, 0.5), np.full(t.shape, 0.25)), place(tile, 0.5 + (column / AROUND - 0.5) / 1.1, t))
    v = v.reshape(-1, 3)
    return Piece(v, tri, uv, skirt_weights(figure, v), part, inside.astype(np.int64))


def skirt_weights(figure: Figure, v: np.ndarray) -> np.ndarray:
    """(V, J): the spine at the waist; below, what thighs, shins and hips hold of the body behind it, left and right blended across the middle."""
    skeleton = figure.body.skeleton
    w = np.zeros((len(v), len(skeleton.names)))
    high = smoothstep(v[:, 2], figure.hips_z + 0.04, figure.waist_z + 0.03)
    left = smoothstep(v[:, 0], -0.10, 0.10)
    behind = _behind(figure, v)
    for bone in ("UpperLeg", "LowerLeg"):
        both = [skeleton.index(side + bone) for side in ("left", "right")]
        w[:, both] = ((1 - high) * behind[:, both].sum(1))[:, None] * np.stack([left, 1 - left], 1)
    w[:, skeleton.index("spine")] = high
    w[:, skeleton.index("hips")] = np.maximum(1 - w.sum(1), 0)
    return w


def _behind(figure: Figure, v: np.ndarray) -> np.ndarray:
    """(V, J) weights of the body without its arms next to each point, the mean of the nearest few by distance."""
    near = np.flatnonzero(figure.arm_weight < 0.3)
    distance, index = cKDTree(figure.body.v_pos[near]).query(v, 8)
    share = 1 / np.maximum(distance, 1e-4)
    return np.einsum("vk,vkj->vj", share / share.sum(1, keepdims=True), figure.body.weights[near[index]])
