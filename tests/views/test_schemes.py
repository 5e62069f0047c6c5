"""Schemes against their definitions, and the same pictures for every chunk size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from stages.artifacts.conditions import ConditionSet
from stages.views.attention import install
from stages.views.given import order_of, windows_with
from stages.views.schemes import anchor_scheme, beside, keyframe_scheme, scheme_of
from stages.views.settings import ViewsSettings
from stages.views.windows import full_windows, plan_chunks
from tests.views.test_attention import by_chunks, call
from tests.views.test_paint import sample
from tests.views.tiny import tiny_unet


def ring(count: int) -> list[float]:
    return [360.0 * i / count for i in range(count)]


def test_key_frames_see_their_kind_and_the_rest_those_beside_them() -> None:
    scheme = keyframe_scheme([10, 4])
    keys = scheme.first
    assert keys == (0, 3, 6, 9, 10, 12)  # every third of ten, every second of four
    assert all(scheme.windows[key] == keys for key in keys)
    assert {f: w for f, w in enumerate(scheme.windows) if f not in keys} == {
        1: (0, 3), 2: (0, 3), 4: (3, 6), 5: (3, 6), 7: (6, 9), 8: (6, 9), 11: (10, 12), 13: (10, 12),
    }
    assert keyframe_scheme([1]).windows == ((0,),)
    assert keyframe_scheme([12]).windows[11] == (0, 9)  # round the ring


def test_anchors_come_first_and_the_rest_see_the_front_and_those_beside_them() -> None:
    scheme = anchor_scheme([ring(12), ring(8)])
    assert scheme.first == (0, 6, 3, 9, 12, 16, 14, 18)
    assert [scheme.windows[i] for i in scheme.first] == [
        (0,), (0, 6), (0, 3, 6), (0, 3, 6, 9), (0, 12), (0, 12, 16), (0, 12, 14, 16), (0, 12, 14, 16, 18),
    ]
    assert scheme.windows[1] == (0, 1, 3) and scheme.windows[4] == (0, 3, 4, 6) and scheme.windows[8] == (0, 6, 8, 9)
    assert scheme.windows[11] == (0, 9, 11)  # the ring is closed
    assert scheme.windows[13] == (0, 12, 13, 14) and scheme.windows[19] == (0, 12, 18, 19)


def test_short_rings_have_fewer_anchors() -> None:
    assert [anchor_scheme([ring(n)]).first for n in (1, 2, 3)] == [(0,), (0, 1), (0, 1, 2)]
    assert anchor_scheme([ring(5), []]).first == (0, 2, 1, 4)


def test_what_is_beside_a_frame_round_a_closed_ring() -> None:
    assert beside(7, [1, 4, 6], range(8)) == (1, 6) and beside(0, [3, 6], range(8)) == (3, 6)
    assert beside(2, [5], range(8)) == (5,) and beside(2, [], range(8)) == ()
    assert beside(11, [9], range(8, 12)) == (9,)


@pytest.mark.parametrize("window", ["causal", "keyframes", "anchors", "full"])
@pytest.mark.parametrize("given", [(), (0,), (2, 7), tuple(range(1, 14))])
def test_every_order_can_be_worked_off_whatever_is_given(window: str, given: tuple[int, ...]) -> None:
    scheme = scheme_of(window, [ring(10), ring(4)])
    order = order_of(windows_with(scheme.windows, [10, 4], given), given, scheme.first)
    painted = [frame for frame in range(14) if frame not in given]
    assert sorted(order.frames[order.given :]) == painted and set(order.frames[: order.given]) <= set(given)
    for chunk in (1, 3, 14):
        assert [frame for plan in plan_chunks(order.windows, chunk) for frame in plan.frames] == list(range(len(order.frames)))


@torch.inference_mode()
def test_full_is_attention_over_all_tokens_in_one_piece() -> None:
    unet = tiny_unet()
    x, text = call(unet, 4, copies=2)
    window = install(unet)
    got = by_chunks(unet, window, full_windows([4]), 2, x, text)
    window.off()
    window.members = 4  # all frames' queries, keys and values laid end to end
    expected = unet(x.flatten(0, 1), 500, encoder_hidden_states=text.flatten(0, 1)).sample.unflatten(0, (2, 4))
    torch.testing.assert_close(got, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("window", ["keyframes", "anchors"])
@pytest.mark.parametrize("lead", [0.0, 0.5])
def test_latents_are_the_same_for_every_chunk_size(
    window: str, lead: float, settings: Callable[..., ViewsSettings], conditions: ConditionSet, tmp_path: Path
) -> None:
    chosen = settings(window=window, lead=lead, steps=3, controlnet_window=True)
    whole, _ = sample(chosen, conditions, tmp_path / "whole", 8)
    for chunk in (1, 3):
        assert (sample(chosen, conditions, tmp_path / f"cut{chunk}", chunk)[0] - whole).abs().max() < 1e-4
    causal, _ = sample(settings(window="causal", lead=lead, steps=3, controlnet_window=True), conditions, tmp_path / "causal", 8)
    assert (whole - causal).abs().amax((1, 2, 3)).max() > 1e-3
