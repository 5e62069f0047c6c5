"""YAML, profile and command line in; typed settings of every stage out, or every mistake at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from pipeline.complaints import Complaint, as_error, complaint, explain_errors, known_words, spelled
from pipeline.document import Document, Place, nearest, read_yaml
from pipeline.fields import in_key
from pipeline.graph import Mistake, Recipe
from pipeline.hashing import digest_path
from pipeline.overrides import lay_over, parted
from pipeline.settings import MACHINE
from pipeline.userfiles import settle_models, settle_paths

PROFILES = Path(__file__).resolve().parents[1] / "configs" / "profiles"


@dataclass(frozen=True)
class Config:
    """Validated settings: of the run, and of each stage by its name. ``source`` is the YAML, if there was one; ``written`` knows the places."""

    common: Any
    stages: Mapping[str, Any]
    source: Path | None
    written: Document

    def resolved(self) -> dict[str, Any]:
        """Everything, defaults included, as it would stand in a YAML (paths absolute)."""
        return {**self.common.model_dump(mode="json"), **{n: s.model_dump(mode="json") for n, s in self.stages.items()}}


def load(recipe: Recipe, source: Path | None, others: Sequence[tuple[str, str | None]] = (), profile: str | None = None,
         profiles: Path = PROFILES) -> Config:
    """Settings for ``recipe`` from the file ``source``, laid over its profile and its presets, under ``others`` from the command line.

    Raises ConfigError that lists every mistake with file, line and column; nothing is half-accepted.
    """
    sections = {s.name: s.settings for s in recipe.stages}
    everywhere = known_words({"": recipe.common, **sections})
    document = read_yaml(source) if source is not None else Document(start=Place(flag="command line"))
    named, into_lists = parted(others)
    complaints = lay_over(document, named, recipe.common, sections, everywhere)
    if source is None:
        _name_after_prompt(document)
    if profile is not None:
        document.set(("profile",), profile, Place(flag="command line, --profile"))
    document = _over_presets(_profile(document, recipe, profiles, complaints), document, recipe.presets)
    complaints += lay_over(document, into_lists, recipe.common, sections, everywhere)
    _open_empty_sections(document, sections)
    complaints += _unknown_sections(document, recipe, sections, everywhere)
    complaints += [c for setting in sorted(recipe.models) for c in settle_models(document, setting, tuple(recipe.known_models()))]
    common = _validate_common(document, recipe, sections, everywhere, complaints)
    stages = {}
    for name, model in sections.items():
        stages[name] = _validate_section(document, name, model, recipe, common, everywhere, complaints)
    if complaints:
        raise as_error(complaints, str(source or "command line"))
    return Config(common, stages, source, document)


def told(mistakes: Iterable[Mistake], written: Document) -> list[Complaint]:
    """Complaints at the first setting that the user wrote, else at the first that the profile wrote."""
    complaints = []
    for mistake in mistakes:
        there = [s for s in mistake.settings if written.has(s)]
        own = [s for s in there if written.place(s).file in (None, written.start.file)]
        setting = [*own, *there, *mistake.settings][0]
        complaints.append(complaint(written.place(setting), f"{spelled(setting)}: {mistake.text}"))
    return complaints


def key_settings(settings: BaseModel) -> dict[str, Any]:
    """Settings as they enter a key: paths by the digest of what they point at, nothing that only says how fast."""
    out = {}
    for name, info in type(settings).model_fields.items():
        if in_key(info) and name not in MACHINE:
            out[name] = _key_value(getattr(settings, name))
    return out


def _key_value(value: Any) -> Any:
    if isinstance(value, Path):
        return {"digest": digest_path(value)}
    if isinstance(value, BaseModel):
        return key_settings(value)
    if isinstance(value, Mapping):
        return {str(k): _key_value(v) for k, v in value.items()}
    return [_key_value(v) for v in value] if isinstance(value, (list, tuple)) else value


def _name_after_prompt(document: Document) -> None:
    """A run without a YAML is named after the first words of its prompt."""
    if "prompt" in document.values and "name" not in document.values:
        words = re.findall(r"\w+", str(document.values["prompt"]).lower())
        kept = [w for w in words if w not in ("a", "an", "the", "with", "and", "of", "in")][:5]
        document.set(("name",), "-".join(kept)[:60] or "character", document.place(("prompt",)))


def _profile(document: Document, recipe: Recipe, profiles: Path, complaints: list[Complaint]) -> Document:
    """The profile that ``document`` names; an empty one where there is none."""
    default = recipe.common.model_fields["profile"].default
    name = document.values.get("profile", default)
    known = sorted(p.stem for p in profiles.glob("*.yaml"))
    if name in known:
        return read_yaml(profiles / f"{name}.yaml")
    if known or name != default:
        near = nearest(str(name), known)
        hint = f"; did you mean {near!r}?" if near else ""
        complaints.append(complaint(document.place(("profile",)),
                                    f"profile: expected one of {', '.join(known) or 'none there is'}, got {name!r}{hint}"))
    return Document()


def _over_presets(profile: Document, document: Document, presets: Mapping[str, Path]) -> Document:
    """``document`` over the presets that it names, over its profile; a name that is none is the setting's own type to refuse."""
    under = profile
    for setting, folder in presets.items():
        location = tuple(setting.split("."))
        name = document.at(location) if document.has(location) else profile.at(location)
        path = folder / f"{name}.yaml"
        if isinstance(name, str) and path.parent == folder and path.is_file():
            under = under.overlaid(read_yaml(path))
    return under.overlaid(document)


