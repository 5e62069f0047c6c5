"""One-file checkpoints: read as diffusers reads them, and painted with as the folder that they came from."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline.cli import Doors, main
from pipeline.errors import ConfigError, MissingError
from stages.views.networks import open_networks
from tests.views.tiny import tiny_controlnet, tiny_text_encoder, tiny_tokenizer, tiny_unet, write_model
from third_party import models, models_command
from third_party.single_file import convert as module
from third_party.single_file.convert import CONFIGS, convert
from third_party.single_file.names import NAMES


def deep_vae() -> AutoencoderKL:
    """Two layers a block and attention in the middle, as Stable Diffusion's has."""
    torch.manual_seed(4)
    return AutoencoderKL(
        block_out_channels=(4, 4, 8, 8), down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2, norm_num_groups=4, scaling_factor=0.5,
    ).eval()


def named(kind: str, network: nn.Module, prefix: bool = True) -> dict[str, Tensor]:
    """The network's tensors as a file names them."""
    before, name_of = NAMES[kind]
    config = {} if kind == "text_encoder" else dict(network.config)
    out = {}
    for name, tensor in network.state_dict().items():
        square = kind == "vae" and "attentions" in name and tensor.ndim == 2
        out[(before if prefix else "") + name_of(name, config)] = tensor[..., None, None] if square else tensor
    return {k: v.half().contiguous() for k, v in out.items()}


@pytest.fixture(scope="module")
def networks() -> dict[str, nn.Module]:
    return {"unet": tiny_unet(), "vae": deep_vae(), "text_encoder": tiny_text_encoder(tiny_tokenizer(77)), "controlnet": tiny_controlnet()}


@pytest.fixture
def configs(networks: dict[str, nn.Module], tmp_path: Path) -> Path:
    for kind, network in networks.items():
        network.save_pretrained(tmp_path / "layout" / kind)
    write_model(tmp_path / "whole")
    (tmp_path / "whole" / "scheduler").rename(tmp_path / "layout" / "scheduler")
    (tmp_path / "whole" / "tokenizer").rename(tmp_path / "tokenizer")
    return tmp_path / "layout"


def checkpoint(networks: dict[str, nn.Module], path: Path) -> Path:
    held = named("unet", networks["unet"]) | named("vae", networks["vae"]) | named("text_encoder", networks["text_encoder"])
    held["cond_stage_model.transformer.text_model.embeddings.position_ids"] = torch.arange(77)[None]
    held["alphas_cumprod"] = torch.ones(1000)
    save_file(held, path)
    return path


def assert_same(a: nn.Module, b: nn.Module) -> None:
    theirs = {name: tensor.half().float() for name, tensor in b.state_dict().items()}
    assert theirs.keys() == a.state_dict().keys()
    for name, tensor in a.state_dict().items():
        torch.testing.assert_close(tensor.float(), theirs[name], rtol=0, atol=0)


@pytest.mark.parametrize(("kind", "prefix"), [("unet", True), ("vae", True), ("vae", False), ("controlnet", True)])
def test_the_names_are_those_that_diffusers_reads(kind: str, prefix: bool, networks: dict[str, nn.Module], configs: Path) -> None:
    classes = {"unet": UNet2DConditionModel, "vae": AutoencoderKL, "controlnet": ControlNetModel}
    read = classes[kind].from_single_file(named(kind, networks[kind], prefix), config=str(configs / kind), local_files_only=True)
    assert_same(read, networks[kind])


def test_a_checkpoint_becomes_a_folder_that_is_painted_with(networks: dict[str, nn.Module], configs: Path, tmp_path: Path) -> None:
    file = checkpoint(networks, tmp_path / "anime.safetensors")
    assert convert(file, tmp_path / "out", tmp_path / "tokenizer", configs) == ("unet", "vae", "text_encoder")
    opened = open_networks(tmp_path / "out", [], "cpu", torch.float32)
    for kind in ("unet", "vae", "text_encoder"):
        assert_same(getattr(opened, kind), networks[kind])
    assert opened.scheduler_config["beta_end"] == 0.012 and opened.tokenizer.model_max_length == 77
    assert json.loads((tmp_path / "out" / "model_index.json").read_text())["_class_name"] == "StableDiffusionPipeline"


