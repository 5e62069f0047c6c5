"""Tables of documents that are made from what a benchmark measured: each stands between two marks, and is replaced whole."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).resolve().parents[1] / "docs" / "benchmarks"
FIGURES = ("neighbours", "closure", "quarter")


def consistency(answers: Mapping[str, Any]) -> str:
    """One row for each way in which views hang together: agreement in dB and gradient energy by prompt, evaluations, seconds."""
    mean = answers["mean"]
    told = list(dict.fromkeys(name.partition(": ")[0] for name in mean if ": " in name))
    heads = [f"{prompt}: {figure}" for prompt in told for figure in ("neighbours", "ring closes", "a quarter apart", "gradient energy")]
    rows = [["window", *heads, "evaluations", "seconds"]]
    for scheme in dict.fromkeys(name.partition(": ")[2] for name in mean if ": " in name):
        by_prompt = [mean.get(f"{prompt}: {scheme}") for prompt in told]
        measured = [figures for figures in by_prompt if figures]
        cost = [f"{sum(m[key] for m in measured) / len(measured):.{digits}f}" for key, digits in (("evaluations", 2), ("cpu_seconds", 0))]
        rows.append([scheme, *(cell for figures in by_prompt for cell in _cells(figures)), *cost])
    rows.append(["true pictures", *(_cells(mean["true"]) * len(told)), "", ""])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def _cells(figures: Mapping[str, float | None] | None) -> list[str]:
    """Agreement of three kinds of pairs and the share of the true pictures' gradient energy; empty where nothing was measured."""
    if figures is None:
        return [""] * (len(FIGURES) + 1)
    said = ["" if figures[name] is None else f"{figures[name]:.1f}" for name in FIGURES]
    return [*said, f"{figures['gradient_energy_of_true']:.2f}"]


TABLES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {"consistency": consistency}


def filled(text: str) -> str:
    """``text`` with what stands between ``<!-- table NAME -->`` and ``<!-- /table NAME -->`` made anew from ``docs/benchmarks/NAME.json``."""
    def table(mark: re.Match[str]) -> str:
        name = mark[1]
        made = TABLES[name](json.loads((BENCHMARKS / f"{name}.json").read_text(encoding="utf-8")))
        return f"<!-- table {name} -->\n{made}\n<!-- /table {name} -->"

    return re.sub(r"<!-- table (\w+) -->.*?<!-- /table \1 -->", table, text, flags=re.DOTALL)
