"""Train the autoencoder's decoder further while its encoder, and so every latent, stays as it is.

    python -m scripts.train.decoder --data runs/data --latents runs/first/latents --start third_party/embedded --out runs/decoder --minutes 80

Regression alone leaves lines soft: where a line may lie a pixel to either side, their mean is the safest answer. So a loss of
its own asks for as much change from pixel to pixel near each place as the picture has, wherever exactly. And because painted
latents are smoother than encoded ones, some are what the UNet makes of encoded latents with noise on them. Faces are drawn as
often as everything else together. (A discriminator of patches, tried for some minutes, drew pleats on tights.)

Stops and goes on from the newest checkpoint.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from scripts.generator.captions import caption, vocabulary
from scripts.train import architecture
from scripts.train.autoencoder import figure_weight, reconstruction_loss, to_tensor
from scripts.train.batches import Source, cache_latents, face_labels, latent_path
from scripts.train.diffusion import Networks, begin, take_up
from scripts.train.shards import VIEWS_PER_CHARACTER, Shard, open_shards
from scripts.train.vocabulary import build_tokenizer
from stages.artifacts.images import contact_sheet, write_png
from stages.views.attention import install

CROP = 16  # latents
BATCH = 3
PEAK_RATE = 6e-4
WHOLE_FROM = 0.8  # of the time
ENERGY = 2.0  # what that loss counts for
SOFT_SHARE = 0.3  # of the drawn latents are the UNet's
SOFT_TIMESTEPS = (60, 420)
NOISE = 0.1  # at most, on latents of unit deviation
FACE_SHARE = 0.5


@dataclass
class Drawn:
    """A shard with its latents (characters, views, C, h, w)."""

    shard: Shard
    latents: np.ndarray


@torch.no_grad()
def soften(shard: Shard, latents: np.ndarray, shipped: Path, folder: Path) -> np.ndarray:
    """What the UNet takes ``latents`` for when there is noise on them, the same shape; kept in ``folder``."""
    path = folder / f"{shard.folder.name}_soft.npy"
    if path.exists():
        return np.load(path, mmap_mode="r")
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tokenizer(vocabulary(), folder / "tokenizer")
    nets = Networks(tokenizer).to(memory_format=torch.channels_last).eval()
    take_up(nets, shipped, text=True)
    window, rng = install(nets.unet), np.random.default_rng(len(latents))
    source = Source(folder, folder, nn.Identity(), 1.0, tokenizer)
    alphas = architecture.scheduler().alphas_cumprod
    out = []
    for i in range(len(latents)):
        texts = [caption(shard.attributes[i], rng, v.azimuth_deg, v.ring) for v in shard.views[i]]
        batch = source.batch(latents[i], shard.parts[i], texts, 1, "full")
        t = int(rng.integers(*SOFT_TIMESTEPS))
        noise = torch.from_numpy(rng.standard_normal(batch.latents.shape, np.float32))
        noisy = alphas[t].sqrt() * batch.latents + (1 - alphas[t]).sqrt() * noise
        begin(window, 1, alone=False)
        v = nets(noisy, torch.full((VIEWS_PER_CHARACTER,), t), batch.tokens, batch.picture, 1.0)
        out.append((alphas[t].sqrt() * noisy - (1 - alphas[t]).sqrt() * v).half().numpy())
    np.save(path, np.stack(out))
    return np.stack(out)


def corner(figure: np.ndarray, face: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    """Where a crop of latents begins, so that it holds a pixel of the face or else of the figure (H, W masks, 8 pixels a latent)."""
    wanted = face if face.any() and rng.random() < FACE_SHARE else figure
    rows, columns = np.nonzero(wanted)
    pick = int(rng.integers(len(rows)))
    return tuple(
        int(np.clip(at[pick] // 8 - rng.integers(CROP), 0, size // 8 - CROP)) for at, size in zip((rows, columns), figure.shape, strict=True)
    )


def draw(drawn: list[Drawn], count: int, whole: bool, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Latents (N, C, h, w) and the pictures (N, 3, 8h, 8w) that they stand for."""
    z, x = [], []
    for _ in range(count):
        d = drawn[int(rng.integers(len(drawn)))]
        i, k = int(rng.integers(len(d.latents))), int(rng.integers(VIEWS_PER_CHARACTER))
        picture, latent = d.shard.rgb[i, k], np.asarray(d.latents[i, k], np.float32)
        if not whole:
            labels = d.shard.parts[i, k]
            top, left = corner(picture.min(-1) < 250, face_labels()[labels], rng)
            latent = latent[:, top : top + CROP, left : left + CROP]
            picture = picture[8 * top : 8 * (top + CROP), 8 * left : 8 * (left + CROP)]
        z.append(latent + rng.random() * NOISE * rng.standard_normal(latent.shape, np.float32))
        x.append(picture)
    return torch.from_numpy(np.stack(z)), to_tensor(np.stack(x))


def energy_loss(x: Tensor, y: Tensor) -> Tensor:
    """L1 between how much changes from pixel to pixel near a place, on the figure: lines keep their contrast where their place is unsure."""
    near = lambda p: F.avg_pool2d(p.diff(dim=-1).abs()[..., :-1, :] + p.diff(dim=-2).abs()[..., :-1], 7, 1, 3)  # noqa: E731
    return (figure_weight(x)[..., :-1, :-1] * (near(y) - near(x)).abs()).mean()


