"""Tops, trousers, legwear and shoes: which regions of the body each covers, how far it stands off, how it is painted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scripts.generator import palette
from scripts.generator.assemble import Piece
from scripts.generator.atlas import Atlas
from scripts.generator.attributes import Attributes
from scripts.generator.garments import Figure, Weave, cloth, leg_piece, upper_piece
from scripts.generator.paint import Canvas, curve, smoothstep, taper

SLEEVES = {"shirt": 0.97, "t-shirt": 0.36, "sweater": 1.0, "hoodie": 1.0, "jacket": 0.98, "sailor top": 0.42, "tank top": 0.0, "dress": 0.30, "vest": 0.97, "coat": 1.0, "crop top": 0.30}
LOOSE = {"shirt": 0.009, "t-shirt": 0.010, "sweater": 0.014, "hoodie": 0.019, "jacket": 0.015, "sailor top": 0.011, "tank top": 0.006, "dress": 0.008, "vest": 0.010, "coat": 0.019, "crop top": 0.008}
NECKS = {"shirt": (-0.010, 0.0), "t-shirt": (0.014, 0.0), "sweater": (-0.022, 0.0), "hoodie": (0.004, 0.03), "jacket": (-0.010, 0.10), "sailor top": (0.006, 0.075), "tank top": (0.030, 0.03), "dress": (-0.010, 0.0), "vest": (-0.010, 0.0), "coat": (-0.014, 0.0), "crop top": (0.018, 0.0)}
LONG = ("sweater", "hoodie", "jacket", "coat")


def hem_height(a: Attributes, figure: Figure) -> float:
    """Where the top ends: tucked in at the waist, over the hips, or short of the waist."""
    if a.top == "crop top":
        return figure.waist_z + 0.055
    if a.top in LONG:
        return figure.hips_z - 0.005
    return figure.waist_z - 0.03 if a.bottom in ("skirt", "long skirt", "none") else figure.waist_z - 0.06


def top_pieces(a: Attributes, figure: Figure, hidden: np.ndarray) -> list[Piece]:
    """The shirt itself; marks what it covers in ``hidden``."""
    end = SLEEVES[a.top]
    drop, vee = NECKS[a.top]
    sleeve = figure.sleeve_field(end) if end else figure.armhole_field()
    hem = hem_height(a, figure)
    arm = np.clip(figure.along_arm, 0, 1)
    on_arm = figure.arm_weight > 0.3
    loose = LOOSE[a.top] * np.ones(len(figure.z))
    puff = {"shirt": 0.9, "sweater": 0.6, "hoodie": 0.6, "jacket": 0.35, "t-shirt": 1.1, "sailor top": 1.0, "dress": 1.2, "vest": 0.7, "coat": 0.3, "crop top": 0.8}.get(a.top, 0.0)
    taper_in = np.where(arm > 0.86, np.clip((1.0 - arm) / 0.14, 0.15, 1.0), 1.0) if a.top in ("shirt", "sweater", "hoodie", "vest") else 1.0
    loose = loose * np.where(on_arm, (1 + puff * smoothstep(arm, 0.05, 0.5 * end + 0.1)) * taper_in, 1.0)
    if a.top in LONG:
        loose = loose + 0.010 * smoothstep(figure.z, figure.waist_z + 0.12, hem)
    neckline = figure.neck_field(drop, 0.0 if a.top == "jacket" else vee) if a.top != "tank top" else figure.scoop_field(0.075)
    trunk = np.where(figure.is_head | figure.is_hand & (end < 0.9), -1.0, 1.0)
    field = np.minimum.reduce([sleeve, neckline, figure.above(hem), trunk])
    surface, _ = cloth(figure, field, loose, rounds=10)
    hidden |= field > 0.012
    weave = Weave("top", "sleeve", hem, figure.neck[2] + 0.04)
    if a.top == "vest":  # over the shirt
        over, _ = cloth(figure, np.minimum.reduce([figure.armhole_field(), figure.neck_field(0.004, 0.13), figure.above(hem), trunk]), loose + 0.005, rounds=10)
        shirt = upper_piece(figure, surface, "top", replace(weave, tile="sleeve"), end)
        return [shirt, upper_piece(figure, over, "top", weave, end)]
    return [upper_piece(figure, surface, "top", weave, max(end, 0.3))]


def folds(c: Canvas, rng: np.random.Generator, rgb: np.ndarray, count: int, low: float, high: float, length: float = 0.12) -> None:
    """A few tapered strokes of the second tone."""
    for _ in range(count):
        x, y = rng.uniform(0.05, 0.95), rng.uniform(low, high)
        lean = rng.uniform(-0.05, 0.05)
        pts = curve([(x, y), (x + lean, y + length * 0.5), (x + lean * 0.4, y + length)], 10)
        c.stroke(pts, taper(10, 0.012), rgb, 0.8)


def paint_top(a: Attributes, figure: Figure, atlas: Atlas, rng: np.random.Generator) -> None:
    """Trunk and sleeve tiles."""
    rgb = np.array(palette.CLOTH[a.top_color])
    dark, seam = palette.shade(rgb), palette.line(rgb)
    c, s = atlas.canvas("top"), atlas.canvas("sleeve")
    c.fill(rgb)
    s.fill(rgb)
    x, y = c.grid()
    folds(c, rng, dark, 9, 0.02, 0.25)
    folds(s, rng, dark, 5, 0.25, 0.55, 0.2)
    c.blend(np.broadcast_to(0.9 * smoothstep(y, 0.045, 0.03), c.pixels.shape[:2]), dark)
    sy = s.grid()[1]
    cuff = lambda low: s.blend(np.broadcast_to(smoothstep(np.abs(sy - low), 0.012, 0.006), s.pixels.shape[:2]), seam)  # noqa: E731
    white = np.array(palette.CLOTH["white"])
    if a.top == "shirt":
        cuff(0.09)
        c.stroke(np.array([[0.475, 0.0], [0.475, 0.9]]), 0.003, seam)
        c.stroke(np.array([[0.525, 0.0], [0.525, 0.9]]), 0.003, seam)
        for h in (0.12, 0.30, 0.48, 0.66):
            c.stroke(np.array([[0.5, h], [0.5, h + 0.004]]), 0.014, seam)
    elif a.top == "t-shirt":
        cuff(0.06)
    elif a.top == "sweater":
        for h in (0.02, 0.055, 0.09):
            c.blend(np.broadcast_to(smoothstep(np.abs(y - h), 0.008, 0.004), c.pixels.shape[:2]), dark)
        cuff(0.05), cuff(0.09)
    elif a.top == "hoodie":
        cuff(0.07)
        c.polygon(np.array([[0.37, 0.06], [0.63, 0.06], [0.60, 0.27], [0.40, 0.27]]), dark, 0.65)
        c.stroke(np.array([[0.37, 0.06], [0.40, 0.27], [0.60, 0.27], [0.63, 0.06]]), 0.004, seam)
        for side in (-1, 1):
            c.stroke(np.array([[0.5 + side * 0.028, 0.86], [0.5 + side * 0.032, 0.62]]), 0.008, white if a.top_color != "white" else seam)
    elif a.top == "jacket":
        _open_front(c, rgb, seam, white)
        cuff(0.08)
    elif a.top == "sailor top":
        _sailor_collar(c, a, figure, white)
        cuff(0.07)
        s.blend(np.broadcast_to(smoothstep(sy, 0.075, 0.07), s.pixels.shape[:2]), palette.CLOTH["navy"] if a.top_color == "white" else white)
    elif a.top == "vest":
        c.stroke(np.array([[0.5, 0.0], [0.5, 0.7]]), 0.004, seam)
        for h in (0.12, 0.26, 0.40, 0.54):
            c.stroke(np.array([[0.515, h], [0.515, h + 0.004]]), 0.013, seam)
        s.fill(white)
    elif a.top == "coat":
        _coat_front(c, rgb, dark, seam)
        cuff(0.12)
    elif a.top == "crop top":
        cuff(0.06)
        c.blend(np.broadcast_to(smoothstep(np.abs(y - 0.08), 0.012, 0.006), c.pixels.shape[:2]), seam)
    elif a.top == "dress":
        cuff(0.05)
        for h in (0.34, 0.5, 0.66):
            c.stroke(np.array([[0.5, h], [0.5, h + 0.004]]), 0.013, white if min(rgb) < 0.8 else seam)


def _open_front(c: Canvas, rgb: np.ndarray, seam: np.ndarray, white: np.ndarray) -> None:
    """A jacket worn open: a pale shirt between its edges, lapels."""
    under = white if min(rgb) < 0.85 else np.array(palette.CLOTH["grey"])
    edge = np.array([[0.455, 0.0], [0.462, 0.35], [0.44, 0.72], [0.43, 1.0], [0.57, 1.0], [0.56, 0.72], [0.538, 0.35], [0.545, 0.0]])
    c.polygon(edge, under)
    c.stroke(edge[:4], 0.005, seam)
    c.stroke(edge[4:], 0.005, seam)
    for side in (-1, 1):
        lapel = np.array([[0.5 + side * 0.055, 0.93], [0.5 + side * 0.045, 0.55], [0.5 + side * 0.10, 0.74], [0.5 + side * 0.085, 0.80], [0.5 + side * 0.10, 0.88]])
        c.polygon(lapel, palette.shade(rgb))
        c.stroke(np.concatenate([lapel, lapel[:1]]), 0.004, seam)
    c.stroke(np.array([[0.5, 0.0], [0.5, 0.95]]), 0.003, palette.shade(under))


def _coat_front(c: Canvas, rgb: np.ndarray, dark: np.ndarray, seam: np.ndarray) -> None:
    """A coat buttoned in two rows, with lapels and a belt at the waist."""
    c.stroke(np.array([[0.535, 0.0], [0.535, 0.62], [0.56, 1.0]]), 0.005, seam)
    for side in (-1, 1):
        lapel = np.array([[0.5, 0.62], [0.5 + side * 0.10, 0.80], [0.5 + side * 0.075, 0.86], [0.5 + side * 0.09, 0.98], [0.5, 0.98]])
        c.polygon(lapel, dark)
        c.stroke(lapel[:4], 0.005, seam)
        for h in (0.10, 0.38, 0.52):
            c.stroke(np.array([[0.5 + side * 0.045, h], [0.5 + side * 0.045, h + 0.005]]), 0.016, seam)
    _, y = c.grid()
    c.blend(np.broadcast_to(smoothstep(np.abs(y - 0.26), 0.036, 0.030), c.pixels.shape[:2]), palette.tone(rgb, 0.72) if min(rgb) < 0.9 else dark)


def _sailor_collar(c: Canvas, a: Attributes, figure: Figure, white: np.ndarray) -> None:
    """A square flap on the back and two bands down the opening, with a stripe."""
    rgb = np.array(palette.CLOTH["navy"]) if a.top_color in ("white", "grey", "pink", "yellow") else white
    stripe = white if rgb[0] < 0.5 else np.array(palette.CLOTH[a.top_color])
    for side in (-1, 1):
        flap = np.array([[0.5 + side * 0.60, 0.58], [0.5 + side * 0.275, 0.58], [0.5 + side * 0.235, 1.05], [0.5 + side * 0.60, 1.05]])
        c.polygon(flap, rgb)
        c.stroke(flap[:2] + (0.0, 0.035), 0.006, stripe)
        band = np.array([[0.5 + side * 0.235, 1.05], [0.5 + side * 0.25, 0.88], [0.5 + side * 0.01, 0.50], [0.5, 0.50], [0.5, 1.05]])
        c.polygon(band, rgb)


def trousers_pieces(a: Attributes, figure: Figure, hidden: np.ndarray) -> list[Piece]:
    """Trousers to the ankle or shorts to the thigh."""
    short = a.bottom == "shorts"
    low = figure.knee_z + 0.20 if short else figure.ankle_z + 0.015
    field = np.minimum(figure.above(low), figure.waist_z - figure.z)
    field = np.where(figure.arm_weight > 0.3, -1.0, field)
    flare = 0.016 * smoothstep(figure.z, figure.crotch_z, low) if short else 0.014 * smoothstep(figure.z, figure.crotch_z - 0.05, low)
    band = (-0.006 if a.top in LONG else 0.006) * smoothstep(figure.z, figure.waist_z - 0.10, figure.waist_z - 0.05)  # under or over the top
    inward = np.clip(-figure.normal[:, 0] * np.sign(figure.body.v_pos[:, 0]), 0, 1) * smoothstep(figure.z, figure.crotch_z + 0.03, figure.crotch_z - 0.02)
    surface, _ = cloth(figure, field, (0.012 + flare + band) * (1 - 0.7 * inward), rounds=10)  # the legs of the trousers do not meet
    hidden |= field > 0.012
    return [leg_piece(figure, surface, "bottom", "bottom", low, figure.waist_z)]


def paint_bottom(a: Attributes, atlas: Atlas, rng: np.random.Generator, pleats: int) -> None:
    """The bottom's tile and the dark inside of skirts."""
    rgb = np.array(palette.CLOTH[a.bottom_color])
    dark, seam = palette.shade(rgb), palette.line(rgb)
    c = atlas.canvas("bottom")
    c.fill(rgb)
    atlas.canvas("inner").fill(palette.tone(rgb, 0.62, 1.1) if min(rgb) < 0.9 else np.array([0.72, 0.72, 0.78]))
    x, y = c.grid()
    rows = lambda h, w: np.broadcast_to(smoothstep(np.abs(y - h), w, 0.5 * w), c.pixels.shape[:2])  # noqa: E731
    if a.bottom in ("skirt", "long skirt", "none"):
        for k in range(pleats):
            s = 0.5 + ((k + 0.0) / pleats - 0.5) / 1.1
            c.polygon(np.array([[s, 0.9], [s - 0.002, 0.0], [s + 0.55 / pleats, 0.0]]), dark, 0.9)
            c.stroke(np.array([[s, 0.92], [s, 0.0]]), np.array([0.0, 0.004]), seam)
        if a.bottom != "none":
            c.blend(np.broadcast_to(smoothstep(y, 0.925, 0.93), c.pixels.shape[:2]), dark)
            c.blend(rows(0.925, 0.012), seam)
        if a.bottom == "long skirt" or not pleats:
            folds(c, rng, dark, 16, 0.05, 0.4, 0.4)
            c.blend(rows(0.05, 0.010), dark)
    else:
        folds(c, rng, dark, 8, 0.45, 0.8, 0.1)
        c.stroke(np.array([[0.5, 0.0], [0.5, 0.8]]), 0.003, dark)
        c.blend(rows(0.95 if a.bottom == "trousers" else 0.88, 0.012), seam)
        c.blend(rows(0.035, 0.012), seam)


