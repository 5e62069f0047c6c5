"""A face that moves, on a head whose eyes and mouth are painted at known places."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from stages.artifacts.conditions import ConditionSet, write_body
from stages.artifacts.glb import GlbMaterial, write_glb
from stages.artifacts.images import read_png
from stages.artifacts.mesh import MeshAsset
from stages.artifacts.morphs import GAZES, PRESETS
from stages.rendering.joined import Joined
from stages.rendering.zbuffer import rasterize
from stages.rig import STAGE, RigInputs
from stages.rig.face.colours import filled, healed, lab_of
from stages.rig.face.constrained import cross, triangulated
from stages.rig.face.fit import Face, fit_face, landmarks_of
from stages.rig.face.preview import HALF_M, close_up, expression_picture
from stages.rig.face.shapes import MOUTHS
from tests.rig.faces import EYE_HALF, IRIS, LASH, LEFT, MOUTH, MOUTH_HALF, RIGHT, Painted, egg, head, texture, whole, without_landmarks
from tests.rig.stage_folders import context_in

SIDE_PX = 400


@lru_cache
def fitted() -> tuple[Face, Joined]:
    mesh, skinning, body = head()
    face = fit_face(mesh, skinning, body)
    return face, Joined(mesh, skinning, face.attachments, face.morphs, face.hidden)


def seen(weights: dict[str, float], joined: Joined) -> np.ndarray:
    """(H, W) the least vertex index of what is seen at each pixel, -1 for nothing."""
    camera = close_up(landmarks_of(head()[2]), 0.0, SIDE_PX)
    v_pos = joined.v_pos + joined.offset(weights)
    clip = np.concatenate([v_pos, np.ones((len(v_pos), 1))], -1) @ camera.w2clip().T
    triangle, _, _ = rasterize(clip, joined.t_pos_idx, SIDE_PX, SIDE_PX)
    return np.where(triangle < 0, -1, joined.t_pos_idx[np.maximum(triangle, 0)].min(-1))


def painted_eyes(side: str = "both") -> np.ndarray:
    """(H, W) bool: pixels that show iris or lashes at rest, on the left half of the face, the right one, or both."""
    mesh, skinning, body = head()
    picture = expression_picture(Joined(mesh, skinning), {}, close_up(landmarks_of(body), 0.0, SIDE_PX)) / 255.0
    eyes = (np.linalg.norm(picture - IRIS, axis=-1) < 0.1) | (np.linalg.norm(picture - LASH, axis=-1) < 0.1)
    left = np.broadcast_to(np.arange(SIDE_PX) > SIDE_PX / 2, eyes.shape)
    return eyes & (np.ones_like(left) if side == "both" else left if side == "left" else ~left)


def test_what_is_painted_is_found_where_it_is() -> None:
    face = fitted()[0]
    assert face.refused == () and [eye.side for eye in face.eyes] == ["left", "right"]
    for eye, at in zip(face.eyes, (LEFT, RIGHT), strict=True):
        np.testing.assert_allclose(eye.middle, at, atol=0.0012)
        np.testing.assert_allclose([eye.width / 2, eye.height / 2], EYE_HALF, atol=0.0015)
        np.testing.assert_allclose(eye.lash_rgb, LASH, atol=0.05)
    np.testing.assert_allclose([face.mouth.middle_m, np.polyval(face.mouth.line, 0)], MOUTH, atol=0.0005)
    assert face.mouth.half_m == pytest.approx(MOUTH_HALF[0], abs=0.001)
    assert face.metrics["face_expressions"] == list(PRESETS) and face.metrics["face_triangles"] == len(face.attachments[0].t_pos_idx) < 1400


def test_at_rest_nothing_has_changed() -> None:
    mesh, skinning, body = head()
    face, joined = fitted()
    for azimuth in (0.0, 35.0, -35.0):
        camera = close_up(landmarks_of(body), azimuth, SIDE_PX)
        before, after = (expression_picture(j, {}, camera).astype(int) for j in (Joined(mesh, skinning), joined))
        unlike = np.abs(before - after).max(-1) > 12
        assert unlike.mean() < 2e-3, azimuth


def test_a_blink_hides_the_eyes_it_is_for() -> None:
    joined = fitted()[1]
    own = len(joined.mesh.v_pos)
    for name, shut, open_ in (("blink", "both", None), ("blinkLeft", "left", "right"), ("blinkRight", "right", "left")):
        covered = seen({name: 1.0}, joined) >= own
        assert covered[painted_eyes(shut)].all(), name
        if open_:
            assert not covered[painted_eyes(open_)].any(), name


def test_lids_come_down_before_the_face_all_the_way() -> None:
    """What a lid has covered it covers on; it never dips into the face on its straight way over the round eye."""
    joined = fitted()[1]
    own, eyes = len(joined.mesh.v_pos), painted_eyes()
    shares = [float((seen({"blink": w}, joined) >= own)[eyes].mean()) for w in np.linspace(0, 1, 9)]
    assert shares[0] == 0 and shares[-1] == 1 and (np.diff(shares) > 0).all() and shares[4] > 0.3, shares


def inside_the_mouth(joined: Joined) -> np.ndarray:
    """Vertices on the texture's strip, lashes excepted."""
    attachment = joined.attachments[0]
    strip = attachment.v_tex[:, 1] < 64 / attachment.kd.shape[0]
    return len(joined.mesh.v_pos) + np.flatnonzero(strip & (attachment.v_tex[:, 0] > 64 / attachment.kd.shape[1]))


