"""Train text encoder, UNet and ControlNet together on groups of views, with the attention window that the views stage uses.

    python -m scripts.train.diffusion --data runs/data --vae runs/vae --text runs/text --out runs/diffusion --minutes 80

Half-size pictures first, full size in the last part of the time (what was shipped is trained further at full size alone:
``--start third_party/embedded --half-share 0 --peak 5e-4``). Half of the batches hold whole groups (shards.GROUP_WINDOWS), so that
the network learns to take from the first and the previous frame what the text leaves open; the others independent frames of as many
characters. Stops and goes on from the newest checkpoint.
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
from diffusers.models.attention_processor import AttnProcessor
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPTokenizer

from pipeline.memory import keep_freed
from scripts.generator.captions import vocabulary
from scripts.train import architecture
from scripts.train.autoencoder import trained
from scripts.train.batches import Batch, Source
from scripts.train.correspondence import Correspondence
from scripts.train.lessons import Lesson, draw_lesson, timesteps_of
from scripts.train.shards import ALONE_WINDOWS, GROUP_WINDOWS, VIEWS_PER_CHARACTER
from scripts.train.vocabulary import tokenizer_in
from stages.views.attention import FrameWindow, install
from stages.views.windows import plan_chunks, repeat_windows

HALF_SIZE_SHARE = 0.55  # of the time
PEAK_RATE = 8e-4
WINDOW_RATE = 2.0  # attention across views is learnt last; where views are led
TEXT_RATE = 0.25  # the text encoder has learnt to read before (reading.py)
EMA = {"half": 0.999, "full": 0.995}  # full size has few steps: a long memory would still be of half size at its end
GROUPS = {"half": 2, "full": 1}
NO_CONTROL = 0.03
LED = 0.0  # share of the groups with a window whose first view is the clearer, and untold what the character looks like
CORRESPONDENCE = 0.1  # what that loss counts for
LEAN = {"half": 1.5, "full": 1.2}  # of the timesteps to the noisy end


class Networks(nn.Module):
    """What is trained together."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.text_encoder = architecture.text_encoder(tokenizer)
        self.unet = architecture.unet()
        self.controlnet = architecture.controlnet()

    def forward(self, noisy: Tensor, timesteps: Tensor, tokens: Tensor, picture: Tensor, control: float) -> Tensor:
        """(N, C, h, w), (N,), (N, L) int, (N, 3, 8h, 8w) -> predicted v (N, C, h, w)."""
        text = self.text_encoder(tokens)[0]
        if control == 0.0:
            return self.unet(noisy, timesteps, text).sample
        down, mid = self.controlnet(noisy, timesteps, text, picture, control, return_dict=False)
        return self.unet(
            noisy, timesteps, text, down_block_additional_residuals=down, mid_block_additional_residual=mid
        ).sample


def begin(window: FrameWindow, groups: int, alone: bool) -> None:
    """Set the attention window for ``groups`` groups of views."""
    windows = ALONE_WINDOWS if alone else GROUP_WINDOWS
    window.begin(plan_chunks(repeat_windows(windows, groups), groups * VIEWS_PER_CHARACTER)[0])


def loss_of(
    nets: Networks, window: FrameWindow, batch: Batch, alphas: Tensor, lean: float, lesson: Lesson, rng: np.random.Generator
) -> Tensor:
    """v-prediction error."""
    begin(window, batch.groups, lesson.alone)
    timesteps = torch.from_numpy(timesteps_of(batch.groups, len(alphas), lean, lesson, rng))
    a = alphas[timesteps].view(-1, 1, 1, 1)
    noise = torch.from_numpy(rng.standard_normal(batch.latents.shape, np.float32))
    noisy = a.sqrt() * batch.latents + (1 - a).sqrt() * noise
    target = a.sqrt() * noise - (1 - a).sqrt() * batch.latents
    control = 0.0 if rng.random() < NO_CONTROL else 1.0
    v = nets(noisy.contiguous(memory_format=torch.channels_last), timesteps, batch.tokens, batch.picture, control)
    return (batch.weight * (v - target).square()).mean()


