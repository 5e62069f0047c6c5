"""Tiny Stable Diffusion models with random weights, of the classes and the folder layout of the big ones, and conditions to match."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, ControlNetModel, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from stages.artifacts.cameras import ring
from stages.artifacts.conditions import ConditionSet, write_body, write_cameras
from stages.artifacts.images import write_png
from tests.bodies import ball

BLOCKS = ("CrossAttnDownBlock2D", "DownBlock2D")
UP_BLOCKS = ("UpBlock2D", "CrossAttnUpBlock2D")
WORDS = ("red", "blue", "hair", "girl", "skirt", "long", "short", "t-shirt", "front", "side", "back", "view", "angle", "full", "body")


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
        norm_num_groups=4, conditioning_embedding_out_channels=(4, 8, 8, 16),
    ).eval()
    for conv in (*net.controlnet_down_blocks, net.controlnet_mid_block, net.controlnet_cond_embedding.conv_out):
        torch.nn.init.normal_(conv.weight, std=0.1)
    return net


def tiny_vae(seed: int = 2) -> AutoencoderKL:
    """f = 8, 4 latent channels."""
    torch.manual_seed(seed)
    return AutoencoderKL(
        block_out_channels=(4, 4, 8, 8), down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1, norm_num_groups=4, mid_block_add_attention=False, scaling_factor=0.5,
    ).eval()


def tiny_tokenizer(length: int = 16) -> CLIPTokenizer:
    """Bytes only: a word is as many tokens as letters, unless it is one of a few."""
    letters = [chr(c) for c in range(33, 127)]
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={t: i for i, t in enumerate(tokens)}, merges=[], model_max_length=length)


def tiny_text_encoder(tokenizer: CLIPTokenizer, seed: int = 3) -> CLIPTextModel:
    """Three layers of 24 channels."""
    torch.manual_seed(seed)
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=24, projection_dim=24, intermediate_size=32, num_hidden_layers=3,
            num_attention_heads=2, max_position_embeddings=tokenizer.model_max_length,
            bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        )
    ).eval()


def write_model(folder: Path, prediction_type: str = "epsilon", length: int = 77) -> Path:
    """A whole model with two ControlNets in ``folder``, as the embedded one is laid out."""
    tokenizer = tiny_tokenizer(length)
    tokenizer.save_pretrained(folder / "tokenizer")
    tiny_text_encoder(tokenizer).save_pretrained(folder / "text_encoder")
    tiny_vae().save_pretrained(folder / "vae")
    tiny_unet().save_pretrained(folder / "unet")
    tiny_controlnet(1).save_pretrained(folder / "controlnet-parts")
    tiny_controlnet(5).save_pretrained(folder / "controlnet-depth")
    DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1, prediction_type=prediction_type,
    ).save_pretrained(folder / "scheduler")
    (folder / "words.json").write_text(json.dumps(WORDS), encoding="utf-8")
    return folder


def write_conditions(folder: Path, body: int = 5, head: int = 3, width: int = 32, height: int = 48) -> ConditionSet:
    """Two rings of noise pictures, kinds parts and depth, round a ball."""
    rings = {
        "body": ring("body", body, np.array([0.0, 0.0, 0.8]), 4.0, 0.0, 90.0, width, height),
        "head": ring("head", head, np.array([0.0, 0.0, 1.4]), 4.0, 0.0, 300.0, width, height),
    }
    rings = {name: cameras for name, cameras in rings.items() if cameras}
    rng = np.random.default_rng(0)
    for kind in ("parts", "depth"):
        for camera in (c for cameras in rings.values() for c in cameras):
            write_png(folder / kind / f"{camera.name}.png", rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    write_cameras(folder, rings, "parts")
    write_body(folder, ball(0.6, (0.0, 0.0, 1.0)), np.eye(4)[None])
    return ConditionSet.open(folder)
