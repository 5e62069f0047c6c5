"""Parts on the surface: votes of the pictures, shares that stop at creases and colours, no specks, files that are read back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh

from pipeline.errors import ArtifactError
from stages.artifacts.labels import write_labels
from stages.artifacts.mesh import MeshAsset
from stages.artifacts.parts import NAMES, Parts, read_parts, write_parts
from stages.artifacts.views import MaskedViews
from stages.mesh.labels import labelled, links, neighbours, recoloured, spread, without_islets
from stages.mesh.observed import observe
from stages.mesh.repair import face_areas
from stages.mesh.votes import votes
from stages.mesh.warm import RADIUS_M, ball_views, make

WORDS = ("cap", "cape")


def ball(subdivisions: int = 4) -> tuple[np.ndarray, np.ndarray]:
    mesh = trimesh.creation.icosphere(subdivisions, RADIUS_M)
    return np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.int32)


def labelled_views(folder: Path, wrong: int = 0) -> MaskedViews:
    """The ball with a cap on its upper third, seen by eight cameras, of which ``wrong`` overlook it; "cape" is nowhere."""
    views = ball_views(folder)
    (folder / "masks.json").write_text(json.dumps({"parts": list(WORDS)}))
    for number, (name, camera) in enumerate(zip(views.names, views.cameras, strict=True)):
        origins, directions = camera.rays()
        along = -(origins * directions).sum(-1)
        gap = np.maximum(RADIUS_M**2 - (origins**2).sum(-1) + along**2, 0)
        height = (origins + (along - np.sqrt(gap))[..., None] * directions)[..., 2]
        write_labels(folder / "labels" / f"{name}.png", ((gap > 0) & (height > RADIUS_M / 3) & (number >= wrong)).astype(np.uint8), len(WORDS))
    return MaskedViews.open(folder)


def grey(faces: np.ndarray) -> np.ndarray:
    return np.full((len(faces), 3), 0.5)


def test_pictures_vote_for_what_they_show(tmp_path: Path) -> None:
    v_pos, faces = ball()
    views = labelled_views(tmp_path)
    given = votes(v_pos, faces, observe(views), views)
    height = v_pos[faces].mean(1)[:, 2]
    clear = (np.abs(height - RADIUS_M / 3) > 0.05) & (given.sum(1) > 0)
    assert given.shape == (len(faces), 3) and not given[:, 2].any() and clear.mean() > 0.6
    assert np.array_equal(given[clear].argmax(1), (height[clear] > RADIUS_M / 3).astype(int))
    assert (given[np.abs(height) < 0.3 * RADIUS_M].sum(1) > 0).all()  # cameras stand all round


@pytest.mark.parametrize("wrong", [0, 1])
def test_most_of_the_views_decide_and_what_no_view_sees_follows_its_neighbours(tmp_path: Path, wrong: int) -> None:
    v_pos, faces = ball()
    views = labelled_views(tmp_path, wrong)
    parts = labelled(v_pos, faces, grey(faces), observe(views), views)
    height, area = v_pos[faces].mean(1)[:, 2], face_areas(v_pos, faces)
    wrong_area = area[(parts.t_part == 1) != (height > RADIUS_M / 3)].sum() / area.sum()
    assert parts.names == ("body", *WORDS) and parts.used == ("body", "cap") and wrong_area < 0.03
    assert (parts.t_part[height > 0.45] == 1).all()  # the pole, which cameras at the equator see at a slant
    assert parts.t_sure.min() >= 1 / 3 and (wrong or parts.t_sure[np.abs(height) < 0.05].min() > 0.9)


def test_pictures_without_labels_give_no_parts(tmp_path: Path) -> None:
    v_pos, faces = ball(2)
    views = ball_views(tmp_path)
    assert labelled(v_pos, faces, grey(faces), observe(views), views) is None


def plane(count: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """A square of one metre in two times ``count`` squared triangles."""
    x, y = np.meshgrid(np.linspace(0, 1, count + 1), np.linspace(0, 1, count + 1), indexing="ij")
    corner = np.arange((count + 1) ** 2).reshape(count + 1, count + 1)
    a, b, c, d = (corner[s].ravel() for s in (np.s_[:-1, :-1], np.s_[1:, :-1], np.s_[1:, 1:], np.s_[:-1, 1:]))
    return np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], -1), np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])


def test_neighbours_share_an_edge() -> None:
    _, faces = plane(3)
    pairs = neighbours(faces)
    assert len(pairs) == 9 + 2 * 3 * 2  # a diagonal in each square, and the inner sides
    for i, j, a, b in pairs:
        assert {a, b} == set(faces[i]) & set(faces[j])


@pytest.mark.parametrize("edge", ["colour", "crease"])
def test_borders_move_to_edges_of_colour_and_to_creases(edge: str) -> None:
    v_pos, faces = plane()
    middle, right = v_pos[faces].mean(1), v_pos[faces].mean(1)[:, 0] > 0.5
    given = np.stack([middle[:, 0] < 0.4, middle[:, 0] > 0.6], 1).astype(float)
    given += np.stack([middle[:, 0] >= 0.4, middle[:, 0] <= 0.6], 1) * 1e-3 * (middle[:, 0] < 0.55)[:, None]  # no word between, and a wrong one
    colours = np.where(right[:, None] & (edge == "colour"), 0.9, 0.1) * np.ones(3)
    if edge == "crease":
        v_pos = v_pos + np.array([0, 0, 1.5]) * np.maximum(v_pos[:, :1] - 0.5, 0)
    pairs = neighbours(faces)
    share = spread(given, face_areas(v_pos, faces), pairs, links(v_pos, faces, colours, pairs))
    assert np.abs(share.sum(1) - 1).max() < 1e-9
    assert np.array_equal(share.argmax(1), right.astype(int))


def test_specks_go_and_pieces_of_their_own_stay() -> None:
    v_pos, faces = plane()
    far = v_pos[:3] * 0.2 + 5.0
    v_pos, faces = np.concatenate([v_pos, far]), np.concatenate([faces, [[len(v_pos), len(v_pos) + 1, len(v_pos) + 2]]])
    t_part = (v_pos[faces].mean(1)[:, 0] > 0.5).astype(int)
    truth = t_part.copy()
    truth[-1] = t_part[-1] = 1
    scale = 0.1  # a metre is 10 cm: a square of two triangles is 0.25 cm2
    t_part[[5, 405, 300]] = [1, 1, 0]
    assert np.array_equal(without_islets(t_part, face_areas(v_pos * scale, faces), v_pos * scale, faces, neighbours(faces)), truth)


def test_parts_are_read_back_and_damage_is_named(tmp_path: Path) -> None:
    parts = Parts(("body", "hair"), np.array([0, 1, 1], np.uint8), np.array([0.5, 1, 0.75], np.float32))
    assert read_parts(tmp_path, 3, "mend it") is None
    write_parts(tmp_path, parts)
    again = read_parts(tmp_path, 3, "mend it")
    assert again.names == parts.names and again.triangles("hair").tolist() == [1, 2]
    assert np.array_equal(again.t_part, parts.t_part) and np.array_equal(again.t_sure, parts.t_sure)
    with pytest.raises(ArtifactError, match=r"labels 3 triangles, and the mesh has 4"):
        read_parts(tmp_path, 4, "mend it")
    (tmp_path / NAMES).write_text('["hair", "body"]')
    with pytest.raises(ArtifactError, match=r"names hair, body; expected 'body' first"):
        read_parts(tmp_path, 3, "mend it")
    (tmp_path / NAMES).write_text("[")
    with pytest.raises(ArtifactError, match=r"cannot be read \(JSONDecodeError"):
        read_parts(tmp_path, 3, "mend it")


def test_the_stage_keeps_parts_beside_the_same_mesh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stages.mesh import warm

    plain = make(tmp_path / "plain")
    monkeypatch.setattr(warm, "ball_views", labelled_views)
    asset = make(tmp_path / "labelled")
    asset.validate()
    assert plain.parts is None and set(asset.parts.used) == {"body", "cap"}
    assert set(asset.metrics["parts_area_share"]) == {"body", "cap"} and abs(sum(asset.metrics["parts_area_share"].values()) - 1) < 1e-3
    assert (asset.folder / "preview" / "parts.png").is_file() and not (plain.folder / "preview" / "parts.png").exists()
    for name in ("mesh.safetensors", "kd.png", "mesh.glb"):
        assert (asset.folder / name).read_bytes() == (plain.folder / name).read_bytes(), name
    assert not (plain.folder / "parts.safetensors").exists() and MeshAsset.open(asset.folder).parts.names == ("body", *WORDS)


def test_what_views_disagree_about_goes_to_the_part_of_its_colour() -> None:
    v_pos, faces = plane()
    middle, area = v_pos[faces].mean(1), face_areas(v_pos, faces)
    white = middle[:, 0] < 0.6
    colours = np.where(white[:, None], 0.95, [0.9, 0.6, 0.5])
    sure = np.stack([middle[:, 0] > 0.6, middle[:, 0] < 0.3], 1).astype(float)
    given = np.where((white & (middle[:, 0] >= 0.3))[:, None], [0.55, 0.45], sure)  # half of the sleeve's views overlooked it
    again = recoloured(given, given, area, colours)
    np.testing.assert_allclose(again.sum(1), given.sum(1))
    assert np.array_equal(given.argmax(1) == 1, middle[:, 0] < 0.3) and np.array_equal(again.argmax(1) == 1, white)
