"""Hair: a cap that follows the head, and locks lofted along curves that run over it and fall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scripts.generator import palette
from scripts.generator.assemble import Piece
from scripts.generator.atlas import Atlas, place
from scripts.generator.attributes import Attributes
from scripts.generator.paint import smoothstep
from stages.artifacts.body import BodyModel

CROWN_M = 0.10
RINGS = 20  # cross-sections of a lock
SECTION = np.array([(-1.0, 0.0), (-0.55, 0.62), (0.0, 0.85), (0.55, 0.62), (1.0, 0.0), (0.0, -0.45)])  # (across, outward)


@dataclass(frozen=True)
class Head:
    """The head as hair sees it: an ellipsoid round ``centre`` (3,) with ``radii`` (x, front, back, up) in metres, and the body
    below it as depth profiles."""

    centre: np.ndarray
    radii: tuple[float, float, float, float]
    chin_z: float
    eye_z: float
    unit: float
    body: BodyModel

    @classmethod
    def of(cls, body: BodyModel) -> Head:
        """Measure a body in rest pose."""
        names = np.array(body.part_names)[body.t_part]
        verts = np.unique(body.t_pos_idx[np.isin(names, ("scalp", "face"))])
        crown_z, chin_z = (body.v_pos[body.landmarks[k]][2] for k in ("crown", "chin"))
        tall = crown_z - chin_z
        v = body.v_pos[verts]
        v = v[v[:, 2] > chin_z + 0.25 * tall]
        middle = (v[:, 1].min() + v[:, 1].max()) / 2
        centre = np.array([0.0, middle + 0.004, chin_z + 0.58 * tall])
        radii = (np.abs(v[:, 0]).max(), centre[1] - v[:, 1].min(), v[:, 1].max() - centre[1], crown_z - centre[2])
        eye_z = body.v_pos[body.landmarks["eye_l"]][2]
        return cls(centre, radii, chin_z, eye_z, tall / 0.245, body)

    def surface(self, theta: np.ndarray, phi: np.ndarray, off: np.ndarray | float) -> np.ndarray:
        """(..., 3) points ``off`` metres above the ellipsoid at azimuth ``theta`` (0 = front, + to the character's left) and
        angle ``phi`` from the crown, radians."""
        theta, phi, off = np.broadcast_arrays(theta, phi, off)
        rx, rf, rb, rz = self.radii
        front = np.cos(theta) > 0
        below = np.maximum(phi - np.pi / 2, 0.0)  # under its widest ring the head goes on downward, narrowing to the nape
        girth = np.where(below > 0, 1 - 0.30 * below**2, np.sin(phi))
        height = np.where(below > 0, -1.05 * below * rz, np.cos(phi) * (rz + 1.15 * off))
        y = -np.cos(theta) * girth * (np.where(front, rf, rb) + off)
        x = np.sin(theta) * girth * (rx + off)
        return self.centre + np.stack([x, y, height], -1)


@dataclass(frozen=True)
class Lock:
    """A lock of hair: ``path`` (K, 3), ``out`` (K, 3) outward directions, ``width`` and ``thick`` (K,) half sizes in metres."""

    path: np.ndarray
    out: np.ndarray
    width: np.ndarray
    thick: np.ndarray


def loft(lock: Lock) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, triangles and corner tile coordinates (F, 3, 2): across and along, root at 1."""
    k, m = len(lock.path), len(SECTION)
    tangent = np.gradient(lock.path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-12
    side = np.cross(lock.out, tangent)
    side /= np.linalg.norm(side, axis=1, keepdims=True) + 1e-12
    out = np.cross(tangent, side)
    v = (
        lock.path[:, None]
        + side[:, None] * (SECTION[:, 0] * lock.width[:, None])[..., None]
        + out[:, None] * (SECTION[:, 1] * lock.thick[:, None])[..., None]
    )
    i, j = np.meshgrid(np.arange(k - 1), np.arange(m), indexing="ij")
    jn = (j + 1) % m
    a, b, c, d = i * m + j, i * m + jn, (i + 1) * m + jn, (i + 1) * m + j
    tri = np.concatenate([np.stack([a, d, b], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])
    across = (SECTION[:, 0] + 1) / 2
    step = np.r_[0, np.cumsum(np.linalg.norm(np.diff(lock.path, axis=0), axis=1))]
    bend = min(CROWN_M, 0.6 * step[-1])  # the same part of the tile for the same part of the head: the band of light meets itself
    along = np.interp(step, [0, bend, step[-1]], [1, 0.65, 0])
    st = np.stack(np.meshgrid(along, across, indexing="ij")[::-1], -1).reshape(-1, 2)
    return v.reshape(-1, 3), tri, st[tri]


def hair_weights(head: Head, v: np.ndarray) -> np.ndarray:
    """(V, J): the head carries hair; what falls below the shoulders follows the chest part of the way."""
    skeleton = head.body.skeleton
    low = 0.75 * smoothstep(v[:, 2], head.chin_z - 0.03, head.chin_z - 0.30)
    w = np.zeros((len(v), len(skeleton.names)))
    w[:, skeleton.index("head")] = 1 - low
    w[:, skeleton.index("upperChest")] = low
    return w


def locks_piece(head: Head, locks: list[Lock], rng: np.random.Generator) -> Piece:
    """All locks as one patch; each is a separate thing to the line drawer and shifts its strands a little in the tile."""
    vs, ts, uvs, ids, roots, n = [], [], [], [], [], 0
    for number, lock in enumerate(locks):
        v, tri, st = loft(lock)
        shift = rng.uniform(0, 0.5)
        s = shift + 0.5 * st[..., 0]
        vs.append(v)
        ts.append(tri + n)
        uvs.append(place("hair", s, st[..., 1]))
        ids.append(np.full(len(tri), number))
        middle = v[tri].mean(1) - head.centre
        roots.append(middle[:, 2] > 0.42 * np.linalg.norm(middle, axis=1))
        n += len(v)
    v = np.concatenate(vs)
    return Piece(v, np.concatenate(ts), np.concatenate(uvs), hair_weights(head, v), "hair", np.concatenate(ids), np.concatenate(roots))


def cap_piece(head: Head, nape: float = 2.25, lift: float = 0.012) -> Piece:
    """The closed cap: from the crown to the hairline (lower at the back, down to polar angle ``nape``), rim turned in."""
    nt, npz = 64, 16
    theta = np.linspace(-np.pi, np.pi, nt + 1)
    turn = np.abs(theta)
    edge = np.interp(turn, [0, 0.7, 1.15, 1.45, 1.9, np.pi], [0.98, 1.02, 1.45, 1.75, 0.5 * nape + 0.95, nape])
    share = np.linspace(0, 1, npz)
    phi = share[None] * edge[:, None]
    fade = np.clip((share - 0.55) / 0.45, 0, 1) ** 2
    off = lift * head.unit * (1.15 - 0.75 * fade)[None] * np.ones((nt + 1, 1))
    v = head.surface(theta[:, None], phi, off)
    inner = head.surface(theta, edge, -0.02 * head.unit)
    v = np.concatenate([v, inner[:, None]], 1)
    rows = npz + 1
    i, j = np.meshgrid(np.arange(nt), np.arange(rows - 1), indexing="ij")
    a, b, c, d = i * rows + j, (i + 1) * rows + j, (i + 1) * rows + j + 1, i * rows + j + 1
    tri = np.concatenate([np.stack([a, d, b], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])
    s = np.repeat((theta + np.pi) / (2 * np.pi), rows)
    t = np.tile(np.r_[1 - share, 0.0], nt + 1)
    v = v.reshape(-1, 3)
    return Piece(v, tri, place("cap", s, t)[tri], hair_weights(head, v), "hair", quiet=True)


def strand(
    head: Head, theta: float, phi0: float, end_z: float, width: float, off: tuple[float, float] = (0.014, 0.022),
    drift: float = 0.0, flare: float = 0.0, wave: float = 0.0, phase: float = 0.0, thick: float = 0.010, hang: float = 1.62,
    root: float = 0.75, belly: float = 0.35, tip: float = 0.0,
) -> Lock:
    """A lock that leaves the crown at polar angle ``phi0``, follows the head down to ``hang`` radians and falls to height
    ``end_z``. ``drift`` (radians) turns it on its way, ``flare`` (metres) moves its end outward, ``wave`` (metres) swings it."""
    u = np.linspace(0, 1, 120)
    arc = (hang - phi0) * (head.radii[3] + 0.02)
    hang_z = head.surface(np.array(theta + drift), np.array(hang), off[1] * head.unit)[2]
    fall = max(hang_z - end_z, 0.0)
    s = u * (arc + fall)
    phi = np.minimum(phi0 + s / (head.radii[3] + 0.02), hang)
    lift = head.unit * (off[0] + (off[1] - off[0]) * smoothstep(u, 0.0, 0.5))
    p = head.surface(theta + drift * u, phi, lift)
    drop = np.maximum(s - arc, 0.0)
    p[:, 2] -= drop
    radial = np.stack([np.sin(theta + drift * u), -np.cos(theta + drift * u), np.zeros_like(u)], 1)
    fell = drop / max(fall, 1e-6) if fall > 0 else np.zeros_like(u)
    swing = wave * np.sin(2 * np.pi * (drop / 0.16) + phase) * smoothstep(fell, 0, 0.3)
    tangent = np.stack([np.cos(theta + drift * u), np.sin(theta + drift * u), np.zeros_like(u)], 1)
    p = p + radial * (flare * fell**1.5)[:, None] + tangent * swing[:, None]
    if end_z > hang_z:  # ends while still on the head
        p = p[p[:, 2] >= end_z - 1e-9] if (p[:, 2] >= end_z).sum() > 4 else p
    return _resampled(head, p, theta + drift / 2, width, thick, root, belly, tip)


def _resampled(
    head: Head, p: np.ndarray, theta: float, width: float, thick: float, root: float, belly: float, tip: float
) -> Lock:
    step = np.r_[0, np.cumsum(np.linalg.norm(np.diff(p, axis=0), axis=1))]
    bend = min(0.20 * head.unit / max(step[-1], 1e-6), 0.62)  # half of the sections go to the part that bends over the head
    where = step[-1] * np.interp(np.linspace(0, 1, RINGS), [0, 0.55, 1], [0, bend, 1])
    path = np.stack([np.interp(where, step, p[:, k]) for k in range(3)], 1)
    u = where / step[-1]
    rise = root + (1 - root) * np.sin(np.clip(u / belly, 0, 1) * np.pi / 2)
    end = tip + (1 - tip) * np.sqrt(np.clip((1 - u) / (1 - belly), 0, 1))
    profile = np.where(u < belly, rise, end)
    out = path - head.centre
    out[:, 2] = np.maximum(out[:, 2], 0.0)
    flat = np.array([np.sin(theta), -np.cos(theta), 0.0]) * 0.25 * head.radii[0]
    out = out + flat
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    return Lock(path, out, width * head.unit * profile, thick * head.unit * np.sqrt(profile))


def paint_hair(a: Attributes, atlas: Atlas, rng: np.random.Generator) -> None:
    """Strands: a flat tone, a darker root and tip, thin darker and lighter streaks, and a band of light on the cap."""
    rgb = np.array(palette.HAIR[a.hair_color])
    dark, pale = palette.shade(rgb), palette.light(rgb, 0.5 if a.hair_color != "black" else 0.22)
    deep = palette.tone(rgb, 0.72, 1.12)
    c = atlas.canvas("hair")
    c.fill(rgb)
    x, y = c.grid()
    c.blend(np.broadcast_to(0.55 * smoothstep(y, 0.30, 0.0), c.pixels.shape[:2]), dark)
    jag = 0.012 * np.sin(x * 2 * np.pi * 17 + 1.0) + 0.010 * np.sin(x * 2 * np.pi * 41)
    c.blend(0.62 * smoothstep(np.abs(y - 0.795 - jag), 0.042, 0.026), pale)
    for _ in range(46):
        s, low = rng.uniform(0, 1), rng.uniform(0, 0.40)
        high = low + rng.uniform(0.25, 0.55)
        pts = np.stack([s + rng.normal(0, 0.006, 5).cumsum(), np.linspace(low, high, 5)], 1)
        light = rng.random() < 0.35
        c.stroke(pts, np.array([0, 0.5, 1, 0.5, 0]) * rng.uniform(0.012, 0.03), pale if light else dark, 0.5 if light else 0.75)
    for _ in range(10):
        s = rng.uniform(0, 1)
        c.stroke(np.array([[s, 0.0], [s, rng.uniform(0.2, 0.6)]]), np.array([0.012, 0.0]), deep, 0.5)
    _paint_cap(atlas, rgb, dark, pale, rng)


def _paint_cap(atlas: Atlas, rgb: np.ndarray, dark: np.ndarray, pale: np.ndarray, rng: np.random.Generator) -> None:
    c = atlas.canvas("cap")
    c.fill(rgb)
    x, y = c.grid()
    jag = 0.02 * np.sin(x * 2 * np.pi * 23 + 1.0) + 0.02 * np.sin(x * 2 * np.pi * 37)
    band = smoothstep(y, 0.50, 0.53 + 0.0) * smoothstep(y, 0.635, 0.60)
    zig = smoothstep(np.abs(y - 0.565 - jag), 0.050, 0.030)
    c.blend(np.maximum(zig * np.float32(0.75), band * np.float32(0.0)), pale)
    c.blend(np.broadcast_to(smoothstep(y, 0.16, 0.0), c.pixels.shape[:2]), dark)
    for _ in range(60):
        s, low = rng.uniform(0, 1), rng.uniform(0, 0.5)
        c.stroke(np.array([[s, low], [s + rng.normal(0, 0.004), low + rng.uniform(0.15, 0.4)]]), np.array([0.008, 0.0]), dark, 0.7)
