"""The head's cage: a grid of columns (front to back) and rows (jaw to crown) with holes for eye, mouth and ear.

What has a place is pinned, the rest of the grid is relaxed on the unrolled skull.
"""

from __future__ import annotations

import numpy as np

from scripts.body.cage import Cage
from scripts.body.features import build_ear, build_eye, build_eyeball, build_mouth, ear_frame, eye_outline, mouth_outline
from scripts.body.skull import JAW, rolled, surface, turn_of, unrolled

COLUMNS, ROWS = 14, 17
JAW_TURNS_DEG = (0.0, 10.0, 20.0, 31.0, 42.0, 54.0, 66.0, 78.0, 90.0, 104.0, 118.0, 133.0, 148.0, 164.0, 180.0)
EYE_COLUMNS, EYE_ROWS = (2, 6), (7, 11)
MOUTH_COLUMNS, MOUTH_ROWS = (0, 2), (2, 4)
EAR_COLUMNS, EAR_ROWS = (8, 10), (7, 10)
BROW_ROW = 12
RADIUS_M = 0.085  # metres per radian of turn while relaxing
CROWN_DEG = 66.0
NECK_TO_JAW = (0, 1, 3, 4, 6, 7, 9, 10, 12, 13, 14)


def block(columns: tuple[int, int], rows: tuple[int, int]) -> list[tuple[int, int]]:
    """Border of a block of the grid, counter-clockwise from outside, from the middle of its far column."""
    (a, b), (c, d) = columns, rows
    border = [(b, r) for r in range(c, d + 1)] + [(k, d) for k in range(b - 1, a - 1, -1)]
    border += [(a, r) for r in range(d - 1, c - 1, -1)] + [(k, c) for k in range(a + 1, b)]
    start = (d - c) // 2
    return border[start:] + border[:start]


def _pins() -> dict[tuple[int, int], tuple[float, float]]:
    """Grid place -> (turn, height)."""
    pins: dict[tuple[int, int], tuple[float, float]] = {}
    for c, deg in enumerate(JAW_TURNS_DEG):
        pins[c, 0] = (np.radians(deg), float(JAW(deg)[0]))
        pins[c, ROWS] = (np.pi * c / COLUMNS, float(rolled(0.140 + 0.115 * np.radians(CROWN_DEG))))
    frontal = [((0, 1), (0.0, 0.0125)), ((0, 5), (0.0, 0.0640)), ((0, 6), (0.0, 0.0715)), ((0, 7), (0.0, 0.0800)), ((1, 5), (0.0078, 0.0650)),
               ((1, 6), (0.0082, 0.0705)), ((1, 7), (0.0080, 0.0810)), ((1, 9), (0.0085, 0.110)), ((0, 9), (0.0, 0.109))]
    frontal += list(zip(block(EYE_COLUMNS, EYE_ROWS), eye_outline(1.36), strict=True))
    ends = [k for k in block(MOUTH_COLUMNS, MOUTH_ROWS)]
    half = [(0, 2), (1, 2), (2, 2), (2, 3), (2, 4), (1, 4), (0, 4)]
    assert set(half) <= set(ends) | {(0, 3)}
    frontal += list(zip(half, mouth_outline(0.0205, 0.0115), strict=True))
    for k, (x, low, high) in enumerate(((0.0165, 0.1470, 0.1508), (0.029, 0.1506, 0.1548), (0.042, 0.1518, 0.1562), (0.055, 0.1500, 0.1540), (0.0655, 0.1462, 0.1495))):
        frontal += [((EYE_COLUMNS[0] + k, BROW_ROW), (x, low)), ((EYE_COLUMNS[0] + k, BROW_ROW + 1), (x, high))]
    for place, (x, height) in frontal:
        pins[place] = (float(turn_of(np.array(x), np.array(height))), height)
    for place, pin in zip(block(EAR_COLUMNS, EAR_ROWS), ear_frame(), strict=True):
        pins[place] = pin
    return pins


def _inside(c: int, r: int) -> bool:
    return any(a < c < b and d < r < e for (a, b), (d, e) in (
        (EYE_COLUMNS, EYE_ROWS), ((-1, MOUTH_COLUMNS[1]), MOUTH_ROWS), (EAR_COLUMNS, EAR_ROWS)))


