"""Where models lie on this machine. Reads ``models.toml``; nothing here but ``fetch`` touches the network.

A model is named in one of four ways: ``embedded`` or ``embedded/<part>`` (shipped with the project), a name in ``models.toml``, the
name of a checkpoint that ``models convert`` took in, or a folder. A model of the registry is looked for in the folder of fetched models
and in Hugging Face's cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipeline.absent import sentence
from pipeline.errors import ConfigError, MissingError
from pipeline.stage import AbsentModel, ModelUse

HERE = Path(__file__).parent
EMBEDDED = HERE / "embedded"
VARIABLE = "PIPELINE_MODELS"
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
ONE_FILE = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")
MARKERS = ("model_index.json", "config.json", "diffusion_pytorch_model.safetensors", "model.safetensors")


@dataclass(frozen=True)
class Model:
    """One entry of ``models.toml``. ``files`` maps paths in the repository to SHA-256, "" where the maintainers verified none."""

    name: str
    repository: str
    revision: str
    licence: str
    purpose: str
    size_gb: float
    files: dict[str, str]


@cache
def registry() -> dict[str, Model]:
    """Every model of others that is known, by name."""
    with (HERE / "models.toml").open("rb") as file:
        return {name: Model(name=name, **entry) for name, entry in tomllib.load(file).items()}


def models_folder() -> Path:
    """Where fetched models are kept: the variable PIPELINE_MODELS, else the user's data folder."""
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE]).expanduser()
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "character-pipeline" / "models"


def known_names() -> list[str]:
    """Every name that a model may be called by: the embedded ones and their parts, those of the registry and those taken in."""
    parts = sorted(p.relative_to(EMBEDDED).as_posix() for p in EMBEDDED.rglob("*") if p.is_dir())
    return ["embedded", *(f"embedded/{part}" for part in parts), *registry(), *converted()]


def find(name: str) -> Path | None:
    """The folder of a model, or None if it is not on this machine, or is a checkpoint in one file, which has none yet. Raises ConfigError
    for a name that means nothing."""
    if name == "embedded" or name.startswith("embedded/"):
        folder = EMBEDDED / name.removeprefix("embedded").strip("/")
        return folder if _holds_model(folder) else None
    if name in registry():
        model = registry()[name]
        return next((folder for folder in _places(model) if all((folder / file).is_file() for file in model.files)), None)
    if name in converted():
        return models_folder() / name
    path = Path(name).expanduser()
    if path.is_dir():
        return path.resolve()
    if path.is_file() and path.suffix in ONE_FILE:
        return None
    known = ", ".join([*registry(), *converted()])
    raise ConfigError(f"model {name!r}: expected embedded, embedded/<part>, a folder in diffusers' layout, or one of {known}")


def converted() -> list[str]:
    """Names of the checkpoints that ``models convert`` took in."""
    here = models_folder()
    found = (p.name for p in here.iterdir() if _holds_model(p)) if here.is_dir() else ()
    return sorted(name for name in found if name not in registry() and not name.startswith("."))


def locate(name: str) -> Path:
    """The folder of a model. Raises MissingError, with the command that mends it, or ConfigError."""
    return locate_all((name,))[0]


def locate_all(names: Iterable[str]) -> list[Path]:
    """The folders of several models. Raises MissingError that names all that must be fetched and the one command, or ConfigError."""
    wanted = tuple(names)
    lacking = absent(wanted)
    if lacking:
        raise MissingError(f"{sentence(lacking)} to {models_folder()}")
    folders = {name: find(name) for name in wanted}
    lone = [name for name in wanted if folders[name] is None and Path(name).suffix in ONE_FILE]
    if lone:
        raise MissingError(_how_to_lay_out(lone))
    gone = [repr(name) for name, folder in folders.items() if folder is None]
    if gone:
        raise MissingError(f"model {', '.join(gone)} was expected in {EMBEDDED}; restore third_party/embedded from the repository")
    return [folder for name in wanted if (folder := folders[name]) is not None]


def _how_to_lay_out(files: Sequence[str]) -> str:
    """What to do with checkpoints in one file: never done unasked, since it takes time and room."""
    done = [file for file in files if Path(file).stem in converted()]
    if done:
        name = Path(done[0]).stem
        return (f"{done[0]} is a checkpoint in one file, and a model called {name!r} was laid out before: write {name} in its place; if that is "
                "another one, give the file another name")
    return (f"{files[0]} is a checkpoint in one file; `python -m pipeline models convert {shlex.join(files)}` lays it out once, and then it is "
            f"called {Path(files[0]).stem!r}")


