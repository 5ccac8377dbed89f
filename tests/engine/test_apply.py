"""Apply writes exactly the frozen plan: chunk by chunk, each with image and checkpoint."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

import pytest
from tests.deadline import DEADLINE_SECONDS
from tests.engine.workshop import NOON_MS, Bench, add_noons, noon_utc
from tests.longer import longer_behind

from backfill.errors import Interrupted, TooManySkips, UsageError
from backfill.rows import image

if TYPE_CHECKING:
    from backfill.workbook import Book

ALL_NOONS = {f"e{day:02d}": noon_utc(day) for day in range(1, 13)}


def progress(bench: Bench) -> list[tuple[int, int]]:
    """Return (scanned, remaining) of each progress event."""
    return [(e["scanned"], e["remaining"]) for e in bench.events if e["type"] == "progress"]


def test_apply_writes_what_the_dry_run_froze(bench: Bench) -> None:
    planned = bench.plan()
    assert set(bench.filled().values()) == {(None, None)}

    bench.apply(planned.run_id)

    assert bench.filled() == ALL_NOONS


def test_apply_keeps_the_run_id_and_the_plan_id_of_the_dry_run(bench: Bench) -> None:
    planned = bench.plan()
    plan_id = bench.folder(planned.run_id).read_json("plan.json")["plan_id"]

    applied = bench.apply(planned.run_id)

    assert applied.run_id == planned.run_id
    assert bench.sql("SELECT run_id, plan_id, status FROM backfill.run") == [
        (planned.run_id, plan_id, "succeeded")
    ]


def test_each_chunk_leaves_a_checkpoint_whose_counts_close(bench: Bench) -> None:
    bench.add_event("e035", start_at=NOON_MS, tz="Mars/Olympus_Mons")

    book = bench.run(chunk_size=5)

    assert bench.checkpoints(book.run_id) == [
        (1, "e01", "e04", 5, 4, 0, 0, 1),
        (2, "e05", "e09", 5, 5, 0, 0, 0),
        (3, "e10", "e12", 3, 3, 0, 0, 0),
    ]


def test_each_chunk_leaves_an_image_of_the_rows_before_and_after(bench: Bench) -> None:
    book = bench.run(chunk_size=6)

    images = bench.images(book.run_id)
    assert [(number, rows) for number, rows, _, _ in images] == [(1, 6), (2, 6)]
    first = image.decode(book.run_id, 1, images[0][2], images[0][3]).to_pylist()[0]
    start, end = noon_utc(1)
    assert first == {
        "key": "e01",
        "scope": "hh_demo",
        "source": {
            "start_at": NOON_MS + 86_400_000,
            "end_at": NOON_MS + 86_400_000 + 3_600_000,
            "tz": "Europe/Stockholm",
            "household.tz": None,
        },
        "before": {"start_at_utc": None, "end_at_utc": None},
        "after": {"start_at_utc": start, "end_at_utc": end},
    }


def test_a_chunk_made_of_skips_alone_has_a_checkpoint_too(bench: Bench) -> None:
    bench.sql("UPDATE events SET tz = 'Nowhere' WHERE id < 'e05'")

    book = bench.run(chunk_size=4)

    assert bench.checkpoints(book.run_id)[0] == (1, "e01", "e04", 4, 0, 0, 0, 4)
    assert sorted(bench.skips(book.run_id)) == ["e01", "e02", "e03", "e04"]


def test_applying_a_plan_twice_writes_once(bench: Bench) -> None:
    book = bench.run(chunk_size=5)
    rows, images = bench.table(), bench.images(book.run_id)
    versions = bench.sql("SELECT id, xmin::text FROM events ORDER BY id")

    again = bench.apply(book.run_id)

    assert bench.summary(again)["total_updated"] == 12
    assert (bench.table(), bench.images(book.run_id)) == (rows, images)
    assert bench.sql("SELECT id, xmin::text FROM events ORDER BY id") == versions
    assert "is succeeded already" in bench.messages()


def test_a_chunk_is_one_transaction(bench: Bench) -> None:
    bench.run(chunk_size=5)

    transactions = bench.sql("SELECT count(*) FROM events GROUP BY xmin::text ORDER BY min(id)")
    assert transactions == [(5,), (5,), (2,)]


def test_rows_and_checkpoint_of_a_chunk_are_of_the_same_transaction(bench: Bench) -> None:
    bench.run(chunk_size=12)

    assert bench.sql(
        "SELECT DISTINCT e.xmin = c.xmin, e.xmin = i.xmin"
        " FROM events AS e, backfill.checkpoint AS c, backfill.chunk_image AS i"
    ) == [(True, True)]


def test_nothing_is_visible_before_the_commit(bench: Bench) -> None:
    planned = bench.plan()
    seen: list[tuple[object, object]] = []

    def look(name: str) -> None:
        if name == "before_commit":
            rows = bench.scalar("SELECT count(*) FROM events WHERE start_at_utc IS NOT NULL")
            seen.append((rows, bench.scalar("SELECT count(*) FROM backfill.checkpoint")))

    bench.apply_with(planned.run_id, look, chunk_rows=4)

    assert seen == [(0, 0), (4, 1), (8, 2)]


@pytest.mark.parametrize(
    ("interval", "reports"),
    [
        (4, [(0, 12), (4, 8), (8, 4), (12, 0)]),
        (6, [(0, 12), (6, 6), (12, 0)]),
        (0, [(0, 12), (12, 0)]),
    ],
)
def test_progress_is_told_every_so_many_rows(
    bench: Bench, interval: int, reports: list[tuple[int, int]]
) -> None:
    planned = bench.plan()

    bench.apply(planned.run_id, chunk_size=2, progress_interval=interval)

    assert progress(bench) == reports


def test_progress_is_kept_in_the_folder(bench: Bench) -> None:
    book = bench.run(chunk_size=6, progress_interval=6)

    told = bench.folder(book.run_id).file("progress.jsonl").read_text().splitlines()
    lines = [line for line in told if '"type": "progress"' in line]
    assert len(lines) == 3
    assert '"scanned": 12, "updated": 12' in lines[-1]


def test_an_automatic_chunk_size_writes_every_row(bench: Bench) -> None:
    bench.run(chunk_size="auto", chunk_time=0.01)

    assert bench.filled() == ALL_NOONS


def test_more_skips_than_allowed_stop_the_run_before_it_writes(bench: Bench) -> None:
    bench.sql("UPDATE events SET tz = 'Nowhere' WHERE id <= 'e02'")

    with pytest.raises(TooManySkips, match=r"skips 2 rows; --max-skips allows 1") as refused:
        bench.run(max_skips=1)

    assert set(bench.filled().values()) == {(None, None)}
    run_id = bench.scalar("SELECT run_id FROM backfill.run")
    assert f"backfill apply {run_id} --max-skips 2" in str(refused.value)


def test_as_many_skips_as_allowed_are_no_failure(bench: Bench) -> None:
    bench.sql("UPDATE events SET tz = 'Nowhere' WHERE id <= 'e02'")

    book = bench.run(max_skips=2)

    assert bench.summary(book)["exit_code"] == 0
    assert bench.summary(book)["total_skipped"] == 2


def test_more_skips_of_a_reason_than_allowed_stop_the_run_before_it_writes(bench: Bench) -> None:
    bench.sql("UPDATE events SET tz = 'Nowhere' WHERE id <= 'e03'")
    bench.sql("UPDATE events SET start_at = NULL WHERE id = 'e04'")
    bench.run(max_skips="missing_wall_time=1,invalid_timezone=3,9")
    bench.sql("UPDATE events SET start_at_utc = NULL, end_at_utc = NULL")

    with pytest.raises(
        TooManySkips, match="skips 3 rows as invalid_timezone; --max-skips allows 2"
    ):
        bench.run(max_skips="missing_wall_time=1,invalid_timezone=2")

    assert set(bench.filled().values()) == {(None, None)}


@pytest.mark.parametrize(
    ("reason", "hint"),
    [("loked", "Did you mean locked?"), ("too_hot", "There are: already_filled, ")],
)
def test_a_limit_on_a_reason_that_no_row_has_is_refused(
    bench: Bench, reason: str, hint: str
) -> None:
    said = re.escape(f"no row is skipped as '{reason}'. {hint}")
    with pytest.raises(UsageError, match=said):
        bench.plan(max_skips=f"{reason}=1")
    run_id = bench.plan().run_id
    with pytest.raises(UsageError, match=said):
        bench.apply(run_id, max_skips=f"{reason}=1")
    with pytest.raises(UsageError, match=said):
        bench.revert(run_id, apply=False, max_skips=f"{reason}=1")

    assert set(bench.filled().values()) == {(None, None)}


def test_rows_refused_when_they_are_written_count_for_their_reason_over_resumes(
    bench: Bench,
) -> None:
    bench.sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF OLD.id IN ('e02', 'e05', 'e11') THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$;"
        " CREATE TRIGGER refuser BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION refuse();"
    )
    run_id = bench.plan(chunk_size=2, max_skips="locked=0,database_error=1").run_id

    with pytest.raises(
        TooManySkips, match="skipped 2 rows as database_error; --max-skips allows 1"
    ):
        bench.apply(run_id, max_refused=1.0)
    with pytest.raises(
        TooManySkips, match="skipped 3 rows as database_error; --max-skips allows 2"
    ):
        bench.apply(run_id, max_skips="database_error=2")
    bench.apply(run_id, max_skips="database_error=3")

    assert bench.status(run_id) == "succeeded"
    assert bench.scalar("SELECT count(start_at_utc) FROM events") == 9


@pytest.mark.parametrize(("request_", "status"), [("pause", "paused"), ("cancel", "cancelled")])
def test_a_request_takes_effect_after_the_current_chunk(
    bench: Bench, request_: str, status: str
) -> None:
    planned = bench.plan()

    def ask(name: str) -> None:
        if name == "after_commit":
            bench.sql(f"UPDATE backfill.run SET {request_}_requested = true")

    with pytest.raises(Interrupted) as stopped:
        bench.apply_with(planned.run_id, ask, chunk_rows=5)

    assert bench.status(planned.run_id) == status
    assert f"Run {planned.run_id} was {status} after chunk 1 (5 of 12 rows)." in str(stopped.value)
    assert f"backfill resume {planned.run_id}" in str(stopped.value)
    assert [key for key, (start, _) in bench.filled().items() if start] == [
        "e01",
        "e02",
        "e03",
        "e04",
        "e05",
    ]


@pytest.mark.parametrize(
    "status", longer_behind(2, ["paused", "cancelled", "interrupted", "failed"])
)
def test_a_run_at_rest_goes_on_from_its_last_checkpoint(bench: Bench, status: str) -> None:
    planned = bench.plan()
    stop_after(bench, planned, chunks=1)
    bench.sql("UPDATE backfill.run SET status = %s", status)

    resumed = bench.apply(planned.run_id, chunk_size=5)

    assert bench.filled() == ALL_NOONS
    summary = bench.summary(resumed)
    assert (summary["total_scanned"], summary["total_updated"]) == (12, 12)
    assert [c[0] for c in bench.checkpoints(planned.run_id)] == [1, 2, 3]


def test_the_same_command_goes_on_with_a_stopped_run(bench: Bench) -> None:
    planned = bench.plan()
    stop_after(bench, planned, chunks=1)

    book = bench.run(chunk_size=5)

    assert book.run_id == planned.run_id
    assert bench.summary(book)["total_updated"] == 12


def test_a_stopped_run_of_other_settings_is_not_gone_on_with(bench: Bench) -> None:
    planned = bench.plan()
    stop_after(bench, planned, chunks=1)

    book = bench.run(fold="later")

    assert book.run_id != planned.run_id
    assert bench.summary(book)["total_updated"] == 7


def test_a_chunk_may_be_of_another_size_after_a_resume(bench: Bench) -> None:
    planned = bench.plan()
    stop_after(bench, planned, chunks=1)

    bench.apply(planned.run_id, chunk_size=4)

    assert [c[3] for c in bench.checkpoints(planned.run_id)] == [5, 4, 3]


def test_apply_works_outside_the_main_thread(bench: Bench) -> None:
    planned = bench.plan()

    worker = threading.Thread(target=bench.apply, args=(planned.run_id,))
    worker.start()
    worker.join(timeout=DEADLINE_SECONDS)

    assert bench.status(planned.run_id) == "succeeded"


def test_a_plan_larger_than_a_parquet_batch_is_read_to_its_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backfill.plans.plan.ChunkReader.BATCH_ROWS", 4)
    add_noons(bench.connection, 30, prefix="f")

    book = bench.run(chunk_size=7)

    assert bench.summary(book)["total_updated"] == 42
    assert bench.scalar("SELECT count(*) FROM events WHERE start_at_utc IS NULL") == 0


def stop_after(bench: Bench, planned: Book, chunks: int) -> None:
    """Pause a run of five rows a chunk after so many chunks."""
    done: list[str] = []

    def ask(name: str) -> None:
        done.append(name)
        if done.count("after_commit") == chunks:
            bench.sql("UPDATE backfill.run SET pause_requested = true")

    with pytest.raises(Interrupted):
        bench.apply_with(planned.run_id, ask, chunk_rows=5)
