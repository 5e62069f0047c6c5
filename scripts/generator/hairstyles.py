"""Thirteen ways to wear it: which locks each style is made of."""

from __future__ import annotations

import numpy as np

from scripts.generator.assemble import Piece
from scripts.generator.atlas import place
from scripts.generator.attributes import Attributes
from scripts.generator.hair import Head, Lock, cap_piece, hair_weights, locks_piece, loft, strand


def fringe(head: Head, rng: np.random.Generator) -> list[Lock]:
    """Bangs to the brows: overlapping pointed locks, a long one between the eyes or swept to a side."""
    sweep = rng.uniform(-0.25, 0.25)
    base = head.eye_z + 0.022 * head.unit
    out = []
    for theta, drop, width in ((-0.92, -0.010, 0.024), (-0.60, 0.004, 0.026), (-0.30, 0.010, 0.024), (0.0, -0.002, 0.022), (0.30, 0.010, 0.024), (0.60, 0.004, 0.026), (0.92, -0.010, 0.024)):
        end = base + (drop + rng.uniform(-0.004, 0.004)) * head.unit
        out.append(strand(head, theta * 0.75, 0.30, end, width, off=(0.016, 0.021 - 0.004 * abs(theta)), drift=theta * 0.22 + sweep * 0.4, hang=1.75, belly=0.5, thick=0.008))
    for theta, drop in ((-0.14, 0.000), (0.46, 0.006), (-0.46, 0.006)):
        out.append(strand(head, theta * 0.75, 0.34, base + drop * head.unit, 0.013, off=(0.018, 0.026), drift=theta * 0.22 + sweep * 0.4, hang=1.75, belly=0.5, thick=0.008))
    return out


def side_locks(head: Head, rng: np.random.Generator, end_z: float, width: float = 0.020, wave: float = 0.0) -> list[Lock]:
    """The two that frame the face, in front of the ears."""
    out = []
    for side in (-1.0, 1.0):
        for theta, w, dz in ((1.18, 1.0, 0.0), (1.38, 0.9, 0.02)):
            out.append(strand(head, side * theta * 0.9, 0.42, end_z + dz * head.unit + rng.uniform(-0.01, 0.01), width * w, off=(0.016, 0.018), drift=side * theta * 0.12, wave=wave, phase=rng.uniform(0, 6), hang=1.66, belly=0.5, thick=0.010, flare=-0.004))
    return out


def back(head: Head, rng: np.random.Generator, end_z: float, width: float = 0.030, flare: float = 0.0, wave: float = 0.0, ragged: float = 0.02) -> list[Lock]:
    """The mass behind: an outer row of locks over an inner one that closes the gaps."""
    out = []
    for row, (count, off, short) in enumerate(((11, 0.016, 0.0), (10, 0.008, 0.012))):
        spread = np.linspace(1.62, 2 * np.pi - 1.62, count)
        for i, theta in enumerate(spread):
            side = abs(np.pi - theta) / (np.pi - 1.62)
            end = end_z + head.unit * (short + ragged * rng.uniform(-0.5, 0.5) + 0.25 * ragged * side)
            out.append(strand(head, theta, 0.35 + 0.05 * (i % 2), end, width * (1.15 if row else 1.0), off=(0.013, off + 0.004 * (i % 2)), flare=flare * rng.uniform(0.7, 1.2), wave=wave, phase=rng.uniform(0, 2) + 0.5 * i, thick=0.013, hang=1.62, belly=0.45, tip=0.0))
    return out


