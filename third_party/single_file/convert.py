"""One-file checkpoints of Stable Diffusion 1, of its ControlNets and of its VAEs to folders in diffusers' layout, once, without a network.

    python -m third_party.single_file.convert FILE OUT [--tokenizer FOLDER]

``models convert`` starts this in a process of its own. Safetensors are read as they are; older files (.ckpt, .pt, .pth, .bin) by
torch's reader of weights alone, which refuses whatever else a file of that kind may hold. Weights are kept as float16.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.errors import ConfigError, MissingError, PipelineError
from third_party.single_file.names import NAMES

CONFIGS = Path(__file__).with_name("configs")
CLASSES = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL", "controlnet": "ControlNetModel"}
MARKS = {  # a tensor that tells what a file is; the first ControlNets came together with the model that they were made for
    "control_model.input_hint_block.0.weight": ("controlnet",),
    "model.diffusion_model.input_blocks.0.0.weight": ("unet", "vae", "text_encoder"),
    "first_stage_model.encoder.conv_in.weight": ("vae",),
}
FETCH = "python -m pipeline models fetch sd15_tokenizer"
BARE = {  # a tensor of a network whose names stand without their prefix
    "input_hint_block.0.weight": "control_model.",
    "encoder.conv_in.weight": "first_stage_model.",
}
SHORTENED = "cond_stage_model.transformer.embeddings.position_embedding.weight"  # of some files, and once of transformers


def convert(file: Path, out: Path, tokenizer: Path | None = None, configs: Path | None = None) -> tuple[str, ...]:
    """Fill the new folder ``out`` and return the names of the networks in it.

    A checkpoint of all networks needs the folder of a CLIP ``tokenizer``, which no such file holds; ``configs`` says how the networks
    are built (none: as Stable Diffusion 1's). Raises ConfigError for a file of another kind, for another Stable Diffusion, or one that lacks tensors; MissingError if the
    tokenizer is needed and not there. Then nothing is left.
    """
    configs, held = configs or CONFIGS, read(file)
    for mark, prefix in BARE.items():
        if mark in held:
            held = {f"{prefix}{name}": tensor for name, tensor in held.items()}
    kinds = next((kinds for mark, kinds in MARKS.items() if mark in held), None)
    if kinds is None:
        raise ConfigError(f"{file}: is neither a checkpoint of Stable Diffusion 1 with all its networks nor one of its ControlNets or VAEs in "
                          f"one file; it holds {', '.join(sorted(held)[:3]) or 'no tensors'} ...")
    whole = len(kinds) > 1
    if whole and (tokenizer is None or not (tokenizer / "tokenizer_config.json").is_file()):
        raise MissingError(f"{file} needs CLIP's tokenizer, and {tokenizer or 'none'} is here; `{FETCH}` downloads it (2 MB), or name its folder "
                           "with --tokenizer")
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        for kind in kinds:
            build(kind, held, configs, file).half().save_pretrained(partial / kind if whole else partial)
        if whole and tokenizer is not None:
            _complete(partial, tokenizer, configs)
        partial.replace(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return kinds


def read(file: Path) -> Mapping[str, Tensor]:
    """The tensors of a file by name. Raises ConfigError if it is broken or missing; what torch's reader of weights raises for others."""
    if not file.is_file():
        raise ConfigError(f"{file}: there is no such file")
    if file.suffix == ".safetensors":
        try:
            return load_file(file)
        except SafetensorError as error:
            raise ConfigError(f"{file}: is not a safetensors file ({error})") from error
    held: Any = torch.load(file, map_location="cpu", weights_only=True)
    held = held.get("state_dict", held) if isinstance(held, dict) else {}
    return {name: tensor for name, tensor in held.items() if isinstance(tensor, Tensor)}


def build(kind: str, held: Mapping[str, Tensor], configs: Path, file: Path) -> nn.Module:
    """The network ``kind`` with its tensors of ``held``. Raises ConfigError for the first that is not there or has another shape."""
    network, config = empty(kind, json.loads((configs / kind / "config.json").read_text(encoding="utf-8")))
    prefix, name_of = NAMES[kind]
    state = {}
    for name, wanted in network.state_dict().items():
        found = prefix + name_of(name, config)
        if kind == "text_encoder" and SHORTENED in held:
            found = found.replace(".text_model.", ".", 1)
        tensor = held.get(found)
        if tensor is None:
            raise ConfigError(f"{file}: lacks {found}; it is not whole, or not of Stable Diffusion 1")
        if tensor.ndim == 4 and wanted.ndim == 2:
            tensor = tensor.flatten(1)  # linear layers of the autoencoder's attention are 1 x 1 convolutions in the files
        if tensor.shape != wanted.shape:
            raise ConfigError(f"{file}: {found} has the shape {list(tensor.shape)}, {list(wanted.shape)} was expected; it is not of Stable Diffusion 1")
        state[name] = tensor
    network.load_state_dict(state, assign=True)
    return network


def empty(kind: str, config: dict[str, Any]) -> tuple[nn.Module, Mapping[str, Any]]:
    """The network ``kind`` without memory for its tensors, and its whole config."""
    with torch.device("meta"):
        if kind == "text_encoder":
            from transformers import CLIPTextConfig, CLIPTextModel  # not before a file has turned out to be one of ours: it takes seconds
            from transformers.utils import logging

            logging.disable_progress_bar()
            return CLIPTextModel(CLIPTextConfig(**config)), config
        import diffusers

        network = getattr(diffusers, CLASSES[kind]).from_config(config)
        return network, dict(network.config)


def _complete(folder: Path, tokenizer: Path, configs: Path) -> None:
    """What the file does not hold: tokenizer, scheduler, and the index by which other programs know the folder."""
    shutil.copytree(tokenizer, folder / "tokenizer")
    shutil.copytree(configs / "scheduler", folder / "scheduler")
    scheduler = json.loads((configs / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))["_class_name"]
    index = {"_class_name": "StableDiffusionPipeline", "requires_safety_checker": False, "feature_extractor": [None, None],
             "safety_checker": [None, None], "scheduler": ["diffusers", scheduler], "text_encoder": ["transformers", "CLIPTextModel"],
             "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    (folder / "model_index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """Command line; says which networks the file held, or on stderr what is wrong with it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tokenizer", type=Path)
    options = parser.parse_args()
    try:
        print(*convert(options.file, options.out, options.tokenizer))
    except PipelineError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
