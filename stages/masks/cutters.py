"""The ways to find the figure in one picture, behind one protocol."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pipeline.errors import MissingError
from stages.masks.settings import MasksSettings

if TYPE_CHECKING:
    import numpy as np

    from third_party.grounded_sam import GroundedSamModel


class Cutter(Protocol):
    """Finds the figure."""

    name: str
    needs_body: bool  # without the posed body it finds nothing

    def probe(self) -> str | None: ...

    def version(self) -> str: ...

    def figure(self, image: np.ndarray, body: np.ndarray | None, device: str) -> tuple[np.ndarray, dict[str, float]]:
        """``image`` (H, W, 3) float32 sRGB, ``body`` (H, W) bool or None -> (H, W) bool and figures for the report."""
        ...


@dataclass(frozen=True)
class Silhouette:
    """Matting against an even background; needs the posed body."""

    name: str = "silhouette"
    needs_body: bool = True

    def probe(self) -> str | None:
        """Always at hand."""
        return None

    def version(self) -> str:
        """scipy does the morphology."""
        return f"scipy {version('scipy')}"

    def figure(self, image: np.ndarray, body: np.ndarray | None, device: str) -> tuple[np.ndarray, dict[str, float]]:
        """Raises ValueError without a body: ``needs_body`` says so beforehand."""
        from stages.masks import matting

        if body is None:
            raise ValueError("a silhouette is found from the posed body, and there is none")
        return matting.figure(image, body), {}


@dataclass(frozen=True)
class GroundedSam:
    """GroundingDINO's box, SAM's mask."""

    settings: MasksSettings
    name: str = "grounded_sam"
    needs_body: bool = False

    def _folders(self) -> tuple[Path, Path]:
        from third_party.models import locate_all

        grounding_dino, sam = locate_all((self.settings.grounding_dino or "", self.settings.sam or ""))
        return grounding_dino, sam

    def probe(self) -> str | None:
        """Weights named and on this machine."""
        empty = [f"masks.{name}" for name in ("grounding_dino", "sam") if not getattr(self.settings, name)]
        if empty:
            return f"no weights are named: {' and '.join(empty)} {'is' if len(empty) == 1 else 'are'} empty"
        try:
            self._folders()
        except MissingError as error:
            return str(error)
        return None

    def version(self) -> str:
        """transformers runs both networks."""
        return f"transformers {version('transformers')}"

    def open(self, device: str) -> GroundedSamModel:
        """Both networks, opened once a process."""
        from third_party.grounded_sam import load

        return load(*self._folders(), device)

    def figure(self, image: np.ndarray, body: np.ndarray | None, device: str) -> tuple[np.ndarray, dict[str, float]]:
        """The best detection's mask; nothing found gives an empty mask, which the checks then report."""
        s = self.settings
        return self.open(device).segment(image, s.prompt, s.box_threshold, s.text_threshold, body)


def ways(settings: MasksSettings) -> tuple[Cutter, ...]:
    """All of them, in the order in which ``auto`` tries them: the embedded networks are less exact than the silhouette, others are more."""
    silhouette, grounded_sam = Silhouette(), GroundedSam(settings)
    return (silhouette, grounded_sam) if settings.embedded else (grounded_sam, silhouette)


def by_silhouette(settings: MasksSettings) -> bool:
    """Is it the silhouette that ``settings`` come down to on this machine?"""
    usable = (way.name for way in ways(settings) if settings.backend in ("auto", way.name) and way.probe() is None)
    return next(usable, "") == "silhouette"
