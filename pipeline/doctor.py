"""What is there, what is missing, what that costs, and the one command that mends it."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.graph import Recipe
from pipeline.machine import cores, cuda_problem, memory_bytes, version_of
from pipeline.stage import Capability

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
        """Whether something that the default profile needs is not there."""
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


def backend_findings(recipe: Recipe) -> list[Finding]:
    """Every backend of every capability and every model, with the default settings: what would be taken, and why others would not."""
    found = []
    for stage in recipe.stages:
        required = {n: "unset" for n, f in stage.settings.model_fields.items() if f.is_required()}
        settings = stage.settings.model_validate(required)
        try:
            found += [_capability_finding(stage.name, c) for c in stage.capabilities(settings)]
            found += [Finding(f"{stage.name}, model", f"{m.name}, {m.licence}") for m in stage.models(settings)]
        except PipelineError as error:
            found.append(Finding(stage.name, str(error), f"{stage.name} and what follows cannot run", "as said above"))
    return found


def _capability_finding(stage: str, capability: Capability) -> Finding:
    reasons = {b.name: b.probe() for b in capability.backends}
    usable = [name for name, reason in reasons.items() if reason is None]
    refused = "; ".join(f"{n}: {r}" for n, r in reasons.items() if r is not None)
    said = f"{usable[0]}{f' (not {refused})' if refused else ''}" if usable else refused
    return Finding(f"{stage}, {capability.name}", said, "" if usable else f"{stage} and what follows cannot run", SETUP_LINE)


def tell(findings: Iterable[Finding], say: Callable[[str], None]) -> int:
    """Say every finding; returns 3 if something needed is missing, else 0."""
    missing = 0
    for item in findings:
        mark = "ok     " if not item.cost else "MISSING" if item.needed else "without"
        say(f"{mark} {item.what}: {item.said}")
        if item.cost:
            say(f"          costs: {item.cost}")
            say(f"          mend:  {item.remedy}")
        missing += item.missing
    say("everything that the default profile needs is here" if not missing else f"{missing} missing")
    return 3 if missing else 0
