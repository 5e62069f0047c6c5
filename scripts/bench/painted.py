"""Pictures painted for benchmarks: the conditions and views stages, as a run calls them, on held-out characters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.machine import cores
from pipeline.runner import run_stage
from scripts.generator.attributes import Attributes
from scripts.generator.captions import SAYABLE, phrases
from stages.artifacts.conditions import ConditionSet
from stages.artifacts.views import ViewSet
from stages.conditions import STAGE as CONDITIONS
from stages.conditions.settings import BodyRingSettings, ConditionsSettings, HeadRingSettings
from stages.views import STAGE as VIEWS
from stages.views.settings import ViewsSettings


def prompt_of(attributes: Attributes, seed: int = 0, about: Sequence[str] = SAYABLE) -> str:
    """What shows ``about`` these (all: everything), said once, as tags."""
    said = phrases(attributes, np.random.default_rng([seed, attributes.seed]))
    return ", ".join(["a boy" if attributes.figure == "male" else "a girl", *(said[k] for k in said if k in about and (k != "skin" or attributes.skin != "pale"))])


def conditions(out: Path, body: int, head: int, kinds: Sequence[str] = ("parts", "albedo"), pose: str = "a_pose", figure: str = "female") -> ConditionSet:
    """The project's body in a pose with rings of ``body`` and ``head`` cameras, drawn by the software backend."""
    settings = ConditionsSettings(
        body_ring=BodyRingSettings(views=body), head_ring=HeadRingSettings(views=head), kinds=tuple(kinds), pose=pose, figure=figure,
        backend="software",
    )
    return run_stage(CONDITIONS, settings, CONDITIONS.inputs(), out, threads=cores())


def paint(given: ConditionSet, out: Path, prompt: str, **settings: Any) -> ViewSet:
    """The views stage on ``given`` with the embedded models."""
    return run_stage(VIEWS, ViewsSettings(prompt=prompt, **settings), VIEWS.inputs(conditions=given), out, threads=cores())
