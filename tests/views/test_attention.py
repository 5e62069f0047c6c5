"""Cross-frame attention against a slow twin that evaluates frame by frame, in values and gradients."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor

from stages.views.attention import FrameWindow, install
from stages.views.windows import Windows, alone_windows, full_windows, plan_chunks, repeat_windows, ring_windows
from tests.views.tiny import tiny_controlnet, tiny_unet


class SlowTwin:
    """The definition: for each frame, diffusers' own attention with the window's tokens laid end to end."""

    def __init__(self, windows: Windows) -> None:
        self.windows = windows

    def __call__(self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, **_: object) -> Tensor:
        frames = hidden_states.unflatten(0, (-1, len(self.windows)))
        out = torch.zeros_like(frames)
        for i, window in enumerate(self.windows):
            tokens = torch.cat([frames[:, j] for j in window], dim=1)
            out[:, i] = AttnProcessor2_0()(attn, frames[:, i], encoder_hidden_states=tokens)
        return out.flatten(0, 1)


def call(unet: torch.nn.Module, frames: int, copies: int, seed: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(copies, frames, 4, 8, 6, generator=generator), torch.randn(copies, frames, 5, 24, generator=generator)


def by_chunks(unet: torch.nn.Module, window: FrameWindow, windows: Windows, chunk: int, x: Tensor, text: Tensor) -> Tensor:
    out = []
    for plan in plan_chunks(windows, chunk):
        window.begin(plan)
        rows = list(plan.frames)
        eps = unet(x[:, rows].flatten(0, 1), 500, encoder_hidden_states=text[:, rows].flatten(0, 1)).sample
        out.append(eps.unflatten(0, (x.shape[0], len(rows))))
    return torch.cat(out, dim=1)


def slow(unet: torch.nn.Module, windows: Windows, x: Tensor, text: Tensor) -> Tensor:
    for name, layer in unet.named_modules():
        if name.endswith(".attn1"):
            layer.set_processor(SlowTwin(windows))
    return unet(x.flatten(0, 1), 500, encoder_hidden_states=text.flatten(0, 1)).sample.unflatten(0, x.shape[:2])


@pytest.mark.parametrize("windows", [ring_windows([5, 3]), full_windows([4]), repeat_windows(ring_windows([3]), 2)])
def test_values_and_gradients_equal_the_slow_twin(windows: Windows) -> None:
    unet = tiny_unet()
    x, text = call(unet, len(windows), copies=1)
    results = []
    for fast in (True, False):
        unet.zero_grad()
        leaf = x.clone().requires_grad_()
        out = by_chunks(unet, install(unet), windows, 99, leaf, text) if fast else slow(unet, windows, leaf, text)
        (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
        results.append([out.detach(), leaf.grad, *(p.grad.clone() for p in unet.parameters() if p.grad is not None)])
    for fast_value, slow_value in zip(*results, strict=True):
        torch.testing.assert_close(fast_value, slow_value, rtol=2e-4, atol=2e-5)


@torch.inference_mode()
def test_every_chunk_size_gives_the_same_and_copies_do_not_mix() -> None:
    unet, windows = tiny_unet(), ring_windows([7, 4])
    x, text = call(unet, 11, copies=2)
    expected = slow(unet, windows, x, text)
    window = install(unet)
    for chunk in (1, 2, 3, 4, 7, 11):
        torch.testing.assert_close(by_chunks(unet, window, windows, chunk, x, text), expected, rtol=0, atol=2e-6)
    halves = [by_chunks(unet, window, windows, 4, x[i : i + 1], text[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(torch.cat(halves), expected, rtol=0, atol=2e-6)


@torch.inference_mode()
def test_without_a_window_it_is_diffusers_own_attention() -> None:
    unet = tiny_unet()
    x, text = call(unet, 3, copies=1)
    expected = unet(x[0], 500, encoder_hidden_states=text[0]).sample
    window = install(unet)
    torch.testing.assert_close(unet(x[0], 500, encoder_hidden_states=text[0]).sample, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(by_chunks(unet, window, alone_windows([3]), 2, x, text)[0], expected, rtol=0, atol=2e-6)
    window.off()
    torch.testing.assert_close(unet(x[0], 500, encoder_hidden_states=text[0]).sample, expected, rtol=0, atol=1e-6)


@torch.inference_mode()
def test_nothing_reaches_earlier_frames_and_the_front_reaches_all() -> None:
    unet, windows = tiny_unet(), ring_windows([5])
    window = install(unet)
    x, text = call(unet, 5, copies=1)
    before = by_chunks(unet, window, windows, 5, x, text)
    for changed in range(5):
        y = x.clone()
        y[:, changed] += 1
        change = (by_chunks(unet, window, windows, 5, y, text) - before).abs().amax(dim=(0, 2, 3, 4))
        assert (change[:changed] < 1e-6).all() and (change[changed : changed + 2] > 1e-4).all()
        assert changed or (change > 1e-4).all()


@torch.inference_mode()
def test_what_is_carried_does_not_grow_with_the_number_of_frames() -> None:
    unet = tiny_unet()
    window = install(unet)
    sizes = []
    for count in (6, 12):
        x, text = call(unet, count, copies=1)
        windows = ring_windows([count])
        for plan in plan_chunks(windows, 3)[:-1]:
            window.begin(plan)
            unet(x[0, list(plan.frames)], 500, encoder_hidden_states=text[0, list(plan.frames)])
            sizes.append(sum(k.numel() + v.numel() for k, v in window.carried.values()))
    assert len(set(sizes)) == 1


def test_it_fits_a_controlnet_and_refuses_what_has_no_attention() -> None:
    net = tiny_controlnet()
    install(net).begin(plan_chunks(ring_windows([2]), 2)[0])
    residuals, middle = net(torch.randn(2, 4, 8, 6), 10, torch.randn(2, 5, 24), torch.rand(2, 3, 64, 48), return_dict=False)
    assert len(residuals) == 4 and middle.shape == (2, 32, 4, 3)
    with pytest.raises(ValueError, match="no self-attention"):
        install(torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match="whole number of copies"):
        net(torch.randn(3, 4, 8, 6), 10, torch.randn(3, 5, 24), torch.rand(3, 3, 64, 48))
