"""The joint window against its definition: a loop over frames, each with its window as one picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor, nn
from torch.nn import functional as F

from stages.artifacts.conditions import ConditionSet
from stages.views.networks import open_networks
from stages.views.noise import frame_noise
from stages.views.paint import _frames, frame_order, frame_prompts, latent_shape, places
from stages.views.schedule import make_scheduler
from stages.views.settings import ViewsSettings
from tests.views.test_paint import sample
from third_party import models

Build = Callable[..., ViewsSettings]


class OnePicture:
    """All tokens of the batch see all tokens of the batch."""

    def __call__(self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, **_: object) -> Tensor:
        return AttnProcessor2_0()(attn, hidden_states.reshape(1, -1, hidden_states.shape[-1])).view(hidden_states.shape)


def norm_of_all(norm: nn.GroupNorm) -> Callable[[Tensor], Tensor]:
    """Mean and variance over all frames of the batch, group by group."""

    def forward(x: Tensor) -> Tensor:
        groups = x.unflatten(1, (norm.num_groups, -1))
        mean, variance = groups.mean((0, 2, 3, 4), keepdim=True), groups.var((0, 2, 3, 4), keepdim=True, unbiased=False)
        return ((groups - mean) / (variance + norm.eps).sqrt()).flatten(1, 2) * norm.weight[:, None, None] + norm.bias[:, None, None]

    return forward


def made_one(network: nn.Module, attention: bool) -> nn.Module:
    """``network`` with a batch for one picture: in residual blocks and before its output, and in attention if asked."""
    for name, module in network.named_modules():
        if name.endswith(".attn1") and attention:
            module.set_processor(OnePicture())
        if isinstance(module, nn.GroupNorm) and not name.endswith("attentions.0.norm") and not name.endswith("attentions.1.norm"):
            module.forward = norm_of_all(module)
    return network


@torch.inference_mode()
def naive(settings: ViewsSettings, conditions: ConditionSet) -> Tensor:
    """Per step and frame: the window {first of all, previous in the ring, frame}, all as they were when the step began."""
    folder = models.locate(settings.model)
    networks = open_networks(folder, [models.locate(c.model) for c in settings.controlnets], "cpu", torch.float32)
    frames = _frames(settings, conditions, networks, frame_prompts(settings, conditions, folder), frame_order(settings, conditions), {})
    unet, control = made_one(networks.unet, True), made_one(networks.controlnets[0], settings.controlnet_window)
    pictures = torch.stack([torch.from_numpy(conditions.image("parts", name)).permute(2, 0, 1) for name in conditions.names])
    latents = frame_noise(settings.seed, places(conditions), latent_shape(conditions, networks))
    solver = make_scheduler(settings.scheduler, networks.scheduler_config)
    solver.set_timesteps(settings.steps)
    starts = {members[0] for members in conditions.rings.values()}
    for step in solver.timesteps:
        predictions = []
        for f in range(len(frames.names)):
            window = list(dict.fromkeys((0, f if f in starts else f - 1, f)))
            halves = []
            for row in (frames.negative_rows[f], frames.prompt_rows[f]):
                text = frames.texts[row].expand(len(window), -1, -1)
                down, middle = control(latents[window], step, text, pictures[window], return_dict=False)
                out = unet(latents[window], step, text, down_block_additional_residuals=down, mid_block_additional_residual=middle).sample
                halves.append(out[window.index(f)])
            predictions.append(halves[0] + settings.guidance_scale * (halves[1] - halves[0]))
        latents = solver.step(torch.stack(predictions), step, latents, return_dict=False)[0]
    return latents


@pytest.mark.parametrize("controlnet_window", [False, True])
def test_equals_a_loop_over_windows_for_every_chunk_size(
    controlnet_window: bool, settings: Build, conditions: ConditionSet, tmp_path: Path
) -> None:
    chosen = settings(window="joint", steps=3, controlnet_window=controlnet_window)
    expected = naive(chosen, conditions)
    for chunk in (1, 4, 7, 24):
        latents, denoiser = sample(chosen, conditions, tmp_path / str(chunk), chunk)
        torch.testing.assert_close(latents, expected, rtol=0, atol=1e-4)
        assert denoiser.evaluations == (1 + 2 + 3 * 3 + 2 + 3 * 2) * 3 * 2  # five of the body, three of the head; steps; halves of guidance


def test_a_leader_is_painted_alone_and_a_finished_one_not_again(settings: Build, conditions: ConditionSet, tmp_path: Path) -> None:
    led, denoiser = sample(settings(window="joint", lead=0.5), conditions, tmp_path / "led", 8)
    assert denoiser.evaluations == (1 + 2 + 3 * 3 + 2 + 3 * 2) * 4 * 2
    cut, _ = sample(settings(window="joint", lead=0.5), conditions, tmp_path / "cut", 3)
    assert (cut - led).abs().max() < 1e-4
    alone, _ = sample(settings(window="none"), conditions, tmp_path / "alone", 8)
    torch.testing.assert_close(led[0], alone[0], rtol=0, atol=1e-4)
    assert ((led - alone).abs().amax((1, 2, 3)) > 1e-2).tolist() == [False] + [True] * 7


def test_shared_statistics_matter(settings: Build, conditions: ConditionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop without them comes out otherwise: the twin above does not agree by chance."""
    chosen = settings(window="joint", steps=1)
    latents, _ = sample(chosen, conditions, tmp_path / "a", 8)
    monkeypatch.setattr("tests.views.test_joint.norm_of_all", lambda norm: lambda x: F.group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps))
    assert (naive(chosen, conditions) - latents).abs().amax((1, 2, 3))[1:].min() > 1e-3
