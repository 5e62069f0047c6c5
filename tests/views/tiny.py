"""Tiny Stable Diffusion networks with random weights, of the classes and the folder layout of the big ones."""

from __future__ import annotations

import torch
from diffusers import ControlNetModel, UNet2DConditionModel

BLOCKS = ("CrossAttnDownBlock2D", "DownBlock2D")
UP_BLOCKS = ("UpBlock2D", "CrossAttnUpBlock2D")


def tiny_unet(seed: int = 0) -> UNet2DConditionModel:
    """Two levels, 16 and 32 channels, random weights."""
    torch.manual_seed(seed)
    return UNet2DConditionModel(
        sample_size=8, layers_per_block=1, block_out_channels=(16, 32), down_block_types=BLOCKS, up_block_types=UP_BLOCKS,
        cross_attention_dim=24, attention_head_dim=2, norm_num_groups=4,
    ).eval()


def tiny_controlnet(seed: int = 1) -> ControlNetModel:
    """The matching ControlNet; its zero convolutions are filled so that it has an effect."""
    torch.manual_seed(seed)
    net = ControlNetModel(
        layers_per_block=1, block_out_channels=(16, 32), down_block_types=BLOCKS, cross_attention_dim=24, attention_head_dim=2,
        norm_num_groups=4, conditioning_embedding_out_channels=(8, 16),
    ).eval()
    for conv in (*net.controlnet_down_blocks, net.controlnet_mid_block, net.controlnet_cond_embedding.conv_out):
        torch.nn.init.normal_(conv.weight, std=0.1)
    return net
