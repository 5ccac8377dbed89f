"""Which rows a run takes: each once, whoever inserts or edits meanwhile, and whose they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.engine.workshop import (
    NOON_MS,
    NOON_UTC_MS,
    Bench,
    add_noons,
    load_empty,
    noon_utc,
)
from tests.jobs.test_utc_vectors import trap_bench
from tests.longer import longer_behind

if TYPE_CHECKING:
    from tests.jobs.conftest import BenchFrom


@pytest.fixture
def bench(bench_from: BenchFrom) -> Bench:
    """A bench without events, in milliseconds."""
    return bench_from("empty", load_empty)


@pytest.mark.parametrize("rows", longer_behind(3, [0, 4, 5, 6]))
def test_any_number_of_rows_around_the_chunk_size_is_written_once(bench: Bench, rows: int) -> None:
    add_noons(bench.connection, rows)

    book = bench.run(chunk_size=5)

    assert bench.filled() == {f"e{day:02d}": noon_utc(day) for day in range(1, rows + 1)}
    expected = {0: [], 4: [4], 5: [5], 6: [5, 1]}[rows]
    assert [checkpoint[3] for checkpoint in bench.checkpoints(book.run_id)] == expected
    assert bench.status(book.run_id) == "succeeded"
    assert bench.summary(book)["total_scanned"] == rows


def test_ids_that_are_not_in_insertion_order_are_all_written(bench: Bench) -> None:
    for key in ("m", "Z", "a", "\u00e5", "0", "aa", "B"):
        bench.add_event(key, tz="Europe/Stockholm", start_at=NOON_MS)

    book = bench.run(chunk_size=2)

    assert {start for start, _ in bench.filled().values()} == {NOON_UTC_MS}
    keys = [(low, high) for _, low, high, *_ in bench.checkpoints(book.run_id)]
    assert keys == [("0", "B"), ("Z", "a"), ("aa", "m"), ("\u00e5", "\u00e5")]


def test_rows_inserted_between_plan_and_apply_wait_for_the_next_run(bench: Bench) -> None:
    add_noons(bench.connection, 3)
    planned = bench.plan()
    bench.add_event("e00", tz="Europe/Stockholm", start_at=NOON_MS)
    bench.add_event("e99", tz="Europe/Stockholm", start_at=NOON_MS)

    bench.apply(planned.run_id)

    assert bench.filled()["e00"] == (None, None)
    assert bench.filled()["e99"] == (None, None)
    second = bench.summary(bench.run())
    assert second["total_updated"] == 2
    assert bench.filled()["e99"] == (NOON_UTC_MS, None)


def test_rows_edited_and_inserted_during_apply_are_neither_lost_nor_trampled(bench: Bench) -> None:
    add_noons(bench.connection, 6)
    planned = bench.plan()
    done: list[str] = []

    def edit_meanwhile(name: str) -> None:
        if name == "after_commit" and not done:
            done.append(name)
            with psycopg.connect(bench.dsn, autocommit=True) as other:
                other.execute("UPDATE events SET start_at = start_at + 1000 WHERE id = 'e05'")
                other.execute("INSERT INTO events (id, household_id) VALUES ('e00', 'hh_demo')")
                other.execute("DELETE FROM events WHERE id = 'e06'")

    applied = bench.apply_with(planned.run_id, edit_meanwhile, chunk_rows=2)

    assert (applied.counts.updated, applied.counts.drifted) == (4, 2)
    filled = bench.filled()
    assert filled["e04"] == noon_utc(4)
    assert filled["e05"] == (None, None)
    assert bench.skips(planned.run_id) == {"e05": ("", "drifted"), "e06": ("", "drifted")}


def test_rows_inserted_behind_the_end_of_the_walk_are_not_chased(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_noons(bench.connection, 6)
    inserted: list[int] = []

    def pages(self: Any, expected: int | None) -> Any:
        for page in original(self, 2):
            yield page
            inserted.append(len(inserted))
            with psycopg.connect(bench.dsn, autocommit=True) as other:
                add_noons(other, 1, prefix=f"z{len(inserted)}")

    from backfill.plans.extract import PendingRows

    original = PendingRows.pages
    monkeypatch.setattr(PendingRows, "pages", pages)

    book = bench.plan()

    assert len(inserted) == 3
    assert list(book.extracted["key"]) == ["e01", "e02", "e03", "e04", "e05", "e06"]


def test_several_households_have_a_summary_each_and_one_for_all(bench_from: BenchFrom) -> None:
    bench = trap_bench(bench_from, "epoch_ms")

    summary = bench.summary(bench.run())

    households = {part["household_id"]: part for part in summary["households"]}
    assert list(households) == ["hh_demo", "hh_north", "hh_south"]
    assert households["hh_north"]["total_skipped"] == 7
    assert households["hh_south"]["total_skipped"] == 3
    assert summary["household_id"] is None
    for name in ("total_scanned", "total_updated", "total_skipped"):
        assert sum(part[name] for part in households.values()) == summary[name]


def test_one_household_leaves_the_others_alone(bench: Bench) -> None:
    add_noons(bench.connection, 2)
    add_noons(bench.connection, 2, household="hh_north", prefix="n")

    summary = bench.summary(bench.run(household_id="hh_north"))

    assert summary["household_id"] == "hh_north"
    assert "households" not in summary
    assert [key for key, (start, _) in bench.filled().items() if start] == ["n01", "n02"]
    assert bench.plan()._plan is not None


def test_the_dry_runs_numbers_are_those_of_its_apply(bench_from: BenchFrom) -> None:
    bench = trap_bench(bench_from, "epoch_ms")
    before = bench.table()

    planned = bench.plan()

    dry = bench.summary(planned)
    assert bench.table() == before
    assert (dry["dry_run"], dry["status"]) == (True, "planned")
    wet = bench.summary(bench.apply(planned.run_id))
    assert (wet["dry_run"], wet["status"]) == (False, "succeeded")
    volatile = {"elapsed_ms", "dry_run", "status", "verification"}
    for document in (dry, wet):
        document["households"] = [
            {k: v for k, v in part.items() if k != "elapsed_ms"} for part in document["households"]
        ]
    assert {k: v for k, v in dry.items() if k not in volatile} == {
        k: v for k, v in wet.items() if k not in volatile
    }
    assert dry["total_scanned"] == dry["total_updated"] + dry["total_skipped"]
