"""An IP-Adapter's file, and whether it fits a model and an image encoder: told from headers and configs alone, without torch.

Read are the plain kind, which turns one vector that says a picture into a few words, and Plus, whose perceiver resampler reads all patches of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipeline.errors import ConfigError, MissingError
from stages.views.adapter_names import OTHERS, diffusers_names, in_order, layer_of, projection_part
from stages.views.weights_file import shapes
from third_party import models

Shape = tuple[int, ...]
HEAD = 64  # channels of one head of the resampler
PUBLISHED_ENCODER = "models/image_encoder"  # where it stands in its authors' repository
ENDS = {True: ("proj_in.weight", "norm_out.weight"), False: ("image_embeds.weight", "norm.weight")}  # of a Plus, of a plain one
UNET_FILES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors")


@dataclass(frozen=True)
class Source:
    """Where a tensor stands: its name in the file, and which half of it; None is all."""

    name: str
    half: int | None = None


@dataclass(frozen=True)
class AdapterFile:
    """What a file holds: the ``projection`` of a picture to words, by its names in diffusers' networks, and for each layer (its name or
    number) the tensors of its "k" and "v"."""

    path: Path
    projection: Mapping[str, Source]
    layers: Mapping[str, Mapping[str, str]]
    held: Mapping[str, Shape]

    @property
    def plus(self) -> bool:
        """Whether it has a resampler."""
        return "latents" in self.projection

    @cached_property
    def parts(self) -> dict[str, Shape]:
        """Shapes of the projection's tensors."""
        return {name: _shape(source, self.held) for name, source in self.projection.items()}

    @property
    def picture_channels(self) -> int:
        """Channels of what the image encoder says."""
        return self.parts[ENDS[self.plus][0]][-1]

    @property
    def text_channels(self) -> int:
        """Channels of a word."""
        return self.parts[ENDS[self.plus][1]][0]

    @property
    def depth(self) -> int:
        """How many layers its resampler has."""
        return len({name.split(".")[1] for name in self.parts if name.startswith("layers.")})


def adapter_path(file: Path | str) -> Path | None:
    """The file that ``views.ip_adapter.file`` names; None if it is one of the registry that is not on this machine."""
    if isinstance(file, Path):
        return file
    folder = models.find(file)
    return None if folder is None else folder / next(iter(models.registry()[file].files))


def encoder_in(folder: Path) -> Path:
    """The image encoder's folder in what ``views.ip_adapter.image_encoder`` names: itself, or its place among the published files."""
    return folder / PUBLISHED_ENCODER if (folder / PUBLISHED_ENCODER).is_dir() else folder


def read_adapter(path: Path) -> AdapterFile:
    """Raises ConfigError if the file is no IP-Adapter, one of another kind, or not whole."""
    held = shapes(path)
    parts = {part: key for key in held if (part := projection_part(key))}
    if other := next((kind for part, kind in OTHERS.items() if part in parts), None):
        raise ConfigError(f"{path}: is an IP-Adapter {other}, which is not read; expected a plain one or a Plus")
    layers: dict[str, dict[str, str]] = {}
    for key in held:
        if (found := layer_of(key)) is not None:
            layers.setdefault(found[0], {})[found[1]] = key
        elif projection_part(key) is None:
            raise ConfigError(f"{path}: {key} is no part of an IP-Adapter for Stable Diffusion 1")
    projection = {}
    for part, key in parts.items():
        names = diffusers_names(part)
        projection |= {name: Source(key, half if len(names) > 1 else None) for half, name in enumerate(names)}
    adapter = AdapterFile(path, projection, layers, held)
    _check_whole(adapter)
    return adapter


