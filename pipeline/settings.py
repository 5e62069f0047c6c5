"""The settings that belong to a whole run; each stage's own stand in ``stages/<stage>/settings.py``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipeline.stage import NAME, NAME_LENGTH, not_blank

MACHINE = ("profile", "device", "threads")  # never part of a key: how and where, not what


class RunSettings(BaseModel):
    """What every recipe knows."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = Field(pattern=NAME, max_length=NAME_LENGTH,
                      description="Name of the result, and of its folder in `outputs/`: letters, digits, `_`, `-`, `.`.")
    profile: str = Field("embedded", description="Bundle of defaults, `configs/profiles/<profile>.yaml`.")
    seed: int = Field(0, ge=0, lt=2**31, description="Every random choice follows from it.")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where the networks run; `auto` takes a CUDA device if there is one that torch can use.")
    threads: int = Field(0, ge=0, le=256, description="Threads for numerical work; 0 takes all cores that this process may use.")


class PromptedSettings(RunSettings):
    """What a recipe that starts from a text knows."""

    prompt: Annotated[str, AfterValidator(not_blank)] = Field(min_length=1, max_length=2000, description="What the character looks like, in plain words.")
    negative_prompt: str = Field("", max_length=2000, description="What must not appear.")