@torch.no_grad()
def measure(vae: nn.Module, scale: float, z: Tensor, x: Tensor) -> dict[str, float]:
    """PSNR on the figure, dB, mean of pictures, and gradient energy as a share of the true pictures'."""
    y = torch.cat([vae.decode(one[None] / scale).sample for one in z]).clamp(-1, 1)
    figure = F.max_pool2d((x.amin(1, keepdim=True) < 0.98).float(), 5, 1, 2)
    error = ((y - x).square() / 4 * figure).sum((1, 2, 3)) / (3 * figure.sum((1, 2, 3)))
    energy = [
        (p.diff(dim=-1)[..., :-1, :].square() + p.diff(dim=-2)[..., :-1].square()).mul(figure[..., :-1, :-1]).sum() for p in (y, x)
    ]
    return {"psnr": float((-10 * error.log10()).mean()), "gradient_energy": float(energy[0] / energy[1])}


def save(folder: Path, vae: nn.Module, state: dict) -> None:
    """One checkpoint, put in place whole; laid out as autoencoder.py's, so that ``ship`` takes either."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in vae.state_dict().items()}, folder / "new.safetensors")
    (folder / "new.safetensors").replace(folder / "checkpoint.safetensors")
    (folder / "state.json").write_text(json.dumps(state, indent=1))


def restore(folder: Path, start: Path, vae: nn.Module) -> dict:
    """Weights and progress of the newest checkpoint; without one, the autoencoder of the shipped folder ``start``."""
    if (folder / "checkpoint.safetensors").exists():
        vae.load_state_dict(load_file(folder / "checkpoint.safetensors"))
        return json.loads((folder / "state.json").read_text())
    vae.load_state_dict({k: v.float() for k, v in load_file(start / "vae" / "diffusion_pytorch_model.safetensors").items()})
    scale = json.loads((start / "vae" / "config.json").read_text())["scaling_factor"]
    return {"done_s": 0.0, "pictures": 0, "curve": [], "scaling_factor": scale}


def preview(vae: nn.Module, scale: float, z: Tensor, x: Tensor, path: Path) -> None:
    """Truth above, decoded below."""
    with torch.no_grad():
        y = vae.decode(z / scale).sample.clamp(-1, 1)
    write_png(path, contact_sheet([((p.permute(1, 2, 0).numpy() + 1) / 2).astype(np.float32) for p in (*x, *y)], columns=len(x)))


def train(data: Path, latents: Path, start: Path, out: Path, minutes: float, soft_shards: int, seed: int = 0) -> None:
    """Run until ``minutes`` of training are done, this run and earlier ones together."""
    torch.manual_seed(seed)
    vae = architecture.autoencoder().to(memory_format=torch.channels_last)
    state = restore(out, start, vae)
    scale, rng = state["scaling_factor"], np.random.default_rng([seed, state["pictures"]])
    for p in (*vae.encoder.parameters(), *vae.quant_conv.parameters()):
        p.requires_grad_(False)
    shards = open_shards(data)
    for shard in shards[:1]:
        cache_latents(vae, scale, shard, out / "latents", "full")
    encoded = [Drawn(s, np.load(latent_path(s, latents, "full"), mmap_mode="r")) for s in shards[1:] if latent_path(s, latents, "full").exists()]
    soft = [Drawn(d.shard, soften(d.shard, d.latents, start, out / "latents")) for d in encoded[:soft_shards]]
    held = np.load(latent_path(shards[0], out / "latents", "full"), mmap_mode="r")
    probe_z = torch.from_numpy(np.concatenate(held[:3]).astype(np.float32))
    probe_x = to_tensor(np.concatenate(shards[0].rgb[:3]))
    optimizer = torch.optim.AdamW([p for p in vae.parameters() if p.requires_grad], lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=1e-4, foreach=True)
    began = last_saved = time.monotonic()
    before, step = state["done_s"], 0
    while (share := (before + time.monotonic() - began) / (60 * minutes)) < 1:
        whole = share >= WHOLE_FROM
        rate = PEAK_RATE * min(1.0, (step + 1) / 40) * max(0.03, 0.5 * (1 + math.cos(math.pi * share)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        z, x = draw(soft if soft and rng.random() < SOFT_SHARE else encoded, 1 if whole else BATCH, whole, rng)
        y = vae.decode(z.contiguous(memory_format=torch.channels_last) / scale).sample
        loss = reconstruction_loss(x, y) + ENERGY * energy_loss(x, y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in vae.parameters() if p.requires_grad], 1.0)
        optimizer.step()
        step += 1
        state["pictures"] += len(x)
        if time.monotonic() - last_saved > 120:
            last_saved = time.monotonic()
            state["done_s"] = before + last_saved - began
            state["curve"].append({"s": round(state["done_s"]), "pictures": state["pictures"]} | measure(vae, scale, probe_z, probe_x))
            print(json.dumps(state["curve"][-1]), flush=True)
            preview(vae, scale, probe_z[:6], probe_x[:6], out / "preview.png")
            save(out, vae, state)
    state["done_s"] = before + time.monotonic() - began
    state["held_out"] = measure(vae, scale, probe_z, probe_x)
    print(json.dumps(state["held_out"]), flush=True)
    save(out, vae, state)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--latents", type=Path, required=True, help="full-size latents that diffusion.py encoded")
    parser.add_argument("--start", type=Path, required=True, help="a folder that was shipped")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=80)
    parser.add_argument("--soft-shards", type=int, default=2, help="shards whose latents the UNet softens")
    parser.add_argument("--threads", type=int, default=2)
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    train(o.data, o.latents, o.start, o.out, o.minutes, o.soft_shards)
