"""The radiance field in torch operations: the same model as ``cpu_field``, on any device, differentiated by autograd.

Rays are marched by the same compiled kernel; what lies on them is evaluated here. On CUDA, torch's deterministic algorithms are
asked for, so that a seed gives the same field again.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from stages.field.composite import CHARBONNIER
from stages.field.cpu_field import BETA1, BETA2, EPSILON, initial_weights
from stages.field.encoding import PRIME_Y, PRIME_Z, GridLayout
from stages.field.harmonics import harmonics
from stages.field.march import Samples
from stages.field.network import LOG_DENSITY, MOST_LOG
from stages.field.pixels import Batch
from stages.field.settings import FieldSettings


def encode(points: Tensor, table: Tensor, layout: GridLayout) -> Tensor:
    """(N, L * F) features of unit ``points`` (N, 3): Mueller et al. 2022, section 3."""
    out = []
    for level in range(layout.levels):
        at = points * float(layout.scale[level]) + 0.5
        low = at.floor().long()
        f = at - low
        base, rows = int(layout.offset[level]), int(layout.offset[level + 1] - layout.offset[level])
        value = 0
        for c in range(8):
            bit = torch.tensor([c & 1, (c >> 1) & 1, c >> 2], device=points.device)
            x, y, z = (low + bit).unbind(-1)
            if layout.hashed[level]:
                row = (x ^ (y * int(PRIME_Y)) ^ (z * int(PRIME_Z))) & (rows - 1)
            else:
                row = (z * int(layout.shape[level, 1]) + y) * int(layout.shape[level, 0]) + x
            value = value + torch.where(bit.bool(), f, 1 - f).prod(-1, keepdim=True) * table[base + row]
        out.append(value)
    return torch.cat(out, -1)


class LimitedExp(torch.autograd.Function):
    """Density from its logarithm, capped at exp(``MOST_LOG``); no gradient beyond the cap."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        """exp(min(x, cap))."""
        y = x.clamp(max=float(MOST_LOG)).exp()
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, d_y: Tensor) -> Tensor:
        """The exponential's own derivative below the cap."""
        x, y = ctx.saved_tensors
        return torch.where(x < float(MOST_LOG), d_y * y, torch.zeros_like(y))


