"""Whatever decided a value is compared again when it is written: a change of any of it is drift."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.workshop import Bench, load_nothing
from tests.jobs.conftest import BenchFrom

from backfill.errors import RowsDrifted

DDL = """
CREATE TYPE mood AS ENUM ('Asia/Tokyo', 'Asia/Dhaka');
CREATE TABLE owner (id int PRIMARY KEY, tz text);
CREATE TABLE event (id int PRIMARY KEY, owner_id int, tz mood);
CREATE TABLE zone_since (place text, since date, tz text);
CREATE TABLE session (id int PRIMARY KEY, kind text, event_id int, place text, phone text,
    own_tz varchar(30), day date, starts time, starts_utc timestamptz,
    seen text, seen_utc text, rang numeric, rang_offset int, rang_utc bigint,
    read_local timestamp, seq int, meter text, read_utc timestamptz);
INSERT INTO owner VALUES (1, 'Africa/Cairo'), (2, 'Africa/Cairo');
INSERT INTO event VALUES (1, 1, NULL), (2, 2, NULL), (3, 1, 'Asia/Tokyo');
INSERT INTO zone_since VALUES ('P', '2026-01-01', 'Europe/Oslo'), ('Q', '2026-01-01', 'Asia/Baku');
INSERT INTO session SELECT g, 'timed', CASE g WHEN 1 THEN 2 WHEN 2 THEN 3 ELSE 1 END,
    CASE g WHEN 3 THEN 'Q' ELSE 'P' END, NULL, NULL, '2026-05-05', '10:00', NULL,
    '05.05.2026 10:00', NULL, 1777975200.5, 120, NULL, '2026-10-25 02:30', g, 'm' || g, NULL
FROM generate_series(1, 14) g;
INSERT INTO session (id, kind, event_id, read_local, seq, meter)
SELECT 100 + g, 'timed', 1, '2026-10-25 02:45', -g, 'm' || g FROM generate_series(1, 14) g;
"""
SPEC = """table = "session"
where = "kind = 'timed'"
zone = ["own_tz", "event.tz", "owner.tz"]
[[lookup]]
name = "event"
table = "event"
by = "event_id"
key = "id"
[[lookup]]
name = "owner"
table = "owner"
by = "event.owner_id"
key = "id"
[[lookup]]
name = "since"
table = "zone_since"
by = "place"
key = "place"
from = "since"
[[pair]]
wall = ["day", "starts"]
target = "starts_utc"
[[pair]]
wall = "seen"
target = "seen_utc"
format = "%d.%m.%Y %H:%M"
[[pair]]
wall = "rang"
unit = "s"
target = "rang_utc"
target_unit = "s"
offset = { column = "rang_offset", unit = "minutes" }
[[pair]]
wall = "read_local"
target = "read_utc"
zone = ["since.tz", "=Europe/Oslo"]
fold_by = "seq"
series = "meter"
"""
#: Row, and what changes between the plan and the apply.
CHANGES = {
    1: "UPDATE owner SET tz = 'Africa/Lagos' WHERE id = 2",
    2: "UPDATE event SET tz = 'Asia/Dhaka' WHERE id = 3",
    3: "INSERT INTO zone_since VALUES ('Q', '2026-10-25', 'Asia/Tokyo')",
    4: "UPDATE session SET day = '2026-05-06' WHERE id = 4",
    5: "UPDATE session SET starts = '10:01' WHERE id = 5",
    6: "UPDATE session SET own_tz = 'Asia/Seoul' WHERE id = 6",
    7: "UPDATE session SET seen = '05.05.2026 10:01' WHERE id = 7",
    8: "UPDATE session SET rang = rang + 0.25 WHERE id = 8",
    9: "UPDATE session SET rang_offset = 60 WHERE id = 9",
    10: "UPDATE session SET seq = 900 WHERE id = 10",
    11: "UPDATE session SET meter = 'other' WHERE id = 11",
    12: "UPDATE session SET kind = 'all day' WHERE id = 12",
    13: "UPDATE session SET event_id = 3 WHERE id = 13",
}


@pytest.fixture
def bench(bench_from: BenchFrom) -> Bench:
    made = bench_from("nothing", load_nothing)
    made.sql(DDL)
    return made


def test_a_change_of_anything_that_decided_leaves_the_row_alone(
    bench: Bench, tmp_path: Path
) -> None:
    path = tmp_path / "session.toml"
    path.write_text(SPEC, encoding="utf-8")
    book = bench.plan(table=str(path))

    for change in CHANGES.values():
        bench.sql(change)
    with pytest.raises(RowsDrifted):
        bench.apply(book.run_id)

    written = {row for (row,) in bench.sql("SELECT id FROM session WHERE starts_utc IS NOT NULL")}
    assert written == {14}
    assert bench.summary_of(book.run_id)["total_drifted"] == len(CHANGES)
