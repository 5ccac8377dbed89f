"""Whatever only shows may break: the rows are written all the same, and the break is told."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from tests.engine.workshop import Bench, noon_utc, take_steps
from tests.jobs.command_line import run_here

import backfill
from backfill.display.explanation import Explanation
from backfill.display.pages import Shown
from backfill.notebook.run_book import RunBook

#: What sentences in the place of something are made with, and the boundary itself.
ALPHABET = tuple(f"backfill.display.{name}" for name in ("pages", "eye", "explanation"))
ALL_NOONS = {f"e{day:02d}": noon_utc(day) for day in range(1, 13)}


class _EyeError(Exception):
    """What breaks in these tests, and nothing else raises."""


@dataclass
class Showing:
    """A function that only shows: `places` are the names by which others call it."""

    name: str
    places: list[tuple[Any, str]]

    @contextmanager
    def broken(self) -> Iterator[None]:
        def fail(*_given: object, **_named: object) -> typing.NoReturn:
            raise _EyeError(self.name)

        with pytest.MonkeyPatch.context() as patch:
            for owner, name in self.places:
                patch.setattr(owner, name, fail)
            yield


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
    wanted = {"Shown", "Explanation", Shown, Explanation}
    return function.__annotations__.get("return") in wanted and not is_step


SHOWING = everything_that_shows()


def test_what_shows_is_found_by_itself() -> None:
    names = {entry.name for entry in SHOWING}

    assert {
        "backfill.jobs.utc.pictures.clock_change_picture",
        "backfill.jobs.utc.views._warnings",
        "backfill.jobs.ocr.reading_view._doubts",
        "backfill.jobs.ocr.job.OcrJob.picture",
        "backfill.archive.checkpoint_view.applied_view",
        "backfill.notebook.run_views.plan_view",
    } <= names


def _look_at(book: Any) -> None:
    for step in ("preflight", "diff", "picture", "plan", "questions"):
        getattr(book, step)()
    repr(book)
    book._repr_html_()


def _check_each(book: Any, look: Callable[[Any], object]) -> set[str]:
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
        for entry in SHOWING:
            owner, name = entry.places[0]
            kept = getattr(owner, name)

            def note(*given: Any, _e: Showing = entry, _kept: Any = kept, **named: Any) -> Any:
                met.append(_e)
                return _kept(*given, **named)

            for owner, name in entry.places:
                patch.setattr(owner, name, note)
        look()
    return [entry for entry in SHOWING if entry in met]


def test_nothing_that_shows_a_plan_stops_it(bench: Bench) -> None:
    bench.add_event("fold", tz="Europe/Stockholm", start_at=1_761_445_800_000)
    bench.add_event("bad", tz="Mars/Base", start_at=1_761_445_800_000)
    book = bench.book(apply=True)
    book.preflight()
    book.extract()
    book.compute()

    met = _check_each(book, _look_at)
    book.apply()
    met |= _check_each(book, lambda run: (run.apply(), run.verify(), run.summary()))

    assert len(met) > 20
    assert bench.status(book.run_id) == "succeeded"
    assert bench.folder(book.run_id).read_json("run.json")["not_shown"]


def test_a_run_of_which_nothing_can_be_shown_writes_its_rows(bench: Bench) -> None:
    with _all_broken():
        book = take_steps(bench.book(apply=True))

    assert bench.filled() == ALL_NOONS
    assert bench.summary(book)["exit_code"] == 0
    told = bench.folder(book.run_id).read_json("run.json")["not_shown"]
    assert {"The diff", "The plan", "What was applied"} <= {entry["what"] for entry in told}
    assert all(entry["why"].startswith("_EyeError") for entry in told)
    with _all_broken():
        bench.revert(book.run_id)
    assert set(bench.filled().values()) == {(None, None)}


@contextmanager
def _all_broken() -> Iterator[None]:
    def fail(*_given: object, **_named: object) -> typing.NoReturn:
        raise _EyeError("all")

    with pytest.MonkeyPatch.context() as patch:
        for entry in SHOWING:
            for owner, name in entry.places:
                patch.setattr(owner, name, fail)
        yield


def test_commands_that_only_tell_say_what_they_can_not_show(bench: Bench) -> None:
    first, second = bench.run().run_id, bench.plan().run_id

    with _all_broken():
        ended = {
            command[0]: run_here(bench.dsn, bench.runs, *command)
            for command in (
                ("explain", first, "e03"),
                ("compare", first, second),
                ("status",),
                ("runs",),
                ("verify", first),
            )
        }

    assert {name: said.code for name, said in ended.items()} == dict.fromkeys(ended, 0)
    assert "can not be shown (_EyeError" in ended["explain"].out
    assert "can not be shown here (_EyeError" in ended["compare"].out


def test_a_count_that_fails_is_told_in_its_place(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_given: object, **_named: object) -> typing.NoReturn:
        raise _EyeError("count")

    monkeypatch.setattr("backfill.jobs.utc.kind.UtcKind.count_pending", fail)
    monkeypatch.setattr("backfill.command.status_view.count_by_household", fail)

    book = bench.run()
    status = run_here(bench.dsn, bench.runs, "status")

    assert bench.summary(book)["exit_code"] == 0
    whats = [e["what"] for e in bench.folder(book.run_id).read_json("run.json")["not_shown"]]
    assert whats == ["What is pending after the run"]
    assert (status.code, "Pending rows are not known: _EyeError" in status.out) == (0, True)
