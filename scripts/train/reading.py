"""Teach the text encoder to read before it sees pictures: which colour belongs to which garment.

    python -m scripts.train.reading --out runs/text --minutes 4
    python -m scripts.train.reading --out runs/more_text --minutes 4 --start third_party/embedded   # new words alone

Stable Diffusion begins with a text encoder that knows its language; ours learns it from the generator's own captions. One query
for each attribute looks at the encoder's states through an attention layer, as the UNet will, and names the attribute's value,
or that nothing was said of it; so does the pooled text that joins the UNet's time embedding. Encoder and pooling are kept.

With ``--start`` the word list has grown since those networks were trained: encoder and pooling stay as they are, and only the embeddings of the
new words are learnt, each from where a word like it stands (RELATIVES), so that what paints understands all others as before.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTokenizer

from pipeline.memory import keep_freed
from scripts.generator import attributes as words
from scripts.generator import palette
from scripts.generator.attributes import Attributes, sample_attributes
from scripts.generator.captions import caption_and_said, vocabulary
from scripts.train import architecture
from scripts.train.vocabulary import extended, spelled, tokenizer_in

PEAK_RATE = 1e-3
BATCH = 64
NEW_WORDS_RATE = 3e-3
RELATIVES = {  # new word -> one that is used like it
    "boy": "girl", "man": "woman", "he": "she", "spiky": "short", "curly": "wavy", "curls": "braids", "vest": "sweater",
    "waistcoat": "sweater", "coat": "jacket", "overcoat": "jacket", "over": "with", "crop": "tank", "rabbit": "cat", "bunny": "cat",
    "horns": "ears", "headphones": "headband", "scarf": "ribbon", "crown": "hat",
}  # fmt: skip
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
    "figure": ("figure", words.FIGURES),
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


def grown(shipped: Path, folder: Path) -> tuple[CLIPTokenizer, nn.Module, int]:
    """The tokenizer and text encoder of a ``shipped`` folder with an embedding for each new word, written beside its relative's, and how many
    embeddings there were before. Raises ValueError for a new word without a relative."""
    before = CLIPTokenizer.from_pretrained(shipped / "tokenizer", local_files_only=True)
    new = spelled(before, vocabulary())
    if strange := sorted(set(new) - set(RELATIVES)):
        raise ValueError(f"no word is known that is used like {', '.join(strange)}: name one in RELATIVES")
    tokenizer = extended(shipped / "tokenizer", vocabulary(), folder)
    encoder = architecture.text_encoder(tokenizer)
    weights = {k: v.float() for k, v in load_file(shipped / "text_encoder" / "model.safetensors").items()}
    name = next(k for k in weights if k.endswith("token_embedding.weight"))
    old = weights[name]
    table = torch.cat([old, old.mean(0) + old.std() * torch.randn(len(tokenizer) - len(old), old.shape[1])])
    number = lambda word: tokenizer(word, add_special_tokens=False).input_ids[0]  # noqa: E731
    for word in new:
        table[number(word)] = table[number(RELATIVES[word])] + 0.3 * old.std() * torch.randn(old.shape[1])
    encoder.load_state_dict(weights | {name: table}, strict=False)
    return tokenizer, encoder, len(old)


def only_new_rows(encoder: nn.Module, known: int) -> nn.Parameter:
    """Freeze all of the encoder but the embeddings behind the first ``known``; returns the table."""
    encoder.requires_grad_(False)
    table = encoder.get_input_embeddings().weight.requires_grad_(True)
    table.register_hook(lambda gradient: torch.cat([torch.zeros_like(gradient[:known]), gradient[known:]]))
    return table


def shipped_pool(shipped: Path) -> dict[str, Tensor]:
    """The pooling of text that the UNet of ``shipped`` has learnt with."""
    unet = load_file(shipped / "unet" / "diffusion_pytorch_model.safetensors")
    return {k.removeprefix("add_embedding."): v.float() for k, v in unet.items() if k.startswith("add_embedding.")}


def train(out: Path, minutes: float, start: Path | None = None, seed: int = 0) -> dict[str, float]:
    """Write ``text_encoder.safetensors``, ``text_pool.safetensors`` and ``reading.json``: share of values named right in fresh captions."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    reader = Reader()
    reader(torch.zeros(1, 1, architecture.TEXT_WIDTH))  # gives the lazy layers their shape
    if start is None:
        tokenizer = tokenizer_in(out / "tokenizer", vocabulary())
        encoder = architecture.text_encoder(tokenizer)
        parameters = [*encoder.parameters(), *reader.parameters()]
        groups = [{"params": parameters, "scale": 1.0, "weight_decay": 1e-2}]
    else:
        tokenizer, encoder, known = grown(start, out / "tokenizer")
        reader.pool.load_state_dict(shipped_pool(start))
        reader.pool.requires_grad_(False)
        rows, heads = only_new_rows(encoder, known), [p for p in reader.parameters() if p.requires_grad]
        parameters = [rows, *heads]
        groups = [{"params": [rows], "scale": NEW_WORDS_RATE / PEAK_RATE, "weight_decay": 0.0}, {"params": heads, "scale": 1.0, "weight_decay": 1e-2}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.99), foreach=True)

    def read(count: int) -> tuple[tuple[dict[str, Tensor], dict[str, Tensor]], Tensor]:
        texts, labels = captions(rng, count)
        tokens = tokenizer(texts, padding="max_length", truncation=True, max_length=architecture.TEXT_LENGTH, return_tensors="pt")
        return reader(encoder(tokens.input_ids)[0]), labels

    began, step = time.monotonic(), 0
    while (share := (time.monotonic() - began) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = group["scale"] * PEAK_RATE * min(1.0, (step + 1) / 100) * max(0.02, 0.5 * (1 + math.cos(math.pi * share)))
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
    parser.add_argument("--start", type=Path, help="a folder that was shipped, whose text encoder is to learn the words that came since")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    keep_freed()
    torch.set_num_threads(options.threads)
    print(json.dumps(train(options.out, options.minutes, options.start), indent=1))
