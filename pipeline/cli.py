"""The commands; no logic of its own. Nothing heavy is imported before a command is known."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError, PipelineError

if TYPE_CHECKING:
    from pipeline.doctor import Finding
    from pipeline.graph import Recipe
    from pipeline.narrate import RunNarrator

INTERRUPTED = 130
VALUE_FLAGS = {"--until": True, "--seeds": True, "--force": True, "--out": True, "--cache": True, "--profile": True, "--recipe": True, "--tokenizer": True,
               "--progress": True, "--dry-run": False, "--debug": False, "--help": False, "--all": False, "--markdown": False}
RUN_EPILOG = """any setting can be given by its dotted path, with the same checks as in the YAML:
  --views.steps 30   --seed 7   --prompt "a girl with short blue hair"
`python -m pipeline schema` lists them all; docs/configuration.md explains them.
exit codes: 0 done, 1 a stage failed, 2 the input was wrong, 3 something is missing, 130 interrupted (resumable)"""


SWEEP_EPILOG = """values stand between commas; those of a setting that takes text, a path or a list between bars:
  --views.guidance_scale 2,4   --views.window causal,none   --prompt "a girl with red hair|a girl with blue hair"
Every run is an ordinary one under its own name, NAME_00 on; the sheet is NAME_sweep.png."""


@dataclass(frozen=True)
class Doors:
    """What the engine does not know itself; each is opened only when it is needed."""

    recipes: Callable[[], Mapping[str, Recipe]]
    setup: Callable[[Callable[[str], None], str | None], None]
    findings: Callable[[], list[Finding]]
    models: Callable[[str, list[str], Callable[[str], None], Path | None], int]


def main(arguments: Sequence[str], doors: Doors) -> int:
    """Run one command; returns the exit code. A person sees a sentence, never a traceback, unless they ask with --debug."""
    debug = "--debug" in arguments
    try:
        known, others = _split(arguments)
        options = _parser().parse_args(known)
        if others and options.command not in ("run", "explain", "sweep", "preview"):
            raise ConfigError(f"{options.command} knows no --{others[0][0]}; `python -m pipeline {options.command} --help` lists its flags")
        _catch_interruptions()
        return COMMANDS[options.command](options, others, doors)
    except PipelineError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        if debug:
            raise
        print("\ninterrupted; the same line goes on from here", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output is gone; say nothing more
        return 1
    except OSError as error:  # a full disk, a folder that may not be written: the system's own sentence
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 1


def hide_tracebacks(arguments: Sequence[str]) -> None:
    """A mistake in the engine itself ends in one sentence too."""
    if "--debug" not in arguments:
        sys.excepthook = lambda kind, error, _: print(
            f"error: {kind.__name__}: {error}\nThis is a mistake in the program; --debug shows where. Please report it.", file=sys.stderr)


def _split(arguments: Sequence[str]) -> tuple[list[str], list[tuple[str, str | None]]]:
    from pipeline.arguments import split

    return split(arguments, VALUE_FLAGS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline", allow_abbrev=False, description="From a prompt to a rigged, textured character.")
    parser.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (("run", "make everything that is not kept, resuming"), ("explain", "per stage: kept, or why it would run")):
        command = _command(commands, name, text, RUN_EPILOG)
        command.add_argument("config", nargs="?", type=Path, help="YAML with the settings; not needed with --prompt")
        command.add_argument("--until", metavar="STAGE", help="stop after this stage")
        command.add_argument("--force", metavar="STAGE", action="append", default=[], help="make this stage again (`all`: every stage)")
        command.add_argument("--profile", metavar="NAME", help="bundle of defaults in configs/profiles")
        command.add_argument("--recipe", metavar="NAME", default="character", help=argparse.SUPPRESS)
        if name == "run":
            command.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
            command.add_argument("--progress", choices=("text", "json"), default="text",
                                 help="json: what happens as JSON objects on stdout, one a line, for a program that watches (default: text, on stderr)")
        _places(command)
    for name, text in (("sweep", "a run for every combination of values, --views.steps 10,20, and one sheet of all"),
                       ("preview", "the front for several seeds on one sheet, before all views are painted")):
        command = _command(commands, name, text, SWEEP_EPILOG)
        command.add_argument("config", nargs="?", type=Path, help="YAML with the settings; not needed with --prompt")
        if name == "preview":
            command.add_argument("--seeds", type=int, default=8, metavar="N", help="how many, from the seed of --seed or 0 on (default: 8)")
        else:
            command.add_argument("--until", metavar="STAGE", help="stop after this stage (default: the one that paints)")
        command.add_argument("--profile", metavar="NAME", help="bundle of defaults in configs/profiles")
        command.add_argument("--recipe", metavar="NAME", default="character", help=argparse.SUPPRESS)
        _places(command)
    _places(_command(commands, "verify", "read everything that is kept again and compare digests"))
    clean = _command(commands, "clean", "remove leftovers and what no result refers to")
    clean.add_argument("--all", action="store_true", help="remove everything that is kept")
    clean.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    _places(clean)
    doctor = _command(commands, "doctor", "what is there, what is missing, what mends it")
    doctor.add_argument("config", nargs="?", type=Path, help="YAML whose settings are asked about (none: those of the profile alone)")
    doctor.add_argument("--profile", metavar="NAME", help="bundle of defaults in configs/profiles")
    setup = _command(commands, "setup", "provide what a profile needs: Blender, compiled kernels (uses the network)")
    setup.add_argument("--profile", metavar="NAME", help="bundle of defaults in configs/profiles")
    models = _command(commands, "models", "models of others: what is here; `models licences`: theirs and the programs'; `models fetch NAME` downloads")
    models.add_argument("action", nargs="?", choices=("list", "licences", "fetch", "verify", "convert"), default="list")
    models.add_argument("names", nargs="*", metavar="NAME", help="of models; of `convert`, files: checkpoints as they are shared, all networks in one")
    models.add_argument("--tokenizer", type=Path, metavar="DIR", help="CLIP's tokenizer for `convert` (default: the one of sd15, or sd15_tokenizer)")
    schema = _command(commands, "schema", "JSON Schema of the settings, for editors")
    schema.add_argument("--markdown", action="store_true", help="the documentation page instead")
    schema.add_argument("--recipe", metavar="NAME", default="character", help=argparse.SUPPRESS)
    return parser


def _command(commands: Any, name: str, text: str, epilog: str = "") -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text, epilog=epilog, allow_abbrev=False,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks")
    return command


def _places(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", type=Path, metavar="DIR", help="where results go (default: outputs)")
    command.add_argument("--cache", type=Path, metavar="DIR", help="where stages are kept (default: cache, or DIR/.cache with --out DIR)")


def _folders(options: argparse.Namespace) -> tuple[Path, Path]:
    out = options.out or Path("outputs")
    return out, options.cache or (out / ".cache" if options.out else Path("cache"))


def _request(options: argparse.Namespace, others: list[tuple[str, str | None]], doors: Doors) -> Any:
    from pipeline.machine import go_offline, limit_threads

    go_offline()
    limit_threads(0)  # before a stage's module loads a numerical library
    from pipeline.commands import Request

    out, cache = _folders(options)
    force = tuple(n for word in getattr(options, "force", ()) for n in word.split(","))
    return Request(_recipe(options, doors), options.config, tuple(others), options.profile, getattr(options, "until", None), force, out, cache)


def _recipe(options: argparse.Namespace, doors: Doors) -> Recipe:
    recipes = doors.recipes()
    if options.recipe not in recipes:
        raise ConfigError(f"there is no recipe {options.recipe!r}; expected one of {', '.join(recipes)}")
    return recipes[options.recipe]


def _run(options: argparse.Namespace, others: list[tuple[str, str | None]], doors: Doors) -> int:
    request = _request(options, others, doors)
    if options.dry_run:
        return _say_verdicts(request)
    from pipeline.commands import run

    _quiet_warnings()
    run(request, _narrator(options.progress))
    return 0


def _narrator(kind: str) -> RunNarrator:
    if kind == "json":
        from pipeline.narrate_json import JsonNarrator

        return JsonNarrator()
    from pipeline.narrate import TerminalNarrator

    return TerminalNarrator()


def _sweep(options: argparse.Namespace, others: list[tuple[str, str | None]], doors: Doors) -> int:
    request = _request(options, others, doors)
    from pipeline.narrate import TerminalNarrator
    from pipeline.sweep import preview, sweep

    _quiet_warnings()
    narrator = TerminalNarrator()
    narrator.say(str(preview(request, options.seeds, narrator) if options.command == "preview" else sweep(request, narrator)))
    return 0


def _quiet_warnings() -> None:
    """What libraries warn of goes into the log, not between the lines of a run."""
    import logging

    logging.captureWarnings(True)
    logging.getLogger("py.warnings").addHandler(logging.NullHandler())
    logging.getLogger("py.warnings").propagate = False


def _explain(options: argparse.Namespace, others: list[tuple[str, str | None]], doors: Doors) -> int:
    return _say_verdicts(_request(options, others, doors))


def _say_verdicts(request: Any) -> int:
    from pipeline.commands import explain, forecasts, verdict_lines

    verdicts, prepared = explain(request)
    for item in prepared.resolved:
        for notice in item.notices:
            print(f"note: {item.name}: {notice}")
    print("\n".join([*verdict_lines(verdicts, prepared.graph.skipped), *forecasts(request.recipe, prepared)]))
    return 0


def _verify(options: argparse.Namespace, others: list[tuple[str, str | None]], doors: Doors) -> int:
    from pipeline.commands import verify

    return 1 if verify(_folders(options)[1], print) else 0


def _clean(options: argparse.Namespace, others: list[tuple[str, str | None]], doors: Doors) -> int:
    from pipeline.commands import clean

    clean(*_folders(options), options.all, options.dry_run, print)
    return 0


def _doctor(options: argparse.Namespace, others: list[tuple[str, str | None]], doors: Doors) -> int:
    from pipeline.doctor import machine_findings, package_findings, settings_findings, tell

    wanted = [item for recipe in doors.recipes().values() for item in settings_findings(recipe, options.config, options.profile)]
    whose = str(options.config or (f"profile {options.profile}" if options.profile else "the default profile"))
    return tell([*machine_findings(Path.cwd()), *package_findings(), *doors.findings(), *wanted], print, whose)


def _setup(options: argparse.Namespace, others: list[tuple[str, str | None]], doors: Doors) -> int:
    doors.setup(lambda line: print(line, flush=True), options.profile)
    return 0


def _models(options: argparse.Namespace, others: list[tuple[str, str | None]], doors: Doors) -> int:
    return doors.models(options.action, options.names, print, options.tokenizer)


def _schema(options: argparse.Namespace, others: list[tuple[str, str | None]], doors: Doors) -> int:
    from pipeline.schema import json_schema, markdown

    recipe = _recipe(options, doors)
    print(markdown(recipe) if options.markdown else json_schema(recipe), end="")
    return 0


def _catch_interruptions() -> None:
    """A polite end, and on Windows Ctrl-Break, which is all that one program can send to another there, count as Ctrl-C."""
    for name in ("SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


COMMANDS = {"run": _run, "sweep": _sweep, "preview": _sweep, "explain": _explain, "verify": _verify, "clean": _clean, "doctor": _doctor, "setup": _setup, "models": _models,
            "schema": _schema}
