"""Doubtful UTC rows as questions: asked once, answered by call, by file or by bucket, applied."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from tests.engine.workshop import HOUR_MS, NOON_MS, Bench, load_empty, take_steps
from tests.jobs.command_line import run_apart, run_here
from tests.jobs.wall_values import encoded_instant, encoded_wall

from backfill import workbook
from backfill.errors import UsageError
from backfill.plans.worksheet import read_questions
from backfill.records.ledger import Ledger
from backfill.steps.evidence_check import disagreements

if TYPE_CHECKING:
    from tests.jobs.conftest import BenchFrom

FOLD = encoded_wall("2025-10-26 02:30", "epoch_ms")
GAP = encoded_wall("2025-03-30 02:15", "epoch_ms")
EARLIER = encoded_instant("2025-10-26 00:30", "epoch_ms")
LATER = encoded_instant("2025-10-26 01:30", "epoch_ms")
STOCKHOLM = "Europe/Stockholm"


@pytest.fixture
def bench(bench_from: BenchFrom) -> Bench:
    """Three folds of one night, a gap, and an end before its start."""
    bench = bench_from("empty", load_empty)
    for key in ("fold-1", "fold-2", "fold-3"):
        bench.add_event(key, tz=STOCKHOLM, start_at=FOLD)
    bench.add_event("gap-1", tz=STOCKHOLM, start_at=GAP)
    bench.add_event("odd-1", tz=STOCKHOLM, start_at=NOON_MS, end_at=NOON_MS - HOUR_MS)
    return bench


def sheet(bench: Bench, run_id: str) -> Path:
    return bench.folder(run_id).file("decisions.csv")


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def asked(bench: Bench, run_id: str) -> list[tuple[str, str]]:
    return [(q.kind, q.key) for q in read_questions(bench.folder(run_id))]


def starts(bench: Bench) -> dict[str, object]:
    return {key: start for key, (start, _end) in bench.filled().items()}


def test_a_dry_run_asks_about_each_gap_fold_and_warning(bench: Bench) -> None:
    book = bench.plan()

    assert asked(bench, book.run_id) == [
        *(("fold", f"fold-{n}") for n in (1, 2, 3)),
        ("gap", "gap-1"),
        ("end_before_start", "odd-1"),
    ]
    first = lines(sheet(bench, book.run_id))[0]
    assert {name: first[name] for name in ("key", "column", "zone", "local_date", "read")} == {
        "key": "fold-1",
        "column": "start_at",
        "zone": STOCKHOLM,
        "local_date": "2025-10-26",
        "read": "2025-10-26 02:30:00",
    }
    assert first["candidates"] == (
        "earlier: 2025-10-26 00:30:00Z | later: 2025-10-26 01:30:00Z | skip"
    )
    assert (first["applied"], first["decision"], first["by"]) == ("earlier", "", "")
    assert "5 questions wait for a person" in bench.messages()


def test_answers_by_call_and_by_bucket_are_taken_in_and_not_asked_again(bench: Bench) -> None:
    asking = bench.plan()
    asking.decide("*", "later", kind="fold", zone=STOCKHOLM, local_date="2025-10-26", by="Ada")
    asking.decide("fold-2", "earlier", by="Bo", note="the choir said so")
    asking.decide("odd-1", "skip", by="Bo")

    book = bench.run(decisions=asking.run_id)

    assert starts(bench) == {
        "fold-1": LATER,
        "fold-2": EARLIER,
        "fold-3": LATER,
        "gap-1": encoded_instant("2025-03-30 01:15", "epoch_ms"),
        "odd-1": None,
    }
    assert bench.skips(book.run_id) == {"odd-1": ("", "left_by_decision")}
    assert asked(bench, book.run_id) == [("gap", "gap-1")]
    why = dict(zip(book.changes["key"], book.changes["why.decision"], strict=True))
    assert why["fold-1"].startswith("start_at: later (Ada, 20")
    assert why["fold-2"].startswith("start_at: earlier (Bo, 20")
    assert pd.isna(why["gap-1"])
    settings = bench.folder(book.run_id).read_json("run.json")["settings"]
    assert {line["by"] for line in settings["decisions"]} == {"Ada", "Bo"}


def test_many_folds_of_one_night_are_one_question_and_a_row_may_be_told_apart(
    bench_from: BenchFrom,
) -> None:
    bench = bench_from("empty", load_empty)
    for number in range(11):
        zone = STOCKHOLM if number < 9 else "Europe/Paris"
        bench.add_event(f"night-{number:02d}", tz=zone, start_at=int(FOLD) + number * 60_000)
    asking = bench.plan()

    first, *others = lines(sheet(bench, asking.run_id))[::-1]
    assert [(o["key"], o["zone"]) for o in others[::-1]] == [
        ("night-09", "Europe/Paris"),
        ("night-10", "Europe/Paris"),
    ]
    assert (first["key"], first["kind"], first["zone"]) == ("*", "fold", STOCKHOLM)
    assert (first["column"], first["local_date"]) == ("start_at", "2025-10-26")
    assert first["read"] == (
        "9 values from 2025-10-26 02:30:00 to 2025-10-26 02:38:00, like row night-00"
    )
    assert first["candidates"] == "earlier | later | skip"
    assert "3 questions wait for a person" in bench.messages()

    asking.decide(first["id"], "later", by="Ada")
    asking.decide("night-03", "earlier", by="Bo")
    book = bench.run(decisions=asking.run_id)

    minute = {key: start - FOLD for key, start in starts(bench).items()}  # type: ignore[operator]
    hours = {key: (us - int(key[-2:]) * 60_000) // HOUR_MS for key, us in minute.items()}
    assert {key for key, hour in hours.items() if hour == -2} == {
        *("night-03", "night-09", "night-10")
    }
    assert asked(bench, book.run_id) == [("fold", "night-09"), ("fold", "night-10")]


def test_answers_filled_in_by_hand_are_found_as_latest(bench: Bench) -> None:
    asking = bench.plan()
    path = sheet(bench, asking.run_id)
    path.write_text(path.read_text().replace('"earlier","",""', '"earlier","later","Ada"', 1))

    book = bench.plan(decisions="latest")
    again = bench.plan(decisions="latest")

    assert [entry["key"] for entry in book._what()[1]["decisions"]] == ["fold-1"]
    assert again._frozen().plan_id == book._frozen().plan_id
    assert ("fold", "fold-1") not in asked(bench, again.run_id)
    assert lines(sheet(bench, again.run_id))[0]["by"] == "Ada"


def test_a_decision_for_a_value_that_has_changed_since_is_not_taken(bench: Bench) -> None:
    asking = bench.plan()
    asking.decide("fold-1", "later")
    half_past = 30 * 60_000
    bench.sql("UPDATE events SET start_at = start_at + %s WHERE id = 'fold-1'", half_past - 1)

    book = bench.plan(decisions=asking.run_id)

    assert ("fold", "fold-1") in asked(bench, book.run_id)
    assert "The decision for fold, fold-1, start_at (line 2) meets no pending" in bench.messages()


def test_deciding_changes_neither_the_plan_nor_the_evidence(bench: Bench) -> None:
    asking = bench.plan()
    plan_id = asking._frozen().plan_id

    workbook.decide("fold-1", "later", run_id=asking.run_id, runs_folder=str(bench.runs))

    assert disagreements(bench.folder(asking.run_id), Ledger(bench.connection)) == []
    bench.apply(asking.run_id)
    assert starts(bench)["fold-1"] == EARLIER
    assert bench.plan(decisions=asking.run_id)._frozen().plan_id != plan_id


def test_the_decisions_that_were_used_are_evidence(bench: Bench) -> None:
    asking = bench.plan()
    asking.decide("fold-1", "later", by="Ada")
    book = bench.plan(decisions=asking.run_id)
    folder = bench.folder(book.run_id)
    assert [line["key"] for line in lines(folder.file("decisions_used.csv"))] == ["fold-1"]

    used = folder.file("decisions_used.csv")
    used.write_text(used.read_text().replace("Ada", "Eve"))

    told = disagreements(folder, Ledger(bench.connection))
    assert told[0].startswith("decisions_used.csv was changed after the folder was closed")


@pytest.mark.parametrize(
    ("key", "word", "says"),
    [
        ("fold-9", "later", "No question of this run is about 'fold-9'"),
        ("fold-1", "first_valid", "'first_valid' does not answer what is asked of fold-1; say"),
        ("*", "later", "needs a kind, a zone"),
    ],
)
def test_a_decision_that_can_not_be_meant_changes_nothing(
    bench: Bench, key: str, word: str, says: str
) -> None:
    asking = bench.plan()
    before = sheet(bench, asking.run_id).read_bytes()

    with pytest.raises(UsageError, match=says):
        asking.decide(key, word)

    assert sheet(bench, asking.run_id).read_bytes() == before


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("key,column,decision\ne,s,later\ne,s,earlier\n", "lines 2 and 3 contradict"),
        ("key,column,decision\n*,,later\n", "line 2: it answers nothing in particular"),
        ("key,column,decision,note\ne,s,later,postgresql://a:geheim@h/d\n", "holds a password"),
    ],
)
def test_a_sheet_that_can_not_be_meant_is_refused(
    bench: Bench, tmp_path: Path, content: str, says: str
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(content)

    with pytest.raises(UsageError, match=says):
        take_steps(bench.book(decisions=str(path)))


def test_answers_that_were_not_taken_in_are_told_of(bench: Bench) -> None:
    asking = bench.plan()
    asking.decide("fold-1", "later")

    bench.plan()

    assert f"Run {asking.run_id} was answered, and this one did not take it in" in bench.messages()


def test_answers_are_not_told_of_where_nothing_is_asked_any_more(bench: Bench) -> None:
    bench.plan().decide("fold-1", "later")
    bench.run(decisions="latest")
    bench.events.clear()

    bench.plan()

    assert "was answered" not in bench.messages()


def test_what_was_decided_is_shown_with_what_is_still_asked(bench: Bench) -> None:
    asking = bench.plan()
    asking.decide("fold-1", "later", by="Ada", note="=1+1")

    shown = bench.plan(decisions="latest").questions()

    assert "Questions (4, 4 shown)" in shown.text
    assert "Decisions that this plan took in (1, 1 shown)" in shown.text
    assert "Ada" in shown.markup


@pytest.mark.slow
def test_a_round_from_question_to_explanation_by_command_and_kernel(bench: Bench) -> None:
    asked_run = run_apart(bench.dsn, bench.runs, "utc")
    path = sheet(bench, asked_run.summary["run_id"])
    path.write_text(
        path.read_text() + '"","fold","*","","","Europe/Stockholm","2025-10-26","","","","later",'
        '"Ada","2026-11-25","all of that night"\n'
    )

    applied = run_apart(bench.dsn, bench.runs, "utc", "--decisions", "latest", "--apply")
    explained = run_apart(bench.dsn, bench.runs, "explain", "latest", "fold-3")

    assert (applied.code, explained.code) == (0, 0), applied.err
    assert starts(bench)["fold-3"] == LATER
    folder = bench.folder(applied.summary["run_id"])
    assert asked(bench, folder.run_id) == [("gap", "gap-1"), ("end_before_start", "odd-1")]
    assert "all of that night" in folder.file("notebook.html").read_text(encoding="utf-8")
    assert "start_at: later (Ada, 2026-11-25)" in explained.out
    assert "2025-10-26 01:30:00Z" in explained.out


def test_contradicting_lines_end_with_2_and_name_both(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("key,column,decision\nfold-1,start_at,later\nfold-1,start_at,earlier\n")

    said = run_here(bench.dsn, bench.runs, "utc", "--decisions", str(path))

    assert said.code == 2
    assert "lines 2 and 3 contradict each other" in said.err


def test_latest_without_any_answer_is_refused(bench: Bench) -> None:
    bench.plan()

    with pytest.raises(UsageError, match=r"no utc run in .* has an answer"):
        bench.plan(decisions="latest")


def test_latest_means_a_run_on_the_same_database(bench: Bench, bench_from: BenchFrom) -> None:
    asking = bench.plan()
    asking.decide("fold-1", "later")
    other = bench_from("empty", load_empty)
    other.add_event("fold-1", tz=STOCKHOLM, start_at=FOLD)

    with pytest.raises(UsageError, match=f"planned on another database.*{asking.run_id}"):
        other.plan(decisions="latest")

    other.plan()
    assert "did not take it in" not in other.messages()
    named = other.run(decisions=asking.run_id)
    assert asked(other, named.run_id) == []
    assert starts(other) == {"fold-1": LATER}


def test_one_word_decides_thousands_of_rows_and_a_row_of_its_own_beats_it(bench: Bench) -> None:
    bench.sql(
        "INSERT INTO events (id, household_id, start_at, tz, created_at, updated_at)"
        " SELECT 'many-' || g, (SELECT min(id) FROM household), %s, %s, 0, 0"
        " FROM generate_series(1, 4000) AS g",
        FOLD,
        STOCKHOLM,
    )
    first = bench.plan()

    first.decide("*", "later", kind="fold", zone=STOCKHOLM, local_date="2025-10-26", by="Bo")
    first.decide("many-77", "earlier", by="Bo")
    bench.run(decisions=first.run_id)

    assert bench.sql(
        "SELECT start_at_utc, count(*) FROM events WHERE id LIKE 'many-%%' GROUP BY 1 ORDER BY 1"
    ) == [(EARLIER, 1), (LATER, 3_999)]
