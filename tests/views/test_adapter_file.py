"""What is wrong with an IP-Adapter is told from headers and configs, before anything runs, at its own place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

import stages
from pipeline.commands import Request, prepare
from pipeline.errors import ConfigError, MissingError
from stages.artifacts.images import write_png
from stages.views.adapter_file import check_encoder, check_model, read_adapter
from stages.views.adapter_names import in_order
from stages.views.notices import picture_notices
from stages.views.settings import IPAdapterSettings, ViewsSettings
from tests.views.tiny_adapter import SAYS, SEES, TEXT, plain, plus, write_adapter, write_encoder
from third_party.single_file.convert import CONFIGS

Change = Callable[[dict[str, Tensor]], dict[str, Tensor]]


def without(*parts: str) -> Change:
    return lambda t: {k: v for k, v in t.items() if not any(part in k for part in parts)}


def beside(**tensors: Tensor) -> Change:
    return lambda t: t | {k.replace("__", "."): v for k, v in tensors.items()}


@pytest.mark.parametrize(("tensors", "channels"), [(plain(), SAYS), (plus(), SEES)], ids=["plain", "plus"])
def test_what_a_file_was_made_for_is_in_its_header(tensors: dict[str, Tensor], channels: int, model_folder: Path, tmp_path: Path) -> None:
    adapter = read_adapter(write_adapter(tmp_path / "a.safetensors", tensors))
    assert (adapter.picture_channels, adapter.text_channels, len(adapter.layers)) == (channels, TEXT, 4)
    check_model(adapter, model_folder)
    check_encoder(adapter, write_encoder(tmp_path / "clone" / "models" / "image_encoder"))
    check_encoder(adapter, tmp_path / "clone")  # of its authors' whole repository


def test_layers_of_stable_diffusion_are_numbered_as_diffusers_numbers_them() -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(json.loads((CONFIGS / "unet" / "config.json").read_text()))
    processors = [name.removesuffix(".processor") for name in unet.attn_processors]
    theirs = [name for name in processors if name.endswith(".attn2")]
    assert in_order(sorted(theirs)) == theirs and [processors.index(name) for name in theirs] == list(range(1, 32, 2))


@pytest.mark.parametrize(("made", "change", "said"), [
    (plain, lambda t: {}, "holds nothing ...; expected an IP-Adapter: image_proj"),
    (plain, without("ip_adapter"), "holds image_proj.norm.bias, .*; expected an IP-Adapter"),
    (plain, without("image_proj"), "holds ip_adapter.1.to_k_ip.weight, .*; expected an IP-Adapter"),
    (plain, without("norm.bias"), "norm.bias of its image_proj is not there, expected \\(24,\\)"),
    (plain, without("7.to_v_ip"), "layer 7 has only to_k_ip"),
    (plain, beside(lora_unet_x=torch.ones(1)), "lora_unet_x is no part of an IP-Adapter"),
    (plain, beside(image_proj__proj__bias=torch.ones(95)), "image_embeds.bias of its image_proj is \\(95,\\), expected \\(96,\\)"),
    (plain, beside(image_proj__proj__3__weight=torch.ones(1)), "is an IP-Adapter Full Face, which is not read; expected a plain one or a Plus"),
    (plain, lambda t: without("proj.weight")(t) | {"image_proj.proj.0.weight": torch.ones(1)}, "is an IP-Adapter FaceID, which"),
    (plus, lambda t: {k.replace("proj.lat", "proj.perceiver_resampler.proj_in.weight"): v for k, v in t.items()} | {
        "image_proj.perceiver_resampler.proj_in.weight": torch.ones(1)}, "is an IP-Adapter FaceID Plus, which"),
    (plus, without("layers.2.1.3"), "layers.2.ff.1.net.2.weight of its image_proj is not there, expected \\(16, 64\\)"),
    (plus, without("layers."), "of its image_proj is not there"),
    (plus, beside(image_proj__latents=torch.ones(3)), "latents of its image_proj is \\(3,\\), expected \\(1, 16\\)"),
])
def test_strangers_are_refused(made: Callable[[], dict[str, Tensor]], change: Change, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        read_adapter(write_adapter(tmp_path / "a.safetensors", change(made())))


@pytest.mark.parametrize(("change", "said"), [
    (without("ip_adapter.5"), "is for a UNet with 3 layers that look at the text, the model's has 4"),
    (lambda t: {k.replace("ip_adapter.7", "ip_adapter.9"): v for k, v in t.items()}, "is for a UNet with 4 layers .* has 4, or others"),
    (beside(ip_adapter__1__to_v_ip__weight=torch.ones(16, 2048)), "ip_adapter.1.to_v_ip.weight is \\(16, 2048\\), the model's down_blocks.0.* takes \\(16, 24\\)"),
])
def test_one_for_another_unet(change: Change, said: str, model_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"{said}.*; expected an IP-Adapter for the model that `views.model` names"):
        check_model(read_adapter(write_adapter(tmp_path / "a.safetensors", change(plain()))), model_folder)
    with pytest.raises(MissingError, match=r"unet holds no diffusion_pytorch_model\.safetensors"):
        check_model(read_adapter(write_adapter(tmp_path / "a.safetensors", plain())), tmp_path)


def test_one_for_another_image_encoder(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "encoder")
    config = json.loads((folder / "config.json").read_text())
    adapters = [read_adapter(write_adapter(tmp_path / f"{i}.safetensors", made)) for i, made in enumerate((plain(), plus()))]
    (folder / "config.json").write_text(json.dumps({**config, "projection_dim": 1024, "hidden_size": 1280}))
    with pytest.raises(ConfigError, match=r"encoder: its projection_dim is 1024; 0\.safetensors was made for one of 20"):
        check_encoder(adapters[0], folder)
    with pytest.raises(ConfigError, match=r"encoder: its hidden_size is 1280; 1\.safetensors was made for one of 32"):
        check_encoder(adapters[1], folder)
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "clip"}))
    with pytest.raises(ConfigError, match="is no image model of CLIP by itself"):
        check_encoder(adapters[0], folder)
    with pytest.raises(ConfigError, match=r"none.config\.json cannot be read .*expected CLIP's image model"):
        check_encoder(adapters[0], tmp_path / "none")


@pytest.mark.parametrize(("adapter", "place", "said"), [
    ("file: a.yaml, image_encoder: ./encoder, image: a.png", "4:22: views.ip_adapter.file", "expected a .safetensors file, got a.yaml"),
    ("file: ip_adapter_sd51, image_encoder: ./encoder, image: a.png", "4:22: views.ip_adapter.file", "there is no file ip_adapter_sd51"),
    ("file: bad.safetensors, image_encoder: ./encoder, image: a.png", "4:22: views.ip_adapter.file", "bad.safetensors: x is no part of an IP-Adapter"),
    ("file: a.safetensors, image_encoder: ./encoder, image: a.png", "4:22: views.ip_adapter.file", "a.safetensors: is for a UNet with 4 layers that look at the text, the model's has "),
    ("file: a.safetensors, image_encoder: ./none, image: a.png", "4:52: views.ip_adapter.image_encoder", "there is no folder none"),
    ("file: a.safetensors, image_encoder: ., image: a.png", "4:52: views.ip_adapter.image_encoder", "config.json cannot be read"),
    ("file: a.safetensors, image_encoder: ./encoder, image: words.bmp", "4:70: views.ip_adapter.image", "is not a picture"),
    ("file: a.safetensors, image_encoder: ./encoder, image: [a.png, b.png]", "4:78: views.ip_adapter.image[1]", "there is no file b.png; did you mean 'a.png'?"),
    ("file: a.safetensors, image_encoder: ./encoder, image: []", "4:70: views.ip_adapter.image", "expected a file or a list: each a file"),
    ("file: a.safetensors, image_encoder: ./encoder, image: a.png, start: 0.9, end: 0.1", "4:15: views.ip_adapter", "start 0.9 lies behind end 0.1"),
])
def test_told_at_its_place_before_the_run(adapter: str, place: str, said: str, model_folder: Path, tmp_path: Path) -> None:
    write_encoder(tmp_path / "encoder")
    write_adapter(tmp_path / "a.safetensors", plain())
    write_adapter(tmp_path / "bad.safetensors", {"x": torch.ones(1)})
    write_png(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "words.bmp").write_text("no picture")
    (tmp_path / "a.yaml").write_text(f"name: mika\nprompt: a girl\nviews:\n  ip_adapter: {{{adapter}}}\n"
                                     f"  model: {'embedded' if 'UNet' in said else model_folder}\n")
    with pytest.raises(ConfigError) as caught:
        prepare(Request(stages.character(), tmp_path / "a.yaml", out=tmp_path / "outputs", cache=tmp_path / "cache"))
    (line,) = str(caught.value).replace(f"{tmp_path}/", "").splitlines()[1:]
    assert line.startswith(f"  a.yaml:{place}: ") and said in line


def test_what_an_encoder_does_not_see_is_said(tmp_path: Path) -> None:
    for name, width in (("square", 40), ("wide", 90)):
        write_png(tmp_path / f"{name}.png", np.zeros((40, width, 3), np.uint8))
    write_adapter(tmp_path / "a.safetensors", {"x": torch.ones(1)})
    chosen = IPAdapterSettings(file=tmp_path / "a.safetensors", image=(tmp_path / "square.png", tmp_path / "wide.png"))
    (said,) = picture_notices(ViewsSettings(ip_adapter=chosen))
    assert said.startswith("wide.png is 90 x 40, and an IP-Adapter sees the square in its middle alone, 40 px each way")