class Average:
    """Exponential moving average of all parameters."""

    def __init__(self, nets: nn.Module) -> None:
        self.values = {k: p.detach().clone() for k, p in nets.named_parameters()}
        self.steps = 0

    @torch.no_grad()
    def update(self, nets: nn.Module, most: float) -> None:
        """Follow the parameters: keep ``most`` of the average, less at the beginning."""
        self.steps += 1
        keep = min(most, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(list(self.values.values()), [p.detach() for p in nets.parameters()], 1 - keep)


def save(nets: Networks, average: Average, listener: Correspondence, folder: Path, state: dict) -> None:
    """One checkpoint, put in place whole."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"now.{k}": v for k, v in nets.named_parameters()} | {f"ema.{k}": v for k, v in average.values.items()}
    tensors |= {f"listener.{k}": v for k, v in listener.named_parameters()}
    save_file({k: v.detach().contiguous() for k, v in tensors.items()}, folder / "new.safetensors")
    (folder / "new.safetensors").replace(folder / "checkpoint.safetensors")
    (folder / "state.json").write_text(json.dumps(state, indent=1))


def take_up(nets: Networks, shipped: Path, text: bool) -> None:
    """Begin from a folder that ``ship`` wrote, its text encoder only if ``text``."""
    networks = {"unet": nets.unet, "controlnet-parts": nets.controlnet} | ({"text_encoder": nets.text_encoder} if text else {})
    for name, network in networks.items():
        stem = "model" if name == "text_encoder" else "diffusion_pytorch_model"
        network.load_state_dict({k: v.float() for k, v in load_file(shipped / name / f"{stem}.safetensors").items()}, strict=False)


def restore(
    nets: Networks, average: Average, folder: Path, start: Path | None = None, text: Path | None = None, listener: Correspondence | None = None
) -> dict:
    """Parameters, their average and the progress (Adam starts afresh); without a checkpoint, what ``start`` and ``text`` hold."""
    path = folder / "checkpoint.safetensors"
    if not path.exists():
        if start is not None:
            take_up(nets, start, text is None)
        if text is not None:
            nets.text_encoder.load_state_dict(load_file(text / "text_encoder.safetensors"))
            nets.unet.add_embedding.load_state_dict(load_file(text / "text_pool.safetensors"))
        if start is not None or text is not None:
            average.values = {k: p.detach().clone() for k, p in nets.named_parameters()}
        return {"done_s": 0.0, "pictures": 0, "curve": []}
    tensors = load_file(path)
    nets.load_state_dict({k[4:]: v for k, v in tensors.items() if k.startswith("now.")}, strict=False)
    average.values = {k: tensors[f"ema.{k}"] for k in average.values}
    average.steps = 10_000
    if listener is not None:
        listener.load_state_dict({k.removeprefix("listener."): v for k, v in tensors.items() if k.startswith("listener.")}, strict=False)
    return json.loads((folder / "state.json").read_text())


@torch.no_grad()
def soften_attention(network: nn.Module, factor: float) -> None:
    """Scale the logits of self-attention, so that it spreads over more tokens, another frame's among them. (What it does for the
    training was not measured by itself.)"""
    for name, parameter in network.named_parameters():
        if name.endswith("attn1.to_q.weight"):
            parameter *= factor


def use_plain_attention(nets: Networks) -> None:
    """The ControlNet's attention and the UNet's to the text as two products of matrices, which a CPU that has units for bfloat16 does in a fifth of the
    time of the fused one (forward and backward, 432 queries and 64 keys). The UNet's self-attention is left as it is."""
    for network in (nets.unet, nets.controlnet):
        for name, layer in network.named_modules():
            if name.endswith(".attn2") or network is nets.controlnet and name.endswith(".attn1"):
                layer.set_processor(AttnProcessor())


def rate_at(peak: float, share: float, step: int) -> float:
    """Warm-up, level, cosine to 4 % over the last 45 % of the time, so that full size still learns fast."""
    fall = 0.5 * (1 + math.cos(math.pi * max(0.0, (share - 0.55) / 0.45)))
    return peak * min(1.0, (step + 1) / 60) * max(0.04, fall)


def scale_of(name: str, led: float) -> float:
    """A parameter's share of the learning rate."""
    if name.startswith("text_encoder"):
        return TEXT_RATE
    return WINDOW_RATE if led > 0 and name.startswith("unet") and ".attn1." in name else 1.0


def optimizer_of(nets: Networks, listener: Correspondence, led: float) -> torch.optim.Optimizer:
    """AdamW; ``scale`` is a group's share of the rate."""
    scales: dict[float, list[nn.Parameter]] = {1.0: list(listener.parameters())}
    for name, parameter in nets.named_parameters():
        scales.setdefault(scale_of(name, led), []).append(parameter)
    groups = [{"params": parameters, "scale": scale} for scale, parameters in scales.items()]
    return torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=1e-2, foreach=True)


@dataclass(frozen=True)
class Plan:
    """What a round of training is given; the command line explains each."""

    data: Path
    vae: Path
    out: Path
    minutes: float
    start: Path | None
    text: Path | None
    half_share: float
    peak: float
    lean: float
    led: float
    soften: float
    bf16: bool

    def size_at(self, share: float) -> str:
        """half or full, at this share of the time."""
        return "half" if share < self.half_share else "full"