class TorchField:
    """See ``CpuField``: same methods, same meaning."""

    def __init__(self, layout: GridLayout, settings: FieldSettings, rng: np.random.Generator, device: str) -> None:
        self.layout, self.settings, self.device = layout, settings, torch.device(device)
        if self.device.type == "cuda":
            torch.use_deterministic_algorithms(True, warn_only=True)
        start = initial_weights(layout, settings, rng)
        self.weights = {k: torch.from_numpy(v).to(self.device).requires_grad_() for k, v in start.items()}
        self._first = {k: torch.zeros_like(v) for k, v in self.weights.items()}
        self._second = {k: torch.zeros_like(v) for k, v in self.weights.items()}
        self.updates = 0

    def step(self, batch: Batch, samples: Samples, step_m: np.float32, rate: float) -> np.ndarray:
        """One update; returns (R, 2) loss and squared colour error of each ray."""
        gradients, per_ray = self.gradients(batch, samples, step_m)
        self.updates += 1
        rate *= float(np.sqrt(1 - BETA2**self.updates) / (1 - BETA1**self.updates))
        with torch.no_grad():
            for name, g in gradients.items():
                touched = g != 0
                m = torch.where(touched, BETA1 * self._first[name] + (1 - BETA1) * g, self._first[name])
                v = torch.where(touched, BETA2 * self._second[name] + (1 - BETA2) * g * g, self._second[name])
                self._first[name], self._second[name] = m, v
                self.weights[name] -= torch.where(touched, rate * m / (v.sqrt() + EPSILON), torch.zeros_like(m))
        return per_ray[:, :2].cpu().numpy()

    def gradients(self, batch: Batch, samples: Samples, step_m: np.float32) -> tuple[dict[str, Tensor], Tensor]:
        """Gradient of the batch's mean loss for every weight, and per ray (loss, squared error, opacity)."""
        per_ray = self._loss(batch, samples, float(step_m))
        names = list(self.weights)
        found = torch.autograd.grad(per_ray[:, 0].mean(), [self.weights[n] for n in names], allow_unused=True)
        gradients = {n: torch.zeros_like(self.weights[n]) if g is None else g for n, g in zip(names, found)}
        return gradients, per_ray.detach()

    def render(self, unit: np.ndarray, samples: Samples, step_m: np.float32) -> np.ndarray:
        """(R, 5): premultiplied sRGB, opacity, opacity-weighted distance (m)."""
        with torch.no_grad():
            density, rgb, w, ray = self._along(unit, samples, float(step_m))
            t = self._tensor(samples.t[: samples.count])
            columns = torch.cat([w[:, None] * rgb, w[:, None], (w * t)[:, None]], -1)
            return self._per_ray(columns, ray, len(unit)).cpu().numpy()

    def evaluate(self, unit: np.ndarray, samples: Samples) -> tuple[np.ndarray, np.ndarray]:
        """Density (n,) per metre and sRGB (n, 3) of the samples."""
        with torch.no_grad():
            density, rgb, _, _ = self._along(unit, samples, 0.0)
            return density.cpu().numpy(), rgb.cpu().numpy()

    def density(self, points: np.ndarray) -> np.ndarray:
        """Density (N,) per metre at unit ``points`` (N, 3)."""
        with torch.no_grad():
            return self._density(self._tensor(points))[0].cpu().numpy()

    def state(self) -> dict[str, np.ndarray]:
        """Everything that training goes on from, as arrays."""
        out = {}
        for prefix, held in (("weight", self.weights), ("first", self._first), ("second", self._second)):
            out |= {f"{prefix}.{k}": v.detach().cpu().numpy() for k, v in held.items()}
        return out | {"updates": np.array([self.updates], np.int64)}

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a ``state``."""
        self.weights = {k: self._tensor(state[f"weight.{k}"]).requires_grad_() for k in self.weights}
        self._first = {k: self._tensor(state[f"first.{k}"]) for k in self._first}
        self._second = {k: self._tensor(state[f"second.{k}"]) for k in self._second}
        self.updates = int(state["updates"][0])

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.array(array)).to(self.device)

    def _density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        w1, w2 = self.weights["w1"], self.weights["w2"]
        geometry = torch.relu(encode(points, self.weights["table"], self.layout) @ w1.T) @ w2.T
        return LimitedExp.apply(geometry[:, 0] + float(LOG_DENSITY)), geometry

    def _along(self, unit: np.ndarray, samples: Samples, step_m: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Density, colour, compositing weight and ray of every sample."""
        n = samples.count
        ray = self._tensor(samples.ray_index[:n])
        density, seen = self._density(self._tensor(samples.points[:n]))
        if self.settings.view_dependence:
            seen = torch.cat([seen, self._tensor(harmonics(unit))[ray]], -1)
        rgb = torch.sigmoid(torch.relu(seen @ self.weights["w3"].T) @ self.weights["w4"][:3].T)
        depth = density.double() * step_m
        before = depth.cumsum(0) - depth
        first = self._tensor(samples.start[:-1])[ray]
        through = torch.exp(-(before - before[first])).float() if n else depth.float()
        return density, rgb, through * (1 - torch.exp(-density * step_m)), ray

    def _per_ray(self, values: Tensor, ray: Tensor, rays: int) -> Tensor:
        return torch.zeros(rays, values.shape[1], dtype=values.dtype, device=self.device).index_add(0, ray, values)

    def _loss(self, batch: Batch, samples: Samples, step_m: float) -> Tensor:
        s, rays = self.settings, len(batch.rgba)
        target, background = self._tensor(batch.rgba), self._tensor(batch.background)
        _, rgb, w, ray = self._along(batch.unit, samples, step_m)
        summed = self._per_ray(torch.cat([w[:, None] * rgb, w[:, None]], -1), ray, rays)
        opacity = summed[:, 3:]
        alpha = target[:, 3:]
        error = summed[:, :3] + (1 - opacity) * background - (alpha * target[:, :3] + (1 - alpha) * background)
        eps = float(CHARBONNIER)
        colour = (error**2 + eps**2).sqrt() - eps if s.loss == "charbonnier" else error**2
        bent = self._distortion(w, self._tensor(samples.t[: samples.count]), samples, ray, step_m, rays)
        total = colour.sum(-1) + s.mask_weight * (opacity - alpha)[:, 0] ** 2 + s.distortion_weight * bent
        return torch.stack([total, (error**2).mean(-1), opacity[:, 0]], -1)

    def _distortion(self, w: Tensor, t: Tensor, samples: Samples, ray: Tensor, step_m: float, rays: int) -> Tensor:
        """mip-NeRF 360, eq. 15, by prefix sums: sum_ij w_i w_j |t_i - t_j| + sum_i w_i^2 step / 3."""
        w, t = w.double(), t.double()
        first = self._tensor(samples.start[:-1])[ray]
        w_before, wt_before = w.cumsum(0) - w, (w * t).cumsum(0) - w * t
        if len(w):
            w_before, wt_before = w_before - w_before[first], wt_before - wt_before[first]
        pairs = 2 * w * (t * w_before - wt_before) + w**2 * step_m / 3
        return self._per_ray(pairs[:, None], ray, rays)[:, 0].float()
