"""What a differentiable rasterizer can do, in nvdiffrast's four operations and tensor conventions.

Clip space is OpenGL's; row 0 of every image is y_clip / w_clip = -1 and texture row 0 is v = 0, as in nvdiffrast. Callers that
want row 0 at the top hand in clip matrices from ``stages.rendering.clip.view_clip_matrices``, which turn y over.
Laine et al., Modular Primitives for High-Performance Differentiable Rendering, 2020.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Rasterizer(Protocol):
    """Four differentiable operations on one device; a ``Backend`` as the engine knows it."""

    name: str

    def probe(self) -> str | None:
        """None if usable here, else one sentence that says why not."""
        ...

    def version(self) -> str:
        """Version that enters the key."""
        ...

    def rasterize(self, pos: Tensor, tri: Tensor, resolution: tuple[int, int]) -> Tensor:
        """Visible triangles.

        ``pos`` (B, V, 4) float32 clip space, ``tri`` (F, 3) int32, ``resolution`` (height, width) -> (B, height, width, 4):
        perspective-correct weights u and v of the first and second corner, z/w, triangle number + 1 (0 where empty).
        Both faces are drawn. Gradients flow from u and v to ``pos``.
        """
        ...

    def interpolate(self, attr: Tensor, rast: Tensor, tri: Tensor) -> Tensor:
        """Corner attributes (B or 1, V, C) carried to the pixels, (B, height, width, C); 0 where empty."""
        ...

    def texture(self, tex: Tensor, uv: Tensor) -> Tensor:
        """Bilinear samples of ``tex`` (B or 1, Ht, Wt, C) at ``uv`` (B, height, width, 2), texel centres at +0.5, edges clamped."""
        ...

    def antialias(self, color: Tensor, rast: Tensor, pos: Tensor, tri: Tensor) -> Tensor:
        """``color`` (B, height, width, C) blended where silhouettes cross between pixel centres; gradients to ``pos`` and ``color``."""
        ...
