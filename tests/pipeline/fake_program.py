"""A small recipe on the real engine, run as a program of its own: ``python -m tests.pipeline.fake_program run a.yaml``."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, DirectoryPath, Field, FilePath

from pipeline.cli import Doors, hide_tracebacks, main
from pipeline.errors import ArtifactError
from pipeline.graph import Recipe
from pipeline.stage import Capability, ModelUse, Stage, StageContext

PIXEL = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc000000301010018dd8db00000000049454e44ae426082")


@dataclass(frozen=True)
class Numbers:
    """A folder with ``numbers.json``."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> Self:
        return cls(folder)

    def validate(self) -> None:
        if not (self.folder / "numbers.json").exists():
            raise ArtifactError(self.folder, "numbers.json is not there", "Run the stage again")

    @property
    def values(self) -> list[int]:
        return json.loads((self.folder / "numbers.json").read_text())


class Pen:
    def __init__(self, name: str, variable: str) -> None:
        self.name, self._variable = name, variable

    def probe(self) -> str | None:
        return f"{self._variable} is set" if os.environ.get(self._variable) else None

    def version(self) -> str:
        return "1"


class CountSettings(BaseModel):
    """Counting, one number at a time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(5, ge=1, le=1000, description="How many numbers.")
    start: FilePath | None = Field(None, description="A file whose length is added to every number.")
    source: Literal["count", "folder"] = Field("count", description="Where numbers come from.")
    folder: DirectoryPath | None = Field(None, description="The user's own.")
    seed: int = Field(0, description="Added to every number.")
    pen: Literal["auto", "gold", "lead"] = Field("auto", description="What to write with.")
    chunk: int = Field(1, ge=1, description="How many at once.", json_schema_extra={"in_key": False})
    fail: Literal["no", "bug", "own", "memory"] = Field("no", description="How to fail.")


class WordsSettings(BaseModel):
    """Words for the numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str = Field(description="What to say.")
    modulus: int = Field(1000, ge=1, description="Numbers are taken modulo this.")


class InkSettings(BaseModel):
    """One ink."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    colour: str = Field("black", description="Its colour.")
    drops: int = Field(1, ge=1, description="How much of it.")


class GlueSettings(BaseModel):
    """The end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="Name of the file.")
    formats: list[Literal["txt", "md"]] = Field(["txt"], min_length=1, description="Files to write.")
    inks: tuple[InkSettings, ...] = Field((InkSettings(),), description="What to write with, mixed.")


@dataclass(frozen=True)
class Nothing:
    pass


@dataclass(frozen=True)
class FromCount:
    count: Numbers | None


@dataclass(frozen=True)
class FromBoth:
    words: Numbers
    count: Numbers | None


def _count(settings: CountSettings, inputs: Nothing, context: StageContext) -> Numbers:
    if settings.fail == "bug":
        raise ZeroDivisionError("a bug")
    if settings.fail == "own":
        raise ArtifactError(context.out, "it is wrong", "Mend it")
    if settings.fail == "memory":
        raise MemoryError
    extra = len(settings.start.read_bytes()) if settings.start else 0
    values: list[int] = context.checkpoint.load("values.json", lambda p: json.loads(p.read_text())) or []
    context.progress.start("counting", settings.steps)
    context.progress.advance(len(values))
    for step in range(len(values), settings.steps):
        time.sleep(float(os.environ.get("FAKE_SLEEP", "0")))
        values.append(step + settings.seed + extra)
        context.progress.advance(last=step)
        context.checkpoint.save("values.json", lambda p: p.write_text(json.dumps(values)))
    context.warn("counted by hand")
    context.figures["numbers"] = len(values)
    return _write(context, values)


def _words(settings: WordsSettings, inputs: FromCount, context: StageContext) -> Numbers:
    values = inputs.count.values if inputs.count else [7]
    for _ in range(20):
        time.sleep(float(os.environ.get("FAKE_SLEEP", "0")) / 4)
    return _write(context, [v % settings.modulus for v in values])


def _glue(settings: GlueSettings, inputs: FromBoth, context: StageContext) -> Numbers:
    for suffix in settings.formats:
        (context.out / f"{settings.name}.{suffix}").write_text(str(inputs.words.values))
    return _write(context, inputs.words.values)


def _write(context: StageContext, values: list[int]) -> Numbers:
    (context.out / "numbers.json").write_text(json.dumps(values))
    preview = context.out / "preview"
    preview.mkdir()
    (preview / "sheet.png").write_bytes(PIXEL)
    (preview / "loss.json").write_text(json.dumps({"title": "loss", "x": list(range(3)), "series": {"a": [3, 2, 1.5]}, "final": 1.5}))
    return Numbers(context.out)


def _skipped(settings: dict) -> dict[str, str]:
    return {"count": "the numbers are your own"} if settings["count"].source == "folder" else {}


COUNT = Stage("count", 1, CountSettings, Nothing, Numbers, _count,
              capabilities=lambda s: (Capability("writing", s.pen, (Pen("gold", "NO_GOLD"), Pen("lead", "NO_LEAD"))),),
              models=lambda s: (ModelUse("tiny", "abc", "Apache-2.0"),),
              notices=lambda s: ("ninety-nine is much",) if s.steps == 99 else ())
WORDS = Stage("words", 1, WordsSettings, FromCount, Numbers, _words)
GLUE = Stage("glue", 1, GlueSettings, FromBoth, Numbers, _glue)
RECIPE = Recipe("character", (COUNT, WORDS, GLUE), skipped=_skipped)

DOORS = Doors(lambda: {"character": RECIPE}, lambda say, profile: None, lambda: [], lambda action, names, say, tokenizer: 0)

if __name__ == "__main__":
    hide_tracebacks(sys.argv)
    sys.exit(main(sys.argv[1:], DOORS))