def lifted(at: np.ndarray, reach_m: float, forward_m: float) -> np.ndarray:
    """(V, 3) relief that moves the front vertices within ``reach_m`` of a place (x, z) forward."""
    v_pos = egg()[0]
    near = (np.linalg.norm(v_pos[:, [0, 2]] - at, axis=-1) < reach_m) & (v_pos[:, 1] < 0)
    assert near.any()
    return np.where(near[:, None], [0.0, -forward_m, 0.0], 0.0)


def joined_on(relief: np.ndarray) -> Joined:
    mesh, skinning, body = head(relief=relief)
    face = fit_face(mesh, skinning, body)
    assert face.refused == ()
    return Joined(mesh, skinning, face.attachments, face.morphs, face.hidden)


def test_lids_go_round_a_spike_on_the_eye() -> None:
    """A reconstruction has lashes that stand out of it: one vertex 4 mm before its neighbours is hidden like all the rest."""
    joined = joined_on(lifted(LEFT + [0.004, 0.008], 0.0035, 0.004))
    covered = seen({"blink": 1.0}, joined) >= len(joined.mesh.v_pos)
    assert covered[painted_eyes()].all()


@pytest.mark.parametrize("name", ["blink", "happy", "angry", "sad", "relaxed"])
def test_lashes_lie_before_their_lid_on_all_of_their_way(name: str) -> None:
    """As much of them is seen as if there were no lids."""
    joined = fitted()[1]
    own, attachment = len(joined.mesh.v_pos), joined.attachments[0]
    strip = (attachment.v_tex < 64 / np.array(attachment.kd.shape[1::-1])).all(-1)
    lashes = own + np.flatnonzero(strip)
    alone = replace(joined, attachments=(replace(attachment, t_pos_idx=attachment.t_pos_idx[strip[attachment.t_pos_idx].all(-1)]),))
    for weight in (0.4, 0.7, 1.0):
        both, bare = (int(np.isin(seen({name: weight}, j), lashes).sum()) for j in (joined, alone))
        assert bare > 60 and both >= 0.98 * bare, (weight, both, bare)


def test_teeth_are_whole_behind_lips_that_were_dented() -> None:
    """Where a reconstruction's lips part there is a pit; the teeth are as wide there as on an even face."""
    def teeth(joined: Joined) -> int:
        attachment = joined.attachments[0]
        column = attachment.v_tex[:, 0] * attachment.kd.shape[1] // 64
        white = len(joined.mesh.v_pos) + np.flatnonzero((attachment.v_tex[:, 1] < 64 / attachment.kd.shape[0]) & (column == 2))
        return int(np.isin(seen({"aa": 1.0}, joined), white).sum())

    even = teeth(fitted()[1])
    assert even > 80 and teeth(joined_on(lifted(MOUTH + [0.004, 0.0], 0.006, -0.012))) > 0.9 * even


def test_a_look_moves_irises_and_leaves_the_outline() -> None:
    """Both irises go by about a ninth of the eye, as pictures show them; what lies farther round the eyes stays as it is."""
    joined, camera = fitted()[1], close_up(landmarks_of(head()[2]), 0.0, SIDE_PX)
    pictures = {name: expression_picture(joined, {name: 1.0} if name else {}, camera) / 255.0 for name in ("", *GAZES)}
    pixel_m = 2 * HALF_M / SIDE_PX
    column, row = np.meshgrid(np.arange(SIDE_PX), np.arange(SIDE_PX))
    for half in (column > SIDE_PX / 2, column < SIDE_PX / 2):
        middle = {name: np.array([column[m].mean(), -row[m].mean()]) for name, p in pictures.items() for m in [half & (np.linalg.norm(p - IRIS, axis=-1) < 0.1)]}
        for name, way in zip(GAZES, ((0, 1), (0, -1), (1, 0), (-1, 0)), strict=True):
            np.testing.assert_allclose((middle[name] - middle[""]) * pixel_m, np.array(way) * 0.11 * 2 * EYE_HALF[0], atol=0.0009)
    outside = ~ndimage.binary_dilation(ndimage.binary_fill_holes(ndimage.binary_closing(painted_eyes(), iterations=12)), iterations=10)  # but for the triangles, 5 mm wide, that lie across the outline
    for name in GAZES:
        assert (np.abs(pictures[name] - pictures[""]).max(-1) > 0.06)[outside].mean() < 1e-3, name


