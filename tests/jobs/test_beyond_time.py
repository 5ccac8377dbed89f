"""Walls that no calendar of ours reaches: left alone, shown, and the run goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.engine.workshop import load_empty_timestamps

if TYPE_CHECKING:
    from tests.jobs.conftest import BenchFrom

BEYOND = (
    "infinity",
    "-infinity",
    "0043-03-15 09:30 BC",
    "20000-06-01 12:00",
    "4713-01-01 00:00 BC",
)
#: Types of a wall column that hold one of those.
TYPES = ("timestamp", "text", "timestamp(0)")


@pytest.mark.parametrize("wall_type", TYPES)
def test_a_wall_beyond_all_calendars_is_left_alone_and_the_rest_is_written(
    bench_from: BenchFrom, wall_type: str
) -> None:
    bench = bench_from("no events, timestamps", load_empty_timestamps)
    for column in ("start_at", "end_at"):
        bench.sql(
            f"ALTER TABLE events ALTER {column} TYPE {wall_type} USING {column}::text::{wall_type}"
        )
    for place, wall in enumerate(BEYOND):
        bench.add_event(
            f"beyond{place}", tz="Europe/Lisbon", start_at=wall, end_at="2025-01-07 09:00"
        )
        bench.add_event(
            f"behind{place}", tz="Europe/Lisbon", start_at="2025-01-07 09:00", end_at=wall
        )
    bench.add_event(
        "usual", tz="Europe/Lisbon", start_at="2025-01-07 09:00", end_at="2025-07-07 09:00"
    )

    book = bench.book(apply=True)
    for step in ("preflight", "extract", "compute", "diff", "picture", "plan"):
        shown = getattr(book, step)()
        assert "can not be shown" not in str(shown.markup), step
    for step in ("apply", "verify", "summary"):
        getattr(book, step)()

    run = bench.folder(book.run_id).read_json("run.json")
    assert not run.get("not_shown")
    assert {reason for _column, reason in bench.skips(book.run_id).values()} == {
        "invalid_timestamp"
    }
    assert len(bench.skips(book.run_id)) == 2 * len(BEYOND)
    assert bench.summary(book)["total_updated"] == 1
    assert bench.filled()["usual"][0] is not None
    assert all(v == (None, None) for k, v in bench.filled().items() if k.startswith("be"))
