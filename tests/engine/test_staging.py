"""The run's DuckDB file: bounded memory on any machine, and files shown as tables."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backfill.plans import staging as staging_module
from backfill.plans.staging import Staging
from backfill.report import Reporter
from backfill.steps import chosen

ROWS = pa.table({"key": ["b", "a"], "why": [{"zone": "x"}, {"zone": None}]})


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[Staging]:
    opened = Staging(tmp_path / "staging.duckdb")
    yield opened
    opened.close()


def test_a_machine_of_many_cores_takes_no_more_threads_than_the_memory_is_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    staging = Staging(tmp_path / "staging.duckdb")

    assert staging.scalar("SELECT current_setting('threads')") == 2
    staging.close()


@pytest.mark.parametrize(
    ("size", "threads", "limit"),
    [
        (500_000_000, 2, "91.5 MiB"),
        (500_000_001, 1, "80.1 MiB"),
        (1_000_000_000, 1, "80.1 MiB"),
        (16_000_000_000, 1, "320.4 MiB"),
    ],
)
def test_much_is_sorted_by_one_thread_which_gets_more_room_the_more_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, threads: int, limit: str
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    staging = Staging(tmp_path / "staging.duckdb")

    staging.make_room(size)
    staging.let_go()

    assert staging.scalar("SELECT current_setting('threads')") == threads
    assert staging.scalar("SELECT current_setting('memory_limit')") == limit
    staging.close()


def test_a_file_is_shown_as_a_table_under_any_name(staging: Staging, tmp_path: Path) -> None:
    path = tmp_path / 'it\'s a "file".parquet'
    pq.write_table(ROWS, path)

    assert not staging.has("changes")
    staging.show("changes", path)

    assert staging.has("changes")
    assert staging.scalar("SELECT min(key) FROM changes WHERE why.zone IS NULL") == "a"


def test_tables_are_whole_after_memory_was_given_back(staging: Staging) -> None:
    staging.create("extracted", ROWS.schema)
    staging.append("extracted", ROWS)

    staging.let_go()

    (rows,) = staging.read("SELECT * FROM extracted ORDER BY key", ROWS.schema)
    assert rows.to_pylist() == ROWS.take([1, 0]).to_pylist()
    assert staging.scalar("SELECT current_setting('memory_limit')") == "91.5 MiB"


def test_long_rows_are_sorted_whole_and_in_order_though_the_memory_is_too_small_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging_module, "MEMORY_MB", 12)
    staging = Staging(tmp_path / "staging.duckdb")
    made = "SELECT md5(n::text) AS key, repeat(md5((n * 7)::text), 40) AS long FROM range({}) t(n)"
    staging.connection.execute(f"CREATE TABLE extracted AS {made.format(20_000)}")
    schema = staging.table("FROM extracted LIMIT 0").schema

    read = pa.concat_tables(staging.read("FROM extracted ORDER BY key", schema, 1_000))

    assert staging.scalar("SELECT current_setting('memory_limit')") != "11.4 MiB"
    keys = read.column("key").to_pylist()
    assert keys == sorted({hashlib.md5(str(n).encode()).hexdigest() for n in range(20_000)})
    assert len(read.column("long")[7].as_py()) == 32 * 40
    staging.close()


def test_rows_of_sixty_kilobytes_are_added_whatever_the_memory_for_usual_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging_module, "MEMORY_MB", 12)
    staging = Staging(tmp_path / "staging.duckdb")
    texts = [f"{n:06d}" * 10_000 for n in range(300)]
    rows = pa.table({"key": [text[:6] for text in texts], "long": texts})
    staging.create("extracted", rows.schema)

    with staging.at_once():
        staging.append("extracted", rows)

    assert pa.concat_tables(staging.read("FROM extracted ORDER BY key", rows.schema)) == rows
    staging.close()


def test_a_query_that_fails_on_its_way_goes_on_behind_what_was_read(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging.connection.execute("CREATE TABLE extracted AS FROM range(10) t(key)")
    batches = Staging._batches
    given: list[pa.Table] = []

    def few(self: Staging, query: str, rows: int, skipped: int) -> Iterator[pa.Table]:
        for batch in batches(self, query, rows, skipped):
            if len(given) == 2:
                given.append(pa.table({}))
                raise OSError("Out of Memory Error: could not allocate block")
            given.append(batch)
            yield batch

    monkeypatch.setattr(Staging, "_batches", few)
    schema = pa.schema([pa.field("key", pa.int64())])

    read = list(staging.read("FROM extracted ORDER BY key DESC", schema, 3))

    assert [rows.column("key").to_pylist() for rows in read] == [
        [9, 8, 7],
        [6, 5, 4],
        [3, 2, 1],
        [0],
    ]


def test_rows_that_are_added_at_once_are_all_there_or_none(staging: Staging) -> None:
    staging.create("extracted", ROWS.schema)

    with staging.at_once():
        staging.append("extracted", ROWS)
        staging.append("extracted", ROWS)
    with pytest.raises(RuntimeError, match="lost"), staging.at_once():
        staging.append("extracted", ROWS)
        raise RuntimeError("the connection was lost")

    assert staging.scalar("SELECT count(*) FROM extracted") == 4
    staging.append("extracted", ROWS)  # and nothing stands open
    assert staging.scalar("SELECT count(*) FROM extracted") == 6


def test_what_was_kept_meanwhile_stays(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    staging.create("extracted", ROWS.schema)

    with pytest.raises(RuntimeError, match="lost"), staging.at_once():
        monkeypatch.setattr(staging_module, "HELD_BYTES", 0)
        staging.append("extracted", ROWS)
        monkeypatch.undo()
        staging.append("extracted", ROWS)
        raise RuntimeError("the connection was lost")

    assert staging.scalar("SELECT count(*) FROM extracted") == 2


def test_of_many_rows_only_so_many_are_held_in_memory(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging_module, "HELD_BYTES", 3 * ROWS.nbytes)
    kept: list[int] = []
    keep = Staging._keep

    def counted(staging: Staging) -> None:
        keep(staging)
        kept.append(int(staging.scalar("SELECT count(*) FROM extracted") or 0))

    monkeypatch.setattr(Staging, "_keep", counted)
    pages = (ROWS for _ in range(10))

    assert chosen.stage_pages(pages, staging, "extracted", Reporter(lambda _event: None)) == 20
    assert kept == [8, 16]