@pytest.mark.parametrize(("prefix", "beside"), [(True, False), (False, False), (True, True)])
def test_a_controlnet_becomes_a_folder(
    prefix: bool, beside: bool, networks: dict[str, nn.Module], configs: Path, tmp_path: Path
) -> None:
    """Under its prefix, without it, and beside the model that it was made for. It needs no tokenizer."""
    held = named("controlnet", networks["controlnet"], prefix) | (named("unet", networks["unet"]) if beside else {})
    save_file(held, tmp_path / "pose.safetensors")
    assert convert(tmp_path / "pose.safetensors", tmp_path / "out", configs=configs) == ("controlnet",)
    assert_same(ControlNetModel.from_pretrained(tmp_path / "out", local_files_only=True), networks["controlnet"])


@pytest.mark.parametrize("prefix", [True, False])
def test_a_vae_becomes_a_folder(prefix: bool, networks: dict[str, nn.Module], configs: Path, tmp_path: Path) -> None:
    """What else such files hold of their training is left out; it needs no tokenizer."""
    held = named("vae", networks["vae"], prefix) | {"loss.logvar": torch.zeros(()), "model_ema.decay": torch.ones(())}
    save_file(held, tmp_path / "mse.safetensors")
    assert convert(tmp_path / "mse.safetensors", tmp_path / "out", configs=configs) == ("vae",)
    assert_same(AutoencoderKL.from_pretrained(tmp_path / "out", local_files_only=True), networks["vae"])


def test_texts_named_without_their_first_word_and_files_of_torch(networks: dict[str, nn.Module], configs: Path, tmp_path: Path) -> None:
    held = named("unet", networks["unet"]) | named("vae", networks["vae"])
    held |= {k.replace(".text_model.", ".", 1): v for k, v in named("text_encoder", networks["text_encoder"]).items()}
    torch.save({"state_dict": held, "global_step": 3}, tmp_path / "old.ckpt")
    convert(tmp_path / "old.ckpt", tmp_path / "out", tmp_path / "tokenizer", configs)
    assert_same(open_networks(tmp_path / "out", [], "cpu", torch.float32).text_encoder, networks["text_encoder"])


