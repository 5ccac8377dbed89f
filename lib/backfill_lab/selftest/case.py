"""One thing that must stay true whatever happens: a name, a promise, and what breaks it.

A case is a function that brings a fault about and raises `Disproved` when what its docstring
promises does not hold.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from backfill_lab.selftest.world import World


@dataclass(frozen=True, slots=True)
class Case:
    """A fault and what must hold after it; a quick one is part of `make test`."""

    name: str  # `group.what`, unique
    promise: str  # one sentence that a person reads in the report
    act: Callable[[World], None]
    is_quick: bool = False


class Cases(tuple[Case, ...]):
    """The cases that one function makes."""


def case(name: str, *, is_quick: bool = False) -> Callable[[Callable[[World], None]], Cases]:
    """Make the function below a case."""
    return lambda act: Cases([Case(name, _promise(act), act, is_quick)])


def cases(
    group: str, ways: Iterable[str], *, quick: Collection[str] = ()
) -> Callable[[Callable[[str, World], None]], Cases]:
    """Make the function below a case for each of the ways, whose promise may name the `{way}`."""

    def made(act: Callable[[str, World], None]) -> Cases:
        promise = _promise(act)
        return Cases(
            Case(
                f"{group}.{way}",
                promise.format(way=way, words=way.replace("_", " ")),
                functools.partial(act, way),
                way in quick,
            )
            for way in ways
        )

    return made


def _promise(act: Callable[..., None]) -> str:
    """Return the first paragraph of what is said of a function, as one line."""
    return " ".join((inspect.getdoc(act) or "").partition("\n\n")[0].split())
