"""What the commands do: run, explain, verify, clean."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.absent import absent_models, sentence, together
from pipeline.complaints import Complaint, as_error, complaint
from pipeline.config import Config, load, told
from pipeline.document import Place, nearest
from pipeline.errors import ArtifactError, ConfigError, MissingError, PipelineError
from pipeline.graph import Graph, Mistake, Outlook, Recipe, wire
from pipeline.lock import LockedError, hold
from pipeline.machine import cuda_problem, device, limit_threads
from pipeline.narrate import RunNarrator, SpokenLog
from pipeline.plan import Resolved, Verdict, foresee, resolve
from pipeline.publish import deliver, publish, stamps, withdraw
from pipeline.record import Record, in_use, read
from pipeline.report import REPORT, Account, write_report
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
    _refuse([m for m in request.recipe.mistakes(config.stages) if m.stage in names], config, str(request.source or "command line"))
    _require_device(config)
    forced = {s.stage.name for s in graph.steps} if "all" in request.force else set(request.force)
    return Prepared(config, graph, _resolve(request.recipe, graph, config), Store(request.cache), request.out / config.common.name, forced)


def run(request: Request, narrator: RunNarrator) -> Path:
    """Make everything that is not kept; returns ``outputs/<name>``. Raises PipelineError."""
    prepared = prepare(request)
    common = prepared.config.common
    machine = Machine(device(common.device), limit_threads(common.threads), prepared.target / "logs")
    narrator.begins(common.name, prepared.target, [item.name for item in prepared.resolved])
    narrator.say(f"{common.name}: profile {common.profile}, {machine.device}, {machine.threads} threads")
    _say_beforehand(prepared, narrator.say)
    for line in forecasts(request.recipe, prepared):
        narrator.say(line)
    spoken = SpokenLog(narrator.say)
    log = logging.getLogger("pipeline")
    log.addHandler(spoken)
    log.propagate = False
    record = Record(prepared.target, _head(request, prepared), Ran())
    try:
        run_graph(prepared.resolved, prepared.store, machine, prepared.forced, narrator, record.ran, lambda: _note(record))
        made, gone = _done(request, prepared, record)
    except KeyboardInterrupt:
        publish(record.ran.folders, (), prepared.target)
        record.write("interrupted")
        raise
    except LockedError:
        raise  # another run is at it, and what it writes of itself stands
    except (PipelineError, OSError) as error:
        _failed(request, prepared, record, str(error))
        raise
    finally:
        log.removeHandler(spoken)
    for path in gone:
        narrator.say(f"{path} removed: an earlier run made it, these settings do not")
    narrator.delivered(made, prepared.target / REPORT)
    return prepared.target


def explain(request: Request) -> tuple[list[Verdict], Prepared]:
    """What ``run`` would do to every stage; nothing runs."""
    prepared = prepare(request)
    keys = {name: entry["key"] for name, entry in read(prepared.target).get("stages", {}).items()}
    return foresee(prepared.graph, prepared.resolved, prepared.store, prepared.forced, keys), prepared


def forecasts(recipe: Recipe, prepared: Prepared) -> list[str]:
    """What the stages that are not kept are expected to take, as far as the recipe knows: a line each."""
    store, common = prepared.store, prepared.config.common
    verdicts = foresee(prepared.graph, prepared.resolved, store, prepared.forced, {})
    due = [verdict.stage for verdict in verdicts if verdict.state != "reused"]
    if not due:
        return []
    where, threads = device(common.device), limit_threads(common.threads)
    measured = {name: manifest.figures for name in due if (manifest := store.latest(name, where, threads))}
    said = recipe.forecast(prepared.config.stages, Outlook(where, threads, measured))
    return [f"{name:<11} expected: {said[name]}" for name in due if name in said]


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
    entries = list(store.entries())  # before what is in use is read: a run notes what it has committed
    used = in_use(out)
    unused = [f for f in entries if everything or (f.parents[1].name, f.name) not in used]
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


def _refuse(mistakes: Sequence[Mistake], config: Config, what: str) -> None:
    """Raises ConfigError with all of them; MissingError where nothing is wrong, but something is missing."""
    complaints = told(mistakes, config.written)
    if complaints:
        raise as_error(complaints, what, MissingError if all(m.missing for m in mistakes) else ConfigError)


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


def _resolve(recipe: Recipe, graph: Graph, config: Config) -> list[Resolved]:
    """``pipeline.plan.resolve``, with the recipe's notices, and the models that several stages lack named together. Raises MissingError that lists all
    that is missing."""
    absent = absent_models((step.stage for step in graph.steps), config.stages)
    missing, resolved = [sentence(together(absent))] if absent else [], []
    try:
        resolved = resolve(replace(graph, steps=tuple(s for s in graph.steps if s.stage.name not in absent)), config)
    except MissingError as error:
        missing.append(str(error))
    if missing:
        raise MissingError("\n".join(missing))
    noted = recipe.notices(config.stages)
    return [replace(item, notices=(*item.notices, *noted.get(item.name, ()))) for item in resolved]


def _say_beforehand(prepared: Prepared, say: Callable[[str], None]) -> None:
    for item in prepared.resolved:
        for notice in item.notices:
            say(f"note: {item.name}: {notice}")
    for name, reason in prepared.graph.skipped.items():
        say(f"{name:<11} left out: {reason}")


def _head(request: Request, prepared: Prepared) -> dict[str, Any]:
    """What ``run.json`` says of a run before it begins."""
    return {"name": prepared.config.common.name, "recipe": request.recipe.name, "skipped": dict(prepared.graph.skipped),
            "settings": prepared.config.resolved()}


def _note(record: Record) -> None:
    """Show the stage that was made last, and say that the run is going on: what it uses, ``clean`` then keeps."""
    publish({name: record.ran.folders[name] for name in record.ran.executed[-1:]}, (), record.target)
    record.write("running")


def _failed(request: Request, prepared: Prepared, record: Record, failure: str) -> None:
    publish(record.ran.folders, prepared.graph.skipped, prepared.target)
    _report(request, prepared, record, failure)
    record.write("failed", failure)


def _done(request: Request, prepared: Prepared, record: Record) -> tuple[list[Path], list[Path]]:
    """Write what the user came for, and take away what an earlier run delivered and this one did not; returns both."""
    target, ran = prepared.target, record.ran
    publish(ran.folders, prepared.graph.skipped, target)
    made: list[Path] = []
    gone: list[Path] = []
    delivered = None
    if ran.folders and request.until is None:
        made = deliver(list(ran.folders.values())[-1], target)
        gone = withdraw(read(target).get("delivered", {}), made, target)
        delivered = stamps(made)
    if ran.executed or not (target / REPORT).exists() or not record.says("done", delivered=delivered):
        _report(request, prepared, record, "")
        record.write("done", delivered=delivered)
    return made, gone


def _report(request: Request, prepared: Prepared, record: Record, failure: str) -> None:
    ran = record.ran
    account = Account(prepared.config.common.name, request.recipe.name, prepared.config.resolved(), ran.manifests, ran.folders,
                      tuple(ran.executed), prepared.graph.skipped, failure=failure)
    write_report(account, prepared.target)
