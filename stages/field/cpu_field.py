"""The radiance field on the CPU: compiled kernels, one fused step of optimisation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numba import get_num_threads

from stages.field import composite, network
from stages.field.encoding import BLOCK, GridLayout, adam_touched, backward_kernel, forward_kernel
from stages.field.harmonics import harmonics
from stages.field.march import Samples
from stages.field.pixels import Batch
from stages.field.settings import FieldSettings

BETA1, BETA2, EPSILON = 0.9, 0.99, 1e-15
WEIGHTS = ("w1", "w2", "w3", "w4")


def initial_weights(layout: GridLayout, settings: FieldSettings, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Table uniform in +-1e-4, as in instant-ngp; layers He-uniform. Shapes as in ``network.forward``."""
    seen = network.GEOMETRY + (network.HARMONICS if settings.view_dependence else 0)
    shapes = {"w1": (settings.hidden, layout.width), "w2": (network.GEOMETRY, settings.hidden),
              "w3": (settings.hidden, seen), "w4": (4, settings.hidden)}
    out = {"table": rng.uniform(-1e-4, 1e-4, (int(layout.offset[-1]), layout.features)).astype(np.float32)}
    for name, shape in shapes.items():
        bound = np.sqrt(6 / shape[1]) * (1.0 if name in ("w1", "w3") else 0.5)
        out[name] = rng.uniform(-bound, bound, shape).astype(np.float32)
    return out


