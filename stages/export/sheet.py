"""The contact sheet: eight sides, the face, how it is built, its expressions, how it bends; one page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.artifacts.showcase_poses import POSES
from stages.export.figure import Figure
from stages.rendering.viewpoint import looking_at, turntable

WIDTH, MARGIN, GAP, CAPTION = 1920, 40, 12, 26
SHOWN = ("blink", "aa", "ou", "ee", "happy", "angry", "sad", "relaxed", "surprised")  # of the expressions, if there are these
INK, FAINT, PAPER, TILE = (40, 44, 52), (125, 132, 145), 246, 255


@dataclass(frozen=True)
class Row:
    """Pictures of one height side by side, with a caption under each."""

    title: str
    tiles: list[np.ndarray]
    captions: list[str]

    @property
    def height(self) -> int:
        """Pixels, with the title and the captions."""
        return CAPTION + 8 + max(t.shape[0] for t in self.tiles) + CAPTION


def contact_sheet_of(figure: Figure, title: str, subtitle: str) -> np.ndarray:
    """(H, 1920, 3) uint8 page of ``figure``."""
    rows = [_turn_row(figure), _face_row(figure)]
    if figure.joined.names:
        rows.append(_expression_row(figure))
    if figure.skinning is not None:
        rows.append(_pose_row(figure))
    return _page(rows, title, subtitle)


def _tile_width(count: int) -> int:
    return (WIDTH - 2 * MARGIN - (count - 1) * GAP) // count


def _turn_row(figure: Figure) -> Row:
    width = _tile_width(8)
    cameras = turntable(figure.v_pos, 8, width, round(width * 1.6))
    return Row("all round", [figure.picture(c) for c in cameras], [f"{c.azimuth_deg:.0f}°" for c in cameras])


def _face_row(figure: Figure) -> Row:
    side = _tile_width(5)
    tiles = [figure.picture(figure.face_camera(azimuth, side)) for azimuth in (0.0, 40.0)]
    tiles.append(figure.picture(figure.face_camera(40.0, side), look="clay"))
    tiles.append(figure.picture(figure.face_camera(0.0, side), look="wires"))
    tiles.append(figure.picture(looking_at(figure.v_pos, 30.0, side, side), look="clay"))
    return Row("close up", tiles, ["face", "40°", "surface", "triangles", "whole surface"])


def _pose_row(figure: Figure) -> Row:
    width = _tile_width(len(POSES))
    tiles = []
    for pose in POSES:
        v_pos = figure.posed(pose)
        tiles.append(figure.picture(looking_at(v_pos, 25.0, width, round(width * 1.3)), v_pos))
    return Row("posed by its skeleton", tiles, list(POSES))


def _expression_row(figure: Figure) -> Row:
    names = [name for name in SHOWN if name in figure.joined.names] or figure.joined.names[: len(SHOWN)]
    camera = figure.face_camera(0.0, _tile_width(len(names)), nearer=1.7)
    return Row("expressions", [figure.picture(camera, figure.expressing({name: 1.0})) for name in names], names)


def _page(rows: list[Row], title: str, subtitle: str) -> np.ndarray:
    from PIL import Image, ImageDraw, ImageFont

    head = 92
    height = MARGIN + head + sum(r.height + 18 for r in rows) + MARGIN // 2
    page = Image.new("RGB", (WIDTH, height), (PAPER,) * 3)
    pen = ImageDraw.Draw(page)
    large, small = ImageFont.load_default(44), ImageFont.load_default(18)
    pen.text((MARGIN, MARGIN - 12), title, INK, large)
    pen.text((MARGIN, MARGIN + 44), subtitle, FAINT, small)
    y = MARGIN + head
    for row in rows:
        pen.text((MARGIN, y), row.title, INK, small)
        pen.line([(MARGIN + pen.textlength(row.title, small) + 12, y + 12), (WIDTH - MARGIN, y + 12)], (220, 222, 226))
        x, top = MARGIN, y + CAPTION + 8
        for tile, caption in zip(row.tiles, row.captions, strict=True):
            page.paste(Image.fromarray(tile), (x, top))
            pen.text((x + tile.shape[1] / 2, top + tile.shape[0] + 4), caption, FAINT, small, anchor="ma")
            x += tile.shape[1] + GAP
        y += row.height + 18
    return np.asarray(page)
