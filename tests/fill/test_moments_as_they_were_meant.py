"""Moments, spans and documents that another reading would make into something else: each is what
its writer saw, or the diff says what became of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from backfill.errors import UsageError
from backfill.jobs.fill.values import open_values
from backfill.rows.moments import timestamps
from backfill.rows.texts import texts_of

if TYPE_CHECKING:
    from tests.fill.conftest import Tables

SAO_PAULO = pd.Series(["2031-01-05 22:15", None], dtype="datetime64[us]").dt.tz_localize(
    "America/Sao_Paulo"
)


@pytest.mark.parametrize(
    "moments",
    [SAO_PAULO, SAO_PAULO.astype(object), pl.from_pandas(SAO_PAULO)],
    ids=["pandas", "objects", "polars"],
)
def test_of_a_moment_with_a_zone_a_column_without_one_keeps_the_wall_time_and_it_is_told(
    tables: Tables, moments: Any
) -> None:
    tables.make(
        "CREATE TABLE ferry (id int PRIMARY KEY, wall timestamp, day date, clock time,"
        " instant timestamptz)",
        "INSERT INTO ferry VALUES (1), (2)",
    )
    names = ["wall", "day", "clock", "instant"]
    make = pl.DataFrame if isinstance(moments, pl.Series) else pd.DataFrame
    run = tables.fill(make({"id": [1, 2], **dict.fromkeys(names, moments)}), "ferry", names)
    run.apply()
    run.verify()
    assert tables.rows(
        "SELECT wall::text, day::text, clock::text, instant::text FROM ferry ORDER BY id"
    ) == [
        ("2031-01-05 22:15:00", "2031-01-05", "22:15:00", "2031-01-06 01:15:00+00"),
        (None, None, None, None),
    ]
    said = str(run.changes["warnings"][0])
    assert [f"{name}: " in said for name in names] == [True, True, True, False]
    run.undo()
    assert tables.rows("SELECT DISTINCT wall, day, clock, instant FROM ferry") == [(None,) * 4]


@pytest.mark.parametrize(
    ("zone", "wall"),
    [
        *((zone, "12:00:00.000000+00") for zone in ("Z", "UT", "GMT", "GMT+00:00", "Etc/UTC")),
        *((zone, "14:00:00.000000+02") for zone in ("GMT+02:00", "UTC+0200", "+0200", "+02")),
        *((zone, "14:00:00.000000+02") for zone in ("Etc/GMT-2", "Africa/Harare")),
        ("UTC-03:30", "08:30:00.000000-03:30"),
    ],
)
def test_zones_as_java_and_iso_write_them_are_the_offsets_that_they_say(
    zone: str, wall: str
) -> None:
    noon = pa.array([43_200_000, None], pa.timestamp("ms", zone))
    assert texts_of(noon).to_pylist() == [f"1970-01-01 {wall}", None]
    [listed] = texts_of(pa.array([[43_200_000]], pa.list_(noon.type)))
    assert f"1970-01-01 {wall[:8]}" in listed.as_py()


@pytest.mark.parametrize("zone", ["UTC+2", "GMT-3", "localtime", "Factory", "CEST", "+2"])
def test_zones_that_may_be_one_or_another_are_refused(zone: str) -> None:
    for kind in (pa.timestamp("us", zone), pa.list_(pa.timestamp("us", zone))):
        with pytest.raises(UsageError, match="or an offset like"):
            texts_of(pa.array([None], kind))


def test_a_machine_without_a_database_of_zones_writes_the_same_offsets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    days = [0, None, 1_900_000_000_000, -5_000_000_000_000, 253_402_300_799_000]
    columns = [pa.array(days, pa.timestamp("ms", zone)) for zone in ("Asia/Tehran", "+05:45")]
    texts = [timestamps(column).to_pylist() for column in columns]
    assert texts[0][2] == "2030-03-17 21:16:40.000000+03:30"
    assert texts[1][4] == "9999-12-31 23:59:59.000000+00"  # no clock of ours shows the year 10000
    forever = timestamps(pa.array([2**63 - 1, 1 - 2**63], pa.timestamp("us", "Asia/Tehran")))
    assert forever.to_pylist() == ["infinity", "-infinity"]

    def nothing_found(_moments: object) -> None:
        raise pa.ArrowInvalid("Timezone database not found")

    monkeypatch.setattr(pc, "local_timestamp", nothing_found)
    assert [timestamps(column).to_pylist() for column in columns] == texts


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        ("date", "Tomorrow", "is as of the making of this plan"),
        ("timestamp", "now", "is as of the making of this plan"),
        ("timestamptz", "20310105T221500", "names no offset: read as UTC"),
        ("timestamptz", "Sun Jan  5 22:15:00 2031", "names no offset: read as UTC"),
        ("timetz", "22:15", "names no offset: read as UTC"),
        ("time", "22:15:00 CET", "is stored as '22:15:00'"),
        *(
            ("timestamptz", text, "names a zone of several countries: read as PostgreSQL knows it")
            for text in ("2031-01-05 22:15 IST", "2031-01-05 10:15:00 pm est")
        ),
        ("interval", "0.3 years", "is stored as '4 mons'"),
    ],
)
def test_what_is_read_in_a_way_of_its_own_is_said(
    tables: Tables, kind: Any, given: str, says: str
) -> None:
    tables.make(f"CREATE TABLE tide (id int PRIMARY KEY, v {kind})", "INSERT INTO tide VALUES (1)")
    run = tables.fill(pa.table({"id": [1], "v": [given]}), "tide", "v")
    assert run.changes["warnings"][0] == f"v: {given!r} {says}"


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("timestamptz", "Sun Jan  5 22:15:00 CET 2031"),
        ("timestamptz", "2031-01-05 10:15:00 PM PDT"),
        ("timestamptz", "20310105T221500Z"),
        ("timestamptz", "2031-01-05 22:15 America/Argentina/Buenos_Aires"),
        ("timestamptz", "0044-03-15 12:00+01 BC"),
        ("timestamptz", "infinity"),
        ("timestamptz", "05Jan31 22:15Z"),
        ("timestamptz", "2031-01-05 22:15 GMT+00:00"),
        ("timestamptz", "2031-01-05 22:15 Etc/GMT-2"),
        ("time", "22:15 UTC"),
        ("interval", "1.50 years 2.5 milliseconds"),
    ],
)
def test_what_is_told_in_full_needs_no_word(tables: Tables, kind: Any, given: str) -> None:
    tables.make(f"CREATE TABLE tide (id int PRIMARY KEY, v {kind})", "INSERT INTO tide VALUES (1)")
    run = tables.fill(pa.table({"id": [1], "v": [given]}), "tide", "v")
    assert not run.changes["warnings"].fillna("")[0]


WEST = "behind letters the server takes + for west of Greenwich"
TWICE = "is there twice, or never"


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        ("timestamptz", "2031-01-05 22:15 UTC+2", WEST),
        ("timestamptz", "20310105T2215GMT-03:30", WEST),
        ("timestamptz", "Sun Jan 05 2031 22:15:00 GMT+0100", WEST),
        ("timestamptz", "2031-01-05 22:15 EST5", WEST),
        ("timetz", "22:15 UTC+2", WEST),
        ("tstzrange", "[2031-01-05 22:15 UTC+2,)", WEST),
        ("timestamptz[]", "{2031-01-05 22:15 UTC+2}", WEST),
        ("timestamptz", "2031-10-26 02:30 Europe/Berlin", TWICE),
        ("timestamptz", "2031-03-30T2:30:59.5 Europe/Berlin", TWICE),
        ("tstzrange", "[,2031-10-26 02:30 Europe/Berlin]", TWICE),
    ],
)
def test_a_moment_that_may_be_two_is_left_alone(
    tables: Tables, kind: Any, given: str, says: str
) -> None:
    tables.make(f"CREATE TABLE tide (id int PRIMARY KEY, v {kind})", "INSERT INTO tide VALUES (1)")

    skips = tables.fill(pa.table({"id": [1], "v": [given]}), "tide", "v").skips

    assert skips["reason"].to_list() == ["invalid_value"]
    assert says in skips["detail"][0]


@pytest.mark.parametrize("given", [{"key": "at"}, {"reads": "at"}])
def test_a_key_or_a_source_that_may_be_two_moments_is_refused(
    tables: Tables, given: dict[str, Any]
) -> None:
    tables.make(
        "CREATE TABLE tide (id int PRIMARY KEY, at timestamptz UNIQUE, height numeric)",
        "INSERT INTO tide VALUES (1, '2031-01-05 10:00Z'), (2, '2031-01-05 12:00Z')",
    )
    rows = pa.table({"id": [2], "at": ["2031-01-05 11:00 UTC+1"], "height": [2.5]})

    with pytest.raises(UsageError, match=r"at in row 1 of the values: .* west of Greenwich"):
        tables.fill(rows, "tide", "height", **given)


def test_a_document_that_could_not_be_compared_is_left_alone_before_the_plan_is_frozen(
    tables: Tables,
) -> None:
    tables.make(
        "CREATE TABLE letter (id int PRIMARY KEY, v json)",
        "INSERT INTO letter SELECT generate_series(1, 3)",
    )
    documents = ['{"a":  1}', r'"\u0000"', r'["\ud800"]']
    run = tables.fill(pa.table({"id": [1, 2, 3], "v": documents}), "letter", "v")
    assert list(zip(run.skips["key"], run.skips["reason"], strict=True)) == [
        ("2", "invalid_value"),
        ("3", "invalid_value"),
    ]
    run.apply()
    assert tables.rows("SELECT v::text FROM letter ORDER BY id") == [
        ('{"a":  1}',),
        (None,),
        (None,),
    ]


@pytest.mark.parametrize("name", ["cut.parquet", "cut.arrow", "cut.feather"])
def test_a_file_that_was_cut_off_is_called_that(tmp_path: Path, name: str) -> None:
    path, rows = tmp_path / name, pa.table({"id": range(9_999)})
    if path.suffix == ".parquet":
        pq.write_table(rows, path)
    else:
        with pa.ipc.new_file(path, rows.schema) as writer:
            writer.write_table(rows)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UsageError, match="is cut off or damaged"):
        open_values(path)


def test_a_page_in_the_midst_of_a_file_that_can_not_be_read_is_told_of_the_file(
    tmp_path: Path,
) -> None:
    path = tmp_path / "worn.parquet"
    pq.write_table(pa.table({"id": range(50_000)}), path, row_group_size=5_000)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 300] = bytes(300)
    path.write_bytes(content)

    values = open_values(path)

    with pytest.raises(UsageError, match=r"--values .*worn\.parquet can not be read: "):
        list(values.batches())