def tail(head: Head, root: np.ndarray, direction: np.ndarray, length: float, rng: np.random.Generator, width: float = 0.030, wave: float = 0.006, count: int = 6) -> list[Lock]:
    """A gathered tail: locks in a bundle that leave ``root`` along ``direction`` and bend down."""
    out = []
    u = np.linspace(0, 1, 18)
    direction = direction / np.linalg.norm(direction)
    outward = np.array([direction[0], direction[1], 0.0])
    outward /= np.linalg.norm(outward) + 1e-9
    across = np.array([-outward[1], outward[0], 0.0])
    for i in range(count):
        turn = 2 * np.pi * i / count + 0.3
        ring = across * np.cos(turn) + outward * np.sin(turn)
        far = length * rng.uniform(0.88, 1.0)
        swell = np.sin(np.clip(u * 1.25, 0, 1) * np.pi / 2) * (1 - 0.55 * u**2)
        start = direction * 0.055 * head.unit
        p = root + start * (1 - (1 - u[:, None]) ** 2) + outward * (0.028 * head.unit * np.sin(u * np.pi * 0.9))[:, None]
        p = p - np.array([0, 0, 1.0]) * (far * u**1.35)[:, None] + ring * (0.62 * width * head.unit * swell)[:, None]
        p = p + across * (wave * np.sin(u * 7 + turn))[:, None]
        profile = np.sin(np.clip(0.25 + u * 1.6, 0, 1) * np.pi / 2) * np.sqrt(np.clip(1.02 - u, 0, 1))
        facing = np.broadcast_to(ring, p.shape) + outward * 0.2
        out.append(Lock(p, facing, width * head.unit * profile, 0.5 * width * head.unit * profile))
    return out


def blob(centre: np.ndarray, radii: np.ndarray, weights_of: Head, part: str = "hair", tile: str = "cap", turn: float = 0.0, cells: tuple[int, int] = (24, 14)) -> Piece:
    """An ellipsoid with the strands of the ``tile`` wound round it: a bun."""
    nt, npz = cells
    theta, phi = np.meshgrid(np.linspace(0, 2 * np.pi, nt + 1), np.linspace(0, np.pi, npz), indexing="ij")
    v = np.stack([np.sin(phi) * np.cos(theta), np.sin(phi) * np.sin(theta), np.cos(phi)], -1)
    v *= (1 + 0.05 * np.sin(3 * theta + 4 * phi))[..., None]
    v = v.reshape(-1, 3) * radii
    c, s = np.cos(turn), np.sin(turn)
    v = v @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]]) + centre
    i, j = np.meshgrid(np.arange(nt), np.arange(npz - 1), indexing="ij")
    a, b, d, e = i * npz + j, (i + 1) * npz + j, i * npz + j + 1, (i + 1) * npz + j + 1
    tri = np.concatenate([np.stack([a, d, b], -1).reshape(-1, 3), np.stack([b, d, e], -1).reshape(-1, 3)])
    st = np.stack([theta / (2 * np.pi), 1 - 0.85 * phi / np.pi], -1).reshape(-1, 2)
    return Piece(v, tri, place(tile, st[:, 0], st[:, 1])[tri], hair_weights(weights_of, v), part)


def braid(head: Head, start: np.ndarray, length: float, side: float, rng: np.random.Generator) -> list[Piece]:
    """A rope of plump links that shrink towards a tuft."""
    out = []
    count = 9
    for i in range(count):
        t = i / (count - 1)
        r = 0.024 * head.unit * (1 - 0.45 * t)
        p = start + np.array([side * (0.004 * (-1) ** i + 0.012 * np.sin(t * 2.4)), -0.004 - 0.025 * np.sin(min(t * 2.2, 1.57)), -length * t])
        out.append(blob(p, np.array([r * 1.05, r * 0.85, length / count * 0.85]), head, turn=0.45 * (-1) ** i))
    end = start + np.array([side * 0.012 * np.sin(2.4), -0.029, -length - 0.015])
    u = np.linspace(0, 1, 10)
    path = end - np.array([0, 0, 1]) * (0.07 * u)[:, None]
    v, tri, st = loft(Lock(path, np.broadcast_to([0.0, -1.0, 0.0], path.shape), 0.016 * np.sin(np.clip(0.35 + u, 0, 1.0) * np.pi / 2) * np.sqrt(1.01 - u), 0.014 * np.sqrt(1.01 - u)))
    out.append(Piece(v, tri, place("hair", 0.5 * st[..., 0], st[..., 1]), hair_weights(head, v), "hair"))
    return out


