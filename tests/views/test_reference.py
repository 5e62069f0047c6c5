"""A single frame without window is what diffusers' own ControlNet pipeline paints, for every solver and prediction type."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionControlNetPipeline

from pipeline.checkpoint import Checkpoint
from pipeline.progress import SilentProgress
from pipeline.stage import StageContext
from stages.views.networks import open_networks
from stages.views.noise import frame_noise
from stages.views.paint import _frames, _remember_conditions, decode, frame_order, frame_prompts, latent_shape, make_denoiser, places
from stages.views.schedule import make_scheduler
from stages.views.settings import ControlNetSettings, ViewsSettings
from tests.views.tiny import write_conditions, write_model


@pytest.mark.parametrize(
    ("scheduler", "prediction_type", "clip_skip", "start"),
    [
        ("dpmpp_2m_karras", "epsilon", 0, 0.3), ("dpmpp_2m_karras", "v_prediction", 2, 0.0), ("unipc", "v_prediction", 0, 0.0),
        ("ddim", "epsilon", 0, 0.3),
    ],
)
def test_equals_diffusers_pipeline(scheduler: str, prediction_type: str, clip_skip: int, start: float, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", prediction_type)
    conditions = write_conditions(tmp_path / "conditions", body=2, head=0)
    guidance = 1.0 if clip_skip else 4.0  # diffusers skips no layers for the negative prompt; we do
    controls = (
        ControlNetSettings(model=str(folder / "controlnet-parts"), kind="parts", scale=0.8, end=0.8),
        ControlNetSettings(model=str(folder / "controlnet-depth"), kind="depth", scale=1.3, start=start),
    )
    settings = ViewsSettings(
        prompt="girl, red hair", negative_prompt="blue", model=str(folder), controlnets=controls, scheduler=scheduler, steps=5,
        guidance_scale=guidance, window="none", clip_skip=clip_skip, temperature=1.0,
    )
    context = StageContext(
        out=tmp_path, work=tmp_path, log=logging.getLogger("test"), progress=SilentProgress(), backends={},
        checkpoint=Checkpoint(tmp_path / "checkpoint"),
    )
    networks = open_networks(folder, [folder / "controlnet-parts", folder / "controlnet-depth"], "cpu", torch.float32)
    object.__setattr__(networks.text_encoder, "text_model", networks.text_encoder)  # where diffusers looks for the last norm
    pipeline = StableDiffusionControlNetPipeline(
        networks.vae, networks.text_encoder, networks.tokenizer, networks.unet, networks.controlnets,
        make_scheduler(scheduler, networks.scheduler_config), None, None, requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    noise = frame_noise(7, places(conditions), latent_shape(conditions, networks))
    prompts = frame_prompts(settings, conditions, folder)
    expected = [
        pipeline(
            prompts[i], [torch.from_numpy(conditions.image(c.kind, name)).permute(2, 0, 1)[None] for c in controls],
            height=48, width=32, num_inference_steps=5, guidance_scale=guidance, negative_prompt="blue", latents=noise[i : i + 1],
            controlnet_conditioning_scale=[c.scale for c in controls], control_guidance_start=[c.start for c in controls],
            control_guidance_end=[c.end for c in controls], clip_skip=clip_skip or None,
            output_type="latent",
        ).images[0]
        for i, name in enumerate(conditions.names)
    ]
    order = frame_order(settings, conditions)
    denoiser = make_denoiser(settings, networks, conditions, order, context)  # takes the ControlNets' embedders out: after the pipeline has run
    _remember_conditions(settings, conditions, conditions.names, denoiser.branches, context)
    latents, _ = denoiser.run(_frames(settings, conditions, networks, prompts, order, {}), noise, 2, lambda: None)
    torch.testing.assert_close(latents, torch.stack(expected), rtol=0, atol=1e-4)
    pictures = pipeline.vae.decode(torch.stack(expected) / pipeline.vae.config.scaling_factor).sample
    pictures = pipeline.image_processor.postprocess(pictures.detach(), output_type="np")
    for latent, picture in zip(latents, pictures, strict=True):
        assert np.abs(decode(networks, latent) / 255.0 - picture).max() <= 0.5 / 255 + 1e-4
