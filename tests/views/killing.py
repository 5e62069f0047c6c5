"""Runs that die in the middle of a step."""

from __future__ import annotations

from collections.abc import Container

import pytest

from stages.views.denoise import Denoiser


class Killed(Exception):
    """Instead of a signal."""


def die_at(kills: Container[int], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """From now on a run dies at those of its batches, counted from 1 over all its lives, that are in ``kills``; grows with each batch."""
    calls, chunk_of = [], Denoiser._chunk

    def deadly(self: Denoiser, *arguments: object) -> object:
        calls.append(1)
        if len(calls) in kills:
            raise Killed
        return chunk_of(self, *arguments)

    monkeypatch.setattr(Denoiser, "_chunk", deadly)
    return calls
