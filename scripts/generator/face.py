"""The face: big eyes, lashes, brows, mouth and blush, painted from the front on the body's own head."""

from __future__ import annotations

import numpy as np

from scripts.generator import palette
from scripts.generator.atlas import Atlas, place
from scripts.generator.attributes import Attributes
from scripts.generator.paint import Canvas, curve, smoothstep, taper
from stages.artifacts.body import BodyModel

HALF_WIDTH_M = 0.115  # the face's tile is a square of twice this, seen from the front
EYE_HALF_M = (0.0224, 0.0248)
FACE_PARTS = ("face", "eye_l", "eye_r", "iris_l", "iris_r", "brow_l", "brow_r", "mouth")
MALE_EYE = 0.86  # height, of a woman's
EYE_PARTS = ("eye_l", "eye_r", "iris_l", "iris_r")


class FaceMap:
    """Where things are on the face: ``middle`` (3,) of the tile and landmark positions in tile metres (x, z)."""

    def __init__(self, body: BodyModel) -> None:
        at = lambda name: np.asarray(body.v_pos[body.landmarks[name]], float)  # noqa: E731
        chin, crown = at("chin"), at("crown")
        self.scale = (crown[2] - chin[2]) / 0.245
        self.middle = np.array([0.0, 0.0, chin[2] + 0.36 * (crown[2] - chin[2])])
        flat = lambda p: np.array([p[0], p[2] - self.middle[2]])  # noqa: E731
        self.eye = flat(at("eye_l"))
        wide = abs(at("eye_l_outer")[0] - at("eye_l_inner")[0]) / 2
        tall = abs(at("eye_l_top")[2] - at("eye_l_bottom")[2]) / 2
        low = np.array(EYE_HALF_M) * self.scale
        self.eye_half = np.clip([wide, tall], 0.98 * low, 1.15 * low)
        self.nose, self.chin = flat(at("nose_tip")), flat(chin)
        self.mouth = flat((at("mouth_left") + at("mouth_right")) / 2)
        self.chin_z = chin[2]

    def uv(self, p: np.ndarray) -> np.ndarray:
        """Texture coordinates (..., 2) of world points (..., 3)."""
        half = HALF_WIDTH_M * self.scale
        s = (p[..., 0] / half + 1) / 2
        t = ((p[..., 2] - self.middle[2]) / half + 1) / 2
        return place("face", np.clip(s, 0, 1), np.clip(t, 0, 1))

    def canvas(self, atlas: Atlas) -> Canvas:
        """The face's tile in metres."""
        half = HALF_WIDTH_M * self.scale
        return atlas.canvas("face", (-half, -half), (half, half))


def paint_face(a: Attributes, face: FaceMap, atlas: Atlas, rng: np.random.Generator) -> None:
    """Paint the tile."""
    c = face.canvas(atlas)
    skin = np.array(palette.SKIN[a.skin])
    c.fill(skin)
    if a.figure == "female":
        _blush(c, face, skin)
    mood = rng.random()
    for side in (1.0, -1.0):
        _eye(c, face, side, a, skin)
        _brow(c, face, side, a, lift=0.002 * (mood - 0.5))
    _nose(c, face, skin)
    _mouth(c, face, skin, mood)


def _blush(c: Canvas, face: FaceMap, skin: np.ndarray) -> None:
    wide, tall = face.eye_half
    rosy = np.clip(skin * (1.0, 0.78, 0.76), 0, 1)
    for side in (1.0, -1.0):
        cx, cy = side * (face.eye[0] + 0.28 * wide), face.eye[1] - 1.42 * tall
        near = c.window(np.array([cx - wide, cy - tall]), np.array([cx + wide, cy + tall]))
        x, y = near.grid()
        d = ((x - cx) / (1.0 * wide)) ** 2 + ((y - cy) / (0.45 * tall)) ** 2
        near.blend(0.75 * smoothstep(d, 1.0, 0.0), rosy)
        for k in (-1, 0, 1):
            px = cx + k * 0.34 * wide
            c.stroke(np.array([[px - 0.0012, cy - 0.0026], [px + 0.0012, cy + 0.0026]]), np.array([0.0009, 0.0006]), rosy * (1, 0.85, 0.85), 0.6)


def _eye(c: Canvas, face: FaceMap, side: float, a: Attributes, skin: np.ndarray) -> None:
    w, h = face.eye_half * ((1.0, 1.0) if a.figure == "female" else (0.97, MALE_EYE))
    lash = 1.0 if a.figure == "female" else 0.62
    middle = np.array([side * face.eye[0], face.eye[1]])
    c = c.window(middle - (1.5 * w, 1.3 * h), middle + (1.5 * w, 1.5 * h))
    at = lambda pts: np.asarray(pts) * (side * w, h) + (side * face.eye[0], face.eye[1])  # noqa: E731
    upper = curve([(-1.0, -0.02), (-0.72, 0.52), (-0.15, 0.84), (0.45, 0.76), (0.92, 0.30), (1.04, -0.05)], 40)
    lower = curve([(1.04, -0.05), (0.84, -0.62), (0.25, -0.92), (-0.40, -0.88), (-0.86, -0.48), (-1.0, -0.02)], 40)
    opening = c.polygon_cover(at(np.concatenate([upper, lower[1:-1]])))
    c.blend(opening, np.array([0.985, 0.985, 0.99]))
    _iris(c, at, opening, np.array(palette.EYES[a.eye_color]))
    shadow = c.stroke_cover(at(upper - (0.0, 0.10)), 0.26 * h)
    c.blend(shadow * opening * np.float32(0.30), np.array([0.25, 0.18, 0.38]))
    dark = np.array([0.17, 0.10, 0.13]) * 0.75 + 0.25 * palette.tone(palette.HAIR[a.hair_color], 0.35)
    c.stroke(at(upper), taper(40, 0.30 * lash * h, 0.30, 0.45, 0.62), dark)
    wing = curve([(0.70, 0.58), (1.04, 0.22), (1.24, 0.20)], 14)
    c.stroke(at(wing), taper(14, 0.22 * lash * h, 0.9, 0.0, 0.2), dark)
    for tip, root in () if a.figure == "male" else (((1.20, 0.52), (0.86, 0.50)), ((0.98, 0.86), (0.62, 0.68))):
        c.stroke(at([root, ((root[0] + tip[0]) / 2, (root[1] + tip[1]) / 2 - 0.03), tip]), np.array([0.16, 0.10, 0.01]) * h, dark)
    c.stroke(at(lower[3:24]), taper(21, 0.075 * h, 0.8, 0.0, 0.3), dark, 0.8)
    fold = curve([(-0.62, 0.86), (-0.05, 1.14), (0.55, 1.04), (0.95, 0.72)], 24)
    c.stroke(at(fold), taper(24, 0.065 * h), palette.line(skin), 0.9)


