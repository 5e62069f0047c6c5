"""What is worn on the head: ribbon bows, a hat, a crown, ears, horns, glasses, a headband, headphones."""

from __future__ import annotations

import numpy as np

from scripts.generator import palette
from scripts.generator.assemble import Piece
from scripts.generator.atlas import Atlas, place
from scripts.generator.attributes import Attributes
from scripts.generator.hair import Head, Lock, hair_weights, loft
from scripts.generator.paint import smoothstep

MAIN, ACCENT = 0.25, 0.78  # columns of the accessory's tile: its colour, and what goes with it
OVER_HAIR_M = 0.031


def paint_accessory(a: Attributes, atlas: Atlas) -> None:
    """Left half: the colour, darker at the bottom (t = 0); right half: what goes with it."""
    rgb = np.array(palette.CLOTH[a.accessory_color])
    c = atlas.canvas("accessory")
    c.fill(rgb)
    x, y = c.grid()
    c.blend((x < 0.5) * smoothstep(y, 0.40, 0.05), palette.shade(rgb))
    for s in (0.08, 0.16, 0.34, 0.42):
        c.stroke(np.array([[s, 0.30], [0.25 + (s - 0.25) * 0.3, 0.0]]), np.array([0.0, 0.016]), palette.line(rgb))
    rosy = np.array([1.0, 0.80, 0.84]) if a.accessory_color != "pink" else np.array([1.0, 0.92, 0.93])
    accent = {"cat ears": np.array([1.0, 0.80, 0.84]), "rabbit ears": rosy, "headphones": np.array([0.33, 0.33, 0.38]), "hat": palette.tone(rgb, 0.45) if min(rgb) < 0.75 else np.array([0.35, 0.33, 0.42])}
    c.blend((x >= 0.5) * np.ones_like(y), accent.get(a.accessory, palette.shade(rgb)))
    tie = rgb if a.accessory == "ribbon" else palette.tone(palette.HAIR[a.hair_color], 0.55)
    atlas.canvas("trim").fill(tie)


def _piece(head: Head, lock: Lock, column: float = MAIN, spread: float = 0.42) -> Piece:
    v, tri, st = loft(lock)
    uv = place("accessory", column + spread * (st[..., 0] - 0.5), st[..., 1])
    return Piece(v, tri, uv, hair_weights(head, v), "accessory")


def bow(head: Head, centre: np.ndarray, size: float, facing: np.ndarray, tails: bool = True) -> list[Piece]:
    """A bow at ``centre``: two loops of length ``size`` across ``facing`` (unit), a knot, two tails."""
    up = np.array([0.0, 0.0, 1.0])
    across = np.cross(up, facing)
    across /= np.linalg.norm(across)
    u = np.linspace(0, 1, 12)
    out = []
    for side in (-1.0, 1.0):
        path = centre + side * across * (u * size)[:, None] + up * (0.24 * size * np.sin(u * 1.5))[:, None] + facing * (0.10 * size * np.sin(u * np.pi))[:, None]
        open_ = np.interp(u, [0, 0.25, 0.75, 0.92, 1.0], [0.13, 0.30, 0.48, 0.42, 0.20]) * size
        out.append(_piece(head, Lock(path[::-1], np.broadcast_to(facing, path.shape), open_[::-1], 0.45 * open_[::-1])))
        if tails:
            path = centre + side * across * (0.42 * size * u**0.8)[:, None] - up * (1.05 * size * u)[:, None]
            wide = np.interp(u, [0, 0.2, 1.0], [0.08, 0.16, 0.24]) * size
            out.append(_piece(head, Lock(path, np.broadcast_to(facing, path.shape), wide, np.full(len(u), 0.05 * size))))
    path = centre + up * np.linspace(-0.17, 0.17, 6)[:, None] * size + facing * 0.06 * size
    knot = np.sin(np.linspace(0.5, np.pi - 0.5, 6))
    out.append(_piece(head, Lock(path, np.broadcast_to(facing, path.shape), 0.15 * size * knot, 0.16 * size * knot)))
    return out


