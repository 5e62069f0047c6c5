"""What the commands do: run, explain, verify, clean."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.complaints import Complaint, as_error, complaint
from pipeline.config import Config, load, told
from pipeline.document import Place, nearest
from pipeline.errors import ArtifactError, ConfigError, MissingError, PipelineError
from pipeline.graph import Graph, Recipe, wire
from pipeline.lock import LockedError, hold
from pipeline.machine import cuda_problem, device, limit_threads
from pipeline.narrate import SpokenLog, TerminalNarrator
from pipeline.plan import Resolved, Verdict, foresee, resolve
from pipeline.publish import deliver, publish
from pipeline.report import Account, write_report
from pipeline.runner import Machine, Ran, run_graph
from pipeline.store import Manifest, Store, digest_problems


@dataclass(frozen=True)
class Request:
    """What was asked for on the command line. ``others`` are settings by dotted name."""

    recipe: Recipe
    source: Path | None
    others: tuple[tuple[str, str | None], ...] = ()
    profile: str | None = None
    until: str | None = None
    force: tuple[str, ...] = ()
    out: Path = field(default_factory=lambda: Path("outputs"))
    cache: Path = field(default_factory=lambda: Path("cache"))


@dataclass(frozen=True)
class Prepared:
    """A request with everything checked that can be checked before anything runs."""

    config: Config
    graph: Graph
    resolved: list[Resolved]
    store: Store
    target: Path
    forced: set[str]


def prepare(request: Request) -> Prepared:
    """Read, check and resolve. Raises ConfigError or MissingError; nothing has run."""
    if request.source is None and not any(name == "prompt" for name, _ in request.others):
        raise ConfigError("expected a YAML file with the settings, or --prompt \"...\"; configs/character.yaml is one to start from")
    config = load(request.recipe, request.source, request.others, request.profile)
    wire(request.recipe)
    graph = wire(request.recipe, config.stages)
    complaints = _wrong_stages(request, graph)
    if complaints:
        raise as_error(complaints, "command line")
    graph = graph.until(request.until)
    names = {s.stage.name for s in graph.steps}
    complaints = told((m for m in request.recipe.mistakes(config.stages) if m.stage in names), config.written)
    if complaints:
        raise as_error(complaints, str(request.source or "command line"))
    _require_device(config)
    forced = {s.stage.name for s in graph.steps} if "all" in request.force else set(request.force)
    return Prepared(config, graph, resolve(graph, config), Store(request.cache), request.out / config.common.name, forced)


def run(request: Request, narrator: TerminalNarrator) -> Path:
    """Make everything that is not kept; returns ``outputs/<name>``. Raises PipelineError."""
    prepared = prepare(request)
    common = prepared.config.common
    machine = Machine(device(common.device), limit_threads(common.threads), prepared.target / "logs")
    narrator.say(f"{common.name}: profile {common.profile}, {machine.device}, {machine.threads} threads")
    _say_beforehand(prepared, narrator.say)
    spoken = SpokenLog(narrator.say)
    log = logging.getLogger("pipeline")
    log.addHandler(spoken)
    log.propagate = False
    ran, started = Ran(), time.monotonic()
    try:
        run_graph(prepared.resolved, prepared.store, machine, prepared.forced, narrator, ran)
    except PipelineError as error:
        _record(request, prepared, ran, time.monotonic() - started, str(error))
        raise
    finally:
        log.removeHandler(spoken)
    for path in _record(request, prepared, ran, time.monotonic() - started, ""):
        narrator.say(str(path))
    return prepared.target


def explain(request: Request) -> tuple[list[Verdict], Prepared]:
    """What ``run`` would do to every stage; nothing runs."""
    prepared = prepare(request)
    before = _read_json(prepared.target / "run.json").get("stages", {})
    keys = {name: entry["key"] for name, entry in before.items()}
    return foresee(prepared.graph, prepared.resolved, prepared.store, prepared.forced, keys), prepared


def verify(cache: Path, say: Callable[[str], None]) -> int:
    """Read every committed file again; damaged folders are set aside. Returns how many were damaged."""
    store, damaged, count = Store(cache), 0, 0
    for folder in list(store.entries()):
        count += 1
        stage, key = folder.parents[1].name, folder.name
        try:
            problems = digest_problems(folder, Manifest.read(folder))
        except ArtifactError as error:
            problems = [error.problem]
        if problems:
            damaged += 1
            say(f"{stage} {key[:12]}: {'; '.join(problems[:5])}. Set aside as {store.set_aside(stage, key)}; the next run makes it again.")
    say(f"{count} folders verified in {cache}, {damaged} damaged")
    return damaged


def clean(out: Path, cache: Path, everything: bool, dry: bool, say: Callable[[str], None]) -> None:
    """Remove what interrupted and forced runs left, and what no ``run.json`` under ``out`` refers to (or everything)."""
    store = Store(cache)
    used = {(stage, entry["key"]) for path in out.glob("*/run.json") for stage, entry in _read_json(path).get("stages", {}).items()}
    unused = [f for f in store.entries() if everything or (f.parents[1].name, f.name) not in used]
    freed = 0
    for folder in [*store.leftovers(), *unused]:
        stage, key = folder.parents[1].name, folder.name.partition(".")[0]
        try:
            with hold(store.lock_path(stage, key), f"{stage} {key[:12]}"):
                freed += sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
                say(f"{'would remove' if dry else 'removing'} {folder}")
                if not dry:
                    shutil.rmtree(folder)
        except LockedError as error:
            say(f"left alone: {error}")
    say(f"{freed / 2**20:.1f} MB {'would be ' if dry else ''}freed")


def verdict_lines(verdicts: Sequence[Verdict], skipped: dict[str, str]) -> list[str]:
    """``explain``'s answer, one line a stage."""
    words = {"reused": "kept", "runs": "would run: ", "depends": "would run after what stands above: "}
    lines = [f"{v.stage:<11} {words[v.state]}{'; '.join(v.reasons)}" for v in verdicts]
    return [*lines, *(f"{name:<11} left out: {reason}" for name, reason in skipped.items())]


