"""The stage as a whole, on tiny models: chunks, kills, evaluations, what it writes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from pipeline.checkpoint import Checkpoint
from pipeline.errors import StageError
from pipeline.progress import SilentProgress
from pipeline.runner import run_stage as run_stage_with
from pipeline.stage import StageContext
from stages.artifacts.conditions import ConditionSet
from stages.views import STAGE, ViewsInputs
from stages.views.control import ControlBranch
from stages.views.denoise import Denoiser
from stages.views.networks import open_networks
from stages.views.noise import frame_noise
from stages.views.paint import _frames, frame_order, frame_prompts, latent_shape, make_denoiser, places
from stages.views.schedule import cooled, make_scheduler
from stages.views.settings import ControlNetSettings, ViewsSettings
from tests.views.killing import Killed, die_at
from tests.views.tiny import write_conditions
from third_party import models

Build = Callable[..., ViewsSettings]
run_stage = partial(run_stage_with, threads=1)


def context_in(folder: Path) -> StageContext:
    (folder / "out").mkdir(parents=True, exist_ok=True)
    return StageContext(
        out=folder / "out", work=folder, log=logging.getLogger("test"), progress=SilentProgress(), backends={},
        checkpoint=Checkpoint(folder / "checkpoint"),
    )


def sample(settings: ViewsSettings, conditions: ConditionSet, folder: Path, chunk: int) -> tuple[torch.Tensor, Denoiser]:
    from stages.views.paint import _remember_conditions

    context = context_in(folder)
    networks = open_networks(
        models.locate(settings.model), [models.locate(c.model) for c in settings.controlnets], "cpu", torch.float32
    )
    order = frame_order(settings, conditions)
    frames = _frames(settings, conditions, networks, frame_prompts(settings, conditions, models.locate(settings.model)), order, {})
    denoiser = make_denoiser(settings, networks, conditions, order, context)
    _remember_conditions(settings, conditions, conditions.names, denoiser.branches, context)
    noise = frame_noise(settings.seed, places(conditions), latent_shape(conditions, networks), settings.shared_noise)
    return denoiser.run(frames, noise, chunk, lambda: None)[0], denoiser


@pytest.mark.parametrize("scheduler", ["dpmpp_2m_karras", "unipc", "ddim"])
def test_final_latents_are_the_same_for_every_chunk_size(
    scheduler: str, settings: Build, conditions: ConditionSet, tmp_path: Path
) -> None:
    chosen = settings(scheduler=scheduler, steps=4, controlnet_window=True)
    whole, denoiser = sample(chosen, conditions, tmp_path / "whole", 8)
    assert denoiser.evaluations == 8 * 4 * 2  # one per frame and step, twice for guidance
    for chunk in (1, 3):
        cut, denoiser = sample(chosen, conditions, tmp_path / f"cut{chunk}", chunk)
        assert (cut - whole).abs().max() < 1e-4 and denoiser.evaluations == 8 * 4 * 2
    alone, _ = sample(settings(scheduler=scheduler, steps=4, window="none"), conditions, tmp_path / "alone", 8)
    assert (alone - whole).abs().max() > 1e-2  # the window matters


def test_a_leading_frame_paints_as_it_would_alone_and_the_others_follow(settings: Build, conditions: ConditionSet, tmp_path: Path) -> None:
    """For every chunk size; a finished leader goes through the network once more, however long the others look at it."""
    even, _ = sample(settings(), conditions, tmp_path / "even", 8)
    led, denoiser = sample(settings(lead=0.75), conditions, tmp_path / "led", 8)
    assert denoiser.evaluations == (8 * 4 + 1) * 2
    torch.testing.assert_close(led[0], even[0], rtol=0, atol=1e-4)
    assert ((led[1:] - even[1:]).abs().amax((1, 2, 3)) > 1e-2).all()
    cut, _ = sample(settings(lead=0.75), conditions, tmp_path / "cut", 3)
    assert (cut - led).abs().max() < 1e-4
    long, denoiser = sample(settings(lead=1.0), conditions, tmp_path / "long", 8)  # done before the others begin
    assert denoiser.evaluations == (8 * 4 + 1) * 2
    torch.testing.assert_close(long[0], even[0], rtol=0, atol=1e-4)


def test_in_a_full_window_the_leader_is_alone_until_the_others_begin(settings: Build, conditions: ConditionSet, tmp_path: Path) -> None:
    led, denoiser = sample(settings(window="full", lead=0.5), conditions, tmp_path / "led", 8)
    even, _ = sample(settings(window="full"), conditions, tmp_path / "even", 8)
    assert denoiser.evaluations == (8 * 4 + 2) * 2 and (led - even).abs().amax((1, 2, 3)).min() > 1e-3


@pytest.mark.parametrize("chunk", [1, 3])
def test_controlnets_that_look_across_frames_may_be_silent_for_the_leader(
    chunk: int, settings: Build, model_folder: Path, conditions: ConditionSet, tmp_path: Path
) -> None:
    control = {"model": str(model_folder / "controlnet-parts"), "kind": "parts", "end": 0.75}
    chosen = settings(lead=0.5, controlnet_window=True, controlnets=(control,))
    whole, _ = sample(chosen, conditions, tmp_path / "whole", 8)
    assert (sample(chosen, conditions, tmp_path / "cut", chunk)[0] - whole).abs().max() < 1e-4


@pytest.mark.parametrize("scheduler", ["dpmpp_2m_karras", "ddim"])
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_a_temperature_multiplies_the_noise_that_a_step_leaves(scheduler: str, kind: str) -> None:
    """Of a network that sees picture and noise as they are, what lies between the picture and the next latents is that much less."""
    solver = make_scheduler(scheduler, {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "prediction_type": kind})
    solver.set_timesteps(10)
    picture, noise = torch.randn(2, 3, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    for step in (0, 6, 9):
        here = solver.timesteps[step]
        alpha = solver.alphas_cumprod[int(here)]
        latents = alpha.sqrt() * picture + (1 - alpha).sqrt() * noise
        prediction = noise if kind == "epsilon" else alpha.sqrt() * noise - (1 - alpha).sqrt() * picture
        after = torch.full_like(latents, 2.0)
        cold = cooled(solver, step, prediction, latents, after, 0.8)
        if step == 9:
            assert torch.equal(cold, after)
            continue
        still = solver.alphas_cumprod[int(solver.timesteps[step + 1])].sqrt() * picture
        torch.testing.assert_close(cold - still, 0.8 * (after - still), rtol=1e-3, atol=1e-3)
        assert cooled(solver, step, prediction, latents, after, 1.0) is after


def test_a_temperature_acts_in_the_stage_and_the_same_for_every_chunk_size(settings: Build, conditions: ConditionSet, tmp_path: Path) -> None:
    warm, _ = sample(settings(), conditions, tmp_path / "warm", 8)
    cold, _ = sample(settings(temperature=0.8), conditions, tmp_path / "cold", 8)
    cut, _ = sample(settings(temperature=0.8), conditions, tmp_path / "cut", 3)
    assert (cold - warm).abs().amax((1, 2, 3)).min() > 1e-2 and (cut - cold).abs().max() < 1e-4


def test_unipc_takes_no_temperature(settings: Build) -> None:
    with pytest.raises(ValidationError, match="write temperature: 1"):
        settings(scheduler="unipc", temperature=0.9)


def test_without_a_window_nobody_leads(settings: Build, conditions: ConditionSet, tmp_path: Path) -> None:
    alone, _ = sample(settings(window="none", lead=0.75), conditions, tmp_path / "led", 8)
    torch.testing.assert_close(alone, sample(settings(window="none"), conditions, tmp_path / "even", 8)[0], rtol=0, atol=0)


def test_a_controlnet_speaks_by_each_frames_own_step(settings: Build, model_folder: Path, conditions: ConditionSet, tmp_path: Path) -> None:
    """One that is silent in the last step is so for the leader while the others still hear it."""
    control = {"model": str(model_folder / "controlnet-parts"), "kind": "parts"}
    short, whole = (
        sample(settings(lead=0.5, controlnets=(control | {"end": end},)), conditions, tmp_path / str(end), 8)[0] for end in (0.75, 1.0)
    )
    even_short = sample(settings(controlnets=(control | {"end": 0.75},)), conditions, tmp_path / "even", 8)[0]
    torch.testing.assert_close(short[0], even_short[0], rtol=0, atol=1e-4)
    assert (short - whole).abs().amax((1, 2, 3)).min() > 1e-3


def test_a_frame_does_not_depend_on_the_frames_after_it(settings: Build, conditions: ConditionSet, tmp_path: Path) -> None:
    fewer = write_conditions(tmp_path / "fewer", body=3, head=0)
    for name in ("body_00", "body_01", "body_02"):
        for kind in ("parts", "depth"):
            (fewer.folder / kind / f"{name}.png").write_bytes((conditions.folder / kind / f"{name}.png").read_bytes())
    text = {"prompt_suffix": {k: "" for k in ("front", "angle_front", "side", "angle_back", "back")}}
    many, _ = sample(settings(**text), conditions, tmp_path / "many", 8)
    few, _ = sample(settings(**text), fewer, tmp_path / "few", 3)
    torch.testing.assert_close(few, many[:3], rtol=0, atol=1e-4)


def test_it_writes_pictures_cameras_description_and_preview(settings: Build, conditions: ConditionSet, tmp_path: Path) -> None:
    views = run_stage(STAGE, settings(), ViewsInputs(conditions), tmp_path / "out")
    assert views.names == conditions.names and views.rings == {"body": [0, 1, 2, 3, 4], "head": [5, 6, 7]}
    assert views.image("head_02").shape == (48, 32, 3)
    for ours, theirs in zip(views.cameras, conditions.cameras, strict=True):
        assert (ours.c2w == theirs.c2w).all() and ours.fx == theirs.fx
    assert views.description["evaluations_per_view_and_step"] == 2
    assert views.description["prompts"]["head_00"] == "girl, red hair, close-up, front view"
    assert {p.name for p in (tmp_path / "out" / "preview").iterdir()} == {"contact_sheet.png", "denoising.png"}


def test_a_front_by_itself_is_the_first_of_many_and_has_no_strip(settings: Build, conditions: ConditionSet, tmp_path: Path) -> None:
    """What a preview shows of a seed is what a run with that seed begins with, whether the first view leads or not."""
    alone = write_conditions(tmp_path / "alone", body=1, head=0)
    (alone.folder / "parts" / "body_00.png").write_bytes((conditions.folder / "parts" / "body_00.png").read_bytes())
    for lead in (0.0, 0.5):
        chosen = settings(lead=lead, seed=5, surface_sync=0.0)
        front = run_stage(STAGE, chosen, ViewsInputs(alone), tmp_path / f"front{lead}").image("body_00")
        first = run_stage(STAGE, chosen, ViewsInputs(conditions), tmp_path / f"all{lead}").image("body_00")
        assert abs(front - first).max() <= 1 / 255 + 1e-6
        assert [p.name for p in (tmp_path / f"front{lead}" / "preview").iterdir()] == ["contact_sheet.png"]


def _calls(ticks: list[int], settles: int, kills: tuple[int, ...]) -> int:
    """Chunks that a run works off whose undisturbed ticks have so many, and which dies at its calls ``kills``: the broken ticks' again,
    and from tick ``settles`` on, where a leader is finished, one for what it is seen as with the first tick of each life."""
    calls, tick, kept = 0, 0, False
    while tick < len(ticks):
        wanted = ticks[tick] + (tick >= settles and not kept)
        death = next((call for call in kills if calls < call <= calls + wanted), None)
        calls = death or calls + wanted
        tick, kept = (tick, False) if death else (tick + 1, tick >= settles)
    return calls


@pytest.mark.parametrize(
    ("scheduler", "lead", "sync", "kills"),
    [
        ("dpmpp_2m_karras", 0.0, 0.0, (5, 9)), ("dpmpp_2m_karras", 0.5, 0.5, (2, 5)), ("dpmpp_2m_karras", 0.5, 0.0, (5, 10)),
        ("unipc", 0.0, 0.5, (5, 9)), ("unipc", 0.5, 0.0, (2, 5)), ("unipc", 0.5, 0.0, (5, 11)), ("ddim", 0.0, 0.0, (5, 9)),
    ],  # all but unipc with a temperature
)
def test_a_killed_run_ends_in_the_same_bytes(
    scheduler: str, lead: float, sync: float, kills: tuple[int, int], settings: Build, conditions: ConditionSet, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = settings(scheduler=scheduler, steps=4, chunk=4, lead=lead, surface_sync=sync, temperature=1.0 if scheduler == "unipc" else 0.9)
    payload = lambda: {p.name: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}  # noqa: E731
    run_stage(STAGE, chosen, ViewsInputs(conditions), tmp_path / "out")
    undisturbed = payload()

    calls = die_at(kills, monkeypatch)
    for _ in range(2):
        with pytest.raises(Killed):
            run_stage(STAGE, chosen, ViewsInputs(conditions), tmp_path / "out", work_dir=tmp_path / "work")
    run_stage(STAGE, chosen, ViewsInputs(conditions), tmp_path / "out", work_dir=tmp_path / "work")
    ticks = [1] * round(4 * lead) + [2] * 4  # chunks; while the leader is alone there is one
    assert len(calls) == _calls(ticks, 4, kills)
    assert payload() == undisturbed


def test_a_resumed_run_cuts_as_it_began(settings: Build, conditions: ConditionSet, tmp_path: Path) -> None:
    Checkpoint(tmp_path / "work" / "checkpoint").save("chunk.json", lambda path: path.write_text("2") and None)
    views = run_stage(STAGE, settings(), ViewsInputs(conditions), tmp_path / "out", work_dir=tmp_path / "work")
    assert views.description["chunk"] == 2


def test_negative_words_for_one_side_change_that_side_alone(settings: Build, conditions: ConditionSet, tmp_path: Path) -> None:
    bare, _ = sample(settings(window="none"), conditions, tmp_path / "bare", 8)
    told, _ = sample(settings(window="none", negative_suffix={"front": "red"}), conditions, tmp_path / "told", 8)
    changed = (told - bare).abs().amax((1, 2, 3)) > 1e-3
    fronts = [abs((c.azimuth_deg + 180) % 360 - 180) <= 22.5 for c in conditions.cameras]
    assert changed.tolist() == fronts and any(fronts) and not all(fronts)


def test_controlnets_add_up_with_their_weights(settings: Build, model_folder: Path, conditions: ConditionSet, tmp_path: Path) -> None:
    parts, depth = (str(model_folder / f"controlnet-{kind}") for kind in ("parts", "depth"))
    one = {"model": parts, "kind": "parts"}
    silent = {"model": depth, "kind": "depth", "scale": 0.0}
    results = [
        sample(settings(controlnets=controls), conditions, tmp_path / str(i), 8)[0]
        for i, controls in enumerate([(one,), (one, silent), (one, silent | {"scale": 1.0}), (one, silent | {"scale": 1.0, "start": 1.0})])
    ]
    torch.testing.assert_close(results[1], results[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(results[3], results[0], rtol=0, atol=1e-5)
    assert (results[2] - results[0]).abs().max() > 1e-2


def test_a_controlnet_speaks_in_its_share_of_the_steps(model_folder: Path) -> None:
    network = open_networks(model_folder, [model_folder / "controlnet-parts"], "cpu", torch.float32).controlnets[0]
    branch = ControlBranch(network, 1.0, 0.25, 0.75, "0")
    assert [branch.speaks(i, 4) for i in range(4)] == [False, True, True, False]


def test_without_conditions_it_says_what_is_missing(settings: Build, tmp_path: Path) -> None:
    with pytest.raises(StageError, match="conditions stage was left out"):
        run_stage(STAGE, settings(), ViewsInputs(None), tmp_path / "out")
    odd = write_conditions(tmp_path / "odd", width=36)
    with pytest.raises(StageError, match="36 x 48; one size, a multiple of 8"):
        run_stage(STAGE, settings(), ViewsInputs(odd), tmp_path / "out")


def test_words_never_learnt_stand_in_the_description(settings: Build, conditions: ConditionSet, tmp_path: Path) -> None:
    chosen = settings(prompt="girl, redd hair, zeppelin", steps=1)
    views = run_stage(STAGE, chosen, ViewsInputs(conditions), tmp_path / "out")
    notice, of_the_ring = views.description["words_unknown"]  # the tiny model knows no "close-up"
    assert "'redd' (near: red)" in notice and "'zeppelin'" in notice
    assert "close-up" in of_the_ring and list(STAGE.notices(chosen)) == [notice, of_the_ring]


def test_models_enter_the_key_by_their_contents(settings: Build, model_folder: Path) -> None:
    whole, part = STAGE.models(settings())
    assert len(whole.revision) == len(part.revision) == 64 and whole.revision != part.revision
    assert part.revision == models.folder_digest(model_folder / "controlnet-parts")
    assert json.dumps(whole.name) == json.dumps(model_folder.name)
    assert not STAGE.models(ViewsSettings(source="images", folder=model_folder))


def test_settings_refuse_contradictions(model_folder: Path) -> None:
    with pytest.raises(ValueError, match="needs a folder"):
        ViewsSettings(source="images")
    with pytest.raises(ValueError, match="write source: images"):
        ViewsSettings(folder=model_folder)
    with pytest.raises(ValueError, match="lies behind"):
        ControlNetSettings(model="x", kind="parts", start=0.5, end=0.4)
