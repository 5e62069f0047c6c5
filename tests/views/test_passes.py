"""What finished frames are seen as is computed once: the same pictures, fewer evaluations."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from pipeline.runner import run_stage as run_stage_with
from stages.artifacts.conditions import ConditionSet
from stages.views import STAGE, ViewsInputs
from stages.views.passes import Passes
from stages.views.schedule import make_scheduler
from stages.views.settings import ViewsSettings
from stages.views.strands import make_strands
from stages.views.windows import Windows, full_windows, ring_windows
from tests.views.killing import Killed, die_at
from tests.views.test_paint import sample
from tests.views.test_reference_picture import drawing

Build = Callable[..., ViewsSettings]
run_stage = partial(run_stage_with, threads=1)


def passes(windows: Windows, lead: int, given: int = 0, joint: bool = False) -> Passes:
    solver = make_scheduler("ddim", {"steps_offset": 1})
    solver.set_timesteps(4)
    return Passes(windows, make_strands(solver, len(windows), lead, given), 2, joint)


def test_finished_frames_go_through_once_and_again_after_an_interruption() -> None:
    led = passes(ring_windows([5]), 2)
    assert [led.settled(tick) for tick in led.ticks] == [0, 0, 0, 0, 1, 1]
    assert led.sizes() == [[1], [1], [2, 2, 1], [2, 2, 1], [1, 2, 2], [2, 2]]
    assert led.sizes(5)[5] == [1, 2, 2] and led.sizes(5)[:5] == led.sizes()[:5]
    assert passes(ring_windows([5]), 2, given=2).sizes() == [[2, 2, 1], [2, 1], [2, 1], [2, 1]]
    assert passes(ring_windows([5]), 0, given=2).sizes() == [[2, 2, 1]] * 4  # with the others' noise they are never finished
    assert passes(full_windows([3]), 2).sizes() == [[1], [1], [3], [3], [3], [3]]  # it sees the others
    assert passes(ring_windows([3]), 2, joint=True).sizes() == [[1], [1], [1, 2, 3], [1, 2, 3], [2, 3], [2, 3]]


@pytest.mark.parametrize("lead", [0.5, 1.0])
@pytest.mark.parametrize("window", ["causal", "anchors"])
def test_the_latents_are_those_of_looking_again_at_every_tick(
    lead: float, window: str, settings: Build, model_folder: Path, conditions: ConditionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where ControlNets look across frames and a finished frame hears one no longer that others hear."""
    control = {"model": str(model_folder / "controlnet-parts"), "kind": "parts", "end": 0.75}
    chosen = settings(lead=lead, window=window, controlnet_window=True, controlnets=(control,))
    once, few = sample(chosen, conditions, tmp_path / "once", 3)
    monkeypatch.setattr(Passes, "settled", lambda self, tick: 0)
    again, many = sample(chosen, conditions, tmp_path / "again", 3)
    assert (once - again).abs().max() < 1e-5 * again.abs().max() and few.evaluations < many.evaluations


@pytest.mark.parametrize("window", ["joint", "keyframes", "anchors"])
def test_a_reference_is_looked_at_in_every_scheme_and_a_killed_run_ends_in_the_same_bytes(
    window: str, settings: Build, conditions: ConditionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = {"file": drawing(tmp_path / "drawing.png", 0), "azimuth_deg": 144.0}
    chosen = settings(references=(back,), lead=0.5, window=window, chunk=4, steps=3)
    payload = lambda: {p.name: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}  # noqa: E731
    without = run_stage(STAGE, settings(lead=0.5, window=window, steps=3), ViewsInputs(conditions), tmp_path / "without")
    views = run_stage(STAGE, chosen, ViewsInputs(conditions), tmp_path / "out")
    assert any((views.image(name) != without.image(name)).any() for name in views.names if name != "body_02")
    undisturbed = payload()
    die_at([5], monkeypatch)
    with pytest.raises(Killed):
        run_stage(STAGE, chosen, ViewsInputs(conditions), tmp_path / "out", work_dir=tmp_path / "work")
    run_stage(STAGE, chosen, ViewsInputs(conditions), tmp_path / "out", work_dir=tmp_path / "work")
    assert payload() == undisturbed
