"""Write the trained networks as a diffusers folder: fp16 safetensors, tokenizer, learnt words.

    python -m scripts.train.ship --vae runs/vae --net runs/diffusion --out third_party/embedded

ControlNets of other kinds in that folder follow: what has changed in ``controlnet-parts``, which they answer like, is added to their weights
(scripts.train.controls then goes on from there).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from scripts.generator.captions import vocabulary
from scripts.train import architecture
from scripts.train.sample import load

WEIGHTS = "diffusion_pytorch_model.safetensors"
INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "vae": ["diffusers", "AutoencoderKL"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "safety_checker": [None, None],
    "feature_extractor": [None, None],
    "requires_safety_checker": False,
}


def ship(net_folder: Path, vae_folder: Path, out: Path) -> None:
    """Averaged weights in half precision, in the layout that ``from_pretrained`` opens."""
    nets, vae, scale, tokenizer = load(net_folder, vae_folder)
    follow(out, dict(nets.controlnet.named_parameters()))
    vae.register_to_config(scaling_factor=scale)
    for model, name in (
        (vae, "vae"), (nets.unet, "unet"), (nets.controlnet, "controlnet-parts"), (nets.text_encoder, "text_encoder"),
    ):  # fmt: skip
        model.to(torch.float16).to(memory_format=torch.contiguous_format).save_pretrained(out / name)
    tokenizer.save_pretrained(out / "tokenizer")
    for name in ("vocab.json", "merges.txt"):
        (out / "tokenizer" / name).write_bytes((net_folder / "tokenizer" / name).read_bytes())
    architecture.scheduler().save_pretrained(out / "scheduler")
    (out / "words.json").write_text(json.dumps(sorted(vocabulary()), indent=0) + "\n")
    (out / "model_index.json").write_text(json.dumps(INDEX, indent=2) + "\n")
    curves = {"vae": curve_of(vae_folder, "vae"), "diffusion": curve_of(net_folder, "diffusion")}
    (out / "training.json").write_text(json.dumps(curves) + "\n")


def curve_of(folder: Path, name: str) -> dict:
    """How the network ``name`` was trained, as a checkpoint or a folder that was shipped tells."""
    state = folder / "state.json"
    return json.loads(state.read_text()) if state.exists() else json.loads((folder / "training.json").read_text())[name]


@torch.no_grad()
def follow(out: Path, parts: Mapping[str, Tensor]) -> None:
    """Add to every other ControlNet in ``out`` what sets ``parts``, by name, apart from the ``controlnet-parts`` that is there."""
    before = out / "controlnet-parts" / WEIGHTS
    if not before.exists():
        return
    changed = {name: parts[name].float() - old.float() for name, old in load_file(before).items()}
    for folder in sorted(out.glob("controlnet-*")):
        if folder.name != "controlnet-parts":
            own = load_file(folder / WEIGHTS)
            save_file({name: (x.float() + changed[name]).to(x.dtype).contiguous() for name, x in own.items()}, folder / WEIGHTS, {"format": "pt"})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--net", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    ship(options.net, options.vae, options.out)
