"""Zones beside the way: with the owner of a row, for a time, or as a word about summer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.engine.workshop import load_nothing, utc
from tests.jobs.conftest import BenchFrom
from tests.longer import longer_behind

from backfill.jobs.utc.guess.specification import guess_spec
from backfill.jobs.utc.guess.toml import as_toml
from backfill.server.table_look import look_at


@dataclass(frozen=True)
class Kept:
    ddl: str
    says: tuple[str, ...]
    expected: Mapping[int, Any]


OWNER = "CREATE TABLE owner (id int PRIMARY KEY, name text); INSERT INTO owner VALUES (7, 'Ea');"
CALL = (
    "CREATE TABLE call (id int PRIMARY KEY, owner int REFERENCES owner, at_local timestamp,"
    " at_utc timestamptz); INSERT INTO call VALUES (1, 7, '2026-03-31 23:30'),"
    " (2, 7, '2026-04-01 00:30'), (3, 7, '2026-09-01 00:30');"
)
KEPT = {
    "the owner's settings, one row for each": Kept(
        f"{OWNER}CREATE TABLE settings (of int UNIQUE REFERENCES owner, tz text);"
        f"INSERT INTO settings VALUES (7, 'Asia/Seoul');{CALL}",
        ('table = "public.settings"  # guess: it refers to the same row as owner', 'key = "of"\n'),
        {
            1: utc("2026-03-31 14:30"),
            2: utc("2026-03-31 15:30"),
            3: utc("2026-08-31 15:30"),
        },
    ),
    "where the owner lived, within ranges": Kept(
        f"{OWNER}CREATE TABLE home (of int REFERENCES owner, during daterange, tz text);"
        "INSERT INTO home VALUES (7, '(,2026-04-01)', 'Asia/Seoul'),"
        f" (7, '[2026-04-01,2026-08-31]', 'Asia/Dubai');{CALL}",
        ('from = "during"  # guess: because of its type, daterange',),
        {1: utc("2026-03-31 14:30"), 2: utc("2026-03-31 20:30"), 3: None},
    ),
    "where the owner lived, from a day to another": Kept(
        f"{OWNER}CREATE TABLE home (of int REFERENCES owner, moved_from date, tz text,"
        " moved_to date, entered timestamp); INSERT INTO home VALUES"
        " (7, '2020-01-01', 'Asia/Seoul', '2026-03-31'), (7, '2026-04-01', 'Asia/Dubai', NULL);"
        f"{CALL}",
        ('from = "moved_from"', 'until = "moved_to"'),
        {1: utc("2026-03-31 14:30"), 2: utc("2026-03-31 20:30"), 3: utc("2026-08-31 20:30")},
    ),
    "summer time or not": Kept(
        "CREATE TABLE call (id int PRIMARY KEY, tz text, is_dst boolean, at_local timestamp,"
        " at_utc timestamptz); INSERT INTO call VALUES (1, 'Europe/Sofia', true,"
        " '2026-10-25 03:30'), (2, 'Europe/Sofia', false, '2026-10-25 03:30');",
        ('offset = { column = "is_dst", as = "fold" }  # guess: because of its name: summer time',),
        {1: utc("2026-10-25 00:30"), 2: utc("2026-10-25 01:30")},
    ),
    "an offset beside a zone": Kept(
        "CREATE TABLE call (id int PRIMARY KEY, tz text, utc_offset_min int, at_local timestamp,"
        " at_utc timestamptz); INSERT INTO call VALUES (1, 'Europe/Sofia', 180,"
        " '2026-10-25 03:30'), (2, 'Europe/Sofia', 120, '2026-10-25 03:30');",
        ('unit = "minutes", as = "fold" }', "where a clock shows an hour twice, it tells which"),
        {1: utc("2026-10-25 00:30"), 2: utc("2026-10-25 01:30")},
    ),
}


@pytest.mark.parametrize("name", longer_behind(3, KEPT))
def test_what_tells_the_zone_is_found_beside_the_way(
    bench_from: BenchFrom, tmp_path: Path, name: str
) -> None:
    kept = KEPT[name]
    bench = bench_from("nothing", load_nothing)
    bench.sql(kept.ddl)

    guess = as_toml(guess_spec(*look_at(bench.connection, "call")))
    for piece in kept.says:
        assert piece in guess, guess
    (tmp_path / "call.toml").write_text(guess, encoding="utf-8")
    book = bench.run(table=str(tmp_path / "call.toml"))

    assert dict(bench.sql("SELECT id, at_utc FROM call ORDER BY id")) == kept.expected
    assert bench.verify(book.run_id).findings == []


def test_several_rows_of_which_nobody_knows_when_they_count_are_told_of(
    bench_from: BenchFrom,
) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(f"{OWNER}CREATE TABLE phone (of int REFERENCES owner, tz text);{CALL}")
    bench.sql("INSERT INTO phone VALUES (7, 'Asia/Seoul'), (7, 'Asia/Dubai')")

    guess = as_toml(guess_spec(*look_at(bench.connection, "call")))

    assert 'zone = ""' in guess
    assert "# public.phone.tz holds time zones, too" in guess
