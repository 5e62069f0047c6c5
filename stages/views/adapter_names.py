"""What the tensors of an IP-Adapter are called: in the files that its authors published, and in diffusers' networks, which are ours.

The published files number the attention layers of a UNet through, self-attention among them, in the order down, up, middle: those that look
at the text are 1, 3, 5, ...
"""

from __future__ import annotations

import re
from collections.abc import Iterable

LAYER = re.compile(
    r"ip_adapter\.(?P<number>\d+)\.to_(?P<published>[kv])_ip\.weight"
    r"|(?:unet\.)?(?P<layer>(?:down_blocks|up_blocks|mid_block)\..+\.attn2)\.processor\.to_(?P<nested>[kv])_ip(?:\.0)?\.weight"
)
PROJECTION = re.compile(r"(?:image_proj|(?:unet\.)?encoder_hid_proj\.image_projection_layers\.0)\.(.+)")
BLOCKS = ("down_blocks", "up_blocks", "mid_block")
RESAMPLER = {"0.norm1": "ln0", "0.norm2": "ln1", "0.to_q": "attn.to_q", "0.to_out": "attn.to_out.0", "1.0": "ff.0", "1.1": "ff.1.net.0.proj",
             "1.3": "ff.1.net.2"}
OTHERS = {  # a part that only these have, in the order in which it tells them apart
    "proj.3.weight": "Full Face", "perceiver_resampler.proj_in.weight": "FaceID Plus", "proj.net.0.proj.weight": "FaceID Plus",
    "proj.0.weight": "FaceID", "ff.net.0.proj.weight": "Full Face or FaceID",
}


def layer_of(key: str) -> tuple[str, str] | None:
    """A layer's name, or its number, and "k" or "v"; None for another tensor."""
    found = LAYER.fullmatch(key)
    return (found["number"] or found["layer"], found["published"] or found["nested"]) if found else None


def projection_part(key: str) -> str | None:
    """What a tensor of the projection is called there; None for another tensor."""
    found = PROJECTION.fullmatch(key)
    return found[1] if found else None


def diffusers_names(part: str) -> tuple[str, ...]:
    """The names of a part of the projection in diffusers' networks: two where keys and values share a tensor, one above the other."""
    found = re.fullmatch(r"layers\.(\d+)\.(.+)\.(weight|bias)", part)
    if found is None:
        return (re.sub(r"^proj\.", "image_embeds.", part),)
    layer, inner, last = found.groups()
    if inner == "0.to_kv":
        return f"layers.{layer}.attn.to_k.{last}", f"layers.{layer}.attn.to_v.{last}"
    return (f"layers.{layer}.{RESAMPLER.get(inner, inner)}.{last}",)


def in_order(layers: Iterable[str]) -> list[str]:
    """Layers of a UNet in the order in which the published files number them."""
    return sorted(layers, key=lambda name: (BLOCKS.index(name.split(".")[0]), [int(n) for n in re.findall(r"\.(\d+)", name)]))
