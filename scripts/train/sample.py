"""Look at what a checkpoint paints: groups of held-out characters, truth above, samples below.

    python -m scripts.train.sample --data runs/data --vae runs/vae --net runs/diffusion --png runs/sample.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTokenizer

from scripts.generator.captions import caption
from scripts.train import architecture
from scripts.train.autoencoder import trained
from scripts.train.batches import tokenize
from scripts.train.condition import part_colors
from scripts.train.diffusion import Average, Networks, begin, restore
from scripts.train.shards import VIEWS_PER_CHARACTER, open_shards
from stages.artifacts.images import contact_sheet, write_png
from stages.views.attention import FrameWindow, install


@torch.no_grad()
def sample(
    nets: Networks, window: FrameWindow, tokens: Tensor, empty: Tensor, picture: Tensor, steps: int, guidance: float, seed: int
) -> Tensor:
    """Latents (N, C, h, w) of whole groups, DPM++ 2M Karras."""
    count, _, height, width = picture.shape
    scheduler = DPMSolverMultistepScheduler.from_config(architecture.scheduler().config, use_karras_sigmas=True)
    scheduler.set_timesteps(steps)
    x = torch.randn((count, architecture.LATENT_CHANNELS, height // 8, width // 8), generator=torch.Generator().manual_seed(seed))
    for t in scheduler.timesteps:
        v = []
        for text in (empty, tokens):
            begin(window, count // VIEWS_PER_CHARACTER, alone=False)
            v.append(nets(x, t.expand(count), text, picture, 1.0))
        x = scheduler.step(v[0] + guidance * (v[1] - v[0]), t, x).prev_sample
    return x


def load(net_folder: Path, vae_folder: Path) -> tuple[Networks, nn.Module, float, CLIPTokenizer]:
    """Averaged networks, the autoencoder, its scaling factor, the tokenizer."""
    tokenizer = CLIPTokenizer.from_pretrained(net_folder / "tokenizer", local_files_only=True)
    nets = Networks(tokenizer).to(memory_format=torch.channels_last).eval()
    average = Average(nets)
    restore(nets, average, net_folder)
    nets.load_state_dict(average.values, strict=False)
    vae = architecture.autoencoder().eval()
    return nets, vae, trained(vae, vae_folder), tokenizer


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--net", type=Path, required=True)
    parser.add_argument("--png", type=Path, required=True)
    parser.add_argument("--size", choices=("half", "full"), default="half")
    parser.add_argument("--characters", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--guidance", type=float, default=4.0)
    options = parser.parse_args()
    nets, vae, scale, tokenizer = load(options.net, options.vae)
    window = install(nets.unet)
    shard, rng = open_shards(options.data)[0], np.random.default_rng(3)
    some = range(options.characters)
    texts = [caption(shard.attributes[i], rng, v.azimuth_deg, v.ring) for i in some for v in shard.views[i]]
    labels = np.concatenate([shard.parts[i] for i in some])
    labels = labels[:, 1::2, 1::2] if options.size == "half" else labels
    picture = torch.from_numpy(part_colors()[labels]).permute(0, 3, 1, 2)
    z = sample(
        nets, window, tokenize(tokenizer, texts), tokenize(tokenizer, [""] * len(texts)), picture, options.steps, options.guidance, 0
    )
    with torch.no_grad():
        painted = vae.decode(z / scale).sample.clamp(-1, 1)
    truth = torch.from_numpy(np.concatenate([shard.rgb[i] for i in some])).permute(0, 3, 1, 2).float() / 127.5 - 1
    truth = F.avg_pool2d(truth, 2) if options.size == "half" else truth
    rows = []
    for i in some:
        for block in (truth, painted):
            group = block[i * VIEWS_PER_CHARACTER : (i + 1) * VIEWS_PER_CHARACTER]
            rows += [((p.permute(1, 2, 0).numpy() + 1) / 2).astype(np.float32) for p in group]
    write_png(options.png, contact_sheet(rows, columns=VIEWS_PER_CHARACTER))
    print("\n".join(texts[:: VIEWS_PER_CHARACTER]))


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
