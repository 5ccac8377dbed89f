"""Each chunk is counted once, whether this process adds it or the database tells of it first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from backfill.chunks.tally import Tally
from backfill.errors import TooManySkips
from backfill.records.checkpoint import Counts
from backfill.report import Reporter
from backfill.settings import EngineSettings


def _tally(events: list[Mapping[str, Any]], max_skips: int | None = None) -> Tally:
    chosen = EngineSettings(progress_interval_rows=1, max_skips=max_skips)
    return Tally("20261126T000000Z-utc-dry-abcdef", 40, chosen, Reporter(events.append))


def _told(events: list[Mapping[str, Any]]) -> list[int]:
    return [event["scanned"] for event in events if event["type"] == "progress"]


def test_a_chunk_that_the_database_told_of_first_is_not_counted_again() -> None:
    events: list[Mapping[str, Any]] = []
    tally = _tally(events)

    tally.add(Counts(updated=20))
    tally.see(Counts(updated=38))  # two workers have committed, and not added yet
    tally.add(Counts(updated=10))
    tally.add(Counts(updated=8))
    tally.add(Counts(updated=2))

    assert tally.total == Counts(updated=40)
    assert tally.remaining == 0
    assert _told(events) == [20, 38, 40]


def test_skips_that_the_database_told_of_first_do_not_stop_the_run() -> None:
    tally = _tally([], max_skips=4)

    tally.see(Counts(updated=8, skipped=3))
    tally.add(Counts(updated=8, skipped=3))

    with pytest.raises(TooManySkips, match="skipped 5 rows"):
        tally.add(Counts(skipped=2))


def test_what_other_processes_write_is_counted_when_the_database_tells_of_it() -> None:
    events: list[Mapping[str, Any]] = []
    tally = _tally(events)

    tally.add(Counts(updated=10))
    tally.see(Counts(updated=40))

    assert _told(events) == [10, 40]


def test_nothing_may_follow_a_chunk_that_is_reported_or_may_end_the_run() -> None:
    chosen = EngineSettings(progress_interval_rows=20, max_skips=9)
    tally = Tally("20261126T000000Z-utc-dry-abcdef", 40, chosen, Reporter(lambda _event: None))

    assert tally.lets_follow(Counts(updated=19))
    assert not tally.lets_follow(Counts(updated=20))
    assert not tally.lets_follow(Counts(updated=18, skipped=1))
    tally.add(Counts(updated=21))
    assert tally.lets_follow(Counts(updated=18))
    assert not tally.lets_follow(Counts(updated=19)), "the last chunk"
