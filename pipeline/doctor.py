"""What is there, what is missing, what that costs, and the one command that mends it."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.absent import absent_models, fetch_line, sentence, together
from pipeline.backends import licence
from pipeline.config import Config, load
from pipeline.errors import PipelineError
from pipeline.graph import Recipe, wire
from pipeline.machine import cores, cuda_problem, memory_bytes, version_of
from pipeline.setup import defaults
from pipeline.stage import Capability, Stage

DISTRIBUTION = "character-pipeline"
SETUP_LINE = "python -m pipeline setup"
MEMORY_GIB, DISK_GIB = 6, 3


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. ``cost`` is what its absence means to the user; "" if nothing is missing."""

    what: str
    said: str
    cost: str = ""
    remedy: str = ""
    needed: bool = True

    @property
    def missing(self) -> bool:
        """Whether something that the profile needs is not there."""
        return bool(self.cost) and self.needed


def machine_findings(folder: Path) -> list[Finding]:
    """Python, cores, memory, disk, GPU."""
    version = ".".join(str(n) for n in sys.version_info[:3])
    supported = (3, 11) <= sys.version_info[:2] < (3, 13)
    found = [Finding("Python", version, "" if supported else "only 3.11 and 3.12 are tested", "python3.11 -m venv .venv")]
    found.append(Finding("cores", str(cores())))
    memory = memory_bytes()
    if memory is not None:
        gib = memory / 2**30
        found.append(Finding("memory", f"{gib:.1f} GiB", "" if gib >= MEMORY_GIB else f"the default run takes up to {MEMORY_GIB} GiB and may be "
                             "stopped by the system", "python -m pipeline run configs/character.yaml --mesh.texture_size 512"))
    free = shutil.disk_usage(folder).free / 2**30
    found.append(Finding("disk", f"{free:.1f} GiB free", "" if free >= DISK_GIB else f"Blender and a run take about {DISK_GIB} GiB",
                         "python -m pipeline clean"))
    problem = cuda_problem()
    found.append(Finding("GPU", problem or "a CUDA device", "Stable Diffusion 1.5 takes hours instead of minutes" if problem else "",
                         "a machine with an NVIDIA card; the embedded profile needs none", needed=False))
    return found


def package_findings() -> list[Finding]:
    """The packages that the project asks for, from its own metadata."""
    try:
        asked = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return [Finding("packages", "this project is not installed", "packages that it needs may be absent", "pip install -e .")]
    names = [re.split(r"[^A-Za-z0-9_.-]", line)[0] for line in asked if "extra ==" not in line]
    gone = [name for name in names if version_of(name) is None]
    said = f"all {len(names)} there" if not gone else f"missing: {', '.join(gone)}"
    return [Finding("packages", said, "stages that use them fail" if gone else "", "pip install -e .")]


def settings_findings(recipe: Recipe, source: Path | None, profile: str | None) -> list[Finding]:
    """What the settings in the YAML ``source``, or those of ``profile`` alone, need. Raises ConfigError if they are wrong."""
    return backend_findings(recipe, load(recipe, source, (), profile) if source is not None else defaults(recipe, profile))


def backend_findings(recipe: Recipe, config: Config) -> list[Finding]:
    """Every backend of every capability and every model, with these settings: what would be taken, and why others would not."""
    stages = [step.stage for step in wire(recipe, config.stages).steps]
    absent = absent_models(stages, config.stages)
    found = [item for stage in stages if stage.name not in absent for item in _stage_findings(stage, config.stages[stage.name])]
    if absent:
        models = together(absent)
        found.append(Finding("models", sentence(models), f"{' and '.join(absent)}, and what follows, cannot run", fetch_line(models)))
    return found


def _stage_findings(stage: Stage, settings: Any) -> list[Finding]:
    try:
        found = [_capability_finding(stage.name, c) for c in stage.capabilities(settings)]
        return [*found, *(Finding(f"{stage.name}, model", f"{m.name}, {m.licence}") for m in stage.models(settings))]
    except PipelineError as error:
        return [Finding(stage.name, str(error), f"{stage.name} and what follows cannot run", "as said above")]


def _capability_finding(stage: str, capability: Capability) -> Finding:
    reasons = {_with_terms(b): b.probe() for b in capability.backends if capability.wanted in ("auto", b.name)}
    usable = [name for name, reason in reasons.items() if reason is None]
    refused = "; ".join(f"{n}: {r}" for n, r in reasons.items() if r is not None)
    said = f"{usable[0]}{f' (not {refused})' if refused else ''}" if usable else refused
    return Finding(f"{stage}, {capability.name}", said, "" if usable else f"{stage} and what follows cannot run", SETUP_LINE)


def _with_terms(backend: Any) -> str:
    return f"{backend.name} ({terms})" if (terms := licence(backend)) else backend.name


def tell(findings: Iterable[Finding], say: Callable[[str], None], whose: str = "the default profile") -> int:
    """Say every finding, and whether all is here that ``whose`` settings need; returns 3 if something needed is missing, else 0."""
    missing = 0
    for item in findings:
        mark = "ok     " if not item.cost else "MISSING" if item.needed else "without"
        say(f"{mark} {item.what}: {item.said}")
        if item.cost:
            say(f"          costs: {item.cost}")
            say(f"          mend:  {item.remedy}")
        missing += item.missing
    say(f"everything that {whose} needs is here" if not missing else f"{missing} missing")
    return 3 if missing else 0
