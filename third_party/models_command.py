"""``python -m pipeline models``: what others trained, what is here of it, under which licence."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.errors import ConfigError
from third_party import models
from third_party.blender import LICENCE as BLENDER_LICENCE
from third_party.nvdiffrast import LICENCE as NVDIFFRAST_LICENCE

PROGRAMS = {"Blender": BLENDER_LICENCE, "nvdiffrast": NVDIFFRAST_LICENCE}


def run(action: str, names: list[str], say: Callable[[str], None]) -> int:
    """List models, with the licences of programs too; fetch or verify some. Returns the exit code. Raises ConfigError for an unknown name, MissingError if one is not here."""
    if action == "list":
        return _list(say)
    if action == "licences":
        return _licences(say)
    if not names:
        raise ConfigError(f"models {action}: expected the name of a model, one of {', '.join(models.registry())}")
    if action == "fetch":
        for name in names:
            say(f"{name}: {models.fetch(name, say)}")
        return 0
    problems = [p for name in names for p in models.verify(name)]
    for line in problems or ["no known digest disagrees"]:
        say(line)
    return 1 if problems else 0


def _list(say: Callable[[str], None]) -> int:
    here = models.find("embedded")
    say(f"{'embedded':<28} {'here' if here else 'MISSING':<9} Apache-2.0, trained by this project")
    for name, model in models.registry().items():
        state = "here" if models.find(name) else "not here"
        unchecked = "; digests not verified by the maintainers" if not all(model.files.values()) else ""
        say(f"{name:<28} {state:<9} {model.size_gb:g} GB, {model.licence}: {model.purpose} ({model.repository}@{model.revision[:12]}{unchecked})")
    say("\nprograms that are used where they are installed; none is shipped:")
    for name, licence in PROGRAMS.items():
        say(f"{name:<28} {licence}")
    say(f"\n`python -m pipeline models fetch NAME` downloads to {models.models_folder()}")
    return 0


def _licences(say: Callable[[str], None]) -> int:
    """Name and licence alone, of everything made by others."""
    for name, licence in {"embedded": "Apache-2.0", **{m.name: m.licence for m in models.registry().values()}, **PROGRAMS}.items():
        say(f"{name:<28} {licence}")
    return 0
