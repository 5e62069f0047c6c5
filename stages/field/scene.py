"""Everything a training needs of the pictures: views apart for training and scoring, box, occupancy, pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import StageError
from stages.artifacts.units import metres_per_unit
from stages.artifacts.views import ViewSet
from stages.field.hull import Box, Silhouette, visual_hull
from stages.field.march import Occupancy
from stages.field.pixels import Pixels, View, with_alpha
from stages.field.settings import FieldSettings


@dataclass(frozen=True)
class Scene:
    """``training`` and ``held_out`` views; the rest is made of the training views alone. All of it is in metres: lengths of the
    views that were given, times ``metres_per_unit``."""

    training: Sequence[View]
    held_out: Sequence[View]
    box: Box
    occupancy: Occupancy
    pixels: Pixels
    metres_per_unit: float


def split(views: ViewSet, held_out: int | tuple[int, ...]) -> tuple[list[str], list[str]]:
    """Names to train on and names to score. Raises ``StageError`` if nothing is left to train on or an index does not exist."""
    names, test = list(views.training_names), list(views.held_out_names)
    if isinstance(held_out, tuple):
        wrong = [i for i in held_out if not 0 <= i < len(names)]
        if wrong:
            raise StageError(f"field.held_out names view {wrong[0]}, but there are {len(names)} views (0 to {len(names) - 1})")
        chosen = set(held_out)
    else:
        every = held_out if not test else 0
        chosen = {i for i in range(len(names)) if every and i % every == every // 2}
    training = [n for i, n in enumerate(names) if i not in chosen]
    if len(training) < 2:
        raise StageError(f"a field needs at least two views to learn from, got {len(training)} of {len(names)}; hold out fewer")
    return training, test + [n for i, n in enumerate(names) if i in chosen]


def make_scene(views: ViewSet, settings: FieldSettings) -> Scene:
    """Read the pictures, carve the hull, collect the pixels. Raises ``MissingError`` where a picture has no alpha."""
    cameras = {c.name: c for c in views.cameras}
    read = lambda names: [View(cameras[n], with_alpha(n, views.image(n))) for n in names]  # noqa: E731
    training_names, held_out_names = split(views, settings.held_out)
    training, held_out = read(training_names), read(held_out_names)
    return scene_of(training, held_out, settings)


def scene_of(training: Sequence[View], held_out: Sequence[View], settings: FieldSettings) -> Scene:
    """The scene of views in memory, whose cameras may be in any unit."""
    silhouettes = [Silhouette.of(v.camera, v.rgba[..., 3], settings.mask_dilation_px) for v in training]
    box, hull = visual_hull(silhouettes, settings.occupancy_resolution, settings.hull_tolerance)
    unit_m = metres_per_unit(box.size_m)
    box, training, held_out = box.scaled(unit_m), [v.scaled(unit_m) for v in training], [v.scaled(unit_m) for v in held_out]
    occupancy = Occupancy(box, hull, settings.occupancy_resolution, settings.march_steps)
    return Scene(training, held_out, box, occupancy, Pixels(training, box, occupancy, settings.sharpen), unit_m)
