"""Whatever only shows may break: the rows are written all the same, and the break is told."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

import pytest
from tests.engine.showing import EyeBroke, all_broken, check_each, everything_that_shows
from tests.engine.workshop import Bench, noon_utc, take_steps
from tests.jobs.command_line import run_here

ALL_NOONS = {f"e{day:02d}": noon_utc(day) for day in range(1, 13)}


def test_what_shows_is_found_by_itself() -> None:
    names = {entry.name for entry in everything_that_shows()}

    assert {
        "backfill.jobs.utc.pictures.clock_change_picture",
        "backfill.jobs.utc.views._warnings",
        "backfill.jobs.ocr.reading_view._doubts",
        "backfill.jobs.ocr.job.OcrSessions.picture",
        "backfill.archive.checkpoint_view.applied_view",
        "backfill.notebook.run_views.plan_view",
    } <= names


def _look_at(book: Any) -> None:
    for step in ("preflight", "diff", "picture", "plan", "questions"):
        getattr(book, step)()
    repr(book)
    book._repr_html_()


@pytest.mark.slow
def test_nothing_that_shows_a_plan_stops_it(bench: Bench) -> None:
    bench.add_event("fold", tz="Europe/Stockholm", start_at=1_761_445_800_000)
    bench.add_event("bad", tz="Mars/Base", start_at=1_761_445_800_000)
    book = bench.book(apply=True)
    book.preflight()
    book.extract()
    book.compute()

    met = check_each(book, _look_at)
    book.apply()
    met |= check_each(book, lambda run: (run.apply(), run.verify(), run.summary()))

    assert len(met) > 20
    assert bench.status(book.run_id) == "succeeded"
    assert bench.folder(book.run_id).read_json("run.json")["not_shown"]


def test_a_run_of_which_nothing_can_be_shown_writes_its_rows(bench: Bench) -> None:
    with all_broken():
        book = take_steps(bench.book(apply=True), looks=True)

    assert bench.filled() == ALL_NOONS
    assert bench.summary(book)["exit_code"] == 0
    told = bench.folder(book.run_id).read_json("run.json")["not_shown"]
    assert {"The diff", "The plan", "What was applied"} <= {entry["what"] for entry in told}
    assert all(entry["why"].startswith("EyeBroke") for entry in told)
    with all_broken():
        bench.revert(book.run_id, looks=True)
    assert set(bench.filled().values()) == {(None, None)}


def test_commands_that_only_tell_say_what_they_can_not_show(bench: Bench) -> None:
    first, second = bench.run().run_id, bench.plan().run_id

    with all_broken():
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
    assert "can not be shown (EyeBroke" in ended["explain"].out
    assert "can not be shown here (EyeBroke" in ended["compare"].out


def test_a_count_that_fails_is_told_in_its_place(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_given: object, **_named: object) -> typing.NoReturn:
        raise EyeBroke("count")

    monkeypatch.setattr("backfill.jobs.utc.kind.UtcRuns.count_pending", fail)
    monkeypatch.setattr("backfill.jobs.utc.pending.count_by_household", fail)

    book = bench.run()
    status = run_here(bench.dsn, bench.runs, "status")

    assert bench.summary(book)["exit_code"] == 0
    whats = [e["what"] for e in bench.folder(book.run_id).read_json("run.json")["not_shown"]]
    assert whats == ["What is pending after the run"]
    assert (status.code, "Pending rows are not known: EyeBroke" in status.out) == (0, True)


@pytest.mark.slow
def test_a_page_and_a_list_that_break_leave_a_sentence_and_a_closed_folder(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_given: object, **_named: object) -> typing.NoReturn:
        raise EyeBroke("paper")

    monkeypatch.setattr("backfill.notebook.closing.write_page", fail)
    monkeypatch.setattr("backfill.archive.runs_index.index_page", fail)

    said = run_here(bench.dsn, bench.runs, "utc", "--apply")

    assert (said.code, said.summary["status"]) == (0, "succeeded")
    assert bench.filled() == ALL_NOONS
    run_id = said.summary["run_id"]
    told = bench.folder(run_id).read_json("run.json")["not_shown"]
    assert told == [{"what": "The page", "why": "EyeBroke: paper"}]
    for page in (bench.folder(run_id).file("notebook.html"), Path(bench.runs, "index.html")):
        assert "can not be shown (EyeBroke: paper)" in page.read_text(encoding="utf-8")
    assert run_here(bench.dsn, bench.runs, "evidence", "check", run_id).code == 0


def test_a_section_of_the_page_that_breaks_is_told_in_its_place(bench: Bench) -> None:
    from backfill.archive import run_report
    from backfill.archive.run_facts import read_facts

    facts = read_facts(bench.folder(bench.run().run_id))

    with all_broken():
        sections = run_report.report_sections(facts, {})

    whole = [s.anchor for s in sections if "can not be shown" not in s.shown.markup]
    assert whole == ["pictures"]  # a sentence already: this notebook drew none
    assert len(sections) > 5
