"""What every format is written from, and where to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.stage import StageContext
from stages.artifacts.body import Skeleton
from stages.export.bone_names import renamed
from stages.export.figure import Figure
from stages.export.settings import ExportSettings
from stages.export.textures import Textures


@dataclass(frozen=True)
class Delivery:
    """One figure on its way out: ``figure`` in the world frame, ``textures`` as they are packed, the user's ``settings``."""

    settings: ExportSettings
    figure: Figure
    textures: Textures
    context: StageContext

    def named(self, skeleton: Skeleton) -> Skeleton:
        """A skeleton with the names that its joints bear in the files."""
        return renamed(skeleton, self.settings.bones)

    @property
    def folder(self) -> Path:
        """Where the files go."""
        return self.context.out
