"""Parts the command line into the command's own flags and settings by dotted name. Standard library only: ``--help`` is quick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def split(arguments: Sequence[str], flags: Mapping[str, bool]) -> tuple[list[str], list[tuple[str, str | None]]]:
    """(the arguments that the command knows, the others as (dotted name, text or None)).

    ``flags`` maps the command's own ``--flags`` to whether a value follows.
    """
    known: list[str] = []
    others: list[tuple[str, str | None]] = []
    waiting = list(arguments)
    while waiting:
        token = waiting.pop(0)
        name, equals, text = token.partition("=")
        if not token.startswith("--") or token == "--":
            known.append(token)
        elif name in flags:
            known.append(token)
            if flags[name] and not equals and waiting:
                known.append(waiting.pop(0))
        elif equals:
            others.append((name[2:], text))
        else:
            others.append((name[2:], waiting.pop(0) if waiting and not waiting[0].startswith("--") else None))
    return known, others
