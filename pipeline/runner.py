"""Runs stages: one alone, or a whole graph as resolve -> key -> lock -> run -> commit."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.backends import Choice, choose_all, licence
from pipeline.checkpoint import Checkpoint
from pipeline.failures import StageGuard
from pipeline.lock import hold
from pipeline.machine import versions
from pipeline.memory import PeakMemory, give_back, keep_freed
from pipeline.plan import Resolved, as_inputs
from pipeline.progress import SilentProgress
from pipeline.stage import Progress, Stage, StageContext
from pipeline.store import Manifest, Store, content_of, digest_files


class Narrator:
    """What the runner tells while it works; this one says nothing."""

    def reused(self, stage: str) -> None:
        """``stage`` is kept from an earlier run."""

    def starts(self, stage: str, resumed: bool, lately_s: float | None) -> AbstractContextManager[Progress]:
        """``stage`` begins; the context is its progress. ``lately_s`` is what it took when it was last made."""
        from contextlib import nullcontext

        return nullcontext(SilentProgress())

    def done(self, manifest: Manifest) -> None:
        """A stage was committed."""


@dataclass(frozen=True)
class Machine:
    """How to run, which enters no key. ``logs`` is a folder for one log file a stage, or None."""

    device: str = "cpu"
    threads: int = 2
    logs: Path | None = None


@dataclass
class Ran:
    """What a run came to: manifests and folders by stage, and which stages were executed."""

    manifests: dict[str, Manifest] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)
    executed: list[str] = field(default_factory=list)


def run_stage(stage: Stage, settings: Any, inputs: Any, out_dir: Path, *, work_dir: Path | None = None, device: str = "cpu",
              threads: int = 2, progress: Progress | None = None, log: logging.Logger | None = None) -> Any:
    """Run one stage outside a graph: tests, benchmarks, notebooks. Returns its validated output, opened on ``out_dir``.

    ``out_dir`` is emptied first. ``work_dir`` keeps checkpoints that the same call, made again, goes on from; by default
    the scratch folder is ``out_dir`` + ".work", emptied first, for nothing says which settings its files are of, and left behind
    only if the stage fails. Backends are chosen as in a run. Raises whatever the stage raises.
    """
    shutil.rmtree(out_dir, ignore_errors=True)
    out_dir.mkdir(parents=True)
    work = work_dir or out_dir.with_name(out_dir.name + ".work")
    if work_dir is None:
        shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    choices = choose_all(stage.capabilities(settings), f"{stage.name}: ")
    context = StageContext(
        out=out_dir, work=work, log=log or logging.getLogger(f"pipeline.{stage.name}"), progress=progress or SilentProgress(),
        backends={name: choice.backend for name, choice in choices.items()}, device=device, threads=threads,
        checkpoint=Checkpoint(work / "checkpoint"))
    keep_freed()
    stage.run(settings, inputs, context)
    output = _opened(stage, out_dir)
    if work_dir is None:
        shutil.rmtree(work)
    return output


def run_graph(resolved: list[Resolved], store: Store, machine: Machine, forced: set[str] = frozenset(),
              narrator: Narrator | None = None, ran: Ran | None = None, note: Callable[[], None] = lambda: None) -> Ran:
    """Make or reuse every stage in order. ``ran`` is filled as it goes, so that a failure leaves what was done.

    ``note`` is called before a stage is made, when what it builds on stands in ``ran``, and after it was committed.
    Raises PipelineError: StageError with the log's path if a stage fails, LockedError if another process makes the same.
    """
    ran, narrator = ran if ran is not None else Ran(), narrator or Narrator()
    opened: dict[str, Any] = {}
    for item in resolved:
        key, image = item.key({name: m.content for name, m in ran.manifests.items()})
        manifest = None if item.name in forced else store.lookup(item.name, key)
        if manifest is not None:
            narrator.reused(item.name)
        else:
            with hold(store.lock_path(item.name, key), f"{item.name} ({key[:12]})"):
                note()
                manifest = _make(item, key, image, opened, store, machine, narrator, item.name in forced)
            ran.executed.append(item.name)
        folder = store.entry(item.name, key)
        ran.manifests[item.name], ran.folders[item.name] = manifest, folder
        if item.name in ran.executed:
            note()
        opened[item.name] = item.step.stage.output.open(folder)
    return ran


def _make(item: Resolved, key: str, image: dict[str, Any], opened: Mapping[str, Any], store: Store, machine: Machine,
          narrator: Narrator, forced: bool) -> Manifest:
    """Run one stage under its lock and commit it; or take what another process, or a killed one, has finished meanwhile."""
    if forced:
        store.drop_work(item.name, key)
    else:
        manifest = store.lookup(item.name, key)
        if manifest is not None:
            return manifest
        finished = store.finished_work(item.name, key)
        if finished is not None:
            return Manifest.read(store.commit(item.name, key, finished))
    out, scratch, attempt = store.open_work(item.name, key)
    started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    warnings, figures, last = list(item.notices), {}, store.latest(item.name)
    keep_freed()
    with narrator.starts(item.name, attempt > 1, last.seconds if last else None) as progress, StageGuard(item.name, machine.logs) as guard, PeakMemory() as peak:
        context = StageContext(
            out=out, work=scratch, log=guard.log, progress=progress, device=machine.device, threads=machine.threads,
            backends={name: choice.backend for name, choice in item.choices.items()},
            checkpoint=Checkpoint(scratch / "checkpoint"), warnings=warnings, figures=figures)
        _log_choices(item, guard.log)
        item.step.stage.run(item.settings, as_inputs(item.step, opened), context)
        _opened(item.step.stage, out)
    give_back()
    files = digest_files(out)
    manifest = Manifest(
        stage=item.name, key=key, image=image, content=content_of(files), files=files, settings=item.settings.model_dump(mode="json"),
        started=started, seconds=round(time.monotonic() - clock, 3), peak_memory_bytes=peak.bytes, attempts=attempt,
        backends=[_told(choice) for choice in item.choices.values()],
        models=[{"name": m.name, "revision": m.revision, "licence": m.licence} for m in item.models],
        warnings=warnings, versions=versions(), device=machine.device, threads=machine.threads, figures=figures)
    store.write_manifest(out, manifest)
    store.commit(item.name, key, out)
    narrator.done(manifest)
    return manifest


def _told(choice: Choice) -> dict[str, Any]:
    """What the manifest says of a backend that was taken."""
    backend, terms = choice.backend, licence(choice.backend)
    told = {"capability": choice.capability, "name": backend.name, "version": backend.version(), "refused": choice.refused}
    return told | {"licence": terms} if terms else told


def _log_choices(item: Resolved, log: logging.Logger) -> None:
    for choice in item.choices.values():
        refused = "".join(f"; {name} refused: {reason}" for name, reason in choice.refused.items())
        log.info("%s: %s %s%s", choice.capability, choice.backend.name, choice.backend.version(), refused)


def _opened(stage: Stage, folder: Path) -> Any:
    output = stage.output.open(folder)
    output.validate()
    return output
