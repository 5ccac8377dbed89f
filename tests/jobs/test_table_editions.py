"""Both editions of the specification, and tables as earlier versions recorded them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest
from tests.engine.workshop import Bench, load_nothing
from tests.jobs.conftest import BenchFrom

from backfill.jobs.utc.spec_file import load_spec, spec_from_json
from backfill.jobs.utc.table_json import zoned_from_json
from backfill.jobs.utc.table_spec import EVENTS
from backfill.jobs.utc.wall_value import local_time
from backfill.utc.wall import read_walls

RECORDED = {
    "schema": "public",
    "name": "visits",
    "key": [["id", "bigint"]],
    "scope": ["clinic", "text"],
    "zone": "tz",
    "walls": [["begins", "bigint"], ["ends", "timestamp"]],
    "targets": [["begins_utc", "bigint"], ["ends_utc", "timestamptz"]],
    "lookup": ["public", "clinic", "id", "timezone"],
    "deleted": None,
}


def test_a_table_as_earlier_versions_recorded_it_means_what_it_meant() -> None:
    zoned = zoned_from_json(RECORDED, {"begins": "epoch_s"})

    assert [column.name for column in zoned.table.sources] == ["begins", "ends", "tz"]
    assert [value.field for value in zoned.table.looked_up] == ["clinic.timezone"]
    assert zoned.table.joins[0].parts[0].by == ("", "clinic")
    assert [pair.reading.name for pair in zoned.columns.pairs] == ["epoch_s", "timestamp"]
    assert zoned.columns.is_span


def test_minutes_since_midnight_that_earlier_versions_recorded_are_minutes_still() -> None:
    reading = {"kind": "date_and_time", "unit": "min", "format": "", "read_in": "UTC"}
    pair = {
        "label": "day+minute",
        "walls": [["day", "text"], ["minute", "bigint"]],
        "reading": {**reading, "missing": [], "uses_offset": False},
        "target": ["minute", "bigint"],
        "target_unit": "ms",
        "chain": [["", "Europe/Oslo", False]],
        "offset": None,
        "fold_by": "",
        "series": "",
    }
    later = {"sources": [], "pairs": [pair], "wants": [], "joins": [], "looked_up": [], "where": ""}
    kept = {"schema": "public", "name": "t", "key": [["id", "bigint"]], "scope": None} | later

    zoned = zoned_from_json(kept | {"where_columns": [], "deleted": None, "is_span": True})

    (found,) = zoned.columns.pairs
    assert local_time(("2026-07-01", 555), found.reading) == dt.datetime(2026, 7, 1, 9, 15)  # noqa: DTZ001
    assert read_walls([pa.array(["2026-07-01"]), pa.array([555])], found.reading).is_read.all()


def test_both_editions_come_back_from_a_runs_settings(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text(
        'table = "t"\nzone = ["a.tz", "=UTC"]\nwhere = "x > 1"\nmissing = ["infinity"]\n'
        '[[lookup]]\nname = "a"\ntable = "a"\nby = "a_id"\nkey = "id"\nfrom = "since"\n'
        '[[pair]]\nwall = ["d", "c"]\ntarget = "u"\ntarget_unit = "us"\n'
        'offset = { column = "o", unit = "hours", as = "fold" }\n',
        encoding="utf-8",
    )
    spec = load_spec(path)

    assert spec_from_json(spec.as_json()) == spec
    assert spec_from_json(EVENTS.as_json()) == EVENTS


@pytest.mark.parametrize(("column", "unit"), [("interval", ""), ("smallint", ', unit = "hours"')])
def test_an_offset_tells_which_of_two_instants_is_meant(
    bench_from: BenchFrom, tmp_path: Path, column: str, unit: str
) -> None:
    bench: Bench = bench_from("nothing", load_nothing)
    first, second = ("-03:00", "-04:00") if column == "interval" else ("-3", "-4")
    bench.sql(
        f"CREATE TABLE t (id int PRIMARY KEY, o {column}, w timestamp, u timestamp);"
        f"INSERT INTO t VALUES (1, '{first}', '2026-11-01 01:20'),"
        f" (2, '{second}', '2026-11-01 01:20'), (3, NULL, '2026-11-01 01:20')"
    )
    path = tmp_path / "t.toml"
    path.write_text(
        'table = "t"\nzone = "=America/Halifax"\n[[pair]]\nwall = "w"\ntarget = "u"\n'
        f'offset = {{ column = "o", as = "fold"{unit} }}\n',
        encoding="utf-8",
    )

    book = bench.run(table=str(path), fold="skip")

    rows = [str(value) for (value,) in bench.sql("SELECT u FROM t ORDER BY id")]
    assert rows == ["2026-11-01 04:20:00", "2026-11-01 05:20:00", "None"]
    assert bench.skips(book.run_id) == {"3": ("w", "ambiguous_local_time")}