def spikes(head: Head, rng: np.random.Generator) -> list[Lock]:
    """Pointed tufts that stand off all over the head and lean back, longer towards the crown and the nape."""
    out = []
    for phi, count, length in ((0.25, 5, 0.085), (0.62, 9, 0.090), (1.0, 11, 0.080), (1.38, 11, 0.070), (1.75, 9, 0.062)):
        for i in range(count):
            theta = 2 * np.pi * (i + 0.5 * rng.random()) / count
            if abs((theta + np.pi) % (2 * np.pi) - np.pi) < 0.55 + 0.35 * phi:
                continue  # the fringe's place
            out.append(_spike(head, theta, phi, length * rng.uniform(0.85, 1.15), rng))
    for theta in (-0.5, -0.2, 0.15, 0.5):
        out.append(_spike(head, theta, 0.42, 0.085 * rng.uniform(0.85, 1.1), rng))
    return out


def _spike(head: Head, theta: float, phi: float, length: float, rng: np.random.Generator) -> Lock:
    root = head.surface(np.array(theta), np.array(phi), 0.004 * head.unit)
    away = root - head.centre
    away /= np.linalg.norm(away)
    lean = away + np.array([rng.normal(0, 0.15), 0.25, 0.30 * np.cos(phi) - 0.35 * (phi > 1.5)])
    lean /= np.linalg.norm(lean)
    u = np.linspace(0, 1, 9)[:, None]
    path = root + head.unit * length * (away * u * (1 - 0.6 * u) + lean * u**1.6 * 0.75)
    taper = np.clip(1.0 - u[:, 0], 0, 1) ** 0.7 * (1 + 0.35 * u[:, 0])
    return Lock(path, np.broadcast_to(np.cross(np.cross(lean, away), lean) + 1e-3 * away, path.shape), 0.027 * head.unit * taper, 0.016 * head.unit * taper)


def curls(head: Head, rng: np.random.Generator, low: float) -> list[Piece]:
    """Round curls all over the head, down to polar angle ``low`` behind, and a row of smaller ones over the brow."""
    out = []
    for phi, count in ((0.12, 3), (0.50, 8), (0.90, 12), (1.30, 14), (1.70, 14), (2.10, 12)):
        if phi > low:
            continue
        for i in range(count):
            theta = 2 * np.pi * (i + 0.5 * (round(phi * 10) % 2) + 0.25 * rng.random()) / count
            front = abs((theta + np.pi) % (2 * np.pi) - np.pi)
            if front < np.interp(phi, [0.9, 1.3, 1.7, 2.1], [0.0, 1.0, 1.35, 1.7]):
                continue  # the face's place
            r = head.unit * 0.030 * rng.uniform(0.88, 1.15)
            out.append(blob(head.surface(np.array(theta), np.array(phi), 0.016 * head.unit), np.array([r, r, r * 0.95]), head, turn=rng.uniform(-1, 1), cells=(16, 9)))
    for theta in (-0.78, -0.48, -0.18, 0.14, 0.45, 0.76):
        r = head.unit * 0.021 * rng.uniform(0.9, 1.15)
        out.append(blob(head.surface(np.array(theta), np.array(1.02 + 0.06 * rng.random()), 0.012 * head.unit), np.array([r, r, r]), head, turn=rng.uniform(-1, 1), cells=(16, 9)))
    return out


