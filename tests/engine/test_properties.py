"""Whatever the plan and the chunk size: every position once, applied once, taken back whole."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.engine.workshop import LISTENER, Bench, load_empty, utc

from backfill.chunks.chunk_size import ChunkSizer
from backfill.folder import RunFolder
from backfill.plans import plan
from backfill.plans.plan import ChunkReader, Plan
from backfill.records.checkpoint import CHAIN_START, Checkpoint, skips_digest
from backfill.skips import Skip
from backfill.utc.reasons import UtcReason

if TYPE_CHECKING:
    from tests.conftest import DatabaseFrom

RUN_ID = "20260101T000000Z-utc-abcdef"
IS_SKIPPED = st.lists(st.booleans(), max_size=60)
SIZES = st.lists(st.integers(1, 25), min_size=1, max_size=60)
#: Walls of a row: its minutes around the clock changes of 2025 in Stockholm, or nothing.
CHANGES_MS = (1_743_296_400_000, 1_761_444_000_000)
WALLS = st.none() | st.builds(
    lambda change, minutes: change + minutes * 60_000,
    st.sampled_from(CHANGES_MS),
    st.integers(-180, 180),
)
ZONES = st.sampled_from(["Europe/Stockholm", "America/New_York", None, "", "Nowhere"])
ROWS = st.lists(st.tuples(WALLS, WALLS, ZONES, st.booleans()), max_size=12)


def write_plan(folder: RunFolder, is_skipped: list[bool], group_rows: int) -> Plan:
    """Freeze a plan whose rows are changes and skips as told, in small row groups."""
    folder.create()
    kept = [place for place, skipped in enumerate(is_skipped) if not skipped]
    changes = pa.table(
        {
            "position": pa.array(kept, pa.int64()),
            "key": pa.array([f"k{place:03d}" for place in kept], pa.string()),
            **{name: pa.array([""] * len(kept), pa.string()) for name in ("scope", "kind")},
        }
    )
    pq.write_table(changes, folder.file(plan.CHANGES_FILE), row_group_size=group_rows)
    skips = [
        (place, Skip(f"k{place:03d}", "", "", UtcReason.MISSING_TIMEZONE, ""))
        for place, skipped in enumerate(is_skipped)
        if skipped
    ]
    plan.write_skips(folder, iter(skips))
    named = ("job", "settings_fingerprint", "database_fingerprint", "tzdata_version")
    return plan.freeze(
        folder,
        {
            **dict.fromkeys(named, ""),
            **{name: {} for name in ("scope", "settings", "target", "counts")},
            "rows": len(is_skipped),
            "changes": len(kept),
            "skips": len(skips),
        },
    )


@given(IS_SKIPPED, SIZES, st.integers(1, 7), st.data())
@settings(max_examples=150, deadline=None)
def test_chunks_cover_every_position_once_from_any_start(
    is_skipped: list[bool], sizes: list[int], group_rows: int, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(is_skipped)))
    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder(Path(place) / RUN_ID)
        frozen = write_plan(folder, is_skipped, group_rows)
        reader = ChunkReader(folder, frozen, start)
        seen: list[str] = []
        number = 0

        while reader.remaining:
            chunk = reader.take(number, sizes[number % len(sizes)])
            keys = chunk.changes.column("key").to_pylist() + [skip.key for skip in chunk.skips]
            assert len(keys) == chunk.rows
            assert chunk.keys == (min(keys), max(keys))
            seen += sorted(keys)
            number += 1

    assert seen == [f"k{place:03d}" for place in range(start, len(is_skipped))]


@given(st.lists(st.floats(1e-6, 1e3), max_size=60), st.floats(0.01, 60))
def test_an_automatic_chunk_size_stays_within_its_bounds(
    seconds: list[float], target: float
) -> None:
    sizer = ChunkSizer(None, target)

    for taken in seconds:
        sizer.record(sizer.rows, taken)
        assert 1 <= sizer.rows <= 100_000


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=8), st.randoms())
def test_the_digest_of_skips_knows_every_skip_and_no_order(
    pairs: list[tuple[str, str]], draw: object
) -> None:
    skips = [Skip(k, "", "", UtcReason.INVALID_TIMEZONE, d) for k, d in dict(pairs).items()]
    shuffled = list(skips)
    draw.shuffle(shuffled)  # type: ignore[attr-defined]

    assert skips_digest(shuffled) == skips_digest(skips)
    if skips:
        assert skips_digest(skips[1:]) != skips_digest(skips)


COUNTS = st.integers(0, 2**40)


@given(
    st.fixed_dictionaries(
        {
            **dict.fromkeys(("chunk_no", "scanned", "updated", "unchanged"), COUNTS),
            **dict.fromkeys(("drifted", "skipped", "elapsed_ms"), COUNTS),
            "key_low": st.text(max_size=8),
            "key_high": st.text(max_size=8),
        }
    ),
    st.data(),
)
def test_the_chain_covers_every_column_of_a_checkpoint(
    fields: dict[str, object], data: st.DataObject
) -> None:
    moment = utc("2026-11-23 07:00")
    name = data.draw(st.sampled_from(sorted(fields)))
    changed = dict(fields)
    value = changed[name]
    changed[name] = f"{value}." if isinstance(value, str) else value + 1  # type: ignore[operator]

    def hash_of(columns: dict[str, object], previous: str = CHAIN_START) -> str:
        checkpoint = Checkpoint(**columns, chain_hash="", committed_at=moment)  # type: ignore[arg-type]
        return checkpoint.chained_to(RUN_ID, previous, "image", "skips")

    assert hash_of(changed) != hash_of(fields)
    assert hash_of(fields, "1" * 64) != hash_of(fields)
    assert hash_of(dict(fields)) == hash_of(fields)


@pytest.fixture
def bench(
    database_from: DatabaseFrom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    """One database for all examples of a property; each begins with an empty table."""
    dsn = database_from("empty", load_empty)
    monkeypatch.setenv("DATABASE_URL", dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        bench = Bench(dsn, tmp_path / "runs", connection)
        monkeypatch.setattr(LISTENER, lambda: bench.events.append)
        yield bench


@given(rows=ROWS, chunk_rows=st.integers(1, 6))
@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_apply_twice_is_once_and_revert_undoes_it(
    bench: Bench, rows: list[tuple[int | None, int | None, str | None, bool]], chunk_rows: int
) -> None:
    bench.sql("TRUNCATE events")
    bench.sql("DROP SCHEMA IF EXISTS backfill CASCADE")
    for number, (start, end, tz, has_end) in enumerate(rows):
        bench.add_event(
            f"r{number}", start_at=start, end_at=end, tz=tz, end_at_utc=5 if has_end else None
        )
    before = bench.table()

    first = bench.run(chunk_size=chunk_rows)
    once = bench.table()
    second = bench.run(chunk_size=chunk_rows)
    twice = bench.table()
    bench.revert(first.run_id, chunk_size=chunk_rows)

    assert twice == once
    assert bench.summary(second)["total_updated"] == 0
    summary = bench.summary(first)
    parts = ("total_updated", "total_unchanged", "total_skipped", "total_drifted")
    assert summary["total_scanned"] == sum(summary[part] for part in parts)
    assert bench.table() == before