def _wrong_stages(request: Request, graph: Graph) -> list[Complaint]:
    names = [s.stage.name for s in graph.steps]
    complaints = []
    for flag, asked, extra in (("--until", (request.until,) if request.until else (), []), ("--force", request.force, ["all"])):
        for name in asked:
            if name in [*names, *extra]:
                continue
            near = nearest(name, [*names, *extra])
            why = f"it is left out: {graph.skipped[name]}" if name in graph.skipped else f"expected one of {', '.join([*names, *extra])}"
            complaints.append(complaint(Place(flag=f"command line, {flag}"), f"got {name!r}; {why}" + (f"; did you mean {near!r}?" if near else "")))
    return complaints


def _require_device(config: Config) -> None:
    """Raises MissingError where a CUDA device is named and there is none."""
    problem = cuda_problem() if config.common.device == "cuda" else None
    if problem:
        raise MissingError(
            f"{config.written.place(('device',))}: device: expected a CUDA device, but {problem}. `device: auto` runs without one; Stable Diffusion 1.5 "
            "then takes hours instead of minutes. A GPU takes an NVIDIA card with its driver and a torch built for CUDA "
            "(https://pytorch.org/get-started/locally); `python -m pipeline doctor` says what is here.")


def _say_beforehand(prepared: Prepared, say: Callable[[str], None]) -> None:
    for item in prepared.resolved:
        for notice in item.notices:
            say(f"note: {item.name}: {notice}")
    for name, reason in prepared.graph.skipped.items():
        say(f"{name:<11} left out: {reason}")


def _record(request: Request, prepared: Prepared, ran: Ran, seconds: float, failure: str) -> list[Path]:
    """Write what the user came for; returns the paths to name."""
    target, common = prepared.target, prepared.config.common
    publish(ran.folders, prepared.graph.skipped, target)
    made: list[Path] = []
    if not failure and ran.folders and request.until is None:
        made = deliver(list(ran.folders.values())[-1], target)
    old = _read_json(target / "run.json")
    record = _run_json(request, prepared, ran, failure)
    if failure or request.until:  # later stages of the last whole run are still what the user has
        record["stages"] = {**old.get("stages", {}), **record["stages"]}
    report = target / "report.html"
    if ran.executed or failure or not report.exists() or any(old.get(k) != record[k] for k in ("settings", "stages", "skipped", "failure")):
        account = Account(common.name, request.recipe.name, prepared.config.resolved(), ran.manifests, ran.folders, tuple(ran.executed),
                          prepared.graph.skipped, failure=failure)
        write_report(account, target)
        record |= {"executed": ran.executed, "seconds": round(seconds, 3)}
        _write(target / "run.json", json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    return [*made, report]


def _run_json(request: Request, prepared: Prepared, ran: Ran, failure: str) -> dict[str, Any]:
    stages = {name: {"key": m.key, "content": m.content, "folder": str(ran.folders[name]), "started": m.started, "seconds": m.seconds,
                     "peak_memory_bytes": m.peak_memory_bytes, "backends": m.backends, "models": m.models, "warnings": m.warnings}
              for name, m in ran.manifests.items()}
    return {"name": prepared.config.common.name, "recipe": request.recipe.name, "failure": failure, "skipped": dict(prepared.graph.skipped),
            "settings": prepared.config.resolved(), "stages": stages}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".writing-{path.name}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
