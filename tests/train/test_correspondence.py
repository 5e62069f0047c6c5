"""The loss of attention: least where it rests on the same part, and only then."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from scripts.train import architecture
from scripts.train.correspondence import Correspondence, kind_of, kinds, token_grid
from scripts.train.shards import VIEWS_PER_CHARACTER
from stages.conditions.body import load_base_body

NAMES = load_base_body().part_names
WIDTH = 8


class Attention(nn.Module):
    """One layer where the UNet's are found; what it is fed are its queries and keys."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = 2
        self.to_q = nn.Linear(WIDTH, WIDTH, bias=False)
        self.to_k = nn.Linear(WIDTH, WIDTH, bias=False)
        for layer in (self.to_q, self.to_k):
            layer.weight.data = torch.eye(WIDTH)

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden


def network() -> nn.Module:
    block = nn.Module()
    block.attn1 = Attention()
    unet = nn.Module()
    unet.up_blocks = nn.ModuleList([block])
    return unet


def scene() -> tuple[np.ndarray, Tensor, Tensor]:
    """Labels of views that show the face above and the chest below (swapped after the first), latents, and ideal features."""
    face, chest = 1 + NAMES.index("face"), 1 + NAMES.index("chest")
    labels = np.full((VIEWS_PER_CHARACTER, 32, 16), face, np.uint8)
    labels[0, 16:] = chest
    labels[1:, :16] = chest
    features = torch.zeros(VIEWS_PER_CHARACTER, 8, WIDTH)
    for view in range(VIEWS_PER_CHARACTER):
        for token in range(8):
            is_face = labels[view, 8 * (token // 2), 0] == face
            features[view, token, [0, 4] if is_face else [1, 5]] = 8.0
    return labels, torch.zeros(VIEWS_PER_CHARACTER, architecture.LATENT_CHANNELS, 4, 2), features


def silent(unet: nn.Module) -> Correspondence:
    """A listener that guesses nought for every latent."""
    listener = Correspondence(unet)
    for tell in listener.tells.values():
        nn.init.zeros_(tell.weight), nn.init.zeros_(tell.bias)
    return listener


def heard(features: Tensor, led: bool, latents: Tensor | None = None, labels: np.ndarray | None = None) -> float:
    unet = network()
    listener = silent(unet)
    its_labels, its_latents, _ = scene()
    listener.listen(its_labels if labels is None else labels, its_latents if latents is None else latents, led)
    unet.up_blocks[0].attn1(features)
    return float(listener.loss().detach())


@pytest.mark.parametrize("led", [True, False])
def test_attention_on_the_same_part_costs_least(led: bool) -> None:
    """Alike features: nothing. None: the share of other parts. Exchanged in the first view: much, if only that counts."""
    features = scene()[2]
    even = heard(torch.zeros_like(features), led)
    exchanged = features.clone()
    exchanged[0] = exchanged[0].flip(0)
    assert even == pytest.approx(-np.log(0.25 if led else 0.5), abs=0.1)
    right = heard(features, led)
    assert right < (0.75 if led else 0.01)  # led, half of the attention is still on the view itself
    assert heard(exchanged, led) > right + (3.0 if led else 0.3)


def test_a_listener_is_silent_until_it_is_asked() -> None:
    unet = network()
    listener = Correspondence(unet)
    unet.up_blocks[0].attn1(scene()[2])
    assert listener.heard == []


def test_sides_and_backs_are_one_kind() -> None:
    assert kind_of("upper_arm_l") == kind_of("upper_arm_r") == "upper_arm"
    assert kind_of("upper_back") == kind_of("chest") and kind_of("face") == "face"
    table = kinds()
    assert table.shape[0] == 1 + len(NAMES) and (table[1:].sum(1) == 1).all() and table[0].sum() == 0


def test_tokens_are_a_level_of_the_latents() -> None:
    assert token_grid((48, 36), 432) == (24, 18)
    assert token_grid((24, 18), 30) == (6, 5)
    with pytest.raises(ValueError, match="100 tokens"):
        token_grid((48, 36), 100)


def test_what_attention_brings_is_held_against_the_clean_latents_of_the_place() -> None:
    """A listener that reads the latents off its layer's output hears nothing but where it rests; one latent off, its square."""
    labels, _, features = scene()
    latents = torch.randn(VIEWS_PER_CHARACTER, architecture.LATENT_CHANNELS, 4, 2)
    unet = network()
    listener = silent(unet)
    listener.tells["up_blocks-0-attn1"].weight.data = torch.eye(WIDTH)
    unet.up_blocks[0].attn1.forward = lambda hidden: latents.flatten(2).transpose(1, 2)
    listener.listen(labels, latents, led=False)
    unet.up_blocks[0].attn1(features)
    right = float(listener.loss().detach())
    assert right == pytest.approx(heard(features, led=False), abs=1e-5)
    listener.listen(labels, latents + 1, led=False)
    unet.up_blocks[0].attn1(features)
    assert float(listener.loss().detach()) == pytest.approx(right + 1, abs=1e-4)


def test_groups_do_not_mix() -> None:
    """Two groups cost the mean of what each costs alone."""
    labels, latents, features = scene()
    even = torch.zeros_like(features)
    both = heard(torch.cat([features, even]), True, latents.repeat(2, 1, 1, 1), np.concatenate([labels, labels]))
    assert both == pytest.approx((heard(features, True) + heard(even, True)) / 2, abs=1e-5)
    exchanged = heard(torch.cat([even, features]), True, latents.repeat(2, 1, 1, 1), np.concatenate([labels, labels]))
    assert exchanged == pytest.approx(both, abs=1e-5)


def test_where_nobody_is_asked_the_loss_is_nought() -> None:
    labels, _, features = scene()
    assert heard(features, True, labels=np.zeros_like(labels)) == 0
