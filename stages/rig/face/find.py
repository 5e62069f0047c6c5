"""Eyes and mouth that are painted on a face: found by their colour near where the body has them, or refused with a reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, Delaunay

from stages.rig.face.colours import lab_of
from stages.rig.face.view import FaceView, Landmarks

SKIN_WITHIN, HAIR_WITHIN, DARK_L = 11.0, 16.0, 42.0  # distances in CIELAB, and a lightness
WHITE_FROM, WHITE_REACH_M = 5.5, 0.006
EYE_HALF_M = (0.028, 0.0255)  # how far from its landmark an eye may reach, to the sides and up or down
EYE_CORE_M = (0.021, 0.0185)  # what reaches in here is part of it: an iris may stand free of its lashes
EYE_LEAST_M, EYE_MOST_M = (0.016, 0.008), (0.060, 0.058)
FAR_M, UNLIKE = 0.014, 1.7
PALE_ENDS = 0.5  # of the distance of colour that a mouth was found with
MOUTH_HALF_M, MOUTH_LEAST_M, MOUTH_MOST_M = (0.03, 0.014), 0.006, 0.05


class NotFound(ValueError):
    """A part of the face is not where it could be used; the text says which, and why."""


@dataclass(frozen=True)
class Eye:
    """One painted eye. ``u`` from -1 (towards the character's right) to 1; ``top`` and ``bottom`` are polynomials of u in metres of height."""

    side: str
    left_m: float
    right_m: float
    top: np.ndarray
    bottom: np.ndarray
    mask: np.ndarray
    lash_rgb: np.ndarray

    def x(self, u: np.ndarray) -> np.ndarray:
        """Metres."""
        return (self.left_m + self.right_m) / 2 + u * (self.right_m - self.left_m) / 2

    @property
    def middle(self) -> tuple[float, float]:
        """x and z of its middle."""
        return (self.left_m + self.right_m) / 2, float(np.polyval(self.top, 0) + np.polyval(self.bottom, 0)) / 2

    @property
    def width(self) -> float:
        """Metres."""
        return self.right_m - self.left_m

    @property
    def height(self) -> float:
        """Metres, at its middle."""
        return float(np.polyval(self.top, 0) - np.polyval(self.bottom, 0))


@dataclass(frozen=True)
class Mouth:
    """A painted mouth: a line from corner to corner, ``line`` a polynomial of s in [-1, 1] in metres of height."""

    middle_m: float
    half_m: float
    line: np.ndarray
    mask: np.ndarray
    rgb: np.ndarray


def skin_lab(view: FaceView, landmarks: Landmarks) -> np.ndarray:
    """(3,) the commonest colour between eyes and mouth."""
    s = landmarks.scale
    z = np.linspace(landmarks.mouth[2] + 0.008 * s, landmarks.left[2] - 0.03 * s, 24)
    x = np.linspace(landmarks.right[0], landmarks.left[0], 48)
    row, column = view.nearest(*np.meshgrid(x, z))
    return np.median(lab_of(view.rgb[row, column]).reshape(-1, 3), 0)


def hair_lab(view: FaceView, landmarks: Landmarks) -> np.ndarray:
    """(3,) the commonest colour above the brows: hair, or whatever else reaches down from there."""
    rows = max(8, int(0.02 * landmarks.scale / view.pixel_m))
    middle = view.rgb[:rows, view.rgb.shape[1] // 4 : -view.rgb.shape[1] // 4]
    return np.median(lab_of(middle).reshape(-1, 3), 0)


def find_eye(view: FaceView, landmarks: Landmarks, side: str) -> Eye:
    """The eye on ``side``, left or right. Raises NotFound."""
    at, s = getattr(landmarks, side), landmarks.scale
    lab = lab_of(view.rgb)
    skin, hair = skin_lab(view, landmarks), hair_lab(view, landmarks)
    apart = np.linalg.norm(lab - skin, axis=-1) > SKIN_WITHIN
    if hair[0] > DARK_L and np.linalg.norm(hair - skin) > HAIR_WITHIN:  # dark hair has the colour of lashes
        apart &= _off_mixtures(lab, skin, hair) > HAIR_WITHIN
    mask = _pieces_at(apart & _near(view, at, s, EYE_HALF_M), _near(view, at, s, EYE_CORE_M), view)
    if mask is None:
        raise NotFound(f"the {side} eye: nothing that is not skin or hair is painted within {1000 * EYE_CORE_M[1] * s:.0f} mm of where the body has it")
    pale = _near(view, at, s, EYE_HALF_M) & (_off_mixtures(lab, skin, hair) > WHITE_FROM)
    return _measured(view, _with_whites(mask, pale, round(WHITE_REACH_M * s / view.pixel_m)), side, at, s)


def _off_mixtures(lab: np.ndarray, skin: np.ndarray, hair: np.ndarray) -> np.ndarray:
    """(H, W) distance of colours from all mixtures of two, and from shades of the second: strands are painted with borders and shadows."""
    along = hair - skin
    share = np.clip((lab - skin) @ along / max(float(along @ along), 1e-9), 0, 1)
    return np.linalg.norm((lab - skin - share[..., None] * along) * [0.6, 1, 1], axis=-1)


def _near(view: FaceView, at: np.ndarray, scale: float, half_m: tuple[float, float]) -> np.ndarray:
    """(H, W) bool: an ellipse round a landmark, a little squarer than round."""
    row, column = np.indices(view.y.shape)
    x, z = view.places(row, column)
    return np.abs((x - at[0]) / (half_m[0] * scale)) ** 3 + np.abs((z - at[2]) / (half_m[1] * scale)) ** 3 < 1


def _with_whites(mask: np.ndarray, pale: np.ndarray, reach_px: int) -> np.ndarray:
    """An eye's mask with its white, which may be as pale as skin: between lashes and iris, and as far as ``pale`` bulges out of that."""
    eye = _hull(mask)
    bulge = ndimage.binary_opening(pale & ndimage.binary_dilation(eye, iterations=reach_px), iterations=2)
    return _hull(ndimage.binary_propagation(eye, mask=eye | bulge))


def _hull(mask: np.ndarray) -> np.ndarray:
    """The smallest convex region round a mask."""
    row, column = np.nonzero(mask)
    points = np.stack([row, column], -1)
    hull = Delaunay(points[ConvexHull(points).vertices])
    return mask | (hull.find_simplex(np.stack(np.indices(mask.shape), -1)) >= 0)


def _pieces_at(mask: np.ndarray, core: np.ndarray, view: FaceView) -> np.ndarray | None:
    """The pieces of ``mask`` that reach into ``core``, without bays and holes; thin threads are no part of them."""
    step = max(1, round(0.0006 / view.pixel_m))
    solid = ndimage.binary_opening(mask, iterations=step)
    labels, _ = ndimage.label(solid)
    close = labels[core & (labels > 0)]
    if not len(close):
        return None
    piece = np.isin(labels, np.unique(close))
    return ndimage.binary_fill_holes(ndimage.binary_closing(np.pad(piece, 20), iterations=4 * step))[20:-20, 20:-20]


def _measured(view: FaceView, mask: np.ndarray, side: str, at: np.ndarray, scale: float) -> Eye:
    """Extents and outline of an eye's mask. Raises NotFound for one that cannot be an eye."""
    columns = np.flatnonzero(mask.sum(0) >= 2)
    left, right = (float(view.places(np.zeros(1), np.array([c]))[0][0]) for c in (columns.min() - 0.5, columns.max() + 0.5))
    rows = [np.flatnonzero(mask[:, c]) for c in columns]
    z_top, z_bottom = (view.places(np.array([pick(r) for r in rows], float), np.zeros(1))[1] for pick in (np.min, np.max))
    u = (view.places(np.zeros(1), columns)[0] - left) / (right - left) * 2 - 1
    top, bottom = _outline(u, z_top, 1.0, view.pixel_m), _outline(u, z_bottom, -1.0, view.pixel_m)
    upper = mask & (np.arange(len(mask))[:, None] < np.percentile(np.nonzero(mask)[0], 30))
    eye = Eye(side, left, right, top, bottom, mask, _dark(view.rgb[upper]))
    _check_size(eye, scale)
    off = np.hypot(eye.middle[0] - at[0], eye.middle[1] - at[2])
    if off > FAR_M * scale:
        raise NotFound(f"the {side} eye: what is painted there lies {1000 * off:.0f} mm from where the body has it, more than {1000 * FAR_M * scale:.0f} mm")
    return eye


def _check_size(eye: Eye, scale: float) -> None:
    least, most = (np.array(size) * scale for size in (EYE_LEAST_M, EYE_MOST_M))
    if not (least[0] <= eye.width <= most[0] and least[1] <= eye.height <= most[1]):
        raise NotFound(f"the {eye.side} eye: what is painted there is {1000 * eye.width:.0f} x {1000 * eye.height:.0f} mm, expected "
                       f"{1000 * least[0]:.0f} to {1000 * most[0]:.0f} x {1000 * least[1]:.0f} to {1000 * most[1]:.0f} mm")


def _outline(u: np.ndarray, z: np.ndarray, up: float, pixel_m: float) -> np.ndarray:
    """Coefficients (4 or fewer) of a smooth curve along the outer side of an outline: single hairs and dents do not bend it."""
    keep = np.ones(len(u), bool)
    for _ in range(6):
        curve = np.polyfit(u[keep], z[keep], 3)
        beyond = up * (z - np.polyval(curve, u))
        keep = (beyond > -4 * pixel_m) & (beyond < 8 * pixel_m)
        if keep.sum() < 8:
            return np.polyfit(u, z, 2)
    curve[-1] += up * np.percentile(np.maximum(up * (z - np.polyval(curve, u)), 0), 90)
    return curve


def _dark(rgb: np.ndarray) -> np.ndarray:
    """(3,) the colour of lashes: the mean of the darkest twelfth."""
    order = np.argsort(rgb @ [0.3, 0.59, 0.11])
    return rgb[order[: max(1, len(order) // 12)]].mean(0)


def check_pair(left: Eye, right: Eye, landmarks: Landmarks) -> None:
    """Raises NotFound for two eyes that do not look like one face's."""
    ratios = [max(a, b) / min(a, b) for a, b in ((left.width, right.width), (left.height, right.height))]
    if max(ratios) > UNLIKE:
        raise NotFound(f"the eyes: one is {max(ratios):.1f} times as large as the other, expected at most {UNLIKE} times")
    tilt = abs(left.middle[1] - right.middle[1])
    if tilt > 0.012 * landmarks.scale:
        raise NotFound(f"the eyes: one lies {1000 * tilt:.0f} mm higher than the other, expected at most {12 * landmarks.scale:.0f} mm")


def find_mouth(view: FaceView, landmarks: Landmarks) -> Mouth:
    """The mouth. Raises NotFound."""
    at, s = landmarks.mouth, landmarks.scale
    lab = lab_of(view.rgb)
    distance = np.linalg.norm(lab - skin_lab(view, landmarks), axis=-1)
    near = _near(view, at, s, MOUTH_HALF_M)
    for least in (14.0, 9.0, 6.0):
        piece = _most_like_a_line(near & (distance > least), view, at, s)
        if piece is not None:
            piece = _to_its_ends(piece, near & (distance > PALE_ENDS * least), view, s)
            break
    else:
        raise NotFound(f"the mouth: no line or patch of another colour than skin within {1000 * MOUTH_HALF_M[1] * s:.0f} mm above or below where the body has it")
    columns = np.flatnonzero(piece.any(0))
    x, _ = view.places(np.zeros(1), columns)
    middle, half = (x.max() + x.min()) / 2, (x.max() - x.min() + view.pixel_m) / 2
    weights = np.where(piece, distance, 0)[:, columns]
    rows = (weights * np.arange(len(piece))[:, None]).sum(0) / weights.sum(0)
    z = view.places(rows, np.zeros(1))[1]
    line = np.polyfit((x - middle) / half, z, 2, w=np.sqrt(weights.sum(0)))
    return Mouth(float(middle), float(half), line, piece, _dark(view.rgb[piece]))


def _to_its_ends(piece: np.ndarray, pale: np.ndarray, view: FaceView, scale: float) -> np.ndarray:
    """A mouth with what is ``pale`` beside it, at its own height: a line may be fainter towards one end. As it was if that would be no mouth."""
    rows = np.flatnonzero(piece.any(1))
    beside = np.zeros_like(piece)
    spare = round(0.0008 * scale / view.pixel_m)
    beside[max(rows[0] - spare, 0) : rows[-1] + spare + 1] = True
    whole = ndimage.binary_propagation(piece, mask=piece | (pale & beside))
    return whole if np.ptp(np.flatnonzero(whole.any(0))) * view.pixel_m < MOUTH_MOST_M * scale else piece


def _most_like_a_line(mask: np.ndarray, view: FaceView, at: np.ndarray, scale: float) -> np.ndarray | None:
    """The piece of ``mask`` that could best be a mouth: near the middle of the face, wider than high."""
    labels, count = ndimage.label(ndimage.binary_closing(mask, iterations=2))
    best, found = 0.0, None
    for k, box in enumerate(ndimage.find_objects(labels), 1):
        height, width = ((side.stop - side.start) * view.pixel_m for side in box)
        x, z = view.places(*((side.start + side.stop) / 2 for side in box))
        off = np.hypot((x - at[0]) / 0.012, (z - at[2]) / 0.010) / scale
        if not (MOUTH_LEAST_M * scale <= width <= MOUTH_MOST_M * scale and width > 0.9 * height and abs(x - at[0]) < 0.01 * scale):
            continue
        score = width * np.exp(-off)
        if score > best:
            best, found = score, labels == k
    return found