def _iris(c: Canvas, at: object, opening: np.ndarray, rgb: np.ndarray) -> None:
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    ring = np.stack([np.cos(turn), np.sin(turn)], 1)
    middle = np.array([-0.03, -0.02])
    disc = lambda rx, ry, dx=0.0, dy=0.0: at(ring * (rx, ry) + middle + (dx, dy))  # noqa: E731
    whole = c.polygon_cover(disc(0.67, 0.90)) * opening
    c.blend(whole, palette.tone(rgb, 0.42, 1.15))
    inner = c.polygon_cover(disc(0.59, 0.81)) * opening
    low, high = at(middle[None] + (0, -0.79))[0, 1], at(middle[None] + (0, 0.79))[0, 1]
    _, y = c.grid()
    c.blend(inner, palette.tone(rgb, 0.72, 1.12))
    c.blend(inner * smoothstep(y, high * 0.55 + low * 0.45, low), np.clip(palette.light(palette.tone(rgb, 1.12), 0.30), 0, 1))
    c.blend(c.polygon_cover(disc(0.25, 0.40, 0.0, 0.06)) * opening, palette.tone(rgb, 0.22, 1.2))
    top = c.polygon_cover(disc(0.59, 0.50, 0.0, 0.50)) * inner
    c.blend(top * np.float32(0.55), palette.tone(rgb, 0.25, 1.2))
    crescent = c.polygon_cover(disc(0.36, 0.22, 0.0, -0.52)) * inner
    c.blend(crescent * np.float32(0.65), palette.light(palette.tone(rgb, 1.2), 0.62))
    white = np.array([1.0, 1.0, 1.0])
    side = 1.0 if at(np.array([[1.0, 0.0]]))[0, 0] > at(np.array([[0.0, 0.0]]))[0, 0] else -1.0
    c.blend(c.polygon_cover(disc(0.22, 0.23, -0.24 * side, 0.40)), white)
    c.blend(c.polygon_cover(disc(0.11, 0.12, 0.26 * side, -0.34)), white)


def _brow(c: Canvas, face: FaceMap, side: float, a: Attributes, lift: float) -> None:
    w, h = face.eye_half
    male = a.figure == "male"
    line = curve([(-0.86, 1.30), (-0.20, 1.48), (0.45, 1.56), (1.02, 1.36)] if male else [(-0.86, 1.50), (-0.20, 1.70), (0.45, 1.66), (1.02, 1.36)], 24)
    at = line * (side * w, h) + (side * face.eye[0], face.eye[1] + lift)
    rgb = palette.tone(palette.HAIR[a.hair_color], 0.62, 1.15) if a.hair_color != "silver" else np.array([0.48, 0.48, 0.55])
    c.stroke(at, taper(24, (0.24 if male else 0.15) * h, 0.75, 0.1, 0.3), rgb)


def _nose(c: Canvas, face: FaceMap, skin: np.ndarray) -> None:
    x, y = 0.0, face.nose[1] - 0.001
    c.stroke(np.array([[x - 0.0006, y + 0.0018], [x + 0.0010, y - 0.0008]]), np.array([0.0006, 0.0017]), palette.line(skin), 0.85)


def _mouth(c: Canvas, face: FaceMap, skin: np.ndarray, mood: float) -> None:
    x0, y0 = face.mouth
    w = 0.0125 * face.scale
    dark = np.clip(palette.line(skin) * (0.80, 0.62, 0.66), 0, 1)
    if mood > 0.72:  # a small open smile
        top = curve([(-0.9, 0.10), (-0.3, -0.02), (0.3, -0.02), (0.9, 0.10)], 16) * w + (x0, y0)
        bottom = curve([(0.9, 0.10), (0.45, -0.52), (-0.45, -0.52), (-0.9, 0.10)], 16) * w + (x0, y0)
        c.polygon(np.concatenate([top, bottom[1:-1]]), np.array([0.72, 0.27, 0.30]))
        c.stroke(top, taper(16, 0.0016, 0.4, 0.4), dark)
        c.stroke(bottom, taper(16, 0.0010, 0.2, 0.2), dark)
        return
    smile = curve([(-1.0, 0.16), (-0.55, -0.06), (0, 0.03), (0.55, -0.06), (1.0, 0.16)], 32) * w + (x0, y0)
    c.stroke(smile, taper(32, 0.0017, 0.35, 0.35), dark)
    c.stroke(np.array([[x0 - 0.0028, y0 - 0.0058], [x0 + 0.0028, y0 - 0.0058]]), np.array([0.0007, 0.0007]), palette.line(skin), 0.7)
