"""Frames whose pictures are there before anything is painted: the user's own drawings, and views of an earlier run that are to stay.

They are seen by attention as any frame is (as in the "reference-only" use of Stable Diffusion: no weights of its own are needed): clean
where the first frame leads, else with the noise that the others have.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import ArtifactError, ConfigError, StageError
from stages.artifacts.cameras import Camera
from stages.artifacts.conditions import ConditionSet
from stages.artifacts.images import to_u8
from stages.artifacts.views import ViewSet
from stages.views.own import open_own
from stages.views.reference import framed, open_reference
from stages.views.schemes import beside, rings_of
from stages.views.settings import ReferenceSettings, ViewsSettings
from stages.views.windows import Windows

Rings = Mapping[str, Mapping[str, float]]  # ring -> view -> azimuth, degrees


@dataclass(frozen=True)
class Order:
    """Frame numbers in the order in which they go through the networks: the first ``given`` of them are there already; ``windows`` are
    positions in it. Given frames that nobody looks at are left out, but for one if nothing else is left."""

    frames: tuple[int, ...]
    given: int
    windows: Windows


def given_pictures(settings: ViewsSettings, conditions: ConditionSet) -> dict[int, np.ndarray]:
    """Frame number -> its picture, (H, W, 3) uint8. Raises StageError for kept views that do not fit, ConfigError for what else is wrong."""
    rings = {
        ring: {conditions.names[i]: conditions.cameras[i].azimuth_deg for i in members} for ring, members in conditions.rings.items()
    }
    if settings.keep is not None:
        for name in settings.redo:
            check_name(name, rings)
        return _kept(settings, conditions)
    given = {}
    for name, file in places_of(settings, rings).items():
        frame = conditions.names.index(name)
        camera = conditions.cameras[frame]
        given[frame] = framed(open_reference(file), camera.width, camera.height)
    return given


def places_of(settings: ViewsSettings, rings: Rings) -> dict[str, Path]:
    """View -> the reference that stands for it: the nearest of its ring. Raises ConfigError if a ring has no views, or a view two references."""
    references = list(settings.references)
    if settings.reference is not None:
        references.insert(0, ReferenceSettings(file=settings.reference))
    taken: dict[str, Path] = {}
    for reference in references:
        azimuths = rings.get(reference.ring, {})
        if not azimuths:
            raise ConfigError(f"{reference.file}: the ring {reference.ring!r} has no views")
        name = min(azimuths, key=lambda name: abs((azimuths[name] - reference.azimuth_deg + 180) % 360 - 180))
        if name in taken:
            raise ConfigError(f"{reference.file}: stands for {name}, as another reference does; every one needs a view of its own")
        taken[name] = reference.file
    return taken


def check_name(name: str, rings: Rings) -> None:
    """Raises ConfigError if no view has this name."""
    names = [name for ring in rings.values() for name in ring]
    if name not in names:
        raise ConfigError(f"there is no view {name!r}; there are {names[0]} to {names[-1]}")


def check_kept(folder: Path) -> None:
    """Raises ConfigError for a folder that holds no views, or that a run would move while it reads it."""
    if folder.is_symlink():
        raise ConfigError(f"{folder} is a link that the next run moves; copy the folder, and name the copy")
    open_own(folder)


def _kept(settings: ViewsSettings, conditions: ConditionSet) -> dict[int, np.ndarray]:
    """All views but those to be painted again."""
    views, given = ViewSet.open(settings.keep), {}
    for frame, camera in enumerate(conditions.cameras):
        if camera.name in settings.redo:
            continue
        if camera.name not in views.names:
            raise StageError(f"views.keep: {settings.keep} holds no {camera.name}; expected the views of a run with the same rings")
        there = views.cameras[views.names.index(camera.name)]
        if not _same(camera, there.resized(camera.width, camera.height)):
            raise StageError(f"views.keep: {camera.name} in {settings.keep} looks from elsewhere; expected the views of a run with the same "
                             "rings, body and pose")
        try:
            picture = views.image(camera.name)
        except ArtifactError as error:
            raise StageError(f"views.keep: {error}") from error
        if picture.shape != (camera.height, camera.width, 3):
            raise StageError(f"views.keep: {camera.name} is {picture.shape[1]} x {picture.shape[0]} with {picture.shape[2]} channels; "
                             f"{camera.width} x {camera.height} with 3 was expected")
        given[frame] = to_u8(picture)
    return given


def _same(a: Camera, b: Camera) -> bool:
    return np.allclose(a.c2w, b.c2w, atol=1e-4) and np.allclose([a.fx, a.fy, a.cx, a.cy], [b.fx, b.fy, b.cx, b.cy], rtol=1e-3)


def windows_with(windows: Windows, counts: Sequence[int], given: Collection[int]) -> Windows:
    """``windows`` of rings of ``counts`` frames, in which a frame that is painted looks at the nearest given frames to either side in its
    ring, too, and a given one at the first, if that is given, and itself."""
    out = []
    for ring in rings_of(counts):
        here = [frame for frame in given if frame in ring]
        for frame in ring:
            window = {*({0} & set(given)), frame} if frame in given else {*windows[frame], *beside(frame, here, ring)}
            out.append(tuple(sorted(window)))
    return tuple(out)


def order_of(windows: Windows, given: Collection[int], first: Sequence[int] = ()) -> Order:
    """Given frames first, so that all others can look at them, then those that are to be ``first``, then the rest as they come."""
    looked_at = {other for frame, window in enumerate(windows) if frame not in given for other in window} & set(given)
    there = sorted(looked_at.union(*(windows[frame] for frame in looked_at)))
    if len(given) == len(windows):
        there = sorted(given)[:1]
    frames = tuple(dict.fromkeys((*there, *(frame for frame in (*first, *range(len(windows))) if frame not in given))))
    place = {frame: i for i, frame in enumerate(frames)}
    seen = tuple(tuple(sorted(place[other] for other in windows[frame] if other in place)) for frame in frames)
    return Order(frames, len(there), seen)