def grid_places(rounds: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """(COLUMNS + 1, ROWS + 1) turn and height of the grid after relaxing."""
    pins = _pins()
    turn = np.repeat(np.radians(JAW_TURNS_DEG)[:, None], ROWS + 1, 1)
    low, high = unrolled(JAW(np.degrees(turn[:, 0]))[:, 0]), unrolled(pins[0, ROWS][1])
    length = low[:, None] + (high - low[:, None]) * np.linspace(0, 1, ROWS + 1)
    fixed = np.zeros_like(turn, bool)
    for place, (t, h) in pins.items():
        turn[place], length[place], fixed[place] = t, float(unrolled(h)), True
    live = np.array([[not _inside(c, r) for r in range(ROWS + 1)] for c in range(COLUMNS + 1)])
    for _ in range(rounds):
        t = np.pad(turn, 1, mode="edge")
        t[0, 1:-1], t[-1, 1:-1] = -turn[1], 2 * np.pi - turn[-2]
        h, n = np.pad(length, 1, mode="edge"), np.pad(live.astype(float), 1, mode="constant")
        h[0, 1:-1], h[-1, 1:-1] = length[1], length[-2]
        n[0, 1:-1], n[-1, 1:-1] = live[1], live[-2]
        near = [(slice(0, -2), slice(1, -1)), (slice(2, None), slice(1, -1)), (slice(1, -1), slice(0, -2)), (slice(1, -1), slice(2, None))]
        count = sum(n[s] for s in near)
        count = np.maximum(count, 1.0)
        turn = np.where(fixed, turn, sum(t[s] * n[s] for s in near) / count)
        length = np.where(fixed, length, sum(h[s] * n[s] for s in near) / count)
    turn[0], turn[-1] = 0.0, np.pi
    return turn, rolled(length)


def part_at(c: int, r: int) -> str:
    """Part of the grid's quad with lower corner (c, r)."""
    if r == BROW_ROW and EYE_COLUMNS[0] <= c < EYE_COLUMNS[1]:
        return "brow_l"
    return "face" if c < EAR_COLUMNS[0] and r < BROW_ROW + (3 if c < 6 else 2) else "scalp"


def build_head(cage: Cage, neck: list[int]) -> None:
    """Adds head and eyeball above the neck's last half ring."""
    turn, height = grid_places()
    grid = np.full(turn.shape, -1)
    for c, r in np.ndindex(*turn.shape):
        if not _inside(c, r):
            grid[c, r] = cage.add(surface(turn[c, r], height[c, r])[0], "trunk")
            cage.places[int(grid[c, r])] = (float(turn[c, r]), float(height[c, r]))
    for c in range(COLUMNS):
        for r in range(ROWS):
            corners = (grid[c, r], grid[c + 1, r], grid[c + 1, r + 1], grid[c, r + 1])
            hole = any(a <= c < b and d <= r < e for (a, b), (d, e) in (
                (EYE_COLUMNS, EYE_ROWS), (MOUTH_COLUMNS, MOUTH_ROWS), (EAR_COLUMNS, EAR_ROWS)))
            if not hole:
                cage.face(part_at(c, r), *map(int, corners))
    at = lambda places: [int(grid[p]) for p in places]  # noqa: E731
    build_eye(cage, at(block(EYE_COLUMNS, EYE_ROWS)))
    build_eyeball(cage)
    build_mouth(cage, at([(0, 2), (1, 2), (2, 2), (2, 3), (2, 4), (1, 4), (0, 4)]))
    build_ear(cage, at(block(EAR_COLUMNS, EAR_ROWS)))
    first = len(cage.points)
    cage.strip_half_cap("scalp", [int(i) for i in grid[:, ROWS]])
    _dome(cage, first, grid[:, ROWS])
    _under_jaw(cage, [int(i) for i in grid[:, 0]], neck)
    cage.names.update({
        "nose_tip": int(grid[0, 6]), "chin": int(grid[0, 0]), "jaw_l": int(grid[7, 0]), "brow_l_inner": int(grid[2, BROW_ROW]),
        "brow_l_mid": int(grid[4, BROW_ROW]), "brow_l_outer": int(grid[6, BROW_ROW]), "crown": first + COLUMNS // 2 - 1,
    })


def _dome(cage: Cage, first: int, ring: np.ndarray) -> None:
    """Lift the crown's middle line onto the skull's ellipsoid."""
    ends = np.array([cage.points[ring[0]], cage.points[ring[-1]]])
    middle, reach = ends[:, 1].mean(), abs(ends[1, 1] - ends[0, 1]) / 2
    rise = 0.115 * (1.0 - np.sin(np.radians(CROWN_DEG)))
    for i in range(first, len(cage.points)):
        cage.points[i][2] += rise * max(0.0, 1.0 - ((cage.points[i][1] - middle) / reach) ** 2)


def _under_jaw(cage: Cage, jaw: list[int], neck: list[int]) -> None:
    """From the jaw's edge in and down to the neck; the last row joins fourteen columns to ten."""
    base = np.array([cage.points[i] for i in neck])
    places = np.interp(np.arange(COLUMNS + 1), NECK_TO_JAW, np.arange(len(neck)))
    foot = np.stack([np.interp(places, np.arange(len(neck)), base[:, k]) for k in range(3)], 1)
    edge = np.array([cage.points[i] for i in jaw])
    back = np.linspace(0.0, 1.0, COLUMNS + 1) ** 1.2
    share = np.stack([0.45 + 0.03 * back, 0.45 + 0.03 * back, 0.36 + 0.20 * back], 1)
    between = edge + share * (foot - edge)
    between[[0, -1], 0] = 0.0
    row = cage.add_many(between, "trunk")
    for c in range(COLUMNS):
        cage.face("face" if c < 8 else "scalp", row[c], row[c + 1], jaw[c + 1], jaw[c])
    for k in range(len(neck) - 1):
        a, b = NECK_TO_JAW[k], NECK_TO_JAW[k + 1]
        cage.face("neck", neck[k], neck[k + 1], *(row[c] for c in range(b, a - 1, -1)))
