"""Lists of unequal length gone through side by side, a bounded number of their members at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


def members(counts: Tensor, at_once: int) -> Iterator[tuple[Tensor, Tensor]]:
    """All members of lists of ``counts`` (N,) int64 members, in order, at most ``at_once`` at a time.

    Yields (K,) list and (K,) number within it. A long list may be cut anywhere, so that memory is bounded whatever the counts are.
    """
    ends = counts.cumsum(0)
    total = int(ends[-1]) if len(ends) else 0
    cuts = torch.arange(0, total, at_once, device=counts.device)
    first = torch.searchsorted(ends, cuts, right=True).tolist()
    last = torch.searchsorted(ends, (cuts + at_once).clamp(max=total) - 1, right=True).tolist()
    for start, low, high in zip(range(0, total, at_once), first, last, strict=True):
        stop = min(start + at_once, total)
        end = ends[low : high + 1]
        begin = end - counts[low : high + 1]
        here = end.clamp(max=stop) - begin.clamp(min=start)
        which = torch.repeat_interleave(here, output_size=stop - start)
        yield which + low, torch.arange(start, stop, device=counts.device) - begin.index_select(0, which)
