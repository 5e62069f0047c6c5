"""What one parameter is called in diffusers' classes and in the one-file checkpoints of Stable Diffusion 1 and its ControlNets.

The files number the UNet's blocks through, upsamplers and downsamplers among them; the classes nest them. Everything follows from a
network's config, so that any depth is covered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0", "conv2": "out_layers.3",
          "conv_shortcut": "skip_connection"}
UNET = {"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2", "conv_in": "input_blocks.0.0",
        "conv_norm_out": "out.0", "conv_out": "out.2"}
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
Config = Mapping[str, Any]


def unet_name(name: str, config: Config) -> str:
    """Of a UNet's parameter, in the file's UNet. Raises KeyError for one that Stable Diffusion 1 does not have."""
    layers = config["layers_per_block"]
    if found := re.fullmatch(r"down_blocks\.(\d+)\.downsamplers\.0\.conv\.(\w+)", name):
        return f"input_blocks.{(int(found[1]) + 1) * (layers + 1)}.0.op.{found[2]}"
    if found := re.fullmatch(r"up_blocks\.(\d+)\.upsamplers\.0\.conv\.(\w+)", name):
        place = 2 if "CrossAttn" in config["up_block_types"][int(found[1])] else 1
        return f"output_blocks.{int(found[1]) * (layers + 1) + layers}.{place}.conv.{found[2]}"
    if found := re.fullmatch(r"(down|up)_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.+)", name):
        number = int(found[2]) * (layers + 1) + int(found[4]) + (found[1] == "down")
        part = 0 if found[3] == "resnets" else 1
        return f"{'input' if found[1] == 'down' else 'output'}_blocks.{number}.{part}.{_inner(found[3], found[5])}"
    if found := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)", name):
        number = 2 * int(found[2]) if found[1] == "resnets" else 1
        return f"middle_block.{number}.{_inner(found[1], found[3])}"
    return _replaced(name, UNET)


def _inner(kind: str, rest: str) -> str:
    """Inside a resnet the layers have other names, inside attention the same."""
    return _replaced(rest, RESNET) if kind == "resnets" else rest


def controlnet_name(name: str, config: Config) -> str:
    """Of a ControlNet's parameter, in the file's."""
    if found := re.fullmatch(r"controlnet_cond_embedding\.(conv_in|conv_out|blocks\.(\d+))\.(\w+)", name):
        last = 2 * (len(config["conditioning_embedding_out_channels"]) - 1) + 1
        number = {"conv_in": 0, "conv_out": last}.get(found[1], int(found[2] or 0) + 1)
        return f"input_hint_block.{2 * number}.{found[3]}"
    if found := re.fullmatch(r"controlnet_down_blocks\.(\d+)\.(\w+)", name):
        return f"zero_convs.{found[1]}.0.{found[2]}"
    if found := re.fullmatch(r"controlnet_mid_block\.(\w+)", name):
        return f"middle_block_out.0.{found[1]}"
    return unet_name(name, config)


def vae_name(name: str, config: Config) -> str:
    """Of an autoencoder's parameter, in the file's."""
    side, _, rest = name.partition(".")
    if side not in ("encoder", "decoder"):
        return name  # quant_conv, post_quant_conv
    last = len(config["block_out_channels"]) - 1
    if found := re.fullmatch(r"(down|up)_blocks\.(\d+)\.(?:resnets\.(\d+)|(?:down|up)samplers\.0)\.(.+)", rest):
        number = int(found[2]) if found[1] == "down" else last - int(found[2])
        part = f"block.{found[3]}.{_shortcut(found[4])}" if found[3] else f"{found[1]}sample.{found[4]}"
        return f"{side}.{found[1]}.{number}.{part}"
    if found := re.fullmatch(r"mid_block\.resnets\.(\d+)\.(.+)", rest):
        return f"{side}.mid.block_{int(found[1]) + 1}.{_shortcut(found[2])}"
    if found := re.fullmatch(r"mid_block\.attentions\.0\.(.+)", rest):
        return f"{side}.mid.attn_1.{_replaced(found[1], VAE_ATTENTION)}"
    return f"{side}.{rest.replace('conv_norm_out', 'norm_out')}"


def _shortcut(rest: str) -> str:
    return rest.replace("conv_shortcut", "nin_shortcut")


def text_name(name: str, config: Config) -> str:
    """Of a CLIP text model's parameter, in the file's; transformers has left out the first word of it at times."""
    return name if name.startswith("text_model.") else f"text_model.{name}"


def _replaced(name: str, table: Mapping[str, str]) -> str:
    module, _, parameter = name.rpartition(".")
    return f"{table[module]}.{parameter}"


NAMES: dict[str, tuple[str, Callable[[str, Config], str]]] = {
    "unet": ("model.diffusion_model.", unet_name),
    "vae": ("first_stage_model.", vae_name),
    "text_encoder": ("cond_stage_model.transformer.", text_name),
    "controlnet": ("control_model.", controlnet_name),
}
