"""Rows taken by number and rows added up by number: each the other's gradient, and sums that come out the same every time."""

from __future__ import annotations

import torch
from torch import Tensor


def taken(index: Tensor, *columns: Tensor) -> list[Tensor]:
    """The members of each of ``columns`` (..., R) that ``index`` (N,) names, (..., N). Not differentiable; several times as fast as brackets on the CPU."""
    return [torch.stack(taken(index, *c)) if c.dim() > 1 else c.index_select(0, index) for c in columns]


def gathered(table: Tensor, index: Tensor) -> Tensor:
    """(N, C): the rows of ``table`` (R, C) that ``index`` (N,) names. Its gradient is ``summed``."""
    return _Gathered.apply(table, index)


def summed(values: Tensor, index: Tensor, rows: int) -> Tensor:
    """(rows, C): each row the sum of those of ``values`` (N, C) whose ``index`` (N,) names it. Its gradient is ``gathered``."""
    return _Summed.apply(values, index, rows)


def placed(values: Tensor, index: Tensor, rows: int) -> Tensor:
    """(rows, C): ``values`` (N, C) in the rows that ``index`` (N,) names, each once; 0 elsewhere."""
    return values.new_zeros(rows, values.shape[1]).index_put((index,), values)


def total_rows(values: Tensor, index: Tensor, rows: int) -> Tensor:
    """What ``summed`` gives, in float64 and without a gradient.

    On the CPU ``index_add_`` adds one after the other; on a GPU it takes them as they come, and ``index_put_`` sorts first.
    """
    total = torch.zeros(rows, values.shape[1], dtype=torch.float64, device=values.device)
    if total.device.type == "cpu":
        total.index_add_(0, index, values.double())
    else:
        total.index_put_((index,), values.double(), accumulate=True)
    return total


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx, table: Tensor, index: Tensor) -> Tensor:
        ctx.rows = len(table)
        ctx.save_for_backward(index)
        return table.index_select(0, index)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple:
        return total_rows(grad, *ctx.saved_tensors, ctx.rows).to(grad.dtype), None


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values: Tensor, index: Tensor, rows: int) -> Tensor:
        ctx.save_for_backward(index)
        return total_rows(values, index, rows).to(values.dtype)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple:
        return grad.index_select(0, *ctx.saved_tensors), None, None
