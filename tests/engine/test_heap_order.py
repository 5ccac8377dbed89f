"""`--order heap`: a plan that walks rows as they lie in the table, and all that follows from it."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from tests.engine.test_resume import kill_at, outcome
from tests.engine.workshop import NOON_MS, Bench

# e01 to e06 are written anew: lines 7 to 18 of the page hold e07 … e12, e01 … e06.
MOVED = "UPDATE events SET title = 'moved' WHERE id <= 'e06'"
# In eight rounds, every eighth line of the page in each.
AS_THEY_LIE = [f"e{number:02}" for number in (8, 4, 9, 5, 10, 6, 11, 12, 1, 2, 7, 3)]


def keys_of(bench: Bench, run_id: str) -> list[str]:
    changes = pq.read_table(bench.folder(run_id).file("changes.parquet"))
    assert changes.column("position").to_pylist() == list(range(changes.num_rows))
    found: list[str] = changes.column("key").to_pylist()
    return found


def test_a_plan_in_heap_order_walks_rows_as_they_lie(bench: Bench) -> None:
    bench.sql(MOVED)

    assert keys_of(bench, bench.plan(order="heap").run_id) == AS_THEY_LIE
    assert keys_of(bench, bench.plan().run_id) == sorted(AS_THEY_LIE)


def test_a_run_in_heap_order_fills_verifies_and_reverts_like_any_other(bench: Bench) -> None:
    bench.sql(MOVED)
    before = bench.table()
    book = bench.run(order="heap", chunk_size=5)

    assert [row[:3] for row in bench.checkpoints(book.run_id)] == [
        (1, "e04", "e10"),
        (2, "e01", "e12"),
        (3, "e03", "e07"),
    ]
    assert len([ends for ends in bench.filled().values() if None not in ends]) == 12
    assert bench.verify(book.run_id).findings == []
    assert bench.summary(book)["exit_code"] == 0
    bench.revert(book.run_id)
    assert bench.table() == before


def test_skips_of_a_plan_in_heap_order_keep_their_places(bench: Bench) -> None:
    bench.sql(MOVED)
    bench.sql("UPDATE events SET tz = 'Nowhere' WHERE id = 'e08'")  # to line 19

    run_id = bench.run(order="heap", chunk_size=5).run_id

    skipped = bench.sql("SELECT key, chunk_no FROM backfill.skip WHERE run_id = %s", run_id)
    assert skipped == [("e08", 2)]


@pytest.mark.kill
def test_a_run_in_heap_order_killed_between_chunks_resumes_to_the_same_bytes(bench: Bench) -> None:
    bench.sql(MOVED)
    run_id = bench.plan(order="heap").run_id
    kill_at(bench, run_id, "before_commit", 2)
    bench.wait_until_alone()
    bench.let_lease_run_out(run_id)
    # What others move meanwhile does not matter: the plan is frozen.
    bench.sql("UPDATE events SET title = 'moved again' WHERE id IN ('e09', 'e02')")

    bench.apply_with(run_id, chunk_rows=5)

    _table, checkpoints, _images, skips = outcome(bench, run_id)
    assert [row[3:] for row in checkpoints] == [(5, 5, 0, 0, 0), (5, 5, 0, 0, 0), (2, 2, 0, 0, 0)]
    assert skips == []
    assert bench.verify(run_id).findings == []


def test_no_chunk_takes_more_than_its_share_of_a_page_so_that_old_versions_make_room(
    bench: Bench,
) -> None:
    bench.sql(
        "INSERT INTO events (id, household_id, title, start_at, tz, updated_at)"
        " SELECT 'f' || lpad(n::text, 4, '0'), 'hh_demo', 'x', %s, 'Europe/Stockholm', 7"
        " FROM generate_series(1, 800) AS n",
        NOON_MS,
    )
    bench.sql("UPDATE events SET start_at_utc = 0, end_at_utc = 0 WHERE id LIKE 'e%'")
    pages: dict[str, int] = dict(bench.sql("SELECT id, (ctid::text::point)[0]::int FROM events"))
    order = keys_of(bench, bench.plan(order="heap").run_id)

    hundred = [pages[key] for key in order[:100]]  # an eighth of the table
    rows_of_a_page = max(list(pages.values()).count(page) for page in set(pages.values()))

    assert max(hundred.count(page) for page in set(hundred)) <= rows_of_a_page // 8 + 1


def test_partitions_are_walked_one_after_the_other(bench: Bench) -> None:
    bench.sql("ALTER TABLE events RENAME TO whole")
    bench.sql("CREATE TABLE events (LIKE whole INCLUDING ALL) PARTITION BY LIST (id)")
    bench.sql(
        "CREATE TABLE even PARTITION OF events FOR VALUES IN"
        " ('e02', 'e04', 'e06', 'e08', 'e10', 'e12')"
    )
    bench.sql("CREATE TABLE odd PARTITION OF events DEFAULT")
    bench.sql("INSERT INTO events SELECT * FROM whole ORDER BY id DESC")

    run_id = bench.plan(order="heap").run_id

    even = [f"e{number:02}" for number in range(12, 0, -2)]
    odd = [f"e{number:02}" for number in range(11, 0, -2)]
    assert keys_of(bench, run_id) == even + odd
