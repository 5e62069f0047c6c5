"""What cross-frame attention should look at and bring back, as losses of its own.

Told by the diffusion's loss alone a small network does not come to look across frames in the time that two cores have: it
learns colours from the text and from noise close by, and attention stays out of it. The generator knows which part of the body
each pixel shows. So attention in the decoding half of the UNet is asked to rest where that part shows, in the first view if that
is clearer than the rest, and what it brings back to tell the mean latent of the place that asks.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scripts.train import architecture
from scripts.train.shards import VIEWS_PER_CHARACTER
from stages.conditions.body import load_base_body

LEAST_FIGURE = 0.25  # of a token's pixels
ALIKE = 0.5  # cosine of two tokens' shares of parts


BEHIND = {"upper_back": "chest", "lower_back": "abdomen", "pelvis_back": "pelvis_front"}


def kind_of(part: str) -> str:
    """Left and right are one kind, and so are a part's front and back."""
    return BEHIND.get(part, part.removesuffix("_l").removesuffix("_r"))


@cache
def kinds() -> np.ndarray:
    """(1 + parts, kinds) float32: which kind each label is; the background is none."""
    parts = load_base_body().part_names
    names = sorted({kind_of(p) for p in parts})
    table = np.zeros((1 + len(parts), len(names)), np.float32)
    for label, part in enumerate(parts, 1):
        table[label, names.index(kind_of(part))] = 1.0
    return table


class Correspondence(nn.Module):
    """Listens to the self-attention of ``unet``'s decoding half."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        layers = [(name, layer) for name, layer in unet.named_modules() if name.startswith("up_blocks") and name.endswith(".attn1")]
        self.tells = nn.ModuleDict({name.replace(".", "-"): nn.Linear(layer.to_q.in_features, architecture.LATENT_CHANNELS) for name, layer in layers})
        for name, layer in layers:
            layer.register_forward_hook(self._listener(name.replace(".", "-")), with_kwargs=True)
        self.shares: Tensor | None = None
        self.latents = torch.empty(0)
        self.led = False
        self.heard: list[Tensor] = []

    def listen(self, labels: np.ndarray, latents: Tensor, led: bool) -> None:
        """Begin to collect, for groups of views with ``labels`` (N, 8h, 8w) and clean ``latents`` (N, C, h, w). Attention is to rest
        in the first view if that ``led``, else in the first view or its own. What attention gives to the previous view is left out of account."""
        self.led = led
        self.shares = torch.from_numpy(kinds()[labels]).permute(0, 3, 1, 2)
        self.latents = latents
        self.heard = []

    def loss(self) -> Tensor:
        """The mean of what was collected since ``listen``; stops collecting."""
        self.shares = None
        return torch.stack(self.heard).mean()

    def _listener(self, name: str):
        def listener(layer: nn.Module, args: tuple, kwargs: dict, out: Tensor) -> None:
            if self.shares is not None:
                self.heard.append(self._rests_and_tells(name, layer, args[0] if args else kwargs["hidden_states"], out))

        return listener

    def _rests_and_tells(self, name: str, layer: nn.Module, hidden: Tensor, out: Tensor) -> Tensor:
        groups, tokens = len(hidden) // VIEWS_PER_CHARACTER, hidden.shape[1]
        size = token_grid(self.latents.shape[-2:], tokens)
        grouped = lambda x: x.view(groups, VIEWS_PER_CHARACTER, tokens, -1)  # noqa: E731
        flat = lambda x: grouped(F.adaptive_avg_pool2d(x, size).flatten(2).transpose(1, 2))  # noqa: E731
        share = flat(self.shares)
        unit = F.normalize(share, dim=-1)
        alike = torch.cat([unit @ unit[:, :1].transpose(-1, -2), unit @ unit.transpose(-1, -2)], -1)
        seen = torch.ones(VIEWS_PER_CHARACTER, 2 * tokens)
        seen[0, :tokens] = 0  # the first frame is its own
        seen = seen.view(VIEWS_PER_CHARACTER, 1, -1).bool()
        if self.led:
            alike[..., tokens:] = 0
        alike = alike * seen
        asked = (share.sum(-1) > LEAST_FIGURE) & (alike.amax(-1) > ALIKE)
        heads = lambda x: grouped(x).view(groups, VIEWS_PER_CHARACTER, tokens, layer.heads, -1).transpose(2, 3)  # noqa: E731
        query, key = heads(layer.to_q(hidden)), heads(layer.to_k(hidden))
        both = torch.cat([key[:, :1].expand_as(key), key], 3)
        logits = (query @ both.transpose(-1, -2) * query.shape[-1] ** -0.5).masked_fill(~seen.unsqueeze(1), -torch.inf)
        rests = -((logits.softmax(-1) * alike.unsqueeze(2)).sum(-1) + 1e-4).log().mean(2)
        tells = (self.tells[name](grouped(out)) - flat(self.latents)).square().mean(-1)
        return ((rests + tells) * asked).sum() / asked.sum().clamp(min=1)


def token_grid(latents: tuple[int, int], tokens: int) -> tuple[int, int]:
    """Rows and columns of ``tokens`` tokens over a picture of ``latents``, each level halving it."""
    rows, columns = latents
    while rows * columns > tokens:
        rows, columns = (rows + 1) // 2, (columns + 1) // 2
    if rows * columns != tokens:
        raise ValueError(f"{tokens} tokens are no level of {latents} latents")
    return rows, columns