def hair_pieces(a: Attributes, head: Head, rng: np.random.Generator) -> list[Piece]:
    """Everything of the style."""
    n = head.unit
    chin, shoulder = head.chin_z, head.chin_z - 0.095 * n
    pieces, gathered = [], False
    locks = fringe(head, rng)
    style = a.hair_style
    if style == "short hair":
        locks += side_locks(head, rng, chin + 0.055 * n, 0.018) + back(head, rng, chin + 0.020 * n, 0.030, flare=0.014, ragged=0.03)
    elif style == "bob":
        locks += side_locks(head, rng, chin - 0.012 * n, 0.024) + back(head, rng, chin - 0.022 * n, 0.034, flare=-0.012, ragged=0.008)
    elif style == "medium hair":
        locks += side_locks(head, rng, shoulder - 0.01 * n) + back(head, rng, shoulder - 0.045 * n, 0.032, flare=0.012, ragged=0.03)
    elif style == "long hair":
        locks += side_locks(head, rng, shoulder - 0.10 * n) + back(head, rng, chin - 0.47 * n, 0.036, flare=0.030, ragged=0.06)
    elif style == "wavy hair":
        locks += side_locks(head, rng, shoulder - 0.08 * n, 0.022, wave=0.012) + back(head, rng, chin - 0.40 * n, 0.038, flare=0.045, wave=0.015, ragged=0.05)
    elif style == "spiky hair":
        locks += spikes(head, rng) + side_locks(head, rng, chin + 0.085 * n, 0.017) + back(head, rng, chin + 0.055 * n, 0.026, flare=0.010, ragged=0.03)
    elif style == "curly hair":
        pieces += curls(head, rng, 2.2)
    else:
        gathered = True
        locks += side_locks(head, rng, chin - 0.03 * n, 0.017)
    if gathered:
        gathered_locks, more = _gathered(style, head, rng)
        locks += gathered_locks
        pieces += more
    pieces = [cap_piece(head, nape=2.50), locks_piece(head, locks, rng), *pieces]
    return pieces


def _gathered(style: str, head: Head, rng: np.random.Generator) -> tuple[list[Lock], list[Piece]]:
    n = head.unit
    locks: list[Lock] = []
    pieces: list[Piece] = []
    if style == "twin tails":
        for side in (-1.0, 1.0):
            root = head.surface(np.array(side * 2.0), np.array(0.95), 0.016 * n)
            locks += tail(head, root, np.array([side * 1.0, 0.35, 0.30]), 0.50 * n, rng, width=0.032 * n)
            pieces.append(blob(root + np.array([side * 0.006, 0.002, 0.0]), np.array([0.014, 0.020, 0.020]) * n, head, "accessory", "trim"))
    elif style == "ponytail":
        root = head.surface(np.array(np.pi), np.array(0.72), 0.018 * n)
        locks += tail(head, root, np.array([0.0, 1.0, 0.65]), 0.48 * n, rng, width=0.042 * n, count=7)
        pieces.append(blob(root + np.array([0, 0.006, 0.0]), np.array([0.022, 0.014, 0.022]) * n, head, "accessory", "trim"))
    elif style == "side ponytail":
        root = head.surface(np.array(1.95), np.array(0.98), 0.016 * n)
        locks += tail(head, root, np.array([1.0, 0.30, 0.25]), 0.46 * n, rng, width=0.040 * n, count=7)
        pieces.append(blob(root + np.array([0.007, 0.002, 0.0]), np.array([0.016, 0.022, 0.022]) * n, head, "accessory", "trim"))
    elif style == "bun":
        root = head.surface(np.array(np.pi), np.array(0.68), 0.043 * n)
        pieces.append(blob(root, np.array([0.052, 0.048, 0.048]) * n, head))
    elif style == "twin buns":
        for side in (-1.0, 1.0):
            root = head.surface(np.array(side * 1.9), np.array(0.62), 0.034 * n)
            pieces.append(blob(root, np.array([0.040, 0.038, 0.040]) * n, head, turn=side * 0.5))
    elif style == "braids":
        for side in (-1.0, 1.0):
            root = head.surface(np.array(side * 1.75), np.array(1.9), 0.020 * n)
            pieces += braid(head, root, 0.30 * n, side, rng)
    return locks, pieces
