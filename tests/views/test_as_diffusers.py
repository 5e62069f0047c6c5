"""One frame by itself is what diffusers' own pipelines make of the same noise, words and weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    DiffusionPipeline,
    DPMSolverMultistepScheduler,
    SchedulerMixin,
    StableDiffusionControlNetPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
    UniPCMultistepScheduler,
)
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from stages.artifacts.conditions import ConditionSet
from stages.artifacts.images import to_u8
from stages.views.denoise import Denoiser
from stages.views.noise import frame_noise
from stages.views.paint import paint
from stages.views.settings import ViewsSettings
from tests.views.test_inversions import embedding
from tests.views.test_lora import UNET, branches, kohya, networks, older, peft
from tests.views.test_paint import context_in
from tests.views.tiny import tiny_controlnet, write_conditions, write_model

Build = Callable[..., ViewsSettings]
Painted = tuple[Tensor, Tensor]  # latents (4, h, w), picture (H, W, 3) in [0, 1]
SCHEDULERS: Mapping[str, Callable[[Path], SchedulerMixin]] = {
    "dpmpp_2m_karras": lambda folder: DPMSolverMultistepScheduler.from_pretrained(folder, subfolder="scheduler", use_karras_sigmas=True),
    "unipc": lambda folder: UniPCMultistepScheduler.from_pretrained(folder, subfolder="scheduler"),
    "ddim": lambda folder: DDIMScheduler.from_pretrained(folder, subfolder="scheduler"),
}
PARTS = {"kind": "parts", "scale": 0.7}
DEPTH = {"kind": "depth", "scale": 1.2, "start": 0.25}
AGAIN = {"kind": "parts", "scale": 0.4, "start": 0.1, "end": 0.6}
TEXT = tuple(f"encoder.layers.1.{name}" for name in ("self_attn.q_proj", "self_attn.out_proj", "mlp.fc1"))  # by out_proj diffusers knows kohya's
SAID, UNSAID = "girl, red hair", "blue, short"
PROMPT = f"{SAID}, full body, front view"
SEED = 7


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> ConditionSet:
    """One view, 32 x 48 px (w x h)."""
    return write_conditions(tmp_path_factory.mktemp("frame"), body=1, head=0)


@pytest.fixture(scope="module")
def third(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A third ControlNet."""
    folder = tmp_path_factory.mktemp("third")
    tiny_controlnet(9).save_pretrained(folder)
    return folder


@pytest.fixture
def ours(frame: ConditionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[ViewsSettings], Painted]:
    """What the stage paints: the last latents of its only frame, and its picture."""
    last: list[Tensor] = []
    run = Denoiser.run

    def watched(self: Denoiser, *arguments: Any, **named: Any) -> Any:
        found = run(self, *arguments, **named)
        last.append(found[0])
        return found

    monkeypatch.setattr(Denoiser, "run", watched)

    def painted(settings: ViewsSettings) -> Painted:
        views = paint(settings, frame, context_in(tmp_path / f"painted{len(last)}"))
        return last[-1][0], torch.from_numpy(views.image("body_00"))

    return painted


def opened(settings: ViewsSettings) -> DiffusionPipeline:
    """The pipeline that a user of diffusers would make of the settings' folders."""
    folder = Path(settings.model)
    parts = {
        "vae": AutoencoderKL.from_pretrained(folder, subfolder="vae"), "unet": UNet2DConditionModel.from_pretrained(folder, subfolder="unet"),
        "text_encoder": CLIPTextModel.from_pretrained(folder / "text_encoder"), "tokenizer": CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        "scheduler": SCHEDULERS[settings.scheduler](folder), "safety_checker": None, "feature_extractor": None, "requires_safety_checker": False,
    }
    if settings.clip_skip:  # diffusers 0.42 asks for a name that the text models of transformers 5 no longer have
        object.__setattr__(parts["text_encoder"], "text_model", parts["text_encoder"])
    controls = [ControlNetModel.from_pretrained(c.model) for c in settings.controlnets]
    if not controls:
        return StableDiffusionPipeline(**parts)
    return StableDiffusionControlNetPipeline(**parts, controlnet=controls[0] if len(controls) == 1 else controls)


def theirs(settings: ViewsSettings, frame: ConditionSet, pipeline: DiffusionPipeline, prompt: str = PROMPT) -> Painted:
    """What ``pipeline`` paints with the settings' noise, pictures and numbers."""
    controls = settings.controlnets
    pictures = [Image.open(frame.folder / c.kind / "body_00.png") for c in controls]
    asked: dict[str, Any] = {}
    if controls:
        several = [pictures, [c.scale for c in controls], [c.start for c in controls], [c.end for c in controls]]
        names = ("image", "controlnet_conditioning_scale", "control_guidance_start", "control_guidance_end")
        asked = dict(zip(names, several if len(controls) > 1 else [values[0] for values in several], strict=True))
    last: list[Tensor] = []
    pipeline.set_progress_bar_config(disable=True)
    texts: dict[str, Any] = {"prompt": prompt, "negative_prompt": settings.negative_prompt}
    if settings.clip_skip:  # diffusers skips for the prompt alone; web UIs, and we, for both
        embedded = [pipeline.encode_prompt(text, "cpu", 1, False, clip_skip=settings.clip_skip)[0] for text in texts.values()]
        texts = dict(zip(("prompt_embeds", "negative_prompt_embeds"), embedded, strict=True))
    picture = pipeline(
        **texts, latents=frame_noise(settings.seed, [("body", 0)], (4, 6, 4)), width=32, height=48,
        num_inference_steps=settings.steps, guidance_scale=settings.guidance_scale, output_type="np",
        callback_on_step_end=lambda _, step, timestep, kept: last.append(kept["latents"]) or kept, **asked,
    ).images[0]
    return last[-1][0], torch.from_numpy(picture)