def test_nothing_looks_through_lids() -> None:
    joined = fitted()[1]
    for name in GAZES:
        assert (seen({"blink": 1.0, name: 1.0}, joined) >= len(joined.mesh.v_pos))[painted_eyes()].all(), name


def test_the_mouth_opens_and_shows_what_is_inside() -> None:
    joined = fitted()[1]
    inside = inside_the_mouth(joined)
    areas = {name: int(np.isin(seen({name: 1.0} if name else {}, joined), inside).sum()) for name in ("", *MOUTHS)}
    assert areas[""] == 0 and areas["relaxed"] == 0
    assert areas["aa"] > areas["oh"] > areas["ou"] > 60 and areas["ee"] > areas["ih"] > 100 and areas["happy"] > areas["angry"]


def test_the_cut_joins_the_surface_in_every_expression() -> None:
    """Each vertex at the hole's border has one on the patch at the same place, moved alike, with the same weights; the patch fills the hole."""
    face, joined = fitted()
    mesh, attachment = joined.mesh, face.attachments[0]
    there, gone = mesh.t_pos_idx[~face.hidden], mesh.t_pos_idx[face.hidden]
    border = np.intersect1d(there, gone)
    patch = np.array([np.linalg.norm(attachment.v_pos_rest - joined.v_pos[b], axis=-1).argmin() for b in border])
    np.testing.assert_array_equal(attachment.v_pos_rest[patch], joined.skinning.v_pos_rest[border])
    np.testing.assert_array_equal(attachment.weights[patch], joined.skinning.weights[border])
    for name in MOUTHS:
        theirs = attachment.morphs[name].dense(len(attachment.v_pos_rest))[patch]
        np.testing.assert_allclose(theirs, face.morphs[name].dense(len(mesh.v_pos))[border], atol=6e-6)
    flat = attachment.v_pos_rest[:, [0, 2]].astype(float)
    a, b, c = (flat[attachment.t_pos_idx[:, k]] for k in range(3))
    size = cross(b - a, c - a) / 2
    skin = (attachment.v_tex[attachment.t_tex_idx][..., 1] > 64 / attachment.kd.shape[0]).all(-1)
    hole = mesh.v_pos[gone][..., [0, 2]].astype(float)
    assert size[skin].min() > -1e-12 and size[skin].sum() == pytest.approx((cross(hole[:, 1] - hole[:, 0], hole[:, 2] - hole[:, 0]) / 2).sum(), rel=1e-4)


@pytest.mark.parametrize(("painted", "message", "left_of_it"), [
    (Painted(left=None), r"the left eye: nothing that is not skin or hair is painted within 18 mm of where the body has it", {"aa"}),
    (Painted(left=(0.062, 1.44)), r"the left eye: what is painted there (lies 1\d mm from|is \d)", {"aa"}),
    (Painted(left_size=0.5), r"the eyes: one is \d\.\d times as large as the other, expected at most 1.7 times", {"aa"}),
    (Painted(left=(0.037, 1.4495), right=(-0.037, 1.4325)), r"the eyes: one lies 1[3-7] mm higher than the other, expected at most 12 mm", {"aa"}),
    (Painted(mouth=None), r"the mouth: no line or patch of another colour than skin within 14 mm above or below where the body has it", {"blink"}),
    (Painted(None, None, None), "the left eye", set()),
])
def test_what_cannot_be_found_is_refused_and_told(painted: Painted, message: str, left_of_it: set[str]) -> None:
    import re

    face = fit_face(*head(painted))
    assert any(re.search(message, reason) for reason in face.refused), face.refused
    made = set(face.metrics["face_expressions"])
    assert left_of_it <= made and not ({"aa", "blink"} - left_of_it) & made
    assert bool(face.attachments) == bool(left_of_it)


def test_a_body_without_landmarks_has_no_face() -> None:
    mesh, skinning, body = head()
    face = fit_face(mesh, skinning, without_landmarks(body))
    assert face.refused == ("the face: the base body has no landmarks eye_l, eye_r, mouth_top, chin",) and not face.attachments and not face.morphs


