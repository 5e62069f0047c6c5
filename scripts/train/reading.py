"""Teach the text encoder to read before it sees pictures: which colour belongs to which garment.

    python -m scripts.train.reading --out runs/text --minutes 4

Stable Diffusion begins with a text encoder that knows its language; ours learns it from the generator's own captions. One query
for each attribute looks at the encoder's states through an attention layer, as the UNet will, and names the attribute's value,
or that nothing was said of it; so does the pooled text that joins the UNet's time embedding. Encoder and pooling are kept.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.memory import keep_freed
from scripts.generator import attributes as words
from scripts.generator import palette
from scripts.generator.attributes import Attributes, sample_attributes
from scripts.generator.captions import caption_and_said, vocabulary
from scripts.train import architecture
from scripts.train.vocabulary import tokenizer_in

PEAK_RATE = 1e-3
BATCH = 64
# attribute -> (key of captions.phrases that speaks of it, its values)
TARGETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "hair_color": ("hair", tuple(palette.HAIR)),
    "hair_style": ("hair", words.HAIR_STYLES),
    "eye_color": ("eyes", tuple(palette.EYES)),
    "skin": ("skin", tuple(palette.SKIN)),
    "top": ("top", words.TOPS),
    "top_color": ("top", words.CLOTH_WORDS),
    "bottom": ("bottom", words.BOTTOMS),
    "bottom_color": ("bottom", words.CLOTH_WORDS),
    "legwear": ("legwear", words.LEGWEAR),
    "legwear_color": ("legwear", words.LEGWEAR_WORDS),
    "shoes": ("shoes", words.SHOES),
    "shoes_color": ("shoes", words.SHOE_WORDS),
    "accessory": ("accessory", words.ACCESSORIES),
    "accessory_color": ("accessory", words.ACCESSORY_WORDS),
}


class Reader(nn.Module):
    """(N, L, width) states -> logits of each target; the last class of each is "unsaid"."""

    def __init__(self) -> None:
        super().__init__()
        width = architecture.TEXT_WIDTH
        self.queries = nn.Parameter(torch.randn(len(TARGETS), width) * 0.1)
        self.look = nn.MultiheadAttention(width, 4, batch_first=True)
        self.heads = nn.ModuleDict({name: nn.Linear(width, len(values) + 1) for name, (_, values) in TARGETS.items()})
        self.pool = architecture.text_pool()
        self.pool_heads = nn.ModuleDict({name: nn.LazyLinear(len(values) + 1) for name, (_, values) in TARGETS.items()})

    def forward(self, states: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        queries = self.queries.expand(len(states), -1, -1)
        seen = self.look(queries, states, states, need_weights=False)[0]
        pooled = self.pool(states)
        return (
            {name: head(seen[:, i]) for i, (name, head) in enumerate(self.heads.items())},
            {name: head(pooled) for name, head in self.pool_heads.items()},
        )


def labels_of(a: Attributes, said: frozenset[str]) -> list[int]:
    """Class of each target."""
    out = []
    for name, (key, values) in TARGETS.items():
        plain_legs = name == "legwear_color" and a.legwear == "bare"
        out.append(len(values) if key not in said or plain_legs else values.index(getattr(a, name)))
    return out


def captions(rng: np.random.Generator, count: int) -> tuple[list[str], Tensor]:
    """Texts and their labels (count, targets)."""
    texts, labels = [], []
    for _ in range(count):
        a = sample_attributes(rng)
        text, said = caption_and_said(a, rng, float(rng.uniform(0, 360)), "body" if rng.random() < 0.67 else "head")
        texts.append(text)
        labels.append(labels_of(a, said))
    return texts, torch.tensor(labels)


def train(out: Path, minutes: float, seed: int = 0) -> dict[str, float]:
    """Write ``text_encoder.safetensors`` and ``reading.json``: share of values named right in fresh captions."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    tokenizer = tokenizer_in(out / "tokenizer", vocabulary())
    encoder, reader = architecture.text_encoder(tokenizer), Reader()
    reader(torch.zeros(1, 1, architecture.TEXT_WIDTH))  # gives the lazy layers their shape
    parameters = [*encoder.parameters(), *reader.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=1e-2, foreach=True)

    def read(count: int) -> tuple[tuple[dict[str, Tensor], dict[str, Tensor]], Tensor]:
        texts, labels = captions(rng, count)
        tokens = tokenizer(texts, padding="max_length", truncation=True, max_length=architecture.TEXT_LENGTH, return_tensors="pt")
        return reader(encoder(tokens.input_ids)[0]), labels

    began, step = time.monotonic(), 0
    while (share := (time.monotonic() - began) / (60 * minutes)) < 1:
        optimizer.param_groups[0]["lr"] = PEAK_RATE * min(1.0, (step + 1) / 100) * max(0.02, 0.5 * (1 + math.cos(math.pi * share)))
        both, labels = read(BATCH)
        losses = [F.cross_entropy(logits[name], labels[:, i]) for logits in both for i, name in enumerate(TARGETS)]
        loss = sum(losses) / len(losses)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        step += 1
        if step % 100 == 0:
            print(step, round(share, 2), round(float(loss.detach()), 4), flush=True)
    with torch.no_grad():
        both, labels = read(512)
    seen, pooled = (
        {name: float((logits[name].argmax(1) == labels[:, i]).float().mean()) for i, name in enumerate(TARGETS)} for logits in both
    )
    figures = {"captions": step * BATCH, "right": seen, "right_pooled": pooled}
    for name, module in (("text_encoder", encoder), ("text_pool", reader.pool)):
        save_file({k: v.contiguous() for k, v in module.state_dict().items()}, out / f"{name}.safetensors")
    (out / "reading.json").write_text(json.dumps(figures, indent=1) + "\n")
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=4)
    options = parser.parse_args()
    keep_freed()
    torch.set_num_threads(2)
    print(json.dumps(train(options.out, options.minutes), indent=1))