def assert_same(ours: Painted, theirs: Painted) -> None:
    torch.testing.assert_close(ours[0], theirs[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(ours[1], torch.from_numpy(to_u8(theirs[1].numpy())) / 255, rtol=0, atol=1.01 / 255)  # rounding may tip over


def controls(settings: Build, third: Path, chosen: Sequence[Mapping[str, Any]], **changes: Any) -> ViewsSettings:
    """Settings with a ControlNet of its own for each of ``chosen``."""
    model = Path(settings().model)
    nets = (model / "controlnet-parts", model / "controlnet-depth", third)
    changes = {"window": "none", "negative_prompt": UNSAID, "seed": SEED, "steps": 6} | changes
    return settings(controlnets=tuple({"model": str(net), **c} for net, c in zip(nets, chosen)), **changes)


@pytest.mark.parametrize("chosen", [(), (PARTS,), (PARTS, DEPTH), (PARTS, DEPTH, AGAIN)], ids=lambda chosen: f"{len(chosen)} controlnets")
@pytest.mark.parametrize("scheduler", list(SCHEDULERS))
def test_every_solver_with_up_to_three_controlnets(
    scheduler: str, chosen: Sequence[Mapping[str, Any]], settings: Build, third: Path, frame: ConditionSet, ours: Callable[[ViewsSettings], Painted]
) -> None:
    asked = controls(settings, third, chosen, scheduler=scheduler)
    assert_same(ours(asked), theirs(asked, frame, opened(asked)))


@pytest.mark.parametrize("change", [
    *({"scheduler": scheduler, "steps": steps} for scheduler in SCHEDULERS for steps in (1, 20)),
    {"guidance_scale": 1.0}, {"guidance_scale": 12.0}, {"clip_skip": 1}, {"clip_skip": 2}, {"window": "causal"}, {"window": "full"},
], ids=str)
def test_every_number(
    change: Mapping[str, Any], settings: Build, third: Path, frame: ConditionSet, ours: Callable[[ViewsSettings], Painted]
) -> None:
    asked = controls(settings, third, (PARTS, DEPTH), **change)
    assert_same(ours(asked), theirs(asked, frame, opened(asked)))


@pytest.mark.parametrize("scheduler", list(SCHEDULERS))
def test_a_model_that_predicts_velocities(
    scheduler: str, settings: Build, third: Path, frame: ConditionSet, ours: Callable[[ViewsSettings], Painted], tmp_path: Path
) -> None:
    model = write_model(tmp_path / "model", "v_prediction")
    asked = controls(settings, third, (PARTS, AGAIN), scheduler=scheduler, model=str(model))
    assert_same(ours(asked), theirs(asked, frame, opened(asked)))


@pytest.mark.parametrize("key", ["emb_params", "<easy>"])
def test_textual_inversions(
    key: str, settings: Build, third: Path, frame: ConditionSet, ours: Callable[[ViewsSettings], Painted], tmp_path: Path
) -> None:
    files = [embedding(tmp_path / f"{word}.safetensors", key=key, seed=i, vectors=i + 1) for i, word in enumerate(("easy", "badhand4"))]
    asked = controls(
        settings, third, (PARTS,), prompt=f"{SAID}, easy", negative_prompt=f"badhand4, {UNSAID}", embeddings=tuple({"file": f} for f in files)
    )
    pipeline = opened(asked)
    for file in files:
        pipeline.load_textual_inversion(str(file), token=file.stem)
    found = ours(asked)
    assert_same(found, theirs(asked, frame, pipeline, f"{SAID}, easy, full body, front view"))
    assert (found[0] - ours(asked.model_copy(update={"embeddings": ()}))[0]).abs().max() > 1e-2


@pytest.mark.parametrize("spelt", [kohya, peft, older])
def test_loras(
    spelt: Callable[..., dict[str, Tensor]], settings: Build, third: Path, frame: ConditionSet, ours: Callable[[ViewsSettings], Painted], tmp_path: Path
) -> None:
    """Two at once. diffusers reads them with peft, which nothing else here needs."""
    pytest.importorskip("peft", reason="diffusers loads LoRAs with peft, which is not installed")
    pairs = branches(networks(), {"unet": UNET, "text_encoder": TEXT}), branches(networks(), {"unet": UNET[1:2], "text_encoder": TEXT[:2]})
    loras = []
    for i, (made, weight) in enumerate(zip(pairs, (0.7, -0.4), strict=True)):
        save_file({k: v.contiguous() for k, v in spelt(made).items()}, tmp_path / f"lora{i}.safetensors")
        loras.append({"file": tmp_path / f"lora{i}.safetensors", "weight": weight})
    asked = controls(settings, third, (PARTS, DEPTH), loras=tuple(loras))
    pipeline = opened(asked)
    for lora in asked.loras:
        pipeline.load_lora_weights(lora.file.parent, weight_name=lora.file.name, adapter_name=lora.file.stem)
    pipeline.set_adapters([lora.file.stem for lora in asked.loras], [lora.weight for lora in asked.loras])
    found = ours(asked)
    assert_same(found, theirs(asked, frame, pipeline))
    assert (found[0] - ours(asked.model_copy(update={"loras": ()}))[0]).abs().max() > 1e-2
