"""``python -m pipeline models``: what others trained, what is here of it, under which licence."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import ConfigError, MissingError
from third_party import models
from third_party.blender import LICENCE as BLENDER_LICENCE
from third_party.nvdiffrast import LICENCE as NVDIFFRAST_LICENCE

LOG_TAIL = 1500
TOKENIZERS = ("sd15", "sd15_tokenizer")
CHECKPOINTS = "a checkpoint in one file that `models convert` took in"
PROGRAMS = {"Blender": BLENDER_LICENCE, "nvdiffrast": NVDIFFRAST_LICENCE}


def run(action: str, names: list[str], say: Callable[[str], None], tokenizer: Path | None = None) -> int:
    """List models, with the licences of programs too; fetch, verify or convert some. Returns the exit code.

    Raises ConfigError for an unknown name or a file that cannot be converted, MissingError if a model is not here.
    """
    if action == "list":
        return _list(say)
    if action == "licences":
        return _licences(say)
    if action == "convert":
        return _convert(names, say, tokenizer)
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


def _convert(files: list[str], say: Callable[[str], None], tokenizer: Path | None) -> int:
    """Checkpoints in one file, each laid out under its own name in a process of its own."""
    if not files:
        raise ConfigError("models convert: expected a checkpoint, such as anime.safetensors")
    if tokenizer is None:
        tokenizer = next((folder / "tokenizer" for name in TOKENIZERS if (folder := models.find(name))), None)
    for file in (Path(name).expanduser().resolve() for name in files):
        out = models.models_folder() / file.stem
        if out.exists():
            raise ConfigError(f"{out} is there already; remove it, or give the file another name")
        if file.stem in models.known_names():
            raise ConfigError(f"{file}: {file.stem!r} is the name of another model; give the file another one")
        out.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "third_party.single_file.convert", str(file), str(out)]
        command += ["--tokenizer", str(tokenizer.resolve())] if tokenizer else []
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=models.HERE.parent)
        if done.returncode:
            raise (MissingError if done.returncode == MissingError.exit_code else ConfigError)(_reason(done, file))
        say(f"{file.stem}: {out}; `views: {{{_use(file.stem, done.stdout.split())}}}` paints with it")
    return 0


def _use(name: str, held: list[str]) -> str:
    """The setting by which a model that holds these networks is painted with."""
    return {("controlnet",): f"controlnets: [{{model: {name}, kind: ...}}]", ("vae",): f"vae: {name}"}.get(tuple(held), f"model: {name}")


def _reason(done: subprocess.CompletedProcess[str], file: Path) -> str:
    """Why a conversion failed: its own sentence, or that torch's reader of weights alone would not have the file."""
    if done.returncode < 0:
        return f"{file}: the conversion was stopped by the system (signal {-done.returncode}), most likely for want of memory"
    if "Traceback" in done.stderr:
        return f"{file} is not opened: it is broken, or holds more than tensors, and such files can run programs. Look for a .safetensors of it"
    return done.stderr.strip()[-LOG_TAIL:]


def _list(say: Callable[[str], None]) -> int:
    here = models.find("embedded")
    say(f"{'embedded':<28} {'here' if here else 'MISSING':<9} Apache-2.0, trained by this project")
    for name, model in models.registry().items():
        state = "here" if models.find(name) else "not here"
        unchecked = "; digests not verified by the maintainers" if not all(model.files.values()) else ""
        say(f"{name:<28} {state:<9} {model.size_gb:g} GB, {model.licence}: {model.purpose} ({model.repository}@{model.revision[:12]}{unchecked})")
    for name in models.converted():
        say(f"{name:<28} {'here':<9} the user's own: {CHECKPOINTS} ({models.models_folder() / name})")
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
