"""LoRAs of every spelling do to a network what a low-rank branch beside its layers would do, and strangers are refused whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers.loaders import StableDiffusionLoraLoaderMixin
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline.errors import ConfigError
from stages.artifacts.conditions import ConditionSet
from stages.views import STAGE, ViewsInputs
from stages.views.lora import add_lora, read_lora
from stages.views.settings import ViewsSettings
from tests.views.test_paint import run_stage
from tests.views.tiny import tiny_text_encoder, tiny_tokenizer, tiny_unet

ATTENTION = "down_blocks.0.attentions.0.transformer_blocks.0.attn1"
UNET = (f"{ATTENTION}.to_q", f"{ATTENTION}.to_out.0", "down_blocks.0.attentions.0.proj_in", "conv_in", "down_blocks.0.resnets.0.conv1")
TEXT = ("encoder.layers.1.self_attn.q_proj", "encoder.layers.0.mlp.fc1")
RANK, ALPHA = 3, 6.0


def networks() -> dict[str, nn.Module]:
    return {"unet": tiny_unet(), "text_encoder": tiny_text_encoder(tiny_tokenizer())}


def branches(of: dict[str, nn.Module], layers: dict[str, tuple[str, ...]]) -> dict[tuple[str, str], tuple[Tensor, Tensor]]:
    """Random (down, up) for each layer, as those who train them shape them."""
    made, generator = {}, torch.Generator().manual_seed(0)
    for root, names in layers.items():
        for name in names:
            weight = of[root].get_submodule(name).weight
            down = torch.randn(RANK, *weight.shape[1:], generator=generator) * 0.2
            made[root, name] = down, torch.randn(len(weight), RANK, *(1 for _ in weight.shape[2:]), generator=generator) * 0.2
    return made


def kohya(made: dict[tuple[str, str], tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    out = {}
    for (root, name), (down, up) in made.items():
        stem = ("lora_unet_" if root == "unet" else "lora_te_text_model_") + name.replace(".", "_")
        out |= {f"{stem}.lora_down.weight": down, f"{stem}.lora_up.weight": up, f"{stem}.alpha": torch.tensor(ALPHA)}
    return out


def peft(made: dict[tuple[str, str], tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """No alpha in the file: it is the rank."""
    out = {}
    for (root, name), (down, up) in made.items():
        stem = f"{root}.{name}" if root == "unet" else f"{root}.text_model.{name}"
        out |= {f"{stem}.lora_A.weight": down, f"{stem}.lora_B.weight": up * ALPHA / RANK}
    return out


def older(made: dict[tuple[str, str], tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """As diffusers wrote them before peft: processors for attention, ``lora_linear_layer`` for text."""
    out = {}
    for (root, name), (down, up) in made.items():
        if "attn1" in name:
            layer, last = name.replace(".to_out.0", ".to_out").rsplit(".", 1)
            stem = f"{root}.{layer}.processor.{last}_lora"
        else:
            stem = f"{root}.{name}.lora" if root == "unet" else f"{root}.text_model.{name}.lora_linear_layer"
        out |= {f"{stem}.down.weight": down, f"{stem}.up.weight": up * ALPHA / RANK}
    return out


def beside(layer: nn.Module, down: Tensor, up: Tensor, factor: float) -> None:
    """The branch itself, run beside the layer."""
    run = (lambda x: up @ (down @ x.mT)) if isinstance(layer, nn.Linear) else None

    def hook(_: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        if run is not None:
            return output + factor * run(inputs[0]).mT
        return output + factor * nn.functional.conv2d(nn.functional.conv2d(inputs[0], down, None, layer.stride, layer.padding), up)

    layer.register_forward_hook(hook)


@pytest.mark.parametrize("spelt", [kohya, peft, older])
def test_it_does_what_a_branch_beside_the_layer_does(spelt: Callable[..., dict[str, Tensor]], tmp_path: Path) -> None:
    merged, hooked = networks(), networks()
    made = branches(merged, {"unet": UNET, "text_encoder": TEXT})
    save_file({k: v.contiguous() for k, v in spelt(made).items()}, tmp_path / "a.safetensors")
    assert add_lora(merged, tmp_path / "a.safetensors", 0.7) == len(made)
    for (root, name), (down, up) in made.items():
        beside(hooked[root].get_submodule(name), down, up, 0.7 * ALPHA / RANK)
    noisy, text = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1)), torch.randn(2, 5, 24)
    tokens = torch.arange(16)[None]
    with torch.inference_mode():
        plain = networks()["unet"](noisy, 10, text).sample
        ours, theirs = (n["unet"](noisy, 10, text).sample for n in (merged, hooked))
        torch.testing.assert_close(merged["text_encoder"](tokens)[0], hooked["text_encoder"](tokens)[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)
    assert (ours - plain).abs().max() > 1e-2


def test_kohyas_names_are_read_as_diffusers_reads_them(tmp_path: Path) -> None:
    made = branches(networks(), {"unet": UNET[:3], "text_encoder": TEXT})
    save_file(kohya(made), tmp_path / "a.safetensors")
    theirs, alphas = StableDiffusionLoraLoaderMixin.lora_state_dict(tmp_path / "a.safetensors")
    save_file({k: v.contiguous() for k, v in theirs.items()}, tmp_path / "b.safetensors")
    mine, converted = read_lora(tmp_path / "a.safetensors"), read_lora(tmp_path / "b.safetensors")
    assert mine.keys() == converted.keys() and set(alphas.values()) == {ALPHA}
    assert all(torch.equal(mine[k].down, converted[k].down) and torch.equal(mine[k].up, converted[k].up) for k in mine)


@pytest.mark.parametrize(("change", "said"), [
    (lambda t: t | {"lora_te2_text_model_x.lora_down.weight": torch.ones(1, 1)}, "lora_te2_.* is no part of a LoRA for Stable Diffusion 1"),
    (lambda t: t | {"lora_unet_conv_in.hada_w1_a": torch.ones(1, 1)}, "hada_w1_a is no part of a LoRA"),
    (lambda t: {k.replace("conv_in", "conv_inn"): v for k, v in t.items()}, "1 of its 5 layers are not in this model, such as unet.conv_inn"),
    (lambda t: {k: v[:, :-1].contiguous() if "to_q.lora_down" in k else v for k, v in t.items()}, "to_q is \\(16, 3\\) times \\(3, 15\\), the layer's weight \\(16, 16\\)"),
    (lambda t: {k: v for k, v in t.items() if "conv_in.lora_up" not in k}, "unet.conv_in has only alpha, down"),
    (lambda t: {}, "holds no weights"),
])
def test_what_does_not_fit_changes_nothing(change: Callable[[dict[str, Tensor]], dict[str, Tensor]], said: str, tmp_path: Path) -> None:
    model = networks()
    save_file(change(kohya(branches(model, {"unet": UNET}))), tmp_path / "a.safetensors")
    with pytest.raises(ConfigError, match=said):
        add_lora(model, tmp_path / "a.safetensors", 1.0)
    assert all(torch.equal(a, b) for a, b in zip(model["unet"].parameters(), tiny_unet().parameters(), strict=True))


def test_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(ConfigError, match="is not a safetensors file"):
        read_lora(tmp_path / "a.safetensors")
    (tmp_path / "a.pt").write_bytes(b"")
    with pytest.raises(ValueError, match="expected a .safetensors file, got a.pt"):
        ViewsSettings(loras=({"file": tmp_path / "a.pt"},))


def test_the_stage_paints_with_it(settings: Callable[..., ViewsSettings], conditions: ConditionSet, tmp_path: Path) -> None:
    save_file(kohya(branches(networks(), {"unet": UNET, "text_encoder": TEXT})), tmp_path / "style.safetensors")
    painted = {}
    for weight in (None, 0.0, 1.0):
        loras = () if weight is None else ({"file": tmp_path / "style.safetensors", "weight": weight},)
        views = run_stage(STAGE, settings(loras=loras, steps=2), ViewsInputs(conditions), tmp_path / str(weight))
        painted[weight] = views.image(views.names[0])
    assert (painted[None] == painted[0.0]).all() and (painted[None] != painted[1.0]).any()