def test_the_command_keeps_it_under_the_files_name(
    networks: dict[str, nn.Module], configs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that it starts reads the shipped configs, which a tiny model does not fit."""
    monkeypatch.setenv("PIPELINE_MODELS", str(tmp_path / "models"))
    file, said = checkpoint(networks, tmp_path / "anime.safetensors"), []
    with pytest.raises(ConfigError, match=r"anime.safetensors: .*has the shape \[16, 4, 3, 3\], \[320, 4, 3, 3\] was expected"):
        models_command.run("convert", [str(file)], said.append, tmp_path / "tokenizer")
    with pytest.raises(MissingError, match="models fetch sd15_tokenizer"):
        models_command.run("convert", [str(file)], said.append)
    with pytest.raises(MissingError, match=r"models convert .*anime\.safetensors"):
        models.locate(str(file))
    assert models.absent([str(file), "sd15"])[0].name == "sd15" and models.converted() == []
    convert(file, tmp_path / "models" / "anime", tmp_path / "tokenizer", configs)
    assert models.find("anime") == tmp_path / "models" / "anime" and models.use("anime").licence == "the user's own"
    with pytest.raises(ConfigError, match="anime is there already"):
        models_command.run("convert", [str(file)], said.append, tmp_path / "tokenizer")
    assert models_command.run("list", [], said.append) == 0 and any(line.startswith("anime ") for line in said)


@pytest.mark.parametrize(("held", "use"), [(("unet", "vae", "text_encoder"), "model: own"), (("controlnet",), "controlnets: [{model: own, kind: ...}]"),
                                             (("vae",), "vae: own")])
def test_what_was_made_is_said_with_its_use(
    held: tuple[str, ...], use: str, networks: dict[str, nn.Module], configs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELINE_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(module, "CONFIGS", configs)  # of the tiny model; the process is played by its own command line

    def here(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", command[2:])
        heard = io.StringIO()
        with contextlib.redirect_stdout(heard):
            code = module.main()
        return subprocess.CompletedProcess(command, code, heard.getvalue(), "")

    monkeypatch.setattr(subprocess, "run", here)
    tensors: dict[str, Tensor] = {}
    for kind in held:
        tensors |= named(kind, networks[kind])
    save_file(tensors, tmp_path / "own.safetensors")
    said: list[str] = []
    assert main(["models", "convert", str(tmp_path / "own.safetensors"), "--tokenizer", str(tmp_path / "tokenizer")], doors(said)) == 0
    assert said == [f"own: {tmp_path / 'models' / 'own'}; `views: {{{use}}}` paints with it"] and models.find("own") is not None


def doors(said: list[str]) -> Doors:
    """The program's, for its ``models`` alone."""
    return Doors(dict, lambda say, profile: None, list, lambda action, names, say, tokenizer: models_command.run(action, names, said.append, tokenizer))


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("write", [
    lambda path: torch.save({"state_dict": {"a": Evil(path.parent / "evil")}}, path),
    lambda path: path.write_bytes(b"<html>"),
    lambda path: path.write_bytes(b""),
])
def test_a_file_that_holds_more_than_tensors_is_refused(write: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_MODELS", str(tmp_path / "models"))
    write(tmp_path / "a.ckpt")
    with pytest.raises(ConfigError, match=r"a\.ckpt is not opened: it is broken, or holds more than tensors"):
        models_command.run("convert", [str(tmp_path / "a.ckpt")], print, tmp_path)
    assert not (tmp_path / "evil").exists() and not list((tmp_path / "models").iterdir())


def test_only_registered_models_are_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_MODELS", str(tmp_path))
    tiny_controlnet().save_pretrained(tmp_path / "pose")
    tiny_controlnet().save_pretrained(tmp_path / ".half.partial")
    assert models.converted() == ["pose"]
    with pytest.raises(ConfigError, match="'pose' is not in models.toml"):
        models.verify("pose")


def broken(change: Callable[[dict[str, Tensor]], object]) -> Callable[[dict[str, nn.Module], Path], None]:
    def write(networks: dict[str, nn.Module], path: Path) -> None:
        held = named("unet", networks["unet"])
        change(held)
        save_file(held, path)

    return write


@pytest.mark.parametrize(("write", "said"), [
    (broken(lambda held: held.pop("model.diffusion_model.out.2.bias")), "lacks model.diffusion_model.out.2.bias"),
    (broken(lambda held: held.update({"model.diffusion_model.out.2.bias": torch.ones(9)})), r"has the shape \[9\], \[4\] was expected"),
    (broken(lambda held: [held.clear(), held.update({"lora.up": torch.ones(1)})]), "neither a checkpoint of Stable Diffusion 1"),
    (lambda networks, path: path.write_bytes(b"nothing"), "is not a safetensors file"),
    (lambda networks, path: None, "there is no such file"),
    (broken(lambda held: None), "lacks first_stage_model"),
])
def test_other_files_are_refused_and_leave_nothing(
    write: Callable[[dict[str, nn.Module], Path], object], said: str, networks: dict[str, nn.Module], configs: Path, tmp_path: Path
) -> None:
    write(networks, tmp_path / "a.safetensors")
    with pytest.raises(ConfigError, match=said):
        convert(tmp_path / "a.safetensors", tmp_path / "out", tmp_path / "tokenizer", configs)
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out*"))


def test_the_shipped_configs_are_those_of_the_published_weights() -> None:
    sizes = {"unet": 859_520_964, "controlnet": 361_279_120, "vae": 83_653_863}
    for kind, size in sizes.items():
        network, config = module.empty(kind, json.loads((CONFIGS / kind / "config.json").read_text()))
        assert all(p.is_meta for p in network.parameters()) and sum(p.numel() for p in network.parameters()) == size
        names = [NAMES[kind][1](name, config) for name in network.state_dict()]
        assert len(set(names)) == len(names)