class Curve:
    """Running means of the losses, by name."""

    def __init__(self) -> None:
        self.means: dict[str, float] = {}

    def add(self, name: str, loss: Tensor) -> None:
        """Take in one batch's loss."""
        value = float(loss.detach())
        self.means[name] = value + 0.98 * (self.means.get(name, value) - value)


def train(plan: Plan, seed: int = 0) -> None:
    """Run until ``plan.minutes`` of training are done, this run and earlier ones together."""
    torch.manual_seed(seed)
    vae = architecture.autoencoder().to(memory_format=torch.channels_last).eval().requires_grad_(False)
    scale = trained(vae, plan.vae)
    since = plan.text or plan.start
    tokenizer = tokenizer_in(plan.out / "tokenizer", vocabulary(), since and since / "tokenizer")
    nets = Networks(tokenizer).to(memory_format=torch.channels_last)
    average = Average(nets)
    if plan.bf16:
        use_plain_attention(nets)
    window, listener = install(nets.unet), Correspondence(nets.unet)
    state = restore(nets, average, plan.out, plan.start, plan.text, listener)
    if not state["pictures"]:
        soften_attention(nets.unet, plan.soften)
    rng = np.random.default_rng([seed, state["pictures"]])
    source = Source(plan.data, plan.out / "latents", vae, scale, tokenizer)
    alphas, leans = architecture.scheduler().alphas_cumprod, LEAN | {"full": plan.lean}
    optimizer, curve = optimizer_of(nets, listener, plan.led), Curve()
    began = last_saved = time.monotonic()
    before, step = state["done_s"], 0
    while (share := (before + time.monotonic() - began) / (60 * plan.minutes)) < 1:
        size = plan.size_at(share)
        if step % 100 == 0 or not source.ready[size]:
            source.refresh(size)
        for group in optimizer.param_groups:
            group["lr"] = group["scale"] * rate_at(plan.peak, share, step)
        lesson = draw_lesson(plan.led, rng)
        batch = source.draw(size, GROUPS[size], rng, lesson)
        if lesson.asks_attention:
            listener.listen(batch.labels, batch.latents, lesson.led)
        with torch.autocast("cpu", torch.bfloat16, enabled=plan.bf16):
            loss = loss_of(nets, window, batch, alphas, leans[size], lesson, rng)
            heard = listener.loss() if lesson.asks_attention else None
        curve.add("loss_led" if lesson.led else "loss", loss)
        if heard is not None:
            curve.add("correspondence", heard)
            loss = loss + CORRESPONDENCE * heard
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*nets.parameters(), *listener.parameters()], 1.0)
        optimizer.step()
        average.update(nets, EMA[size])
        step += 1
        state["pictures"] += GROUPS[size] * VIEWS_PER_CHARACTER
        if time.monotonic() - last_saved > 120:
            last_saved = time.monotonic()
            state["done_s"] = before + last_saved - began
            state["curve"].append({"s": round(state["done_s"]), "pictures": state["pictures"], "size": size} | curve.means)
            print(json.dumps(state["curve"][-1]), flush=True)
            save(nets, average, listener, plan.out, state)
    state["done_s"] = before + time.monotonic() - began
    save(nets, average, listener, plan.out, state)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--vae", type=Path, required=True, help="what autoencoder.py or decoder.py wrote, or a folder that was shipped")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=80)
    parser.add_argument("--start", type=Path, help="a folder that was shipped, to train further")
    parser.add_argument("--text", type=Path, help="what reading.py wrote")
    parser.add_argument("--half-share", type=float, default=HALF_SIZE_SHARE, help="share of the time at half size")
    parser.add_argument("--peak", type=float, default=PEAK_RATE, help="learning rate of the networks that paint")
    parser.add_argument("--lean", type=float, default=LEAN["full"], help="of the full-size timesteps to the noisy end; 1 is none")
    parser.add_argument("--led", type=float, default=LED, help="share of the batches with a window whose first view is clearer than the rest; the others then leave words out, too")
    parser.add_argument("--soften", type=float, default=1.0, help="what the logits of self-attention are scaled by at the start")
    parser.add_argument("--bf16", action="store_true", help="matrix products and convolutions in bfloat16: 1.7 times as fast where the processor has units for it (AMX)")
    parser.add_argument("--threads", type=int, default=2)
    options = vars(parser.parse_args())
    keep_freed()
    torch.set_num_threads(options.pop("threads"))
    train(Plan(**options))