def legwear_pieces(a: Attributes, figure: Figure, hidden: np.ndarray) -> list[Piece]:
    """Knee socks or stockings, feet included."""
    if a.legwear == "bare":
        return []
    high = figure.knee_z - 0.055 if a.legwear == "socks" else figure.knee_z + 0.60 * (figure.crotch_z - figure.knee_z)
    shown = min(high, figure.ankle_z + 0.06) if a.bottom == "trousers" else high
    field = np.where(figure.arm_weight > 0.3, -1.0, shown - figure.z)
    surface, _ = cloth(figure, field, 0.003, rounds=2)
    hidden |= field > 0.012
    return [leg_piece(figure, surface, "legwear", "legwear", 0.0, high)]


def paint_legwear(a: Attributes, atlas: Atlas) -> None:
    """A plain tone with a band at the top."""
    rgb = np.array(palette.CLOTH[a.legwear_color])
    c = atlas.canvas("legwear")
    c.fill(rgb)
    _, y = c.grid()
    c.blend(np.broadcast_to(smoothstep(np.abs(y - 0.94), 0.010, 0.005), c.pixels.shape[:2]), palette.line(rgb))


def shoe_pieces(a: Attributes, figure: Figure, hidden: np.ndarray) -> list[Piece]:
    """Shoes: a rounded shell over the foot, its bottom flattened to a sole."""
    high = {"shoes": figure.ankle_z - 0.018, "sneakers": figure.ankle_z + 0.012, "boots": figure.ankle_z + 0.42 * (figure.knee_z - figure.ankle_z)}[a.shoes]
    y = figure.body.v_pos[:, 1]
    slope = 0.30 * np.minimum(y + 0.02, 0.0) if a.shoes == "shoes" else 0.0
    field = np.where(figure.arm_weight > 0.3, -1.0, high - figure.z + slope)
    bulk = {"shoes": 0.007, "sneakers": 0.009, "boots": 0.010}[a.shoes]
    surface, _ = cloth(figure, field, bulk + 0.002 * (figure.z < 0.05), rounds=14, depth_m=-0.001)
    hidden |= field > 0.012
    surface.v_pos[:, 2] = np.maximum(surface.v_pos[:, 2], -0.006)
    surface.v_pos[:, 2] = np.where(surface.v_pos[:, 2] < 0.006, -0.006, surface.v_pos[:, 2])
    piece = leg_piece(figure, surface, "shoes", "shoes", 0.0, high)
    from scripts.generator.atlas import place

    corners = surface.v_pos[surface.tri]
    s = np.clip((corners[..., 1] + 0.18) / 0.26, 0, 1)
    t = np.clip((corners[..., 2] + 0.006) / (high + 0.02), 0, 1)
    return [Piece(piece.v_pos, piece.tri, place("shoes", s, t), piece.weights, "shoes")]


