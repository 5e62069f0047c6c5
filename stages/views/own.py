"""A user's finished pictures as a view set: any folder with cameras in the NeRF, instant-ngp or nerfstudio form."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import ArtifactError, ConfigError
from pipeline.stage import StageContext
from stages.artifacts.images import contact_sheet, to_u8, write_png
from stages.artifacts.thumbnails import thumbnails
from stages.artifacts.views import ViewSet, write_view_cameras

SHEET_LIMIT = 64


def open_own(folder: Path) -> ViewSet:
    """The user's view set, checked. Raises ConfigError naming the file if a camera, a picture or its size is wrong."""
    try:
        theirs = ViewSet.open(folder)
        theirs.validate()
    except ArtifactError as error:
        raise ConfigError(str(error)) from error
    return theirs


def adopt(folder: Path, context: StageContext) -> ViewSet:
    """Copy the pictures of ``folder``, as PNG with their alpha, and its cameras, rings and splits into ``context.out``.

    Raises ConfigError as ``open_own`` does.
    """
    theirs = open_own(folder)
    context.progress.start("reading pictures", len(theirs.frames))
    extras = []
    for frame in theirs.frames:
        name = frame.camera.name
        write_png(context.out / "images" / f"{name}.png", to_u8(theirs.image(name)))
        known = {key: frame.extra[key] for key in ("ring", "azimuth_deg") if key in frame.extra}
        extras.append(known | {"split": theirs.split(name)})
        context.progress.advance()
    write_view_cameras(context.out, theirs.cameras, extras)
    views = ViewSet.open(context.out)
    shown = views.names[:SHEET_LIMIT]
    write_png(context.out / "preview" / "contact_sheet.png", contact_sheet(thumbnails(map(views.image, shown), len(shown)), 8, shown))
    return views