def inputs_in(folder: Path) -> RigInputs:
    """The egg over the head of the whole test humanoid, whose body below it the stage needs."""
    mesh, _, body = whole()
    asset = MeshAsset.write(folder / "mesh", mesh, {})
    write_glb(asset.glb, mesh, GlbMaterial())
    (folder / "conditions").mkdir()
    (folder / "conditions" / "transforms.json").write_text('{"frames": []}')
    write_body(folder / "conditions", body, np.tile(np.eye(4), (len(body.skeleton.names), 1, 1)))
    return RigInputs(asset, ConditionSet.open(folder / "conditions"))


def test_the_stage_leaves_a_face_and_its_picture_and_none_if_told(tmp_path: Path) -> None:
    inputs = inputs_in(tmp_path)
    first, second = (STAGE.run(STAGE.settings(preview_px=96), inputs, context_in(tmp_path / name)) for name in ("a", "b"))
    first.validate()
    assert [a.name for a in first.attachments] == ["face"] and first.hidden.any() and first.metrics["face_expressions"] == list(PRESETS)
    for name in ("rig.safetensors", "attachments.safetensors", "attachments.json", "metrics.json", "preview/expressions.png"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes(), name
    assert read_png(first.folder / "preview" / "expressions.png").shape[1] > 7 * 48
    context = context_in(tmp_path / "c")
    bare = STAGE.run(STAGE.settings(preview_px=96, face="none"), inputs, context)
    assert bare.attachments == () and not bare.morphs and bare.hidden is None and not (bare.folder / "preview" / "expressions.png").exists()
    assert not any("expressions" in warning for warning in context.warnings)


def test_the_stage_says_what_it_could_not_make(tmp_path: Path) -> None:
    inputs = inputs_in(tmp_path)
    blank = replace(inputs.mesh.mesh, kd=texture(Painted(mouth=None)))
    asset = MeshAsset.write(tmp_path / "blank", blank, {})
    write_glb(asset.glb, blank, GlbMaterial())
    context = context_in(tmp_path / "run")
    rig = STAGE.run(STAGE.settings(preview_px=64), RigInputs(asset, inputs.conditions), context)
    (warning,) = [w for w in context.warnings if "expressions" in w]
    assert warning.startswith("No expressions for the mouth: no line or patch") and warning.endswith("there it stays as it was reconstructed.")
    assert rig.metrics["face_refused"] and rig.metrics["face_eyes"] == 2 and not rig.metrics["face_mouth"]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(8, 60))
def test_a_triangulation_keeps_the_edges_asked_for(seed: int, count: int) -> None:
    """A star-shaped polygon round random points: all its sides are edges, and the triangles still fill the hull once."""
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0, 2 * np.pi, 14) + np.arange(14) * 1e-3)
    star = np.stack([np.cos(angle), np.sin(angle)], -1) * rng.uniform(0.4, 1.0, (14, 1))
    places = np.concatenate([star, rng.uniform(-0.35, 0.35, (count, 2))])
    wanted = [(k, (k + 1) % 14) for k in range(14) if np.ptp(np.mod(angle[[k, (k + 1) % 14]] - angle[k], 2 * np.pi)) < 2.5]
    triangles = triangulated(places, wanted)
    plain = triangulated(places, [])
    assert triangles is not None
    edges = {tuple(sorted(e)) for e in triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).tolist()}
    assert all(tuple(sorted(e)) in edges for e in wanted)
    area = lambda t: cross(places[t[:, 1]] - places[t[:, 0]], places[t[:, 2]] - places[t[:, 0]])  # noqa: E731
    assert area(triangles).min() > 0 and area(triangles).sum() == pytest.approx(area(plain).sum(), rel=1e-9)


def test_lab_is_the_one_of_the_books() -> None:
    np.testing.assert_allclose(lab_of(np.array([[1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1.0]])), [[100, 0, 0], [0, 0, 0], [53.2, 80.1, 67.2], [32.3, 79.2, -107.9]], atol=0.2)


def test_skin_goes_on_over_a_wound_and_other_colours_fade_into_it() -> None:
    """A slope of colour goes on exactly; beside a red strip that is no skin only a rim is reddish."""
    row, column = np.indices((40, 40))
    slope = np.repeat((0.4 + 0.01 * column)[..., None], 3, -1)
    wound = (np.abs(row - 20) < 8) & (np.abs(column - 20) < 8)
    spoilt = slope.copy()
    spoilt[wound] = 0
    np.testing.assert_allclose(filled(spoilt, wound, ~wound), slope, atol=1e-6)
    red = column >= 28
    spoilt[red] = [1, 0, 0]
    done = healed(spoilt, wound, ~wound & ~red, 2.0)
    assert done[20, 27, 0] - done[20, 27, 1] > 0.3 > 0.03 > abs(done[20, 17, 0] - done[20, 17, 1])
    np.testing.assert_array_equal(done[~wound], spoilt[~wound])
