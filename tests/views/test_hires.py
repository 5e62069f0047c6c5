"""A second pass at a higher resolution: its noise is diffusers' img2img's, and sizes, cameras, kills and chunks are as in the first."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, ControlNetModel, StableDiffusionControlNetImg2ImgPipeline, UNet2DConditionModel
from PIL import Image
from pydantic import ValidationError
from transformers import CLIPTextModel, CLIPTokenizer

from pipeline.errors import StageError
from pipeline.runner import run_stage as run_stage_with
from stages.artifacts.conditions import ConditionSet
from stages.artifacts.images import write_png
from stages.views import STAGE, ViewsInputs
from stages.views.denoise import Denoiser
from stages.views.hires import Enlarged, SecondPass, drowned, last_steps
from stages.views.noise import frame_noise
from stages.views.settings import HiresSettings, ViewsSettings
from tests.views.killing import Killed, die_at
from tests.views.test_as_diffusers import SCHEDULERS
from tests.views.test_given import differs, drawing
from tests.views.tiny import write_conditions

Build = Callable[..., ViewsSettings]
run_stage = partial(run_stage_with, threads=1)
TWICE = {"scale": 2.0, "strength": 0.5}


@pytest.mark.parametrize(("scale", "size"), [(1.5, (48, 80)), (2.0, (64, 96)), (1.3, (48, 64))])
def test_pictures_and_cameras_are_larger(scale: float, size: tuple[int, int], settings: Build, conditions: ConditionSet, tmp_path: Path) -> None:
    """By the scale, rounded to 16 px: the latents' eight, and the tiny UNet's two levels."""
    views = run_stage(STAGE, settings(hires={"scale": scale}), ViewsInputs(conditions), tmp_path / "out")
    views.validate()
    assert views.image("head_02").shape == (size[1], size[0], 3) and views.names == conditions.names and views.rings == conditions.rings
    point = np.array([0.1, -0.2, 1.1])
    for ours, theirs in zip(views.cameras, conditions.cameras, strict=True):
        assert (ours.c2w == theirs.c2w).all()
        np.testing.assert_allclose(ours.project(point)[0] / size, theirs.project(point)[0] / (32, 48), rtol=1e-12)
    assert views.description["hires"] == {"scale": scale, "strength": 0.3, "steps": None}
    assert {p.name for p in (tmp_path / "out" / "preview").iterdir()} == {"contact_sheet.png", "denoising.png", "denoising_again.png"}


def test_condition_pictures_are_enlarged_flat_where_colours_are_names(conditions: ConditionSet) -> None:
    larger = Enlarged(conditions, 64, 96)
    parts, depth = larger.image("parts", "body_01"), larger.image("depth", "body_01")
    np.testing.assert_array_equal(parts, conditions.image("parts", "body_01").repeat(2, 0).repeat(2, 1))
    assert len(np.unique(depth)) > len(np.unique(conditions.image("depth", "body_01"))) - 5 and depth.shape == parts.shape
    assert not np.array_equal(depth, conditions.image("depth", "body_01").repeat(2, 0).repeat(2, 1))
    assert larger.rings == conditions.rings and conditions.cameras[0].width == 32


@pytest.mark.parametrize("scheduler", list(SCHEDULERS))
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_one_view_is_what_diffusers_makes_of_its_enlarged_picture(
    scheduler: str, strength: float, settings: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, last, clean = write_conditions(tmp_path / "one", body=1, head=0), [], []
    chosen = settings(scheduler=scheduler, steps=6, hires={"scale": 2.0, "strength": strength, "steps": 10}, window="none", negative_prompt="blue")
    run, after = SecondPass.run, SecondPass.after
    monkeypatch.setattr(SecondPass, "after", lambda *arguments: clean.append(after(*arguments)) or clean[-1])
    monkeypatch.setattr(SecondPass, "run", lambda *arguments: last.append(run(*arguments)) or last[-1])
    run_stage(STAGE, chosen, ViewsInputs(one), tmp_path / "out")
    folder, pictures = Path(chosen.model), Image.open(one.folder / "parts" / "body_00.png").resize((64, 96), Image.Resampling.NEAREST)
    pipeline = StableDiffusionControlNetImg2ImgPipeline(
        AutoencoderKL.from_pretrained(folder, subfolder="vae"), CLIPTextModel.from_pretrained(folder / "text_encoder"),
        CLIPTokenizer.from_pretrained(folder / "tokenizer"), UNet2DConditionModel.from_pretrained(folder, subfolder="unet"),
        ControlNetModel.from_pretrained(chosen.controlnets[0].model), SCHEDULERS[scheduler](folder), None, None, requires_safety_checker=False,
    )
    noise = frame_noise(0, [("hires-body_00", 0)], (4, 12, 8))
    monkeypatch.setattr("diffusers.pipelines.controlnet.pipeline_controlnet_img2img.randn_tensor", lambda *_, **__: noise)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        "girl, red hair, full body, front view", negative_prompt="blue", image=clean[0].clean, control_image=pictures, strength=strength,
        num_inference_steps=10, guidance_scale=3.0, controlnet_conditioning_scale=1.0, output_type="latent",
    ).images
    torch.testing.assert_close(last[0][0], theirs, rtol=0, atol=1e-4)


def test_the_less_strength_the_more_is_left_of_the_first_pass(settings: Build, model_folder: Path) -> None:
    config = json.loads((model_folder / "scheduler" / "scheduler_config.json").read_text())
    clean, noise = torch.ones(1, 4, 6, 6), torch.zeros(1, 4, 6, 6)
    shares = [float(drowned(last_steps(settings(steps=20), HiresSettings(strength=s), config), clean, noise).mean()) for s in (0.05, 0.3, 0.5, 0.8, 1.0)]
    assert shares == sorted(shares, reverse=True) and shares[0] > 0.95 and shares[-1] < 0.1


@pytest.mark.parametrize("scheduler", ["dpmpp_2m_karras", "unipc", "ddim"])
@pytest.mark.parametrize(("steps", "strength", "left"), [(20, 0.5, 10), (20, 0.01, 1), (7, 0.5, 3), (4, 1.0, 4), (500, 0.05, 25)])
def test_the_last_steps_are_those_of_the_whole(scheduler: str, steps: int, strength: float, left: int, settings: Build, model_folder: Path) -> None:
    config = json.loads((model_folder / "scheduler" / "scheduler_config.json").read_text())
    solver = last_steps(settings(scheduler=scheduler, steps=steps), HiresSettings(strength=strength), config)
    assert len(solver.timesteps) == left
    latents = drowned(solver, torch.zeros(2, 4, 3, 3), torch.ones(2, 4, 3, 3))
    assert (latents - latents.mean()).abs().max() < 1e-6 and 0 < latents.mean() <= 1
    for timestep in solver.timesteps:
        latents = solver.step(torch.zeros_like(latents), timestep, latents, return_dict=False)[0]
    assert latents.isfinite().all()


def test_the_chunk_sets_the_memory_and_not_the_result(
    settings: Build, conditions: ConditionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures are four times as large in the second pass, and so a fourth as many, or one, are worked on at once."""
    at_once: list[tuple[int, int]] = []
    chunk_of = Denoiser._chunk

    def watched(self: Denoiser, frames: object, plan: object, latents: torch.Tensor, *others: object) -> torch.Tensor:
        at_once.append((latents[0, 0].numel(), len(plan.frames)))
        return chunk_of(self, frames, plan, latents, *others)

    monkeypatch.setattr(Denoiser, "_chunk", watched)
    painted, most = [], []
    for chunk in (8, 5):
        at_once.clear()
        views = run_stage(STAGE, settings(chunk=chunk, hires=TWICE, lead=0.5), ViewsInputs(conditions), tmp_path / str(chunk))
        painted.append(np.array([views.image(name) for name in views.names]))
        most.append({size: max(count for its, count in at_once if its == size) for size, _ in at_once})
    assert np.abs(painted[0] - painted[1]).max() < 1.01 / 255
    assert most == [{24: 8, 96: 2}, {24: 5, 96: 1}]


