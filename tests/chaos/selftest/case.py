"""One thing that must stay true whatever happens: a name, a promise, and what breaks it.

A case is a function that brings a fault about and raises `Disproved` when what its docstring
promises does not hold.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.chaos.selftest.world import World


@dataclass(frozen=True, slots=True)
class Case:
    """A fault and what must hold after it."""

    name: str  # `group.what`, unique
    promise: str  # one sentence that a person reads in the report
    act: Callable[[World], None]


class Cases(tuple[Case, ...]):
    """The cases that one function makes."""


def case(name: str) -> Callable[[Callable[[World], None]], Cases]:
    """Make the function below a case."""
    return lambda act: Cases([Case(name, _promise(act), act)])


def cases(group: str, ways: Iterable[str]) -> Callable[[Callable[[str, World], None]], Cases]:
    """Make the function below a case for each of the ways, whose promise may name the `{way}`."""

    def made(act: Callable[[str, World], None]) -> Cases:
        promise = _promise(act)
        return Cases(
            Case(
                f"{group}.{way}",
                promise.format(way=way, words=way.replace("_", " ")),
                functools.partial(act, way),
            )
            for way in ways
        )

    return made


def _promise(act: Callable[..., None]) -> str:
    """Return the first paragraph of what is said of a function, as one line."""
    return " ".join((inspect.getdoc(act) or "").partition("\n\n")[0].split())