def paint_shoes(a: Attributes, figure: Figure, atlas: Atlas) -> None:
    """Seen from the side: toe at the left, sole at the bottom."""
    rgb = np.array(palette.LEATHER[a.shoes_color])
    seam = palette.line(rgb)
    c = atlas.canvas("shoes")
    c.fill(rgb)
    x, y = c.grid()
    high = {"shoes": figure.ankle_z - 0.018, "sneakers": figure.ankle_z + 0.012, "boots": figure.ankle_z + 0.42 * (figure.knee_z - figure.ankle_z)}[a.shoes]
    t = lambda z: (z + 0.006) / (high + 0.02)  # noqa: E731
    full = c.pixels.shape[:2]
    white = np.array(palette.CLOTH["white"])
    sole = white if a.shoes == "sneakers" and min(rgb) < 0.9 else palette.tone(rgb, 0.55) if min(rgb) < 0.9 else np.array([0.60, 0.60, 0.65])
    c.blend(np.broadcast_to(smoothstep(y, t(0.012), t(0.010)), full), sole)
    if a.shoes == "sneakers":
        c.blend(smoothstep(x, 0.17, 0.16) * smoothstep(y, t(0.040), t(0.036)), white if min(rgb) < 0.9 else palette.shade(rgb))
        for k in range(4):
            c.stroke(np.array([[0.30 + 0.07 * k, t(0.055 + 0.006 * k)], [0.36 + 0.07 * k, t(0.046 + 0.006 * k)]]), 0.02, white if min(rgb) < 0.9 else seam)
    elif a.shoes == "shoes":
        c.stroke(np.array([[0.40, t(0.02)], [0.47, 1.0]]), 0.035, palette.shade(rgb))
    else:
        c.blend(np.broadcast_to(smoothstep(np.abs(y - 0.90), 0.02, 0.012), full), seam)
        c.stroke(np.array([[0.10, t(0.045)], [0.30, t(0.060)]]), 0.012, palette.shade(rgb))