def absent(names: Iterable[str]) -> list[AbsentModel]:
    """Those of the registry that are not on this machine, each once: what ``fetch`` could mend. Raises ConfigError for an unknown name."""
    gone = [registry()[name] for name in dict.fromkeys(names) if find(name) is None and name in registry()]
    return [AbsentModel(model.name, f"{model.repository}, {model.size_gb:g} GB, {model.licence}") for model in gone]


def use(name: str) -> ModelUse:
    """What the stage's key and the report say of a model: its pinned revision, or the digest of what lies in the folder."""
    folder = locate(name)
    if name in registry():
        model = registry()[name]
        return ModelUse(name, model.revision, model.licence)
    embedded = name == "embedded" or name.startswith("embedded/")
    return ModelUse(name if embedded else folder.name, folder_digest(folder), "Apache-2.0" if embedded else "the user's own")


def use_all(names: Iterable[str]) -> list[ModelUse]:
    """``use`` for several models, each once. Raises as ``locate_all`` does."""
    wanted = tuple(dict.fromkeys(names))
    locate_all(wanted)
    return [use(name) for name in wanted]


def folder_digest(folder: Path) -> str:
    """SHA-256 over names and contents of the files that a model is made of (JSON, text, safetensors), in order of their names. What a pipeline's
    ``model_index.json`` does not name is another model's that lies in the same folder."""
    digest = hashlib.sha256()
    parts = _parts(folder)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and path.suffix in (".json", ".txt", ".safetensors") and (parts is None or len(name.parts) == 1 or name.parts[0] in parts):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{name.as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


def _parts(folder: Path) -> set[str] | None:
    """The sub-folders that belong to a pipeline in diffusers' layout; None, all of them, where it is none, or an index that whoever loads it will refuse."""
    index = folder / "model_index.json"
    try:
        return set(json.loads(index.read_text(encoding="utf-8"))) if index.is_file() else None
    except ValueError:
        return None


def verify(name: str) -> list[str]:
    """What is wrong with the fetched files of a registered model: one sentence each; files without a known digest are passed.

    Raises ConfigError for a model that is not of the registry, MissingError for one that is not here.
    """
    _of_registry(name)
    folder = locate(name)
    problems = []
    for file, expected in registry()[name].files.items():
        with (folder / file).open("rb") as stream:
            got = hashlib.file_digest(stream, "sha256").hexdigest()
        if expected and got != expected:
            problems.append(f"{folder / file}: SHA-256 is {got}, expected {expected}; delete it and fetch it again")
    return problems


def fetch(name: str, say: Callable[[str], None] = print) -> Path:
    """Download a registered model at its pinned revision and check it. The one function here that uses the network.

    HF_ENDPOINT names a mirror, HF_TOKEN (or HF_HOME/token) says who asks. Raises ConfigError for an unknown name, MissingError if
    HF_HUB_OFFLINE forbids it, the repository does not give it, or a file that came is not the one expected.
    """
    _of_registry(name)
    if forbids := next((variable for variable in OFFLINE if os.environ.get(variable, "").upper() in ("1", "ON", "YES", "TRUE")), None):
        raise MissingError(f"{name} is not fetched: {forbids}={os.environ[forbids]} forbids the network; unset it, or copy the files of "
                           f"{registry()[name].repository} to {models_folder() / name}")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HTTPError

    model = registry()[name]
    say(f"{model.repository} at {model.revision}: {model.size_gb:g} GB, {model.licence}")
    try:
        snapshot_download(
            model.repository, revision=model.revision, allow_patterns=list(model.files), local_dir=models_folder() / name
        )
    except (HTTPError, OSError) as error:  # no connection, not found, no leave; a full disk
        raise MissingError(f"{name} could not be fetched from {os.environ.get('HF_ENDPOINT') or 'huggingface.co'}: {str(error).rstrip('.')}; HF_ENDPOINT names a "
                           "mirror, HF_TOKEN says who asks, and what has come stays") from error
    problems = verify(name)
    if problems:
        raise MissingError("; ".join(problems))
    return locate(name)


def _of_registry(name: str) -> None:
    if name not in registry():
        raise ConfigError(f"model {name!r} is not in models.toml; it knows {', '.join(registry())}")


def hub_cache() -> Path:
    """Where Hugging Face's own programs keep what they fetch, asked of the variables that they ask."""
    home = os.environ.get("HF_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    hub = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or os.path.join(home, "hub")
    return Path(os.path.expandvars(hub)).expanduser()


def _places(model: Model) -> list[Path]:
    cached = hub_cache() / f"models--{model.repository.replace('/', '--')}" / "snapshots" / model.revision
    return [models_folder() / model.name, cached]


def _holds_model(folder: Path) -> bool:
    return folder.is_dir() and any((folder / marker).is_file() for marker in MARKERS)