@pytest.mark.parametrize(("scheduler", "kills"), [("dpmpp_2m_karras", (3, 9)), ("unipc", (10, 12)), ("dpmpp_2m_karras", (12, 20))])
def test_a_killed_run_ends_in_the_same_bytes(
    scheduler: str, kills: tuple[int, int], settings: Build, conditions: ConditionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the first pass (8 chunks), in the second (16), and in either."""
    chosen = settings(scheduler=scheduler, chunk=4, hires=TWICE)
    payload = lambda: {p.name: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}  # noqa: E731
    run_stage(STAGE, chosen, ViewsInputs(conditions), tmp_path / "out")
    undisturbed = payload()

    calls = die_at(kills, monkeypatch)
    for _ in kills:
        with pytest.raises(Killed):
            run_stage(STAGE, chosen, ViewsInputs(conditions), tmp_path / "out", work_dir=tmp_path / "work")
    run_stage(STAGE, chosen, ViewsInputs(conditions), tmp_path / "out", work_dir=tmp_path / "work")
    assert len(calls) <= 8 + 16 + 2 * 8  # at most the ticks that were broken are done again
    assert payload() == undisturbed


@pytest.mark.parametrize("lead", [0.0, 0.5])
def test_references_and_kept_views_have_the_full_size(lead: float, settings: Build, conditions: ConditionSet, tmp_path: Path) -> None:
    large = np.random.default_rng(0).integers(0, 256, (96, 64, 3), dtype=np.uint8)
    write_png(tmp_path / "front.png", large)
    first = run_stage(STAGE, settings(hires=TWICE, lead=lead, reference=tmp_path / "front.png"), ViewsInputs(conditions), tmp_path / "first")
    np.testing.assert_array_equal((first.image("body_00") * 255).round(), large)
    again = settings(hires=TWICE, lead=lead, keep=first.folder, redo=("body_02",), seed=3)
    second = run_stage(STAGE, again, ViewsInputs(conditions), tmp_path / "second")
    assert [name for name in second.names if differs(second, first, name)] == ["body_02"]
    plain = run_stage(STAGE, settings(lead=lead, reference=drawing(tmp_path / "small.png", 0)), ViewsInputs(conditions), tmp_path / "plain")
    with pytest.raises(StageError, match="body_00 is 32 x 48 with 3 channels; 64 x 96 with 3 was expected"):
        run_stage(STAGE, settings(hires=TWICE, keep=plain.folder, redo=("body_02",)), ViewsInputs(conditions), tmp_path / "third")


def test_what_makes_no_sense_is_refused(settings: Build, conditions: ConditionSet, tmp_path: Path) -> None:
    for wrong in ({"strength": 0.0}, {"scale": 1.0}, {"strength": 1.1}):
        with pytest.raises(ValidationError, match="should be (greater|less) than"):
            settings(hires=wrong)
    with pytest.raises(StageError, match="views.hires.scale 1.1 makes 32 x 48 pictures 32 x 48, as this model needs multiples of 16"):
        run_stage(STAGE, settings(hires={"scale": 1.1}), ViewsInputs(conditions), tmp_path / "out")
