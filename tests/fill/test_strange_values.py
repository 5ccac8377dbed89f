"""Values that others' libraries and files bring: each goes in whole, or is left alone and named."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from psycopg.conninfo import make_conninfo

from backfill import workbook
from backfill.errors import UsageError
from backfill.jobs.fill.values import open_values
from backfill.rows.texts import texts_of

if TYPE_CHECKING:
    from tests.fill.conftest import Tables

DECIMAL = decimal.Decimal("12345678901234567890.120")


def box(tables: Tables, kind: str, rows: int = 3) -> None:
    tables.connection.execute(f"CREATE TABLE box (id int PRIMARY KEY, v {kind})")
    tables.connection.execute(f"INSERT INTO box SELECT generate_series(1, {rows})")


def filled(tables: Tables, values: Any, kind: str) -> tuple[list[str | None], dict[str, str]]:
    """Fill a column of that type; return its texts, and the words of what was left alone."""
    box(tables, kind, len(values))
    rows = values if isinstance(values, pa.Array) else pd.Series(values, dtype=object)
    frame: Any = (
        pa.table({"id": range(1, len(values) + 1), "v": rows})
        if isinstance(rows, pa.Array)
        else pd.DataFrame({"id": range(1, len(values) + 1), "v": rows})
    )
    run = tables.fill(frame, "box", "v")
    run.apply()
    run.verify()
    left = dict(zip(run.skips["key"], run.skips["detail"], strict=True)) if len(run.skips) else {}
    return [row[0] for row in tables.rows("SELECT v::text FROM box ORDER BY id")], left


def test_a_number_in_a_document_keeps_its_digits(tables: Tables) -> None:
    values, _left = filled(
        tables, [{"price": DECIMAL, "of": [DECIMAL]}, {"on": dt.date(2024, 5, 1)}], "jsonb"
    )

    assert values == [
        f'{{"of": [{DECIMAL}], "price": {DECIMAL}}}',
        '{"on": "2024-05-01"}',
    ]


def test_lists_of_one_column_that_differ_in_their_kind_are_each_what_they_are(
    tables: Tables,
) -> None:
    values, left = filled(tables, [[4, None], ["many"], [[1], [2]]], "bigint[]")

    assert values == ["{4,NULL}", None, "{{1},{2}}"]
    assert list(left) == ["2"]


def test_a_list_in_json_goes_into_a_column_of_arrays(tables: Tables, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"v": ["x,y", null, "\\"z"]}\n{"v": "[0:1]={p,q}"}\n{"v": [[1, 2.50]]}\n')
    (rows,) = open_values(path).batches()

    values, left = filled(tables, rows.column("v").to_pylist(), "text[]")

    assert values == ['{"x,y",NULL,"\\"z"}', "[0:1]={p,q}", "{{1,2.50}}"]
    assert left == {}


def test_bytes_are_the_text_that_they_hold_unless_the_column_takes_bytes(tables: Tables) -> None:
    values, left = filled(tables, ["söt".encode(), b"\xff\xfe"], "text")

    assert values == ["söt", None]
    assert "invalid byte sequence" in left["2"]


def test_a_time_beyond_what_microseconds_reach_is_never_another_time(tables: Tables) -> None:
    far = pa.array([2**62, -(2**62), 0], pa.timestamp("s", "UTC"))

    values, left = filled(tables, far, "timestamptz")

    assert values == [None, None, "1970-01-01 00:00:00+00"]
    assert sorted(left) == ["1", "2"]


def test_infinity_and_years_before_ours_come_through() -> None:
    with duckdb.connect() as connection:
        moments: Any = connection.sql(
            "SELECT unnest(['infinity', '-infinity', '0044-03-15 (BC) 09:00:00']::timestamp[])"
            " AS t,"
            " unnest(['infinity', '-infinity', '0001-12-31 (BC)']::date[]) AS d"
        ).to_arrow_table()

    assert texts_of(moments.column("t")).to_pylist() == [
        "infinity",
        "-infinity",
        "0044-03-15 09:00:00.000000 BC",
    ]
    assert texts_of(moments.column("d")).to_pylist() == ["infinity", "-infinity", "0001-12-31 BC"]


class Grade(enum.Enum):
    GOOD = "good"


def test_python_s_objects_are_their_text_or_are_refused_by_their_type(tables: Tables) -> None:
    box(tables, "text")

    def fill(values: list[Any]) -> None:
        rows = pd.DataFrame({"id": [1], "v": pd.Series(values, dtype=object)})
        tables.fill(rows, "box", "v").apply()

    fill([Grade.GOOD])
    assert tables.rows("SELECT v FROM box WHERE id = 1") == [("good",)]
    for nameless in (object(), frozenset("ab"), pd.DateOffset(months=1)):
        with pytest.raises(
            UsageError, match=f"Column v: a value of type {type(nameless).__name__}"
        ):
            fill([nameless])


@pytest.mark.parametrize(
    ("frame", "stored"),
    [
        (
            pd.DataFrame({"id": [1], "v": pd.period_range("2031-07", periods=1, freq="M")}),
            "2031-07",
        ),
        (pd.DataFrame({"id": [1], "v": pd.arrays.SparseArray([6])}), "6"),
        (pl.DataFrame({"id": [1], "v": pl.Series([2**90], dtype=pl.Int128)}), str(2**90)),
    ],
)
def test_types_that_arrow_has_not_come_as_text(tables: Tables, frame: Any, stored: str) -> None:
    box(tables, "text")

    tables.fill(frame, "box", "v").apply()

    assert tables.rows("SELECT v FROM box WHERE id = 1") == [(stored,)]


@pytest.mark.parametrize("rows", [pd.Series(["a"], name="v"), pl.Series("v", ["a"])])
def test_a_single_column_is_refused_in_a_sentence(tables: Tables, rows: Any) -> None:
    box(tables, "text")

    with pytest.raises(UsageError, match="Rows of type Series are not known"):
        tables.fill(rows, "box", "v")


def test_half_a_letter_and_nul_leave_their_row_alone_in_keys_too(tables: Tables) -> None:
    tables.make(
        "CREATE TABLE box (id text PRIMARY KEY, v text)", "INSERT INTO box VALUES ('a'), ('b')"
    )
    rows = pd.DataFrame(
        {
            "id": pd.Series(["a", "b", "b\0", "\udc00"], dtype=object),
            "v": pd.Series(["1", "\ud800", "3", "4"], dtype=object),
        }
    )

    run = tables.fill(rows, "box", "v")
    run.apply()
    run.verify()

    assert tables.rows("SELECT id, v FROM box ORDER BY id") == [("a", "1"), ("b", None)]
    assert tables.rows("SELECT key, reason FROM backfill.skip ORDER BY key") == [
        ("\\x00", "missing_row"),
        ("b", "invalid_value"),
        ("b\\x00", "missing_row"),
    ]


def test_what_a_date_or_a_wall_clock_leaves_out_is_said_with_the_change(tables: Tables) -> None:
    tables.make(
        "CREATE TABLE talk (id int PRIMARY KEY, day date, wall timestamp, instant timestamptz)",
        "INSERT INTO talk SELECT generate_series(1, 3)",
    )
    rows = pd.DataFrame(
        {
            "id": [1, 2, 3],
            "day": ["2031-02-03", "2031-02-03 18:00", "infinity"],
            "wall": ["2031-02-03 18:00", "2031-02-03 18:00+02", "2031-02-03 18:00Z"],
            "instant": ["2031-02-03 18:00+02", "2031-02-03 18:00", "2031-02-03T18:00:00.5"],
        }
    )

    said = tables.fill(rows, "talk", ["day", "wall", "instant"]).changes["warnings"].tolist()

    assert said[0] == ""
    assert said[1] == (
        "day: '2031-02-03 18:00' is stored as '2031-02-03'; "
        "wall: '2031-02-03 18:00+02' is stored as '2031-02-03 18:00:00'; "
        "instant: '2031-02-03 18:00' names no offset: read as UTC"
    )
    assert said[2] == "instant: '2031-02-03T18:00:00.5' names no offset: read as UTC"


def test_a_date_that_may_have_the_day_first_or_the_month_is_left_alone(tables: Tables) -> None:
    tables.make(
        "CREATE DOMAIN born AS date",
        "CREATE TABLE calf (ear text PRIMARY KEY, born born, seen timestamptz)",
        "INSERT INTO calf SELECT 'c' || i FROM generate_series(1, 6) AS i",
    )
    rows = pd.DataFrame(
        {
            "ear": [f"c{i}" for i in range(1, 7)],
            "born": ["2026-02-01", "1.2.2026", "05/05/2026", "12/31/2026", "31-12-2026", None],
            "seen": ["2026-02-01 08:00Z", None, None, None, None, "03/04/26 11:00+01"],
        }
    )

    run = tables.fill(rows, "calf", ["born", "seen"], allow_null=True)
    run.apply()

    assert tables.rows("SELECT ear, born FROM calf WHERE born IS NOT NULL ORDER BY ear") == [
        ("c1", dt.date(2026, 2, 1)),
        ("c3", dt.date(2026, 5, 5)),
        ("c4", dt.date(2026, 12, 31)),
    ]
    told = run.skips.set_index("key")["detail"].to_dict()
    untold = "may have the day first, or the month: write dates like 2026-01-31"
    assert told["c2"] == f"'1.2.2026' {untold}"
    assert told["c6"] == f"'03/04/26 11:00+01' {untold}"
    assert "out of range" in told["c5"]


@pytest.mark.parametrize("given", [{"key": "day"}, {"reads": "day"}])
def test_a_key_or_a_source_that_may_be_two_days_is_refused_with_its_row(
    tables: Tables, given: dict[str, str]
) -> None:
    tables.make(
        "CREATE TABLE tide (id int PRIMARY KEY, day timestamp UNIQUE, height numeric)",
        "INSERT INTO tide VALUES (1, '2026-02-01'), (2, '2026-01-02')",
    )
    rows = pd.DataFrame({"id": [1, 2], "day": ["20260201", "01/02/2026"], "height": [1.5, 2.5]})

    with pytest.raises(UsageError, match=r"day in row 2 of the values: '01/02/2026' may have"):
        tables.fill(rows, "tide", "height", **given)


def test_columns_named_like_ours_are_filled_like_any_other(tables: Tables) -> None:
    names = ["rule", "skip", "detail", "key", "after", "before", "note", "given"]
    columns = ", ".join(f"{name} text" for name in names)
    tables.connection.execute(f"CREATE TABLE log (id int PRIMARY KEY, {columns})")
    tables.make("INSERT INTO log VALUES (1), (2)")
    rows = pd.DataFrame({"id": [1, 2], **{name: [f"{name} 1", f"{name} 2"] for name in names}})

    run = tables.fill(rows, "log", names)
    run.apply()
    run.verify()

    assert tables.rows("SELECT to_jsonb(log) - 'id' FROM log WHERE id = 2") == [
        ({name: f"{name} 2" for name in names},)
    ]


def test_a_key_that_the_table_lacks_is_missing_whatever_its_sources_say(tables: Tables) -> None:
    tables.make(
        "CREATE TABLE bed (id int PRIMARY KEY, width int, room uuid, v text)",
        "INSERT INTO bed VALUES (1, 90), (2, 120)",
    )
    rows = pd.DataFrame(
        {
            "id": [1, 2, 9],
            "v": ["a", "b", "c"],
            "width": ["90", "wide", "5"],
            "room": [None, None, "no"],
        }
    )

    skips = tables.fill(rows, "bed", "v").skips.set_index("key")

    assert skips["reason"].to_dict() == {"2": "drifted", "9": "missing_row"}
    assert skips.loc["2", "detail"] == "width was 'wide', now it is '120'"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "id,v\n1,sk\xe5l\n".encode("latin-1"), r"not in UTF-8 .*iconv -f LATIN1"),
        ("b.csv", "id,v\n1,x\n".encode("utf-16"), "iconv -f UTF-16"),
        ("c.json", b"[" * 60_000, "nested too deep"),
        ("d.jsonl", b'{"id": 1, "v": {"w": 1, "w": 2}}\n', "'w' twice"),
    ],
)
def test_a_file_that_is_not_what_it_seems_is_refused_with_what_mends_it(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(UsageError, match=says):
        list(open_values(tmp_path / name).batches())


def test_a_table_is_named_as_sql_names_it(tables: Tables) -> None:
    tables.make(
        'CREATE SCHEMA "my shop"',
        'CREATE TABLE "my shop"."price.list" (id int PRIMARY KEY, v numeric(5,-2))'
        if tables.connection.info.server_version >= 150000
        else 'CREATE TABLE "my shop"."price.list" (id int PRIMARY KEY, v numeric)',
        'INSERT INTO "my shop"."price.list" VALUES (1)',
    )

    tables.fill(pd.DataFrame({"id": [1], "v": [1234]}), '"my shop"."price.list"', "v").apply()

    assert tables.rows('SELECT v::int / 100 FROM "my shop"."price.list"') == [(12,)]


def test_hundreds_of_columns_are_fitted_written_and_put_back(tables: Tables) -> None:
    columns = [f"c{number}" for number in range(120)]
    listed = ", ".join(f"{name} int" for name in columns)
    tables.connection.execute(f"CREATE TABLE wide (id int PRIMARY KEY, {listed})".encode())
    tables.make("INSERT INTO wide (id) VALUES (1), (2)")

    run = tables.fill(pd.DataFrame([{"id": 2, **dict.fromkeys(columns, 7)}]), "wide", columns)
    run.apply()
    run.verify()
    assert tables.rows("SELECT id FROM wide WHERE c0 + c60 + c119 = 21") == [(2,)]
    run.undo()

    assert tables.rows("SELECT count(c0) + count(c119) FROM wide") == [(0,)]


def test_a_key_of_a_composite_type_with_a_null_in_it_is_found(tables: Tables) -> None:
    """Such a value is neither NULL nor NOT NULL to the server, or NULL though it is there."""
    tables.make(
        "CREATE TYPE shelf AS (floor int, name text)",
        "CREATE TABLE book (place shelf PRIMARY KEY, title text)",
        "INSERT INTO book VALUES (ROW(1, NULL)), (ROW(2, 'b')), (ROW(NULL, NULL))",
    )

    rows = pd.DataFrame({"place": ["(1,)", "(2,b)", "(,)"], "title": ["x", "y", "z"]})

    run = tables.fill(rows, "book", "title")
    run.apply()
    run.verify()
    assert tables.rows("SELECT title FROM book ORDER BY title") == [("x",), ("y",), ("z",)]
    run.undo()

    assert tables.rows("SELECT count(title) FROM book") == [(0,)]


def test_names_with_lines_and_percent_signs_in_them_are_filled(tables: Tables) -> None:
    name = 'a %s\nof "Ö" {}'
    quoted = '"' + name.replace('"', '""') + '"'
    made = f'CREATE TABLE {quoted} ({quoted} int PRIMARY KEY, {quoted[:-1]}?" text)'
    tables.connection.execute(made.encode())
    tables.connection.execute(f"INSERT INTO {quoted} VALUES (1)".encode())

    run = tables.fill(pd.DataFrame({name: [1], f"{name}?": ["v"]}), quoted, [f"{name}?"])
    run.apply()
    run.verify()

    assert tables.connection.execute(f"SELECT * FROM {quoted}".encode()).fetchall() == [(1, "v")]


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("tsvector", "o" * 3_000, "invalid_value"),  # refused as it is planned
        ("text", "index", "database_error"),  # as it is written
    ],
)
def test_a_value_that_is_too_long_for_an_index_or_a_type_costs_its_row_alone(
    tables: Tables, kind: str, value: str, reason: str
) -> None:
    """The server calls that a limit of the program, as it does what is wrong for every row."""
    box(tables, kind, 9)
    tables.make("CREATE INDEX ON box (v)")
    if value == "index":
        value = "".join(chr(40 + n * n % 80) + chr(40 + n * 7 % 73) for n in range(30_000))
    rows = pd.DataFrame({"id": range(1, 10), "v": ["x"] * 3 + [value] + ["x"] * 5})

    run = tables.fill(rows, "box", "v")
    run.apply()
    run.verify()

    assert tables.rows("SELECT id FROM box WHERE v IS NULL") == [(4,)]
    assert run.skips[["key", "reason"]].values.tolist() == [["4", reason]]


def test_a_trigger_that_updates_its_own_row_costs_that_row_alone(tables: Tables) -> None:
    box(tables, "int", 9)
    tables.make(
        "CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " UPDATE box SET v = -1 WHERE id = NEW.id AND id = 6 AND pg_trigger_depth() = 1;"
        " RETURN NEW; END $$",
        "CREATE TRIGGER again BEFORE UPDATE ON box FOR EACH ROW EXECUTE FUNCTION again()",
    )

    run = tables.fill(pd.DataFrame({"id": range(1, 10), "v": range(1, 10)}), "box", "v")
    run.apply()
    run.verify()

    assert tables.rows("SELECT id FROM box WHERE v IS NULL") == [(6,)]
    assert run.skips["reason"].tolist() == ["database_error"]


@pytest.mark.parametrize(
    ("condition", "says"), [("1 / (id - 2) = 0", "division by zero"), ("notes()", "only read")]
)
def test_a_condition_that_fails_or_writes_is_refused_in_words(
    tables: Tables, condition: str, says: str
) -> None:
    box(tables, "int")
    tables.make(
        "CREATE FUNCTION notes() RETURNS boolean LANGUAGE plpgsql AS"
        " $$ BEGIN DELETE FROM box; RETURN true; END $$"
    )
    given = {"table": "box", "set": ["v"], "where": condition, "dsn_env": "TABLES_URL"}
    book = workbook.open_run("fill", {**given, "runs_dir": str(tables.runs)})

    with pytest.raises(UsageError, match=says):
        book.preflight()


def test_rights_on_the_named_columns_alone_are_enough(tables: Tables) -> None:
    box(tables, "int")
    role, database = "of_columns", tables.connection.info.dbname
    tables.connection.execute(
        f"DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN;"
        f" GRANT SELECT (id, v), UPDATE (v) ON box TO {role};"
        f' GRANT CREATE ON DATABASE "{database}" TO {role}'.encode()
    )
    as_role = replace(tables, dsn=make_conninfo(tables.dsn, user=role))
    os.environ["TABLES_URL"] = as_role.dsn

    run = as_role.fill(pd.DataFrame({"id": [1], "v": [5]}), "box", "v")
    run.apply()
    run.verify()
    run.undo()

    assert tables.rows("SELECT count(v) FROM box") == [(0,)]
    tables.connection.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}".encode())