class CpuField:
    """Parameters, Adam's state, and the three things one does with a field: train, render, ask."""

    def __init__(self, layout: GridLayout, settings: FieldSettings, rng: np.random.Generator) -> None:
        self.layout, self.settings = layout, settings
        self.weights = initial_weights(layout, settings, rng)
        self._first = {k: np.zeros_like(v) for k, v in self.weights.items()}
        self._second = {k: np.zeros_like(v) for k, v in self.weights.items()}
        self._d_table = np.zeros_like(self.weights["table"])
        self._scratch: dict[str, np.ndarray] = {}
        self.updates = 0

    def step(self, batch: Batch, samples: Samples, step_m: np.float32, rate: float) -> np.ndarray:
        """One update; returns (R, 2) loss and squared colour error of each ray."""
        gradients, per_ray = self.gradients(batch, samples, step_m)
        self.updates += 1
        rate *= np.sqrt(1 - BETA2**self.updates) / (1 - BETA1**self.updates)
        for name in ("table", *WEIGHTS):
            adam_touched(
                self.weights[name], gradients[name], self._first[name], self._second[name],
                np.float32(rate), np.float32(BETA1), np.float32(BETA2), np.float32(EPSILON),
            )
        return per_ray[:, :2]

    def gradients(self, batch: Batch, samples: Samples, step_m: np.float32) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Gradient of the batch's mean loss for every weight, and per ray (loss, squared error, opacity).

        The table's gradient is a buffer of the field: Adam clears it.
        """
        s, w = self.settings, self.weights
        harmonic = self._harmonics(batch.unit)
        encoded, geometry, density, rgb = self._evaluate(samples, harmonic, True)
        room = len(samples.t)
        d_density, d_rgb = self._space("d_density", (room,)), self._space("d_rgb", rgb.shape)
        d_density[samples.count :] = 0
        d_rgb[samples.count // BLOCK :] = 0
        per_ray = np.empty((len(batch.rgba), 3), np.float32)
        composite.loss(
            samples.start, samples.t, step_m, density, rgb, batch.rgba, batch.background, s.loss == "charbonnier",
            np.float32(s.mask_weight), np.float32(s.distortion_weight), self._space("weights", (room,)), d_density, d_rgb, per_ray,
        )
        partial = {n: self._space("d_" + n, (network.PARTS, *w[n].shape)) for n in WEIGHTS}
        d_encoded = self._space("d_encoded", encoded.shape)
        network.backward(
            encoded, harmonic, samples.ray_index, *(w[n] for n in WEIGHTS), geometry, density, rgb, d_density, d_rgb,
            *(partial[n] for n in WEIGHTS), d_encoded,
        )
        layout = self.layout
        backward_kernel(layout.features)(
            samples.points, d_encoded, layout.scale, layout.shape, layout.offset, layout.hashed, get_num_threads(), self._d_table
        )
        return {"table": self._d_table} | {n: partial[n].sum(0) for n in WEIGHTS}, per_ray

    def render(self, unit: np.ndarray, samples: Samples, step_m: np.float32) -> np.ndarray:
        """(R, 5) of rays with world directions ``unit`` (R, 3): premultiplied sRGB, opacity, opacity-weighted distance (m)."""
        _, _, density, rgb = self._evaluate(samples, self._harmonics(unit), True)
        out = np.empty((len(unit), 5), np.float32)
        composite.render(samples.start, samples.t, step_m, density, rgb, self._space("weights", (len(samples.t),)), out)
        return out

    def evaluate(self, unit: np.ndarray, samples: Samples) -> tuple[np.ndarray, np.ndarray]:
        """Density (n,) per metre and sRGB (n, 3) of the samples of rays with world directions ``unit`` (R, 3)."""
        _, _, density, rgb = self._evaluate(samples, self._harmonics(unit), True)
        colour = rgb[:, :3].transpose(0, 2, 1).reshape(-1, 3)
        return density[: samples.count].copy(), colour[: samples.count]

    def density(self, points: np.ndarray) -> np.ndarray:
        """Density (N,) per metre at unit ``points`` (N, 3)."""
        room = max(-(-len(points) // BLOCK), 1) * BLOCK
        padded = np.zeros((room, 3), np.float32)
        padded[: len(points)] = points
        nothing = Samples(np.zeros(1, np.int64), padded, np.zeros(room, np.float32), np.zeros(room, np.int64))
        return self._evaluate(nothing, self._harmonics(np.array([[0.0, 0.0, 1.0]])), False)[2][: len(points)].copy()

    def state(self) -> dict[str, np.ndarray]:
        """Everything that training goes on from, as arrays."""
        out = {f"weight.{k}": v for k, v in self.weights.items()}
        out |= {f"first.{k}": v for k, v in self._first.items()} | {f"second.{k}": v for k, v in self._second.items()}
        return out | {"updates": np.array([self.updates], np.int64)}

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a ``state``."""
        for prefix, target in (("weight", self.weights), ("first", self._first), ("second", self._second)):
            for name in target:
                target[name] = np.array(state[f"{prefix}.{name}"], np.float32)
        self.updates = int(state["updates"][0])

    def _evaluate(self, samples: Samples, harmonic: np.ndarray, colour: bool) -> tuple[np.ndarray, ...]:
        layout, w = self.layout, self.weights
        room = len(samples.t)
        blocks = room // BLOCK
        encoded = self._space("encoded", (blocks, layout.width, BLOCK))
        forward_kernel(layout.features)(
            samples.points, w["table"], layout.scale, layout.shape, layout.offset, layout.hashed, encoded
        )
        geometry = self._space("geometry", (blocks, network.GEOMETRY, BLOCK))
        density = self._space("density", (room,))
        rgb = self._space("rgb", (blocks if colour else 0, 4, BLOCK))
        network.forward(encoded, harmonic, samples.ray_index, *(w[n] for n in WEIGHTS), geometry, density, rgb)
        return encoded, geometry, density, rgb

    def _harmonics(self, unit: np.ndarray) -> np.ndarray:
        return harmonics(unit) if self.settings.view_dependence else np.zeros((1, 0), np.float32)

    def _space(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """A contiguous scratch array that is kept from call to call; its contents are whatever was left there."""
        size = int(np.prod(shape))
        held = self._scratch.get(name)
        if held is None or held.size < size:
            held = self._scratch[name] = np.empty(int(size * 1.25) + 1, np.float32)
        return held[:size].reshape(shape)
