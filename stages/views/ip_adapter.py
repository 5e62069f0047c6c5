"""IP-Adapter: beside the text, every frame looks at the user's pictures (Ye et al. 2023, "IP-Adapter").

A picture becomes a few words, which have keys and values of their own in each layer that looks at the text; the text's queries see both, each by
itself, and the results add up (eq. 5). The words are the same at every step and for every frame, so keys and values are made once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import ImageProjection, IPAdapterPlusImageProjection
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import CLIPVisionModelWithProjection

from pipeline.errors import MissingError
from stages.views.adapter_file import HEAD, AdapterFile, adapter_path, check_encoder, encoder_in, layers_for, read_adapter
from stages.views.attention import attend
from stages.views.clip_picture import clip_pixels
from stages.views.control import within
from stages.views.networks import open_network
from stages.views.settings import IPAdapterSettings
from third_party import models


@dataclass(frozen=True)
class PictureWords:
    """What an adapter makes of pictures: (2, words, channels) float32, first of none, for guidance's negative half, then of the pictures."""

    adapter: AdapterFile
    words: Tensor


@dataclass
class Look:
    """How loud the pictures are, and in which share of the steps; ``weights``: for each frame of the chunk at hand."""

    scale: float
    start: float
    end: float
    weights: list[float] = field(default_factory=list)

    def begin(self, steps: Sequence[int], of: int) -> None:
        """Work on frames in the calls that follow that are at ``steps`` of ``of`` steps."""
        self.weights = [self.scale if within(step, of, self.start, self.end) else 0.0 for step in steps]


class PictureAttention:
    """Attention processor for the ``attn2`` layers of diffusers' UNet2DConditionModel; ``key`` and ``value``: (2, words, channels)."""

    def __init__(self, look: Look, layer: str, key: Tensor, value: Tensor) -> None:
        self.look, self.layer, self.key, self.value = look, layer, key, value

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """(copies * frames, tokens, channels) -> the same shape. Raises ValueError if the batch is not one or two copies of the chunk."""
        if encoder_hidden_states is None or attention_mask is not None:
            raise ValueError(f"{self.layer} is not a plain layer that looks at the text")
        query = attn.to_q(hidden_states)
        mixed = attend(query, attn.to_k(encoder_hidden_states), attn.to_v(encoder_hidden_states), attn.heads)
        if any(self.look.weights):
            mixed = mixed + self._seen(query, attn.heads)
        return attn.to_out[1](attn.to_out[0](mixed)) / attn.rescale_output_factor

    def _seen(self, query: Tensor, heads: int) -> Tensor:
        """What the queries find in the pictures, weighted frame by frame."""
        frames = len(self.look.weights)
        copies = len(query) // frames
        if len(query) not in (frames, 2 * frames):
            raise ValueError(f"a batch of {len(query)} is not one or two copies of {frames} frames")
        key, value = (words[-copies:].repeat_interleave(frames, 0) for words in (self.key, self.value))
        return torch.tensor(self.look.weights * copies).to(query)[:, None, None] * attend(query, key, value, heads)


def picture_words(settings: IPAdapterSettings, device: str) -> PictureWords:
    """The pictures of the settings as words; the image encoder is opened for it, and let go of. Raises ConfigError or MissingError."""
    path = adapter_path(settings.file)
    if path is None:
        raise MissingError(f"{settings.file} is not on this machine; `python -m pipeline models fetch {settings.file}` downloads it")
    adapter, folder = read_adapter(path), models.locate(settings.image_encoder)
    check_encoder(adapter, folder)
    encoder = open_network(CLIPVisionModelWithProjection, encoder_in(folder), torch.float32, device)
    pixels = torch.stack([torch.from_numpy(clip_pixels(picture, encoder.config.image_size)) for picture in settings.pictures]).to(device)
    projection = _projection(adapter).to(device)
    with torch.inference_mode():
        if adapter.plus:
            said = [encoder(seen, output_hidden_states=True).hidden_states[-2] for seen in (torch.zeros_like(pixels), pixels)]
        else:
            embedded = encoder(pixels).image_embeds
            said = [torch.zeros_like(embedded), embedded]
        return PictureWords(adapter, torch.stack([projection(each).flatten(0, 1) for each in said]).cpu())


def look_at(unet: UNet2DConditionModel, pictures: PictureWords, settings: IPAdapterSettings) -> Look:
    """Put ``PictureAttention`` on every layer of ``unet`` that looks at the text; ``Look.begin`` before a call says how loud it is.

    Raises ConfigError, and has changed nothing, if the adapter was made for another UNet.
    """
    look = Look(settings.scale, settings.start, settings.end)
    layers = {name: layer for name, layer in unet.named_modules() if name.endswith(".attn2")}
    names = layers_for(pictures.adapter, {name: tuple(layer.to_k.weight.shape) for name, layer in layers.items()})
    held = load_file(pictures.adapter.path)
    for name, layer in layers.items():
        key, value = ((pictures.words @ held[names[name][side]].float().mT).to(layer.to_k.weight) for side in ("k", "v"))
        layer.set_processor(PictureAttention(look, name, key, value))
    return look


def _projection(adapter: AdapterFile) -> nn.Module:
    """The network that turns what the image encoder says into words, float32."""
    parts = adapter.parts
    if adapter.plus:
        width, inside = parts["proj_in.weight"][0], parts["layers.0.attn.to_q.weight"][0]
        network: nn.Module = IPAdapterPlusImageProjection(
            adapter.picture_channels, adapter.text_channels, width, adapter.depth, HEAD, inside // HEAD, parts["latents"][1],
        )
    else:
        words = parts["image_embeds.weight"][0] // adapter.text_channels
        network = ImageProjection(adapter.picture_channels, adapter.text_channels, words)
    held = load_file(adapter.path)
    network.load_state_dict(
        {name: held[s.name].float() if s.half is None else held[s.name].float().chunk(2)[s.half] for name, s in adapter.projection.items()}
    )
    return network.eval().requires_grad_(False)
