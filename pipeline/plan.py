"""What a run would do: backends and models of every stage, then keys, then what is kept and what has to be made, and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.backends import Choice, choose_all
from pipeline.config import Config, key_settings
from pipeline.errors import MissingError
from pipeline.graph import Graph, Step
from pipeline.hashing import stage_key
from pipeline.stage import ModelUse
from pipeline.store import Manifest, Store


@dataclass(frozen=True)
class Resolved:
    """One step with everything that is known before anything runs. ``settings`` is as it enters the key."""

    step: Step
    settings: Any
    hashed_settings: dict[str, Any]
    choices: dict[str, Choice]
    models: tuple[ModelUse, ...]
    notices: tuple[str, ...]

    @property
    def name(self) -> str:
        """The stage's name."""
        return self.step.stage.name

    def key(self, contents: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
        """(key, pre-image), given the content digests of the stages before it."""
        inputs = {field: contents[source] if source else None for field, source in self.step.sources.items()}
        return stage_key(self.name, self.step.stage.version, self.hashed_settings, inputs,
                         [(m.name, m.revision) for m in self.models], [c.identity() for c in self.choices.values()])


@dataclass(frozen=True)
class Verdict:
    """What would happen to one stage: "reused", "runs" or "depends" (on whether stages before it change their bytes)."""

    stage: str
    state: str
    reasons: tuple[str, ...]
    key: str | None = None


def resolve(graph: Graph, config: Config) -> list[Resolved]:
    """Choose backends and models for every step. Raises MissingError that lists all that is missing, ConfigError for a wrong name."""
    resolved, missing = [], []
    for step in graph.steps:
        settings = config.stages[step.stage.name]
        try:
            choices = choose_all(step.stage.capabilities(settings), f"{step.stage.name}: ")
            models = tuple(step.stage.models(settings))
            notices = tuple(step.stage.notices(settings))
        except MissingError as error:
            missing.append(str(error))
            continue
        resolved.append(Resolved(step, settings, key_settings(settings), choices, models, notices))
    if missing:
        raise MissingError("\n".join(missing))
    return resolved


def foresee(graph: Graph, resolved: list[Resolved], store: Store, forced: set[str], before: Mapping[str, str]) -> list[Verdict]:
    """A verdict for every step, nothing being run. ``before`` maps stages to the keys of the last run of this name."""
    contents: dict[str, str] = {}
    verdicts: list[Verdict] = []
    for item in resolved:
        waiting = [s for s in item.step.sources.values() if s and s not in contents]
        old = _former(item, store, before)
        if waiting:
            own = _differences(old.image, item.key(_placeholders(item, old))[1]) if old else ["nothing is kept of it"]
            state = "runs" if own or item.name in forced else "depends"
            reasons = own or [f"{' and '.join(waiting)} may change; kept if the same bytes come out"]
            verdicts.append(Verdict(item.name, state, tuple(reasons)))
            continue
        key, image = item.key(contents)
        manifest = store.lookup(item.name, key)
        if item.name in forced:
            verdicts.append(Verdict(item.name, "runs", ("forced",), key))
        elif manifest is not None:
            contents[item.name] = manifest.content
            verdicts.append(Verdict(item.name, "reused", (), key))
        else:
            verdicts.append(Verdict(item.name, "runs", tuple(_why(store, item.name, key, old, image)), key))
    return verdicts


def _why(store: Store, stage: str, key: str, old: Manifest | None, image: dict[str, Any]) -> list[str]:
    if store.entry(stage, key).exists():
        return ["what is kept of it is damaged"]
    resumed = ["an interrupted run of it goes on"] if store.work(stage, key).exists() else []
    if old is None:
        return resumed or ["nothing is kept of it"]
    return [*(_differences(old.image, image) or ["what was kept of it is gone"]), *resumed]


def _former(item: Resolved, store: Store, before: Mapping[str, str]) -> Manifest | None:
    """What the last run of this name left of a stage; what another name left says nothing of this one."""
    key = before.get(item.name)
    return store.lookup(item.name, key) if key else None


def _placeholders(item: Resolved, old: Manifest | None) -> dict[str, str]:
    """Content digests as in the former run, so that only what is the stage's own shows up as a difference."""
    inputs = old.image["inputs"] if old else {}
    return {source: inputs.get(field) or "" for field, source in item.step.sources.items() if source}


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Sentences on what differs between two pre-images."""
    said = []
    if old["version"] != new["version"]:
        said.append(f"the stage itself is newer (version {old['version']} -> {new['version']})")
    said += [f"{name}: {_short(was)} -> {_short(now)}" for name, was, now in _changes(old["settings"], new["settings"])]
    for what in ("models", "backends"):
        if old[what] != new[what]:
            said.append(f"{what}: {_short(old[what])} -> {_short(new[what])}")
    for field in sorted(set(old["inputs"]) | set(new["inputs"])):
        if old["inputs"].get(field) != new["inputs"].get(field):
            said.append(f"{field} has changed")
    return said


def _changes(old: Any, new: Any, at: str = "") -> list[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        names = list(dict.fromkeys([*old, *new]))
        return [c for n in names for c in _changes(old.get(n), new.get(n), f"{at}.{n}" if at else n)]
    return [] if old == new else [(at, old, new)]


def _short(value: Any) -> str:
    text = str(value) if not isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def as_inputs(step: Step, opened: Mapping[str, Any]) -> Any:
    """The stage's inputs dataclass, from the artifacts of the stages before it."""
    names = [f.name for f in dataclasses.fields(step.stage.inputs)]
    return step.stage.inputs(**{n: opened[s] if (s := step.sources[n]) else None for n in names})
