"""What is really alive in a forward pass: every tensor's storage is watched from its making to its end, on torch's meta device."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class FusedAttention(TorchFunctionMode):
    """Attention as a fused kernel: nothing but its result is stored, laid out (batch, tokens, heads, channels) as those kernels do.
    What goes to the CPU stays on the meta device."""

    def __torch_function__(self, function: Callable[..., Any], types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        if function is torch.nn.functional.scaled_dot_product_attention:
            query = arguments[0] if arguments else keywords["query"]
            return torch.empty_like(query.transpose(1, 2).contiguous()).transpose(1, 2)
        if function is Tensor.cpu:
            return arguments[0]  # there is nothing to be copied
        return function(*arguments, **(keywords or {}))


class Alive(TorchDispatchMode):
    """Bytes of the storages that came into being under it: ``now`` and the ``peak``."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: dict[int, int] = {}

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        made = function(*arguments, **(keywords or {}))
        before = {leaf.untyped_storage()._cdata for leaf in tree_leaves((arguments, keywords)) if isinstance(leaf, Tensor)}
        for leaf in tree_leaves(made):
            if isinstance(leaf, Tensor):
                self._watch(leaf, before)
        return made

    def _watch(self, tensor: Tensor, before: set[int]) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in before or key in self._known:
            return
        self._known[key] = storage.nbytes()
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._gone, key)

    def _gone(self, key: int) -> None:
        self.now -= self._known.pop(key)


def peak_bytes(work: Callable[[], Any]) -> int:
    """The most bytes that were alive at once of what ``work`` made."""
    with torch.inference_mode(), FusedAttention(), Alive() as alive:
        work()
    return alive.peak
