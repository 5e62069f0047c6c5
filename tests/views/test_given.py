"""Pictures that are there before anything is painted: references from several sides, and views that stay while others are painted again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from pipeline.commands import Request, prepare
from pipeline.errors import ConfigError, StageError
from pipeline.runner import run_stage as run_stage_with
from stages import FRONT_ALONE, character
from stages.artifacts.cameras import ring
from stages.artifacts.conditions import ConditionSet
from stages.artifacts.images import write_png
from stages.artifacts.views import ViewSet, write_view_set
from stages.views import STAGE, ViewsInputs
from stages.views.denoise import Denoiser
from stages.views.given import given_pictures, order_of, windows_with
from stages.views.reference import open_reference
from stages.views.settings import ViewsSettings
from stages.views.windows import plan_chunks, ring_windows
from tests.views.tiny import write_conditions

Build = Callable[..., ViewsSettings]
run_stage = partial(run_stage_with, threads=1)


def drawing(path: Path, seed: int) -> Path:
    write_png(path, np.random.default_rng(seed).integers(0, 256, (48, 32, 3), dtype=np.uint8))
    return path


def differs(a: ViewSet, b: ViewSet, name: str) -> bool:
    return bool(np.abs(a.image(name) - b.image(name)).max() > 0.5 / 255)


def test_a_painted_frame_looks_at_the_given_ones_to_either_side() -> None:
    assert windows_with(ring_windows([5, 3]), [5, 3], ()) == windows_with(ring_windows([5, 3]), [5, 3], {0}) == ring_windows([5, 3])
    windows = windows_with(ring_windows([6, 3]), [6, 3], {0, 3, 7})
    assert windows == ((0,), (0, 1, 3), (0, 1, 2, 3), (0, 3), (0, 3, 4), (0, 3, 4, 5), (0, 6, 7), (0, 7), (0, 7, 8))


def test_given_frames_come_first_and_those_that_nobody_looks_at_not_at_all() -> None:
    given = set(range(12)) - {4, 5, 9}
    order = order_of(windows_with(ring_windows([8, 4]), [8, 4], given), given)
    assert order.frames == (0, 3, 6, 8, 10, 4, 5, 9) and order.given == 5
    seen = [tuple(order.frames[i] for i in window) for window in order.windows]
    assert seen == [(0,), (0, 3), (0, 6), (0, 8), (0, 10), (0, 3, 6, 4), (0, 3, 6, 4, 5), (0, 8, 10, 9)]
    for chunk in (1, 2, 3):
        plan_chunks(order.windows, chunk)  # nobody looks ahead


@pytest.mark.parametrize("lead", [0.0, 0.5])
def test_only_what_is_to_be_painted_again_is_painted(
    lead: float, settings: Build, conditions: ConditionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = run_stage(STAGE, settings(lead=lead), ViewsInputs(conditions), tmp_path / "first")
    again, count, chunk_of = ("body_02", "head_01"), [], Denoiser._chunk

    def counted(self: Denoiser, frames: object, plan: object, *others: object) -> object:
        count.append(len(plan.frames))
        return chunk_of(self, frames, plan, *others)

    monkeypatch.setattr(Denoiser, "_chunk", counted)
    views = run_stage(STAGE, settings(lead=lead, keep=kept.folder, redo=again, seed=3), ViewsInputs(conditions), tmp_path / "second")
    assert views.names == kept.names and views.description["painted_again"] == list(again)
    assert [name for name in views.names if differs(views, kept, name)] == list(again)
    assert sum(count) == (4 * 2 + 5 if lead else 4 * 7)  # the two, a step each, and their neighbours and the first: once where they are clean
    assert views.description["evaluations_per_view_and_step"] == 2 * sum(count) / (2 * 4)
    chosen = settings(lead=lead, keep=kept.folder, redo=again, seed=3)
    write_png(tmp_path / "first" / "images" / "body_03.png", np.zeros((48, 32, 3), np.uint8))  # a neighbour
    other = run_stage(STAGE, chosen, ViewsInputs(conditions), tmp_path / "third")
    assert differs(other, views, "body_02") and not differs(other, views, "head_01")


def test_each_reference_stands_for_the_view_that_it_was_drawn_from(settings: Build, conditions: ConditionSet, tmp_path: Path) -> None:
    """Five views of the body: 216 degrees is the fourth. Its neighbours look at it, and so does whoever comes after."""
    front, back = drawing(tmp_path / "front.png", 0), drawing(tmp_path / "back.png", 1)
    chosen = settings(reference=front, references=({"file": back, "azimuth_deg": 200.0},))
    views = run_stage(STAGE, chosen, ViewsInputs(conditions), tmp_path / "two")
    np.testing.assert_array_equal(views.image("body_00"), open_reference(front))
    np.testing.assert_array_equal(views.image("body_03"), open_reference(back))
    one = run_stage(STAGE, settings(reference=front), ViewsInputs(conditions), tmp_path / "one")
    assert [name for name in views.names if differs(views, one, name)] == ["body_01", "body_02", "body_03", "body_04"]


@pytest.mark.parametrize(("change", "said"), [
    ({"references": [{"azimuth_deg": 0.0}, {"azimuth_deg": 10.0}]}, "stands for body_00, as another reference does"),
    ({"redo": ("body_09",)}, "there is no view 'body_09'; there are body_00 to head_02"),
    ({"redo": ("body_01",), "gone": "body_02"}, "holds no body_02"),
    ({"redo": ("body_01",), "size": (8, 8, 3)}, "body_02 is 8 x 8 with 3 channels; 32 x 48 with 3 was expected"),
    ({"redo": ("body_01",), "swap": ("body_02", "body_03")}, "body_02 in .* looks from elsewhere"),
])
def test_what_does_not_fit_is_named(change: dict[str, object], said: str, settings: Build, conditions: ConditionSet, tmp_path: Path) -> None:
    if "references" in change:
        file = drawing(tmp_path / "a.png", 0)
        chosen = settings(references=tuple({"file": file, **entry} for entry in change["references"]))
    else:
        kept = run_stage(STAGE, settings(steps=1), ViewsInputs(conditions), tmp_path / "kept")
        if "size" in change:
            write_png(kept.folder / "images" / "body_02.png", np.zeros(change["size"], np.uint8))
        if "gone" in change:
            (kept.folder / "transforms.json").write_text((kept.folder / "transforms.json").read_text().replace("body_02", "body_22"))
            (kept.folder / "images" / "body_02.png").rename(kept.folder / "images" / "body_22.png")
        if "swap" in change:
            a, b = change["swap"]
            text = (kept.folder / "transforms.json").read_text()
            (kept.folder / "transforms.json").write_text(text.replace(a, "body_33").replace(b, a).replace("body_33", b))
        chosen = settings(keep=kept.folder, redo=change["redo"])
    with pytest.raises((StageError, ConfigError), match=said):
        given_pictures(chosen, conditions)


@pytest.mark.parametrize("lead", [0.0, 0.5])
def test_where_every_view_is_given_nothing_is_painted(lead: float, settings: Build, tmp_path: Path) -> None:
    front = drawing(tmp_path / "front.png", 0)
    one = write_conditions(tmp_path / "one", body=1, head=0)
    views = run_stage(STAGE, settings(reference=front, lead=lead), ViewsInputs(one), tmp_path / "out")
    np.testing.assert_array_equal(views.image("body_00"), open_reference(front))


@pytest.mark.parametrize(("text", "said"), [
    ("redo: [body_07], keep: kept", "views.redo[0]: there is no view 'body_07'; there are body_00 to head_01"),
    ("redo: [body_01], keep: link", "is a link that the next run moves"),
    ("reference: a.png, references: [{file: a.png, azimuth_deg: 350}]", "stands for body_00, as another reference does"),
    ("references: [{file: a.png, azimuth_deg: 90}, {file: a.png, azimuth_deg: 80}]", "stands for body_01, as another reference does"),
])
def test_misplaced_pictures_are_told_before_a_run(text: str, said: str, tmp_path: Path) -> None:
    kept = write_view_set_of(tmp_path / "kept")
    (tmp_path / "link").symlink_to(kept)
    drawing(tmp_path / "a.png", 0)
    (tmp_path / "c.yaml").write_text(f"name: a\nprompt: a girl\nconditions: {{body_ring: {{views: 4}}, head_ring: {{views: 2}}}}\nviews: {{{text}}}\n")
    with pytest.raises(ConfigError) as caught:
        prepare(Request(character(), tmp_path / "c.yaml", out=tmp_path / "outputs", cache=tmp_path / "cache"))
    assert said in str(caught.value)


def test_a_preview_paints_its_front_whatever_is_given(tmp_path: Path) -> None:
    write_view_set_of(tmp_path / "kept")
    drawing(tmp_path / "a.png", 0)
    for text in ("redo: [body_01], keep: kept", "references: [{file: a.png, ring: head}, {file: a.png, azimuth_deg: 180}]"):
        (tmp_path / "c.yaml").write_text(f"name: a\nprompt: a girl\nviews: {{{text}}}\n")
        asked = Request(character(), tmp_path / "c.yaml", others=tuple(FRONT_ALONE.items()), out=tmp_path / "outputs", cache=tmp_path / "cache")
        views = prepare(asked).config.stages["views"]
        assert (views.keep, views.redo, views.references) == (None, (), ())


def write_view_set_of(folder: Path) -> Path:
    """Two views, as a run leaves them."""
    cameras = ring("body", 2, np.zeros(3), 4.0, 0.0, 90.0, 32, 48)
    write_view_set(folder, [(camera, np.zeros((48, 32, 3), np.float32)) for camera in cameras])
    return folder


def test_settings_that_contradict_each_other(tmp_path: Path) -> None:
    file = drawing(tmp_path / "a.png", 0)
    for wrong, said in (({"keep": tmp_path}, "belong together"), ({"redo": ("body_01",)}, "belong together"),
                        ({"keep": tmp_path, "redo": ("a",), "reference": file}, "no place beside keep"),
                        ({"keep": tmp_path, "redo": ("a",), "window": "none"}, "no frame looks at the reference or at what is kept"),
                        ({"references": ({"file": file},), "window": "none"}, "no frame looks at")):
        with pytest.raises(ValueError, match=said):
            ViewsSettings(**wrong)
