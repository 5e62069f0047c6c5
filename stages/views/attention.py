"""Self-attention across frames: each frame's queries see the keys and values of the frames in its window.

All frames of a chunk are one batch. Keys and values are projected once per frame and then gathered by frame number, so the
cost of the projections is linear in frames and one network evaluation serves one frame. Between chunks only the keys and
values that later windows name are carried, per layer, for the timestep at hand (K/V gathering: Wu et al. 2023, "Tune-A-Video";
chunks and carrying: this project). Works in training: gradients flow into gathered keys and values.

Batches are copies x frames, copies (the two halves of guidance) outermost, as diffusers concatenates them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional as F

from stages.views.windows import ChunkPlan, JointPlan, Plan, WindowGroup


@dataclass
class FrameWindow:
    """What the layers of one network share during a call: the chunk at hand and the keys and values carried to it.

    ``carried`` maps a layer's name to keys and values, each (copies, frames, tokens, channels); ``kept`` are those of frames that are
    finished. ``members`` frames that follow one another in the batch are one picture; with 1, ``plan`` says what each frame sees.
    ``bias`` (tokens of a frame, frames, their windows) is what is added to the logits (frames, tokens, window's tokens), None: nothing.
    """

    plan: ChunkPlan | None = None
    members: int = 1
    carried: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    kept: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    bias: Callable[[int, Sequence[int], Sequence[Sequence[int]]], Tensor | None] | None = None

    def begin(self, plan: Plan) -> None:
        """Work on ``plan`` in the calls that follow. A plan that expects nothing from before forgets what was carried."""
        if isinstance(plan, JointPlan):
            self.plan, self.members = None, plan.members
            return
        if not plan.carried:
            self.carried.clear()
        self.plan = plan

    def keep(self) -> None:
        """What is carried now is what ``recall`` brings back."""
        self.kept = dict(self.carried)

    def recall(self) -> None:
        """Carry what was kept, and that alone."""
        self.carried = dict(self.kept)

    def off(self) -> None:
        """Back to every frame on its own."""
        self.plan, self.members = None, 1
        self.carried.clear()
        self.kept.clear()


class CrossFrameAttention:
    """Attention processor for the ``attn1`` layers of diffusers' UNet2DConditionModel and ControlNetModel."""

    def __init__(self, window: FrameWindow, layer: str) -> None:
        self.window = window
        self.layer = layer

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """(copies * frames, tokens, channels) -> the same shape. Raises ValueError if the batch is not whole copies of the chunk."""
        if encoder_hidden_states is not None or attention_mask is not None:
            raise ValueError(f"{self.layer} is not a plain self-attention layer")
        query, key, value = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
        plan = self.window.plan
        if plan is None:
            mixed = self._together(query, key, value, attn.heads)
        else:
            mixed = self._across(plan, query, key, value, attn.heads)
        return attn.to_out[1](attn.to_out[0](mixed)) / attn.rescale_output_factor

    def _together(self, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
        """Attention among all tokens of each ``members`` frames that follow one another."""
        whole = lambda x: x.reshape(-1, self.window.members * x.shape[1], x.shape[2])  # noqa: E731
        return attend(whole(query), whole(key), whole(value), heads).view(query.shape)

    def _across(self, plan: ChunkPlan, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
        frames = len(plan.frames)
        batch, tokens, channels = query.shape
        if batch % frames:
            raise ValueError(f"a batch of {batch} is not a whole number of copies of {frames} frames")
        by_frame = (batch // frames, frames, tokens, channels)
        query, key, value = query.view(by_frame), key.view(by_frame), value.view(by_frame)
        key, value = self._exchange(plan, key, value)
        parts, order = [], []
        for group in plan.groups:
            parts.append(_attend_group(query, key, value, group.rows, group.pool, heads, self._bias(plan, group, tokens)))
            order.extend(group.rows)
        mixed = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        if order != list(range(frames)):
            mixed = mixed.index_select(1, torch.argsort(torch.tensor(order)).to(mixed.device))
        return mixed.reshape(batch, tokens, channels)

    def _bias(self, plan: ChunkPlan, group: WindowGroup, tokens: int) -> Tensor | None:
        if self.window.bias is None:
            return None
        numbers = (*plan.carried, *plan.frames)
        return self.window.bias(tokens, [plan.frames[row] for row in group.rows], [[numbers[i] for i in pool] for pool in group.pool])

    def _exchange(self, plan: ChunkPlan, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of carried frames and the chunk's own, (copies, pool, tokens, channels); keeps what later chunks need."""
        if plan.carried:
            key_before, value_before = self.window.carried[self.layer]
            key, value = torch.cat([key_before, key], dim=1), torch.cat([value_before, value], dim=1)
        if plan.keep:
            keep = torch.tensor(plan.keep, device=key.device)
            self.window.carried[self.layer] = (key.index_select(1, keep).detach(), value.index_select(1, keep).detach())
        return key, value


def _attend_group(
    query: Tensor, key: Tensor, value: Tensor, rows: tuple[int, ...], pool: tuple[tuple[int, ...], ...], heads: int, bias: Tensor | None
) -> Tensor:
    """Attention of n frames with windows of k frames: (copies, frames | pool, tokens, channels) -> (copies, n, tokens, channels).

    ``bias`` (n, tokens, k * tokens) is added to the logits.
    """
    copies, frames, tokens, channels = query.shape
    if rows != tuple(range(frames)):
        query = query.index_select(1, torch.tensor(rows, device=query.device))
    gather = torch.tensor(pool, device=key.device).flatten()
    long = (copies * len(rows), len(pool[0]) * tokens, channels)
    mixed = attend(
        query.reshape(copies * len(rows), tokens, channels),
        key.index_select(1, gather).view(long),
        value.index_select(1, gather).view(long),
        heads,
        None if bias is None else bias.to(query).repeat(copies, 1, 1)[:, None],
    )
    return mixed.view(copies, len(rows), tokens, channels)


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, bias: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention with ``heads`` heads: (batch, tokens, channels), key and value with tokens of their own.

    ``bias`` (batch, 1, tokens, their tokens) is added to the logits.
    """
    split = lambda x: x.view(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)  # noqa: E731
    return F.scaled_dot_product_attention(split(query), split(key), split(value), attn_mask=bias).transpose(1, 2).reshape(query.shape)


def install(network: nn.Module, window: FrameWindow | None = None) -> FrameWindow:
    """Put ``CrossFrameAttention`` on every self-attention layer (``attn1``) of ``network``; text attention is left as it is.

    ``network`` is a UNet2DConditionModel or ControlNetModel. Returns the window that steers it: ``window.begin(plan)`` before a
    call, ``window.off()`` for ordinary attention. Raises ValueError if there is no layer to put it on.
    """
    window = window or FrameWindow()
    layers = [(name, layer) for name, layer in network.named_modules() if name.endswith(".attn1")]
    if not layers:
        raise ValueError(f"{type(network).__name__} has no self-attention layers")
    for name, layer in layers:
        layer.set_processor(CrossFrameAttention(window, name))
    return window
