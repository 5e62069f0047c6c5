"""Curves of a preview as inline SVG: ``{"title", "x_label", "x": [...], "series": {"name": [...]}}``."""

from __future__ import annotations

import html
import math
from typing import Any

COLOURS = ("#c2255c", "#1971c2", "#2f9e44", "#e8590c", "#6741d9", "#0c8599")
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 460, 200, 54, 26, 12
X_WORDS = ("x", "step", "steps", "iteration", "iterations", "t")


def read_series(data: Any) -> tuple[list[float] | None, dict[str, list[float]]]:
    """(x or None, series by name) of what a stage wrote; empty if there is nothing to draw."""
    if isinstance(data, list) and data and all(isinstance(row, dict) for row in data):
        names = [n for n, v in data[0].items() if _is_number(v)]
        data = {n: [row.get(n) for row in data] for n in names}
    if not isinstance(data, dict):
        return None, {}
    source = {k: v for k, v in data.items() if k != "series"}
    source.update(data["series"] if isinstance(data.get("series"), dict) else {})
    lists = {k: v for k, v in source.items() if isinstance(v, list) and len(v) > 1 and all(_is_number(n) for n in v)}
    x_name = next((w for w in X_WORDS if w in lists), None)
    return (lists.pop(x_name) if x_name else None), lists


def read_figures(data: Any, prefix: str = "") -> dict[str, str]:
    """The single values of a JSON, for a table; dotted names for nested ones."""
    out: dict[str, str] = {}
    if isinstance(data, dict):
        for name, value in data.items():
            if isinstance(value, dict) and name != "series":
                out.update(read_figures(value, f"{prefix}{name}."))
            elif isinstance(value, (int, float, str)) and name not in ("title", "x_label", "y_label"):
                out[f"{prefix}{name}"] = f"{value:.5g}" if isinstance(value, float) else str(value)
    return out


def svg(title: str, x: list[float] | None, series: dict[str, list[float]], x_label: str = "") -> str:
    """A small chart; values that are not finite are left out, a wide positive range is drawn logarithmically."""
    values = [v for ys in series.values() for v in ys if math.isfinite(v)]
    if not values:
        return ""
    logarithmic = min(values) > 0 and max(values) / min(values) > 50
    scale = math.log10 if logarithmic else float
    low, high = scale(min(values)), scale(max(values))
    high = high if high > low else low + 1
    longest = max(len(ys) for ys in series.values())
    xs = x if x is not None and len(x) >= longest else list(range(longest))
    x_low, x_high = xs[0], xs[longest - 1] if xs[longest - 1] != xs[0] else xs[0] + 1

    def place(px: float, py: float) -> str:
        across = LEFT + (px - x_low) / (x_high - x_low) * (WIDTH - LEFT - 10)
        return f"{across:.1f},{HEIGHT - BOTTOM - (scale(py) - low) / (high - low) * (HEIGHT - BOTTOM - TOP):.1f}"

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 22}" width="{WIDTH}" role="img" aria-label="{html.escape(title)}">',
             f'<path d="M{LEFT},{TOP}V{HEIGHT - BOTTOM}H{WIDTH - 10}" class="axis"/>']
    parts += [_text(LEFT - 6, HEIGHT - BOTTOM, _tick(min(values)), "end"), _text(LEFT - 6, TOP + 8, _tick(max(values)), "end"),
              _text(LEFT, HEIGHT - 10, _tick(x_low), "start"), _text(WIDTH - 10, HEIGHT - 10, _tick(x_high), "end"),
              _text((LEFT + WIDTH) / 2, HEIGHT - 10, x_label + (" (log scale)" if logarithmic else ""), "middle")]
    for index, (name, ys) in enumerate(series.items()):
        colour = COLOURS[index % len(COLOURS)]
        points = " ".join(place(a, b) for a, b in zip(xs, ys, strict=False) if math.isfinite(b))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        last = next((v for v in reversed(ys) if math.isfinite(v)), 0.0)
        parts.append(f'<text x="{LEFT + index * 130}" y="{HEIGHT + 14}" fill="{colour}">{html.escape(name)} {_tick(last)}</text>')
    return "".join(parts) + "</svg>"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _tick(value: float) -> str:
    return f"{value:.4g}"


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{html.escape(text)}</text>'
