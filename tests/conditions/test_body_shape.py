"""The shipped body: closed, symmetric, well proportioned, and what the build script makes."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.body.build import PART_NAMES, build_body
from scripts.body.intersections import crossing_pairs
from scripts.body.texture import unwrap
from stages.artifacts.body import BodyModel
from stages.conditions.body import POSES, load_base_body
from stages.conditions.body.asset import FOLDER
from stages.rendering.zbuffer import rasterize

# triangles that touch where joints fold by more than 75 degrees (knees, hips, elbows, closed hands); measured, with head room
MOST_CROSSINGS = {"squat": 240, "sit": 180, "fists": 150}


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_base_body()


@pytest.fixture(scope="module")
def made(body: BodyModel) -> BodyModel:
    return build_body((body.v_tex, body.t_tex_idx))


def _edges(t: np.ndarray) -> np.ndarray:
    return np.concatenate([t[:, [0, 1]], t[:, [1, 2]], t[:, [2, 0]]])


def _shells(t: np.ndarray, count: int) -> np.ndarray:
    import scipy.sparse as sp
    from scipy.sparse.csgraph import connected_components

    e = _edges(t)
    return connected_components(sp.coo_matrix((np.ones(len(e)), e.T), (count, count)), directed=False)[1]


def test_asset_is_what_the_script_builds(body: BodyModel, made: BodyModel) -> None:
    assert np.array_equal(body.t_pos_idx, made.t_pos_idx) and np.array_equal(body.t_part, made.t_part)
    np.testing.assert_allclose(body.v_pos, made.v_pos, atol=1e-5)
    np.testing.assert_allclose(body.weights, made.weights, atol=1e-4)
    np.testing.assert_allclose(body.skeleton.heads, made.skeleton.heads, atol=1e-6)
    assert body.landmarks == dict(made.landmarks) and body.part_names == PART_NAMES
    assert np.abs(body.kd - made.kd).max() < 0.5 and np.abs(body.kd - made.kd).mean() < 2e-3  # stored with 8 bits


def test_unwrapping_covers_every_triangle_once(body: BodyModel) -> None:
    part = np.flatnonzero(np.isin(body.t_part, [body.part_names.index(n) for n in ("foot_l", "ear_l")]))
    used, faces = np.unique(body.t_pos_idx[part], return_inverse=True)
    v_tex, t_tex_idx = unwrap(body.v_pos[used], faces.reshape(-1, 3))
    assert t_tex_idx.shape == (len(part), 3) and 0.0 <= v_tex.min() <= v_tex.max() <= 1.0


def test_asset_is_small() -> None:
    assert sum(f.stat().st_size for f in FOLDER.glob("base_body*")) < 1_500_000


def test_closed_manifold_wound_outward(body: BodyModel) -> None:
    e = _edges(body.t_pos_idx)
    forward = {tuple(x) for x in e.tolist()}
    assert len(forward) == len(e), "an edge is used twice in one direction"
    assert forward == {(b, a) for a, b in forward}, "an edge has no partner"
    shells = _shells(body.t_pos_idx, len(body.v_pos))
    assert shells.max() == 2  # body and two eyeballs
    q = body.v_pos[body.t_pos_idx]
    volume = np.einsum("ij,ij->i", q[:, 0], np.cross(q[:, 1], q[:, 2])) / 6
    for k in range(3):
        assert volume[shells[body.t_pos_idx[:, 0]] == k].sum() > 1e-5
    assert np.linalg.norm(np.cross(q[:, 1] - q[:, 0], q[:, 2] - q[:, 0]), axis=1).min() > 1e-9


def test_symmetric_in_shape_parts_and_weights(body: BodyModel) -> None:
    from scipy.spatial import cKDTree

    distance, image = cKDTree(body.v_pos).query(body.v_pos * (-1.0, 1.0, 1.0))
    assert distance.max() < 1e-6
    swap = [body.skeleton.index(n.replace("left", "#").replace("right", "left").replace("#", "right")) for n in body.skeleton.names]
    np.testing.assert_allclose(body.weights[image][:, swap], body.weights, atol=2e-4)
    counts = {n: int((body.t_part == i).sum()) for i, n in enumerate(body.part_names)}
    assert all(counts[n] > 0 for n in counts)
    assert all(counts[n] == counts[n[:-2] + "_r"] for n in counts if n.endswith("_l"))
    middle = body.v_pos[body.t_pos_idx].mean(1)
    for i, n in enumerate(body.part_names):
        if n.endswith(("_l", "_r")):
            assert (middle[body.t_part == i, 0] * (1 if n.endswith("_l") else -1) > 0).all(), n


def test_weights(body: BodyModel) -> None:
    np.testing.assert_allclose(body.weights.sum(1), 1.0, atol=1e-9)
    assert (body.weights >= 0).all() and (body.weights > 0).sum(1).max() <= 4
    unused = {n for j, n in enumerate(body.skeleton.names) if body.weights[:, j].max() < 0.3}
    assert not unused
    a, b = _edges(body.t_pos_idx).T
    length = np.linalg.norm(body.v_pos[a] - body.v_pos[b], axis=1)
    smooth = ~np.isin(np.tile(body.t_part, 3), [body.part_names.index(n) for n in ("mouth", "face")])
    steep = np.abs(body.weights[a] - body.weights[b]).sum(1)[smooth] / np.maximum(length[smooth], 0.002)
    assert np.quantile(steep, 0.999) < 250.0  # a full change of bone takes at least 8 mm, the width of a finger


def test_proportions(body: BodyModel) -> None:
    v, at = body.v_pos, {n: body.v_pos[i] for n, i in body.landmarks.items()}
    assert v[:, 2].min() == pytest.approx(0.0, abs=1e-4) and v[:, 2].max() == pytest.approx(1.58, abs=0.003)
    head = v[:, 2].max() - at["chin"][2]
    assert 1.58 / head == pytest.approx(6.2, abs=0.1)
    level = at["eye_l"][2]
    face = v[np.abs(v[:, 2] - level) < 0.004]
    width = np.ptp(face[(face[:, 1] < 0.0), 0])
    assert 0.20 <= (at["eye_l_outer"] - at["eye_l_inner"])[0] / width <= 0.24
    assert 0.40 < (level - at["chin"][2]) / head < 0.5
    elbow, shoulder = (body.skeleton.heads[body.skeleton.index(n)] for n in ("leftLowerArm", "leftUpperArm"))
    d = elbow - shoulder
    assert np.degrees(np.arctan2(-d[2], d[0])) == pytest.approx(40.0, abs=0.1)


def test_landmarks_lie_where_they_are_called(body: BodyModel) -> None:
    at = {n: body.v_pos[i] for n, i in body.landmarks.items()}
    for n, p in at.items():
        if "_l" in n and n != "mouth_left" or n == "mouth_left":
            assert p[0] > 0.01, n
        elif "_r" in n:
            assert p[0] < -0.01, n
        else:
            assert p[0] == pytest.approx(0.0, abs=1e-9), n
    assert at["crown"][2] > at["brow_l_mid"][2] > at["eye_l_top"][2] > at["eye_l"][2] > at["eye_l_bottom"][2] > at["nose_tip"][2]
    assert at["nose_tip"][2] > at["mouth_top"][2] > at["mouth_bottom"][2] > at["chin"][2]
    assert at["nose_tip"][1] == min(p[1] for p in at.values())
    iris = body.part_names.index("iris_l")
    assert (body.t_part[(body.t_pos_idx == body.landmarks["eye_l"]).any(1)] == iris).all()
    pivot = body.skeleton.heads[body.skeleton.index("leftEye")]
    assert np.linalg.norm(pivot - body.v_pos[np.unique(body.t_pos_idx[_eye(body)])].mean(0)) < 0.004


def _eye(body: BodyModel) -> np.ndarray:
    return np.isin(body.t_part, [body.part_names.index(n) for n in ("eye_l", "iris_l")])


def test_no_self_intersection_at_rest(body: BodyModel) -> None:
    assert len(crossing_pairs(body.v_pos, body.t_pos_idx)) == 0


def test_crossing_pairs_finds_a_planted_one() -> None:
    v = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0.2, 0.2, -1], [0.3, 0.2, 1], [0.2, 0.3, 1], [5, 5, 5], [6, 5, 5], [5, 6, 5]], float)
    assert crossing_pairs(v, np.arange(9).reshape(3, 3)).tolist() == [[0, 1]]


@pytest.mark.parametrize("name", sorted(POSES))
def test_poses_bend_without_breaking(body: BodyModel, name: str) -> None:
    posed = body.posed(POSES[name])
    assert len(crossing_pairs(posed.v_pos, posed.t_pos_idx)) <= MOST_CROSSINGS.get(name, 0)
    a, b = _edges(body.t_pos_idx).T
    stretch = np.linalg.norm(posed.v_pos[a] - posed.v_pos[b], axis=1) / np.linalg.norm(body.v_pos[a] - body.v_pos[b], axis=1)
    assert np.quantile(stretch, 0.995) < 2.2
    volume = lambda m: np.einsum("ij,ij->", *(m.v_pos[m.t_pos_idx[:, 0]], np.cross(m.v_pos[m.t_pos_idx[:, 1]], m.v_pos[m.t_pos_idx[:, 2]]))) / 6  # noqa: E731
    assert 0.93 < volume(posed) / volume(body) < 1.05


def test_texture_charts_do_not_overlap(body: BodyModel) -> None:
    assert body.v_tex.min() >= 0.0 and body.v_tex.max() <= 1.0
    size = 1024
    clip = np.concatenate([body.v_tex * 2 - 1, np.zeros((len(body.v_tex), 1)), np.ones((len(body.v_tex), 1))], 1)
    q = body.v_tex[body.t_tex_idx] * size
    d1, d2 = q[:, 1] - q[:, 0], q[:, 2] - q[:, 0]
    area = np.abs(d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0]).sum() / 2
    covered = (rasterize(clip, body.t_tex_idx, size, size)[0] >= 0).sum()
    assert covered == pytest.approx(area, rel=0.01)