def _open_empty_sections(document: Document, sections: Mapping[str, type[BaseModel]]) -> None:
    for name in sections:
        if name in document.values and document.values[name] is None:
            document.values[name] = {}


def _unknown_sections(document: Document, recipe: Recipe, sections: Mapping[str, type[BaseModel]],
                      everywhere: Mapping[str, list[str]]) -> list[Complaint]:
    """Complaints of top-level keys that are neither a setting of the run nor a section."""
    from pipeline.complaints import suggestion

    known = [*recipe.common.model_fields, *sections]
    return [complaint(document.place((name,), of_key=True), f"{name}: there is no such setting{suggestion(name, known, everywhere)}")
            for name in document.values if name not in known]


def _validate_common(document: Document, recipe: Recipe, sections: Mapping[str, type[BaseModel]],
                     everywhere: Mapping[str, list[str]], complaints: list[Complaint]) -> Any:
    known = {k: v for k, v in document.values.items() if k in recipe.common.model_fields}
    complaints += settle_paths(recipe.common, document, ())
    try:
        return recipe.common.model_validate(known)
    except ValidationError as error:
        complaints += explain_errors(error, recipe.common, document, (), everywhere)
        return None


def _validate_section(document: Document, name: str, model: type[BaseModel], recipe: Recipe, common: Any,
                      everywhere: Mapping[str, list[str]], complaints: list[Complaint]) -> Any:
    section = document.values.get(name, {})
    if not isinstance(section, dict):
        complaints.append(complaint(document.place((name,)), f"{name}: expected a section of `setting: value` lines, got {section!r}"))
        return None
    complaints += settle_paths(model, document, (name,))
    values = dict(section)
    given_to_all = [f for f in model.model_fields
                    if f in recipe.common.model_fields and f not in values and f"{name}.{f}" not in recipe.apart]
    for field in given_to_all:
        if field in document.values or model.model_fields[field].is_required():
            value = getattr(common, field, document.values.get(field))
            if value is not None:
                values[field] = value
    try:
        return model.model_validate(values)
    except ValidationError as error:
        own = [c for c in explain_errors(error, model, document, (name,), everywhere)
               if not (common is None and any(c.text.startswith(f"{name}.{f}:") for f in given_to_all))]
        complaints += own
        return None
