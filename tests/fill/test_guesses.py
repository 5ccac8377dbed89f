"""What DuckDB would guess of files that a query reads is refused, with the words that say it."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.fill.test_other_hands import read

from backfill.errors import UsageError
from backfill.jobs.fill.frames import keep_query
from backfill.rows.texts import texts_of

DATES = {"d.csv": "id,day\n1,01/02/2026\n2,03/04/2026\n", "t.csv": "id,seen\n1,1.2.2026 10:00:00\n"}


@pytest.mark.parametrize(
    "query",
    [
        "FROM 'd.csv'",
        "SELECT id, day FROM read_csv('d.csv', header = true)",
        "WITH a AS (SELECT * FROM 't.csv') SELECT id, seen FROM a",
        "SELECT id, (SELECT max(day) FROM '?.csv' AS o WHERE o.id = 1) AS day FROM 't.csv'",
    ],
)
def test_duckdb_is_not_asked_to_guess_a_day_s_month(tmp_path: Path, query: str) -> None:
    (tmp_path / "d.csv").write_text(DATES["d.csv"])
    if "t.csv" in query and "?" not in query:
        (tmp_path / "t.csv").write_text(DATES["t.csv"])

    with pytest.raises(UsageError, match="the day first, or the month") as refused:
        keep_query(query, tmp_path / "values.arrow", tmp_path)

    mended = str(refused.value).split("if it is so: ")[1]
    keep_query(f"SELECT * {mended}", tmp_path / "values.arrow", tmp_path)
    days = [row.get("day") or row["seen"].date() for row in read(tmp_path / "values.arrow")]
    assert days[0] == dt.date(2026, 2, 1)


@pytest.mark.parametrize(
    ("name", "first", "last", "says"),
    [
        ("z.csv", "{0},{0}", "60001,0070", "v is BIGINT, of all rows VARCHAR"),
        ("z.csv", "{0},{0}", "60001,2.5", "v is BIGINT, of all rows DOUBLE"),
        ("z.csv", "{0},2031-05-06", "60001,2031-05-06 07:08", "v is DATE, of all rows TIMESTAMP"),
        ("z.jsonl", '{{"id":{0},"v":{0}}}', '{"id":60001,"v":2.5}', "v is BIGINT, of all rows DO"),
    ],
)
def test_values_behind_the_first_rows_are_not_made_into_what_those_are(
    tmp_path: Path, name: str, first: str, last: str, says: str
) -> None:
    lines = [
        *(["id,v"] if name == "z.csv" else []),
        *(first.format(i) for i in range(60_000)),
        last,
    ]
    (tmp_path / name).write_text("\n".join(lines) + "\n")
    kept = tmp_path / "kept.arrow"
    where = "WHERE id > 60000"

    with pytest.raises(UsageError, match=says) as refused:
        keep_query(f"SELECT id, v FROM '{name}' {where}", kept, tmp_path)
    shown = str(refused.value).split("at all rows: ")[1]
    keep_query(f"SELECT id, v {shown} {where}", kept, tmp_path)

    given = last.split(",")[1].removeprefix('"v":').removesuffix("}")
    (row,) = read(kept)
    assert texts_of(pa.array([row["v"]])).to_pylist()[0].startswith(given)
    keep_query(f"SELECT id FROM '{name}' {where}", kept, tmp_path)
    assert read(kept) == [{"id": 60_001}]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id FROM 'd.csv'",
        "FROM read_csv('d.csv', dateformat = '%m/%d/%Y')",
        "FROM read_csv('d.csv', all_varchar = true)",
        "FROM 'sure.csv'",
        "FROM 'iso.csv'",
    ],
)
def test_a_date_that_is_told_or_sure_or_not_asked_for_is_read(tmp_path: Path, query: str) -> None:
    (tmp_path / "d.csv").write_text(DATES["d.csv"])
    (tmp_path / "sure.csv").write_text("id,day\n1,01/02/2026\n2,31/12/2026\n")
    (tmp_path / "iso.csv").write_text("id,day\n1,2026-02-01\n2,2026-12-31\n")

    keep_query(query, tmp_path / "values.arrow", tmp_path)

    assert [row["id"] for row in read(tmp_path / "values.arrow")] == [1, 2] or "all_v" in query


@pytest.mark.parametrize(
    ("query", "column"),
    [
        ("FROM 'n.csv'", "weight"),
        ("SELECT no, \"net weight\" FROM read_csv('n.csv', header = true)", "net weight"),
        ("SELECT no, weight * 2 AS w FROM (FROM 'n.csv') AS n WHERE weight IS NOT NULL", "weight"),
    ],
)
def test_numbers_of_more_digits_than_a_float_has_are_read_whole_or_refused(
    tmp_path: Path, query: str, column: str
) -> None:
    numbers = {"weight": "0.10000000000000000555", "net weight": "-3.14159265358979323846"}
    text = f"no,weight,net weight,size\n1,{','.join(numbers.values())},1.5000\n2,1e3,0.1,.25\n"
    (tmp_path / "n.csv").write_text(text)

    with pytest.raises(UsageError, match=f"the column {column} have more digits") as refused:
        keep_query(query, tmp_path / "values.arrow", tmp_path)

    mended = str(refused.value).split("called DOUBLE: ")[1]
    keep_query(f"SELECT * {mended}", tmp_path / "values.arrow", tmp_path)
    assert read(tmp_path / "values.arrow")[0][column] == numbers[column]


@pytest.mark.parametrize(
    ("rows", "odd", "says"),
    [
        (["2026-03-01 08:00:00"] * 5_000, "2026-03-01 08:00:00+09", "DuckDB leaves it out"),
        (["2026-03-01 08:00"] * 5_000, "2026-03-01T08:00Z", "DuckDB leaves it out"),
        (["2026-03-01 08:00:00"] * 3, "2026-03-01 08:00:00.5 UTC", "DuckDB leaves it out"),
        (["2026-03-01 08:00:00-03:30"] * 3, "2026-03-01 08:00:00", "DuckDB takes UTC"),
        (["2026-03-01 08:00:00 IST"] * 3, "2026-03-01 09:00:00 IST", "an offset of its own"),
        (["2026-03-01 08:00:00Z"] * 3, "2026-03-01 09:00:00 UTC+1", "an offset of its own"),
        (["2026-03-01 08:00:00Z"] * 3, "2026-10-25 02:30 Europe/Berlin", "an offset of its own"),
    ],
)
def test_times_with_an_offset_among_others_without_are_refused_and_read_as_texts(
    tmp_path: Path, rows: list[str], odd: str, says: str
) -> None:
    lines = [f"{place},{text}\n" for place, text in enumerate([*rows, odd], start=1)]
    (tmp_path / "w.csv").write_text("no,taken\n" + "".join(lines))
    kept = tmp_path / "values.arrow"

    with pytest.raises(UsageError, match=says) as refused:
        keep_query(f"SELECT no, taken FROM 'w.csv' WHERE no > {len(rows)}", kept, tmp_path)

    mended = str(refused.value).split("called DOUBLE: ")[1]
    keep_query(f"SELECT taken {mended} WHERE no > {len(rows)}", kept, tmp_path)
    assert read(kept) == [{"taken": odd}]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT no, CAST(taken AS TIMESTAMP) AS taken FROM read_csv('w.csv', all_varchar = true)",
        "SELECT * REPLACE (TRY_CAST(w.taken AS timestamp_ns) AS taken) FROM 'w.csv' AS w",
        "FROM read_csv('w.csv', types = {'no': 'SMALLINT', 'taken': 'TIMESTAMP'})",
        "FROM read_csv('w.csv', columns = {'no': 'SMALLINT', 'taken': 'DATETIME'})",
    ],
)
def test_a_query_that_makes_timestamps_itself_does_not_drop_their_offsets(
    tmp_path: Path, query: str
) -> None:
    (tmp_path / "w.csv").write_text("no,taken\n1,2026-03-01 08:00 IST\n2,2026-03-01 08:00:00+09\n")
    kept = tmp_path / "values.arrow"

    with pytest.raises(UsageError, match="times in the column taken have") as refused:
        keep_query(query, kept, tmp_path)

    keep_query("SELECT taken " + str(refused.value).split("called DOUBLE: ")[1], kept, tmp_path)
    assert [row["taken"] for row in read(kept)] == [
        "2026-03-01 08:00 IST",
        "2026-03-01 08:00:00+09",
    ]


@pytest.mark.parametrize(
    "texts",
    [
        ["2026-03-01 08:00:00", "2026-03-02 08:00:00.5", ""],
        ["2026-03-01 08:00:00Z", "2026-03-02 08:00:00+09:00", "2026-03-02 08:00 UTC", ""],
        ["31/03/2026 08:00:00 AM", "30/03/2026 09:00:00 PM"],
    ],
)
def test_times_that_all_have_an_offset_or_none_are_read(tmp_path: Path, texts: list[str]) -> None:
    lines = [f"{place},{text}\n" for place, text in enumerate(texts, start=1)]
    (tmp_path / "w.csv").write_text("no,at\n" + "".join(lines))

    keep_query("FROM 'w.csv'", tmp_path / "values.arrow", tmp_path)

    assert len(read(tmp_path / "values.arrow")) == len(texts)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT no, size FROM 'n.csv'",
        "FROM read_csv('n.csv', types = {'weight': 'DOUBLE'})",
        "FROM read_csv('n.csv', all_varchar = true)",
    ],
)
def test_numbers_that_a_float_holds_or_that_are_told_to_be_floats_are_read(
    tmp_path: Path, query: str
) -> None:
    sizes = [
        "0.1",
        "1.5000000000000000000",
        "-2.50e-3",
        "1e300",
        "59.3293",
        "100000000000000000000",
    ]
    lines = [f"{place},0.10000000000000000555,{size}\n" for place, size in enumerate(sizes)]
    (tmp_path / "n.csv").write_text("no,weight,size\n" + "".join(lines))

    keep_query(query, tmp_path / "values.arrow", tmp_path)

    found = [float(row["size"]) for row in read(tmp_path / "values.arrow")]
    assert found == [0.1, 1.5, -0.0025, 1e300, 59.3293, 1e20]


@pytest.mark.parametrize(
    "values",
    [
        [{"a": 1}, {"b": "x"}],
        [{"a": 1, "b": None}, {"a": 2}],
        [[{"k": 1}, {"k": 2, "l": 'says "no"'}], []],
        [{"in": {"a": "2026-01-01"}}, {"in": {"b": 2.5}}],
    ],
    ids=str,
)
def test_objects_of_differing_names_keep_their_own(tmp_path: Path, values: list[Any]) -> None:
    rows = [{"id": f"0{place}", "doc": value} for place, value in enumerate(values)]
    (tmp_path / "o.jsonl").write_text("\n".join(map(json.dumps, rows)))
    kept = tmp_path / "values.arrow"

    with pytest.raises(UsageError, match="objects in the column doc have differing") as refused:
        keep_query("SELECT id, doc FROM 'o.jsonl'", kept, tmp_path)

    mended = str(refused.value).split("as they are: ")[1]
    keep_query(f"SELECT id, doc {mended}", kept, tmp_path)
    assert [row | {"doc": json.loads(row["doc"])} for row in read(kept)] == rows


@pytest.mark.parametrize(
    "query",
    [
        "FROM 'alike.jsonl'",
        "SELECT id, doc.a FROM 'o.jsonl'",
        "FROM read_json('o.jsonl', columns = {'id': 'INT', 'doc': 'JSON'})",
    ],
)
def test_objects_of_the_same_names_or_parts_of_them_are_read(tmp_path: Path, query: str) -> None:
    (tmp_path / "o.jsonl").write_text('{"id": 1, "doc": {"a": 1}}\n{"id": 2, "doc": {"b": 2}}')
    (tmp_path / "alike.jsonl").write_text(
        '{"id": 1, "doc": {"a": null, "t": "2026-01-01"}}\n{"id": 2, "doc": {"t": "", "a": [1]}}'
    )

    keep_query(query, tmp_path / "values.arrow", tmp_path)

    assert [row["id"] for row in read(tmp_path / "values.arrow")] == [1, 2]
