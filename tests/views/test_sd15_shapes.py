"""Stable Diffusion 1.5 and its ControlNets at real size, without their weights: on torch's meta device."""

from __future__ import annotations

import pytest
import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from stages.views.attention import install
from stages.views.windows import plan_chunks, ring_windows

DOWN = ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",)
UP = ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3
WIDTHS = (320, 640, 1280, 1280)


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    with torch.device("meta"):
        return UNet2DConditionModel(
            sample_size=64, block_out_channels=WIDTHS, down_block_types=DOWN, up_block_types=UP, layers_per_block=2,
            cross_attention_dim=768, attention_head_dim=8,
        )


@pytest.fixture(scope="module")
def controlnet() -> ControlNetModel:
    with torch.device("meta"):
        return ControlNetModel(
            block_out_channels=WIDTHS, down_block_types=DOWN, layers_per_block=2, cross_attention_dim=768, attention_head_dim=8
        )


def test_sizes_are_those_of_the_published_weights(unet: UNet2DConditionModel, controlnet: ControlNetModel) -> None:
    with torch.device("meta"):
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512), down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=2,
        )
        text = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
                max_position_embeddings=77, projection_dim=768,
            )
        )
    assert parameters(unet) == 859_520_964
    assert parameters(controlnet) == 361_279_120
    assert parameters(vae) == 83_653_863
    assert parameters(text) == 123_060_480


def test_names_and_shapes_that_the_files_hold(unet: UNet2DConditionModel, controlnet: ControlNetModel) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in unet.state_dict().items()}
    assert len(shapes) == 686
    assert shapes["conv_in.weight"] == (320, 4, 3, 3)
    assert shapes["down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_k.weight"] == (320, 320)
    assert shapes["down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight"] == (640, 768)
    assert shapes["mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj.weight"] == (10240, 1280)
    shapes = {name: tuple(tensor.shape) for name, tensor in controlnet.state_dict().items()}
    assert shapes["controlnet_cond_embedding.conv_out.weight"] == (320, 256, 3, 3)
    assert shapes["controlnet_down_blocks.11.weight"] == (1280, 1280, 1, 1)
    assert shapes["controlnet_mid_block.weight"] == (1280, 1280, 1, 1)


def test_a_chunk_goes_through_at_768_x_1024_with_thirteen_residuals(
    unet: UNet2DConditionModel, controlnet: ControlNetModel
) -> None:
    window = install(unet)
    assert len([m for n, m in unet.named_modules() if n.endswith(".attn1")]) == 16
    with torch.device("meta"), torch.inference_mode():
        for plan in plan_chunks(ring_windows([3]), 2):
            window.begin(plan)
            frames = 2 * len(plan.frames)
            noisy, text, picture = torch.empty(frames, 4, 128, 96), torch.empty(frames, 77, 768), torch.empty(frames, 3, 1024, 768)
            down, middle = controlnet(noisy, torch.tensor(1), text, picture, return_dict=False)
            assert len(down) == 12 and middle.shape == (frames, 1280, 16, 12)
            out = unet(noisy, torch.tensor(1), text, down_block_additional_residuals=down, mid_block_additional_residual=middle)
            assert out.sample.shape == noisy.shape
    window.off()
