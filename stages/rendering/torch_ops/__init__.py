"""The rasterizer in torch operations: no compiled extension, on any device of torch's that has float64. Deterministic.

It draws what ``stages.rendering.cpu`` draws: the same triangle in every pixel, the same weights, the same blends and gradients.
"""

from __future__ import annotations

import torch
from torch import Tensor

from stages.rendering.torch_ops.antialias import antialias
from stages.rendering.torch_ops.edges import edge_topology
from stages.rendering.torch_ops.interpolate import interpolate
from stages.rendering.torch_ops.rasterize import rasterize
from stages.rendering.torch_ops.texture import texture

VERSION = "1"
AT_ONCE = {"cpu": 1 << 17}  # pixels of bounding boxes tried together: what fits the caches; 200 bytes or so for each
AT_ONCE_ELSEWHERE = 1 << 22


class TorchRasterizer:
    """``Rasterizer`` on ``device``. Tensors may live anywhere: they are brought there, and results to where the first argument lives, inside autograd.

    The outline search keeps the edges of the last index tensor that it saw.
    """

    name = "torch"

    def __init__(self, device: str | torch.device = "cpu", at_once: int | None = None) -> None:
        self.device = torch.device(device)
        self.at_once = at_once or AT_ONCE.get(self.device.type, AT_ONCE_ELSEWHERE)
        self._tri: Tensor | None = None
        self._tri_version = -1
        self._edge = torch.empty(4, 0, dtype=torch.int64)

    def probe(self) -> str | None:
        """Always usable on a device that torch has; which one is decided by ``stages.rendering.TorchBackend``."""
        return None

    def version(self) -> str:
        """Raised when pictures or gradients change."""
        return VERSION

    def rasterize(self, pos: Tensor, tri: Tensor, resolution: tuple[int, int]) -> Tensor:
        """See ``Rasterizer.rasterize``."""
        return rasterize(self._here(pos), self._whole(tri), tuple(resolution), self.at_once).to(pos.device)

    def interpolate(self, attr: Tensor, rast: Tensor, tri: Tensor) -> Tensor:
        """See ``Rasterizer.interpolate``."""
        return interpolate(self._here(attr), self._here(rast), self._whole(tri)).to(attr.device)

    def texture(self, tex: Tensor, uv: Tensor) -> Tensor:
        """See ``Rasterizer.texture``."""
        return texture(self._here(tex), self._here(uv)).to(tex.device)

    def antialias(self, color: Tensor, rast: Tensor, pos: Tensor, tri: Tensor) -> Tensor:
        """See ``Rasterizer.antialias``."""
        whole = self._whole(tri)
        if self._tri is not tri or self._tri_version != tri._version:
            self._tri, self._tri_version, self._edge = tri, tri._version, edge_topology(whole)
        return antialias(self._here(color), self._here(rast), self._here(pos), whole, self._edge, self.at_once).to(color.device)

    def _here(self, x: Tensor) -> Tensor:
        return x.to(self.device)

    def _whole(self, tri: Tensor) -> Tensor:
        return tri.to(self.device, torch.int64)