def _ribbons(a: Attributes, head: Head) -> list[Piece]:
    n = head.unit
    if a.hair_style == "twin tails":
        out = []
        for side in (-1.0, 1.0):
            at = head.surface(np.array(side * 1.9), np.array(0.90), 0.036 * n)
            out += bow(head, at + (side * 0.008, -0.014, 0.012), 0.058 * n, np.array([side * 0.45, -0.893, 0.0]))
        return out
    if a.hair_style == "ponytail":
        at = head.surface(np.array(np.pi), np.array(0.66), 0.052 * n)
        return bow(head, at + (0, 0.002, -0.022), 0.083 * n, np.array([0.0, 1.0, 0.0]))
    at = head.surface(np.array(np.pi), np.array(0.66), 0.026 * n)
    return bow(head, at + (0.0, 0.0, -0.002 * n), 0.092 * n, np.array([0.0, 1.0, 0.0]))


def _revolved(head: Head, off: np.ndarray, phi: np.ndarray, column: np.ndarray, t: np.ndarray) -> Piece:
    """A surface of rings round the head at polar angles ``phi`` (K,), ``off`` (K,) metres above it."""
    count = 48
    theta = np.linspace(-np.pi, np.pi, count, endpoint=False)
    v = head.surface(theta[None, :], phi[:, None], off[:, None])
    rows = len(phi)
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(count), indexing="ij")
    jn = (j + 1) % count
    a, b, c, d = i * count + j, i * count + jn, (i + 1) * count + jn, (i + 1) * count + j
    tri = np.concatenate([np.stack([a, d, b], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])
    face_row = np.tile(i.reshape(-1), 2)
    s = np.repeat(column[face_row][:, None], 3, 1)
    tt = np.repeat(t[face_row][:, None], 3, 1)
    v = v.reshape(-1, 3)
    return Piece(v, tri, place("accessory", s, tt), hair_weights(head, v), "accessory", (np.abs(s[:, 0] - ACCENT) < 0.01).astype(np.int64))


def _hat(head: Head) -> list[Piece]:
    """A round hat with a band and a brim that droops a little."""
    n = head.unit
    dome = np.linspace(0.02, 1.0, 10)
    phi = np.r_[dome, 1.0, 1.16, 1.16, 1.24, 1.30, 1.34, 1.36, 1.33, 1.26, 1.16]
    off = np.r_[np.full(10, 0.040), 0.041, 0.041, 0.036, 0.060, 0.082, 0.100, 0.104, 0.096, 0.065, 0.022] * n
    column = np.where(np.arange(len(phi)) == 10, ACCENT, MAIN).astype(float)
    t = np.where(np.arange(len(phi)) >= 16, 0.12, 0.8)
    return [_revolved(head, off, phi, column, t)]


def _cat_ears(head: Head) -> list[Piece]:
    out = []
    n = head.unit
    for side in (-1.0, 1.0):
        root = head.surface(np.array(side * 1.45), np.array(0.62), 0.006 * n)
        lean = np.array([side * 0.40, 0.0, 1.0])
        lean /= np.linalg.norm(lean)
        u = np.linspace(0, 1, 10)
        path = root + lean * (0.090 * n * u)[:, None]
        wide = 0.040 * n * np.sqrt(np.clip(1 - u, 0, 1)) ** 1.35 * (1 + 0.25 * u)
        front = np.broadcast_to([0.0, -1.0, 0.0], path.shape)
        out.append(_piece(head, Lock(path, front, wide, 0.014 * n * (1.05 - u))))
        inner = root + np.array([0.0, -0.0075 * n, 0.0]) + lean * (0.018 + 0.056 * u[:, None]) * n
        out.append(_piece(head, Lock(inner, front, 0.60 * wide, 0.007 * n * (1.05 - u)), ACCENT, 0.2))
    return out


def _rabbit_ears(head: Head) -> list[Piece]:
    """Two tall ears, round at the end, that part a little; their insides are of another colour."""
    out = []
    n = head.unit
    u = np.linspace(0, 1, 14)
    shape = np.interp(u, [0, 0.3, 0.65, 0.88, 1.0], [0.62, 0.88, 1.0, 0.78, 0.12])
    for side in (-1.0, 1.0):
        root = head.surface(np.array(side * 1.5), np.array(0.40), 0.004 * n)
        path = root + n * np.stack([side * (0.012 * u + 0.030 * u**2), 0.012 * u**2, 0.125 * u], 1)
        front = np.broadcast_to([0.0, -1.0, 0.0], path.shape)
        out.append(_piece(head, Lock(path, front, 0.027 * n * shape, 0.012 * n * shape)))
        inner = path[1:-1] * (1, 1, 1) + (0, -0.0065 * n, 0)
        out.append(_piece(head, Lock(inner, front[1:-1], 0.55 * 0.027 * n * shape[1:-1], 0.007 * n * shape[1:-1]), ACCENT, 0.2))
    return out


def _horns(head: Head) -> list[Piece]:
    """Two thick horns that rise from the sides and bend in again."""
    out = []
    n = head.unit
    u = np.linspace(0, 1, 14)
    for side in (-1.0, 1.0):
        root = head.surface(np.array(side * 1.3), np.array(0.72), 0.002 * n)
        path = root + n * np.stack([side * 0.048 * np.sin(u * 2.4), -0.012 * np.sin(u * 1.6), 0.085 * u + 0.012 * u**2], 1)
        thick = 0.024 * n * np.clip(1 - u, 0, 1) ** 0.75 + 0.0005
        out.append(_piece(head, Lock(path, np.broadcast_to([0.0, -1.0, 0.0], path.shape), thick, thick)))
    return out


def _headphones(head: Head) -> list[Piece]:
    """A thick band over the crown and a round cup on each ear, padded in another colour."""
    n = head.unit
    bend = np.linspace(-1.50, 1.50, 30)
    p = head.surface(np.sign(bend) * np.pi / 2, np.abs(bend), 0.034 * n)
    out = p - head.centre
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    pieces = [_piece(head, Lock(p, out, np.full(30, 0.015 * n), np.full(30, 0.010 * n)), MAIN, 0.02)]
    u = np.linspace(-1, 1, 12)
    for side in (-1.0, 1.0):
        middle = head.surface(np.array(side * np.pi / 2), np.array(1.66), 0.032 * n)
        for column, radius, start, deep in ((MAIN, 0.045, 0.018, 0.020), (ACCENT, 0.041, -0.002, 0.016)):
            path = middle + np.stack([side * n * (start + deep * 0.5 * u), 0 * u, 0 * u], 1)
            round_ = radius * n * np.sqrt(np.clip(1.02 - np.abs(u) ** 3, 0.02, 1))
            pieces.append(_piece(head, Lock(path, np.broadcast_to([0.0, -1.0, 0.0], path.shape), round_, 1.12 * round_), column, 0.02))
    return pieces


def _crown(head: Head) -> list[Piece]:
    """A ring on top of the head with eight points, and the rim of another shade."""
    n, count = head.unit, 48
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    point = np.abs((turn * 8 / (2 * np.pi)) % 1.0 - 0.5) * 2  # 1 at the tips
    top = head.surface(np.array(0.0), np.array(0.0), 0.018 * n)[2]
    rows = []
    for radius, z in ((0.058, -0.022 + 0 * turn), (0.061, 0.016 + 0 * turn), (0.068, 0.024 + 0.040 * point), (0.062, 0.022 + 0.038 * point), (0.052, -0.022 + 0 * turn)):
        rows.append(np.stack([np.sin(turn) * radius * n, head.centre[1] - np.cos(turn) * radius * n, top + z * n], 1))
    v = np.concatenate(rows)
    i, j = np.meshgrid(np.arange(len(rows) - 1), np.arange(count), indexing="ij")
    jn = (j + 1) % count
    a, b, c, d = i * count + j, i * count + jn, (i + 1) * count + jn, (i + 1) * count + j
    tri = np.concatenate([np.stack([a, b, d], -1).reshape(-1, 3), np.stack([b, c, d], -1).reshape(-1, 3)])
    column = np.where(np.tile(i.reshape(-1), 2) == 0, ACCENT, MAIN)[:, None] * np.ones((1, 3))
    return [Piece(v, tri, place("accessory", column, np.full(column.shape, 0.8)), hair_weights(head, v), "accessory", (column[:, 0] == ACCENT).astype(np.int64))]


def _tube(head: Head, path: np.ndarray, radius: float, closed: bool) -> Piece:
    """A round wire along a path in any direction."""
    k, m = len(path), 6
    ahead = np.roll(path, -1, 0) - np.roll(path, 1, 0) if closed else np.gradient(path, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    up = np.where(np.abs(ahead[:, 2:]) > 0.9, [[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]]) if not closed else np.broadcast_to([0.0, 1.0, 0.0], path.shape)
    a = np.cross(ahead, up)
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    b = np.cross(a, ahead)
    turn = np.linspace(0, 2 * np.pi, m, endpoint=False)
    v = path[:, None] + radius * (a[:, None] * np.cos(turn)[:, None] + b[:, None] * np.sin(turn)[:, None])
    last = k if closed else k - 1
    i, j = np.meshgrid(np.arange(last), np.arange(m), indexing="ij")
    p, q, r, s = i * m + j, i * m + (j + 1) % m, (i + 1) % k * m + (j + 1) % m, (i + 1) % k * m + j
    tri = np.concatenate([np.stack([p, q, s], -1).reshape(-1, 3), np.stack([q, r, s], -1).reshape(-1, 3)])
    v = v.reshape(-1, 3)
    uv = place("accessory", np.full((len(tri), 3), MAIN), np.full((len(tri), 3), 0.8))
    return Piece(v, tri, uv, hair_weights(head, v), "accessory", quiet=True)


def _glasses(head: Head) -> list[Piece]:
    """Two round rims before the eyes, a bridge and temples to the ears."""
    body, n = head.body, head.unit
    at = lambda k: np.asarray(body.v_pos[body.landmarks[k]], float)  # noqa: E731
    eye, ear = at("eye_l"), at("ear_l")
    near = (np.abs(np.abs(body.v_pos[:, 0]) - eye[0]) < 0.030 * n) & (np.abs(body.v_pos[:, 2] - eye[2]) < 0.030 * n)
    front = body.v_pos[near, 1].min() - 0.005 * n
    turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    out = []
    wide, tall = 0.0285 * n, 0.0265 * n
    for side in (-1.0, 1.0):
        x = side * (eye[0] + 0.001)
        c, s = np.cos(turn), np.sin(turn)
        square = (np.abs(c) ** 3 + np.abs(s) ** 3) ** (-1 / 3)
        bend = 0.006 * np.clip(c * side, 0, 1)
        out.append(_tube(head, np.stack([x + wide * c * square, front + bend, eye[2] - 0.002 + tall * s * square], 1), 0.0021 * n, True))
        hinge = np.array([x + side * wide, front + 0.006, eye[2] + 0.010 * n])
        end = np.array([side * (abs(ear[0]) + 0.006 * n), ear[1] + 0.004, eye[2] + 0.010 * n])
        out.append(_tube(head, hinge + (end - hinge) * np.linspace(0, 1, 8)[:, None], 0.0019 * n, False))
    gap = eye[0] - wide
    u = np.linspace(-1, 1, 7)
    out.append(_tube(head, np.stack([u * gap, np.full(7, front), eye[2] + 0.006 * n + 0.003 * (1 - u**2)], 1), 0.0019 * n, False))
    return out


def _headband(head: Head) -> list[Piece]:
    n = head.unit
    bend = np.linspace(-1.42, 1.42, 28)
    p = head.surface(np.sign(bend) * (np.pi / 2 - 0.22), np.abs(bend), (0.0135 + 0.009 * smoothstep(np.abs(bend), 0.2, 0.8)) * n)
    out = p - head.centre
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    return [_piece(head, Lock(p, out, np.full(28, 0.016 * n), np.full(28, 0.008 * n)), MAIN, 0.02)]


def accessory_pieces(a: Attributes, head: Head) -> list[Piece]:
    """Everything of the accessory that the head wears."""
    if a.accessory == "ribbon":
        return _ribbons(a, head)
    makers = {
        "hat": _hat, "cat ears": _cat_ears, "glasses": _glasses, "headband": _headband, "rabbit ears": _rabbit_ears, "horns": _horns,
        "headphones": _headphones, "crown": _crown,
    }  # fmt: skip
    return makers[a.accessory](head) if a.accessory in makers else []
