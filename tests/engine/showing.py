"""Everything of ours that only shows, found by itself, and ways to break it."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

import backfill
from backfill.display.explanation import Explanation
from backfill.display.pages import Shown
from backfill.notebook.run_book import RunBook

#: What sentences in the place of something are made with, and the boundary itself.
ALPHABET = tuple(f"backfill.display.{name}" for name in ("pages", "eye", "explanation"))


class EyeBroke(Exception):
    """What breaks in these tests, and nothing else raises."""


@dataclass
class Showing:
    """A function that only shows: `places` are the names by which others call it."""

    name: str
    places: list[tuple[Any, str]]

    @contextmanager
    def broken(self) -> Iterator[None]:
        def fail(*_given: object, **_named: object) -> typing.NoReturn:
            raise EyeBroke(self.name)

        with pytest.MonkeyPatch.context() as patch:
            for owner, name in self.places:
                patch.setattr(owner, name, fail)
            yield


@functools.cache
def everything_that_shows() -> list[Showing]:
    """Return every function and method of ours that returns something to look at.

    Found by what it says that it returns: a new picture need not be listed anywhere. A run's own
    steps return what they show as well, but they are the hand.
    """
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(backfill.__path__, "backfill.")
        if "__main__" not in found.name
    ]
    entries: dict[int, Showing] = {}
    for module in modules:
        for owner in [module, *(c for _n, c in inspect.getmembers(module, inspect.isclass))]:
            is_run = inspect.isclass(owner) and issubclass(owner, RunBook)
            if is_run or getattr(owner, "_is_protocol", False):
                continue
            for name, function in inspect.getmembers(owner, inspect.isfunction):
                if _shows(function):
                    label = f"{function.__module__}.{function.__qualname__}"
                    entry = entries.setdefault(id(function), Showing(label, []))
                    if (owner, name) not in entry.places:
                        entry.places.append((owner, name))
    return sorted(entries.values(), key=lambda entry: entry.name)


def _shows(function: Callable[..., Any]) -> bool:
    module = function.__module__
    if not module.startswith("backfill.") or module in (*ALPHABET, "backfill.workbook"):
        return False
    is_step = function.__qualname__.startswith("Asking.") or function.__name__ == "explain_row"
    is_step |= function.__name__ == "as_shown"  # what says that something can not be shown
    wanted = {"Shown", "Explanation", Shown, Explanation}
    return function.__annotations__.get("return") in wanted and not is_step


def check_each(book: Any, look: Callable[[Any], object]) -> set[str]:
    """Break one after the other, and look; return those that were come upon."""
    met = _met_by(lambda: look(book))
    for entry in met:
        book._not_shown.clear()
        with entry.broken():
            look(book)
        assert any(entry.name in told.why for told in book._not_shown), entry.name
    return {entry.name for entry in met}


def _met_by(look: Callable[[], object]) -> list[Showing]:
    """Return those that are called while something looks."""
    met: list[Showing] = []
    with pytest.MonkeyPatch.context() as patch:
        for entry in everything_that_shows():
            owner, name = entry.places[0]
            kept = getattr(owner, name)

            def note(*given: Any, _e: Showing = entry, _kept: Any = kept, **named: Any) -> Any:
                met.append(_e)
                return _kept(*given, **named)

            for owner, name in entry.places:
                patch.setattr(owner, name, note)
        look()
    return [entry for entry in everything_that_shows() if entry in met]


@contextmanager
def all_broken() -> Iterator[None]:
    def fail(*_given: object, **_named: object) -> typing.NoReturn:
        raise EyeBroke("all")

    with pytest.MonkeyPatch.context() as patch:
        for entry in everything_that_shows():
            for owner, name in entry.places:
                patch.setattr(owner, name, fail)
        yield
