"""Tiny IP-Adapters with random weights in the published spelling, and the image model that they see with."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from tests.views.tiny import tiny_unet

TEXT, SEES, SAYS = 24, 32, 20  # channels of a word, of the image model, of the vector that it ends with


def write_encoder(folder: Path, seed: int = 7) -> Path:
    """CLIP's image model with patches of 8 pixels, fed 32 x 32."""
    torch.manual_seed(seed)
    CLIPVisionModelWithProjection(
        CLIPVisionConfig(hidden_size=SEES, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4, image_size=32, patch_size=8,
                         projection_dim=SAYS)
    ).save_pretrained(folder)
    return folder


def layers(generator: torch.Generator) -> dict[str, Tensor]:
    """Keys and values of every layer that looks at the text, numbered as diffusers reads them."""
    unet, out = tiny_unet(), {}
    for number, name in enumerate(unet.attn_processors):
        if name.endswith("attn2.processor"):
            width = len(unet.get_submodule(name.removesuffix(".processor")).to_k.weight)
            out |= {f"ip_adapter.{number}.to_{side}_ip.weight": torch.randn(width, TEXT, generator=generator) * 0.5 for side in "kv"}
    return out


def plain(words: int = 4, seed: int = 0) -> dict[str, Tensor]:
    """The kind that turns the image model's vector into words."""
    generator = torch.Generator().manual_seed(seed)
    made = {"proj.weight": (words * TEXT, SAYS), "proj.bias": (words * TEXT,), "norm.weight": (TEXT,), "norm.bias": (TEXT,)}
    return {f"image_proj.{k}": torch.randn(shape, generator=generator) for k, shape in made.items()} | layers(generator)


def plus(width: int = 16, heads: int = 2, depth: int = 4, seed: int = 0) -> dict[str, Tensor]:
    """The kind whose resampler reads all patches; diffusers reads four layers."""
    made = {"latents": (1, 3, width), "proj_in.weight": (width, SEES), "proj_in.bias": (width,), "proj_out.weight": (TEXT, width),
            "proj_out.bias": (TEXT,), "norm_out.weight": (TEXT,), "norm_out.bias": (TEXT,)}
    for i in range(depth):
        inner = {"0.norm1.weight": (width,), "0.norm1.bias": (width,), "0.norm2.weight": (width,), "0.norm2.bias": (width,),
                 "0.to_q.weight": (64 * heads, width), "0.to_kv.weight": (128 * heads, width), "0.to_out.weight": (width, 64 * heads),
                 "1.0.weight": (width,), "1.0.bias": (width,), "1.1.weight": (4 * width, width), "1.3.weight": (width, 4 * width)}
        made |= {f"layers.{i}.{k}": shape for k, shape in inner.items()}
    generator = torch.Generator().manual_seed(seed)
    return {f"image_proj.{k}": torch.randn(shape, generator=generator) * 0.5 for k, shape in made.items()} | layers(generator)


def write_adapter(path: Path, tensors: dict[str, Tensor]) -> Path:
    """A file of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in tensors.items()}, path)
    return path