def check_encoder(adapter: AdapterFile, folder: Path) -> None:
    """Raises ConfigError if ``folder`` holds no image model of CLIP, or not the one that the adapter was made for."""
    place = encoder_in(folder)
    try:
        config = json.loads((place / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # no file, no text, no JSON
        raise ConfigError(f"{place / 'config.json'} cannot be read ({error}); expected CLIP's image model in transformers' layout") from error
    if not isinstance(config, dict) or config.get("model_type") != "clip_vision_model":
        raise ConfigError(f"{place}: is no image model of CLIP by itself (CLIPVisionModelWithProjection)")
    name, default = ("hidden_size", 768) if adapter.plus else ("projection_dim", 512)  # transformers leaves out what is its default
    got = config.get(name, default)
    if got != adapter.picture_channels:
        raise ConfigError(f"{place}: its {name} is {got}; {adapter.path.name} was made for one of {adapter.picture_channels}")


def check_model(adapter: AdapterFile, model_folder: Path) -> None:
    """Raises ConfigError if the adapter was not made for such a UNet, MissingError if there is none."""
    files = [model_folder / "unet" / name for name in UNET_FILES if (model_folder / "unet" / name).is_file()]
    if not files:
        raise MissingError(f"{model_folder / 'unet'} holds no {UNET_FILES[0]}; weights in other formats are not opened")
    end = ".attn2.to_k.weight"
    layers_for(adapter, {name.removesuffix(".to_k.weight"): shape for name, shape in shapes(files[0]).items() if name.endswith(end)})


def layers_for(adapter: AdapterFile, keys: Mapping[str, Shape]) -> dict[str, Mapping[str, str]]:
    """The tensors of each layer of a UNet; ``keys``: the shapes of the weights that make its text's keys. Raises ConfigError if they differ."""
    layers, made_for = adapter.layers, "expected an IP-Adapter for the model that `views.model` names"
    if all(name.isdigit() for name in layers):
        layers = {name: layers[str(2 * i + 1)] for i, name in enumerate(in_order(keys)) if str(2 * i + 1) in layers}
    if len(adapter.layers) != len(keys) or layers.keys() != keys.keys():
        raise ConfigError(f"{adapter.path}: is for a UNet with {len(adapter.layers)} layers that look at the text, the model's has {len(keys)}, or "
                          f"others; {made_for}")
    for name, shape in keys.items():
        for tensor in layers[name].values():
            if adapter.held[tensor] != shape:
                raise ConfigError(f"{adapter.path}: {tensor} is {adapter.held[tensor]}, the model's {name} takes {shape}; {made_for}")
    return dict(layers)


def _check_whole(adapter: AdapterFile) -> None:
    """Raises ConfigError for what is missing, or has a shape that nothing of its kind has."""
    if not adapter.layers or not adapter.projection.keys() >= {*ENDS[adapter.plus]}:
        raise ConfigError(f"{adapter.path}: holds {', '.join(sorted(adapter.held)[:3]) or 'nothing'} ...; expected an IP-Adapter: image_proj.* and "
                          "ip_adapter.<number>.to_k_ip.weight, to_v_ip.weight")
    for name, its in adapter.layers.items():
        if its.keys() != {"k", "v"}:
            raise ConfigError(f"{adapter.path}: layer {name} has only to_{''.join(its)}_ip; to_k_ip and to_v_ip were expected")
    expected = _resampler(adapter) if adapter.plus else _plain(adapter)
    for name in sorted(expected.keys() | adapter.parts.keys()):
        if adapter.parts.get(name) != expected.get(name):
            raise ConfigError(f"{adapter.path}: {name} of its image_proj is {adapter.parts.get(name, 'not there')}, expected {expected.get(name, 'none')}")


def _plain(adapter: AdapterFile) -> dict[str, Shape]:
    text, picture = adapter.text_channels, adapter.picture_channels
    words = adapter.parts["image_embeds.weight"][0] // max(1, text)
    return {"image_embeds.weight": (words * text, picture), "image_embeds.bias": (words * text,), "norm.weight": (text,), "norm.bias": (text,)}


def _resampler(adapter: AdapterFile) -> dict[str, Shape]:
    """Jaegle et al. 2021, "Perceiver", as the adapter's authors use it."""
    text, width = adapter.text_channels, adapter.parts["proj_in.weight"][0]
    inside = adapter.parts.get("layers.0.attn.to_q.weight", (HEAD,))[0] // HEAD * HEAD
    out = {"latents": (1, *adapter.parts["latents"][1:2], width), "proj_in.weight": (width, adapter.picture_channels), "proj_in.bias": (width,),
           "proj_out.weight": (text, width), "proj_out.bias": (text,), "norm_out.weight": (text,), "norm_out.bias": (text,)}
    for layer in range(max(1, adapter.depth)):
        at = {"attn.to_q.weight": (inside, width), "attn.to_k.weight": (inside, width), "attn.to_v.weight": (inside, width),
              "attn.to_out.0.weight": (width, inside), "ff.1.net.0.proj.weight": (4 * width, width), "ff.1.net.2.weight": (width, 4 * width)}
        at |= {f"{norm}.{last}": (width,) for norm in ("ln0", "ln1", "ff.0") for last in ("weight", "bias")}
        out |= {f"layers.{layer}.{name}": shape for name, shape in at.items()}
    return out


def _shape(source: Source, held: Mapping[str, Shape]) -> Shape:
    first, *rest = held[source.name] or (0,)
    return (first if source.half is None else first // 2, *rest)
