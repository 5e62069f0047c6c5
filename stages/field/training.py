"""The training loop: draws batches, adapts their size, refreshes the occupancy, keeps a history, goes on from a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import StageError
from stages.artifacts.corrections import Corrections
from stages.field.agreement import agreed, corrected_pixels, rounds_of
from stages.field.protocol import RadianceField
from stages.field.scene import Scene
from stages.field.settings import FieldSettings

REFRESH = 8  # steps between updates of the occupancy
RECORD = 10  # steps between entries of the history
FEWEST_RAYS = 256
FALL = 0.01  # of the learning rate, from the first to the last step
FILE = "training.safetensors"


class Training:
    """A field on its way: ``done`` steps of ``settings.steps``."""

    def __init__(self, scene: Scene, field: RadianceField, settings: FieldSettings, rng: np.random.Generator) -> None:
        self.scene, self.field, self.settings = scene, field, settings
        self.done = 0
        self.history: list[tuple[float, ...]] = []  # (step, loss, PSNR of the batch)
        self.corrections = Corrections()
        self._pixels = scene.pixels
        self._rng = rng
        self._rays = FEWEST_RAYS

    def advance(self) -> float:
        """One step; returns the PSNR of those of its rays that were drawn evenly. Raises StageError where the loss is no number, before that is kept."""
        s, occupancy = self.settings, self.scene.occupancy
        if (s.align_views or s.balance_colours) and self.done in rounds_of(s.steps):
            self._correct(agreed(self.field, self.scene, self.corrections, s.align_views, s.balance_colours))
        by_error = int(self._rays * s.error_share)
        batch, pick = self._pixels.draw(self._rng, self._rays, s.random_background, by_error)
        samples = occupancy.sample(batch.origins, batch.directions, batch.jitter)
        per_ray = self.field.step(batch, samples, occupancy.step_m, s.learning_rate * FALL ** (self.done / s.steps))
        loss, error = per_ray[: self._rays - by_error].mean(0, dtype=np.float64)
        if not np.isfinite(per_ray).all():
            raise StageError(f"the loss is not finite at step {self.done}: lower field.learning_rate, and look at the masks")
        self._pixels.tiles.learn(pick, per_ray[:, 1])
        samples_per_ray = max(samples.count / self._rays, 1.0)
        self._rays = int(np.clip(s.samples_per_batch / samples_per_ray, min(FEWEST_RAYS, s.rays_per_batch), s.rays_per_batch))
        if self.done % REFRESH == REFRESH - 1:
            occupancy.update(self.field.density, self._rng, self.done // REFRESH)
        quality = -10 * float(np.log10(max(error, 1e-10)))
        if self.done % RECORD == 0 or self.done == s.steps - 1:
            self.history.append((self.done, float(loss), quality))
        self.done += 1
        return quality

    def _correct(self, corrections: Corrections) -> None:
        """From here on learn from views as ``corrections`` has them."""
        errors = self._pixels.tiles.error
        self.corrections = corrections
        self._pixels = corrected_pixels(self.scene, corrections, self.settings.sharpen)
        self._pixels.tiles.error = errors

    def save(self, path: Path) -> None:
        """Write everything that the rest of the training depends on."""
        from safetensors.numpy import save_file

        occupancy = self.scene.occupancy
        words = json.dumps({"rng": self._rng.bit_generator.state, "done": self.done, "rays": self._rays, "ends": occupancy.ends_rays,
                            "corrected": list(self.corrections.by_name)})
        arrays = self.field.state() | {
            "occupancy.density": occupancy.density, "occupancy.least": occupancy.least, "occupancy.occupied": occupancy.occupied,
            "history": np.array(self.history, np.float64).reshape(-1, 3), "tiles.error": self._pixels.tiles.error,
        } | {f"corrections.{k}": v for k, v in self.corrections.arrays().items()}
        save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, str(path), {"training": words})

    def restore(self, path: Path) -> None:
        """Go on from what ``save`` wrote."""
        from safetensors import safe_open

        with safe_open(str(path), "numpy") as file:
            words: dict[str, Any] = json.loads(file.metadata()["training"])
            arrays = {k: file.get_tensor(k) for k in file.keys()}
        occupancy = self.scene.occupancy
        occupancy.density, occupancy.least, occupancy.occupied = (arrays[f"occupancy.{k}"].copy() for k in ("density", "least", "occupied"))
        occupancy.ends_rays = words["ends"]
        self._rng.bit_generator.state = words["rng"]
        self.done, self._rays = words["done"], words["rays"]
        self.history = [tuple(row) for row in arrays["history"].tolist()]
        self.field.load(arrays)
        if words["corrected"]:
            found = {k.removeprefix("corrections."): v for k, v in arrays.items() if k.startswith("corrections.")}
            self._correct(Corrections.of_arrays(words["corrected"], found))
        self._pixels.tiles.error = arrays["tiles.error"].copy()

    def run(self, tell: Callable[[float], None], save: Callable[[Training], None]) -> None:
        """The steps that are left. ``tell`` hears each step's PSNR; ``save`` is asked after each and decides for itself."""
        while self.done < self.settings.steps:
            tell(self.advance())
            save(self)
