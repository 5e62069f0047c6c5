"""The evaluator on shapes whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.bench import evaluate_mesh
from scripts.bench.evaluate_mesh import shape_scores, soundness, uses_of_charts


@pytest.fixture(autouse=True)
def _coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """As few samples and pictures as these shapes need."""
    monkeypatch.setattr(evaluate_mesh, "SAMPLES", 4000)
    monkeypatch.setattr(evaluate_mesh, "DEPTH_PX", 256)
    monkeypatch.setattr(evaluate_mesh, "DIRECTIONS", [(a, e) for a in (0, 90, 180, 270) for e in (-60, 0, 60)])


def sphere(radius: float = 1.0, turns: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and triangles of a closed ball."""
    rows = turns // 2
    ring = np.stack(np.meshgrid(np.arange(1, rows), np.arange(turns), indexing="ij"), -1).reshape(-1, 2)
    polar, around = np.pi * ring[:, 0] / rows, 2 * np.pi * ring[:, 1] / turns
    v = np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], -1)
    v = np.concatenate([v, [[0, 0, 1], [0, 0, -1]]]) * radius
    at = lambda row, k: (row - 1) * turns + k % turns  # noqa: E731
    faces = [f for r in range(1, rows - 1) for k in range(turns) for f in ((at(r, k), at(r + 1, k), at(r + 1, k + 1)), (at(r, k), at(r + 1, k + 1), at(r, k + 1)))]
    caps = [f for k in range(turns) for f in ((len(v) - 2, at(1, k), at(1, k + 1)), (len(v) - 1, at(rows - 1, k + 1), at(rows - 1, k)))]
    return v, np.array(faces + caps)


def test_a_surface_is_itself() -> None:
    scores = shape_scores(sphere(), sphere(), np.ones(len(sphere()[1]), bool))
    assert scores["chamfer_percent"] < 1e-6 and scores["f_score"] == scores["f_score_head_quarter"] == 1.0
    assert scores["normal_consistency"] > 0.995


def test_a_ball_that_is_too_large_is_off_by_the_difference() -> None:
    ball, larger = sphere(), sphere(1.02)
    scores = shape_scores(larger, ball)
    diagonal = np.linalg.norm([2, 2, 2])
    assert scores["diagonal_m"] == pytest.approx(diagonal, rel=0.01)
    assert scores["chamfer_percent"] == pytest.approx(100 * 0.02 / diagonal, rel=0.1)
    assert scores["f_score"] < 0.05 and scores["normal_consistency"] > 0.99


def test_only_the_heads_error_counts_in_the_heads_figure() -> None:
    v, faces = sphere()
    head = v[faces][..., 2].mean(1) > 0.5
    dented = v.copy()
    dented[v[:, 2] < -0.3] *= 0.9
    scores = shape_scores((dented, faces), (v, faces), head)
    assert scores["f_score_head_quarter"] > 0.98 > 0.9 > scores["f_score"]


def test_soundness_counts_what_is_wrong() -> None:
    v, faces = sphere()
    closed = soundness(v, faces)
    assert (closed["border_edges"], closed["non_manifold_edges"], closed["pieces"]) == (0, 0, 1)
    assert soundness(v, faces[1:])["border_edges"] == 3
    wing = np.concatenate([faces, [[faces[0, 0], faces[0, 1], len(v)]]])
    assert soundness(np.concatenate([v, [[3.0, 0, 0]]]), wing)["non_manifold_edges"] == 1
    two = soundness(np.concatenate([v, v + 5]), np.concatenate([faces, faces + len(v)]))
    assert two["pieces"] == 2
    thin = soundness(np.array([[0, 0, 0], [4.1, 0, 0], [2, 1, 0], [2, -1.1, 0]], float), np.array([[0, 1, 2], [1, 0, 3]]))
    assert thin["aspect_over_4_share"] == 0.5


def test_charts_are_counted_by_texels() -> None:
    half = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert uses_of_charts(half, np.array([[0, 1, 2]]), 64)["chart_use_share"] == pytest.approx(0.5, abs=0.02)
    twice = uses_of_charts(np.concatenate([half, half]), np.array([[0, 1, 2], [3, 4, 5]]), 64)
    assert twice["chart_overlap_share"] == 1.0
