"""What sits at the neck: a shirt's collar, a hood laid back, a sailor's neckerchief, a scarf."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scripts.generator import palette
from scripts.generator.accessories import bow
from scripts.generator.assemble import Piece
from scripts.generator.atlas import Atlas, place
from scripts.generator.attributes import Attributes
from scripts.generator.garments import Figure
from scripts.generator.hair import Head
from scripts.generator.paint import smoothstep

COLLARED = ("shirt", "dress", "jacket", "vest", "coat")


def neck_ring(figure: Figure, z: float) -> tuple[float, float, float]:
    """Half width, half depth and middle y of the neck at a height."""
    near = (np.abs(figure.z - z) < 0.016) & (figure.arm_weight < 0.1) & (np.hypot(figure.body.v_pos[:, 0], figure.body.v_pos[:, 1] - figure.neck[1]) < 0.075)
    p = figure.body.v_pos[near]
    if len(p) < 6:
        return 0.042, 0.042, float(figure.neck[1])
    return float(np.abs(p[:, 0]).max()), float(np.ptp(p[:, 1]) / 2), float((p[:, 1].max() + p[:, 1].min()) / 2)


def chest_weights(figure: Figure, v: np.ndarray) -> np.ndarray:
    """(V, J): the upper chest, the neck a little."""
    skeleton = figure.body.skeleton
    w = np.zeros((len(v), len(skeleton.names)))
    high = 0.5 * smoothstep(v[:, 2], figure.neck[2], figure.neck[2] + 0.05)
    w[:, skeleton.index("neck")] = high
    w[:, skeleton.index("upperChest")] = 1 - high
    return w


def _strip(figure: Figure, rows: np.ndarray, tile: str, s: float, t: float) -> Piece:
    """Quads between rows of points (R, C, 3)."""
    r, c = rows.shape[:2]
    i, j = np.meshgrid(np.arange(r - 1), np.arange(c - 1), indexing="ij")
    a, b, d, e = i * c + j, i * c + j + 1, (i + 1) * c + j, (i + 1) * c + j + 1
    tri = np.concatenate([np.stack([a, b, d], -1).reshape(-1, 3), np.stack([b, e, d], -1).reshape(-1, 3)])
    v = rows.reshape(-1, 3)
    return Piece(v, tri, place(tile, np.full((len(tri), 3), s), np.full((len(tri), 3), t)), chest_weights(figure, v), "top")


def _shirt_collar(figure: Figure, tile: str, stand: float = 0.030) -> list[Piece]:
    """A stand round the neck folded down over itself, points in front, of the colour of a ``tile``."""
    z0 = figure.neck[2] + 0.006
    wide, deep, y0 = neck_ring(figure, figure.neck[2] + 0.03)
    turn = np.linspace(0.10, 2 * np.pi - 0.10, 49)
    front = np.clip(np.cos(turn), 0, 1) ** 2

    def ring(out: float | np.ndarray, z: float | np.ndarray) -> np.ndarray:
        x = np.sin(turn) * (wide + out)
        y = y0 - np.cos(turn) * (deep + out)
        return np.stack([x, y, np.broadcast_to(z, x.shape) - 0.30 * np.clip(-(y - y0), 0, 1)], 1)

    point = np.exp(-(((turn - 0.38) / 0.22) ** 2)) + np.exp(-(((2 * np.pi - turn - 0.38) / 0.22) ** 2))
    low = z0 + 0.010 - 0.014 * front - 0.030 * point
    fall = ring(0.017 + 0.017 * front + 0.006 * point, low)
    rows = np.stack([ring(0.001, z0 - 0.016), ring(0.004, z0 + stand), ring(0.008, z0 + stand + 0.002), fall, ring(0.010 + 0.017 * front, low + 0.004)])
    return [_strip(figure, rows, tile, 0.25, 0.86 if tile == "top" else 0.5)]


def _hood(figure: Figure) -> list[Piece]:
    """A hood that lies on the back: a fat ring round the neck, open in front."""
    wide, deep, y0 = neck_ring(figure, figure.neck[2] + 0.02)
    turn = np.linspace(0.55, 2 * np.pi - 0.55, 41)
    behind = 0.5 - 0.5 * np.cos(turn)
    radius = 0.013 + 0.024 * behind**1.5
    spin = np.linspace(0, 2 * np.pi, 13)
    base_x, base_y = np.sin(turn) * (wide + 0.020 + 0.012 * behind), y0 - np.cos(turn) * (deep + 0.016 + 0.022 * behind)
    z = figure.neck[2] + 0.004 - 0.040 * np.clip(np.cos(turn), 0, 1) + 0.006 * behind
    out = np.stack([np.sin(turn), -np.cos(turn)], 1)
    ends = np.clip(np.minimum(turn - 0.55, 2 * np.pi - 0.55 - turn) / 0.12, 0.05, 1.0)
    radius = radius * ends
    rows = np.stack([
        np.stack([base_x + out[:, 0] * radius * np.cos(s), base_y + out[:, 1] * radius * np.cos(s), z + 1.05 * radius * np.sin(s)], 1)
        for s in spin
    ])
    return [_strip(figure, rows[::-1], "top", 0.25, 0.86)]


def _scarf(figure: Figure) -> list[Piece]:
    """A fat ring round the neck, and an end that hangs down in front on the left."""
    wide, deep, y0 = neck_ring(figure, figure.neck[2] + 0.03)
    turn, spin = np.linspace(0, 2 * np.pi, 49), np.linspace(0, 2 * np.pi, 13)
    front = 0.5 + 0.5 * np.cos(turn)
    radius = 0.022 + 0.005 * front + 0.002 * np.sin(5 * turn)
    base = np.stack([np.sin(turn) * (wide + 0.020), y0 - np.cos(turn) * (deep + 0.020 + 0.008 * front), figure.neck[2] + 0.028 - 0.022 * front], 1)
    out = np.stack([np.sin(turn), -np.cos(turn), 0 * turn], 1)
    rows = np.stack([base + out * (radius * np.cos(s))[:, None] + np.array([0, 0, 1.0]) * (1.15 * radius * np.sin(s))[:, None] for s in spin])
    u = np.linspace(0, 1, 12)[:, None]
    chest = figure.body.v_pos[(np.abs(figure.body.v_pos[:, 0] - 0.03) < 0.03) & (figure.arm_weight < 0.3)]
    z = figure.neck[2] + 0.010 - 0.24 * u[:, 0]
    lies = np.array([chest[np.abs(chest[:, 2] - h) < 0.02][:, 1].min() for h in z]) - 0.024
    middle = np.stack([0.030 + 0.012 * u[:, 0], np.minimum.accumulate(lies), z], 1)
    section = np.array([(-1, 0.0), (-0.9, -1.0), (0.9, -1.0), (1, 0.0), (0.9, 0.6), (-0.9, 0.6), (-1, 0.0)])
    end = np.stack([middle + np.array([0.032 * x, 0.008 * y, 0.0]) for x, y in section])
    tail = np.concatenate([end, end[:, -1:].mean(0, keepdims=True).repeat(len(section), 0)], 1)
    return [replace(_strip(figure, grid, "accessory", 0.25, t), part="accessory") for grid, t in ((rows[::-1], 0.8), (tail[::-1], 0.7))]


def collar_pieces(a: Attributes, figure: Figure, head: Head) -> list[Piece]:
    """Whatever is worn at the neck."""
    return _scarf(figure) + _collar(a, figure, head) if a.accessory == "scarf" else _collar(a, figure, head)


def _collar(a: Attributes, figure: Figure, head: Head) -> list[Piece]:
    if a.top in COLLARED:
        return _shirt_collar(figure, "sleeve" if a.top == "vest" else "top")
    if a.top == "hoodie":
        return _hood(figure)
    if a.top == "sailor top":
        chest = figure.body.v_pos[(np.abs(figure.body.v_pos[:, 0]) < 0.02) & (np.abs(figure.z - (figure.neck[2] - 0.085)) < 0.02) & (figure.arm_weight < 0.3)]
        y = chest[:, 1].min() - 0.014
        knot = bow(head, np.array([0.0, y, figure.neck[2] - 0.088]), 0.050, np.array([0.0, -1.0, 0.0]))
        return [
            Piece(p.v_pos, p.tri, place("skin", np.full(p.tri.shape, 0.5), np.full(p.tri.shape, 0.98)), chest_weights(figure, p.v_pos), "top", p.t_piece)
            for p in knot
        ]
    return []


def paint_neckerchief(a: Attributes, atlas: Atlas) -> None:
    """The top end of the skin's tile is lent to the neckerchief."""
    c = atlas.canvas("skin")
    _, y = c.grid()
    rgb = palette.CLOTH["red"] if a.top_color not in ("red", "pink", "orange") else palette.CLOTH["white"]
    c.blend(np.broadcast_to((y > 0.93).astype(np.float32), c.pixels.shape[:2]), np.array(rgb))
