"""Values that others' libraries and files bring: each goes in whole, or is left alone and named."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import shlex
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backfill.errors import UsageError
from backfill.jobs.fill.frames import keep_frame
from backfill.jobs.fill.job import FillTask
from backfill.jobs.fill.settings import FillSettings
from backfill.jobs.fill.values import open_values
from backfill.plans.fitting import column_texts
from backfill.rows.columns import SqlType
from backfill.rows.texts import texts_of
from backfill.server.catalog_columns import CatalogColumn
from backfill.server.postgres import connect
from backfill.steps.task_table import resolved_of

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


#: By type: texts that are its values, and what is stored; then those that it takes all the same.
LENIENT: dict[LiteralString, tuple[dict[str, str], list[str]]] = {
    "oid": ({" 007": "7", "4294967295": "4294967295"}, ["-1", "x"]),
    "xid": ({"7": "7"}, ["-1", "x", "", "7 apples", "4294967296"]),
    "xid8": ({"7": "7"}, ["-1", "x", "1.5", "99999999999999999999"]),
    "cid": ({"0": "0"}, ["-1", "x"]),
    "varbit": ({"b1": "1", "": "", "x1": "0001"}, ["b", "X"]),
    "regclass": ({"pg_class": "pg_class", "0": "-"}, ["7", "16000", "no_such"]),
    "regproc": ({"now": "now"}, ["7", "1394"]),  # the last is one of several of its name
    "regtype[]": ({"{int4,NULL}": "{integer,NULL}"}, ["{7}"]),
    "regrole": ({"0": "-"}, ["7"]),
    "date": (
        {"14-JUL-58": "2058-07-14", "1958 3 4": "1958-03-04"},
        ["01 02 2026", "01, 02, 2026", "Tue 01/02/2026", "10:00 01.02.2026"],
    ),
    "time": ({"1229": "12:29:00", "9:05": "09:05:00"}, ["930", "43200"]),
    "money": ({"1": "$1.00"}, ["", " ", "$"]),
}
#: By type: texts that it reads in one of several ways, and what is said of them.
SAID: dict[LiteralString, dict[str, str]] = {
    "date": {"14-JUL-58": "two digits"},
    "time": {"1229": "no colon", "2024-05": "no colon", "12:29": ""},
    "interval": {"90": "read as seconds", "2024-05": "years and months", "1:30": ""},
    "inet": {"1/3": "not all four", "10.1.2.3": "", "::1/64": ""},
    "bytea": {"aGk=": "no hex", "\\x6869": "", "": ""},
    "varchar(9)": {"nan": "no NULL", "1.2E+11": "a sheet", "nana": ""},
    "numeric": {"4.6E+12": "a sheet", "46e11": "", "NaN": "no NULL"},
    "char(4)": {"NULL": "no NULL"},
    "text": {"MalmÃ¶": "decoded wrongly", "Malm\ufffd": "decoded wrongly", "SÃO": ""},
}


def test_what_a_type_reads_in_one_of_several_ways_is_said(tables: Tables) -> None:
    names = {kind: f"v{number}" for number, kind in enumerate(SAID)}
    columns = ", ".join(f"{name} {kind}" for kind, name in names.items())
    tables.connection.execute(f"CREATE TABLE box (id int PRIMARY KEY, {columns})")
    tables.make("INSERT INTO box SELECT generate_series(1, 3)")
    texts = {names[kind]: [*said, None, None, None][:3] for kind, said in SAID.items()}

    run = tables.fill(pa.table({"id": [1, 2, 3], **texts}), "box", list(texts), allow_null=True)

    told = dict(zip(run.changes["key"], run.changes["warnings"], strict=True))
    for kind, said in SAID.items():
        for key, words in enumerate(said.values(), 1):
            mine = [part for part in told[str(key)].split("; ") if part.startswith(names[kind])]
            assert bool(mine) is bool(words), (kind, key, mine)
            assert words in "".join(mine)


def test_what_a_type_s_input_takes_for_something_else_is_left_alone(tables: Tables) -> None:
    names = {kind: f"v{number}" for number, kind in enumerate(LENIENT)}
    tables.connection.execute(
        f"CREATE TABLE box (id int PRIMARY KEY, {', '.join(f'{n} {k}' for k, n in names.items())})"
    )
    tables.make("INSERT INTO box SELECT generate_series(1, 99)")
    columns: dict[str, list[str | None]] = {name: [] for name in names.values()}
    for kind, (good, bad) in LENIENT.items():
        for text in (*good, *bad):
            for name, texts in columns.items():
                texts.append(text if name == names[kind] else None)
    rows = len(columns["v0"])
    tables.make("UPDATE box SET v5 = 16000")  # a table that is gone

    run = tables.fill(
        pa.table({"id": range(1, rows + 1), **columns}),
        *("box", list(names.values())),
        overwrite=True,
        allow_null=True,
    )
    run.apply()
    run.verify()

    key = 0
    left = dict(zip(run.skips["key"], run.skips["reason"], strict=True))
    for kind, (good, bad) in LENIENT.items():
        for stored in good.values():
            key += 1
            query = f"SELECT {names[kind]}::text FROM box WHERE id = {key}"
            assert tables.connection.execute(query).fetchall() == [(stored,)]
        for text in bad:
            key += 1
            assert left.get(str(key)) == "invalid_value", (kind, text)
    run.undo()
    assert tables.rows("SELECT count(*) FROM box WHERE v5 = 16000") == [(99,)]


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


def test_dicts_of_one_column_keep_their_own_names_within_lists_too(tables: Tables) -> None:
    tables.make(
        "CREATE TABLE box (id int PRIMARY KEY, one jsonb, many jsonb[])",
        "INSERT INTO box SELECT generate_series(1, 2)",
    )
    lists = pd.Series([[{"a": 1}, {"b": 0.5}], [{"c": [{"d": None}]}]], dtype=object)

    run = tables.fill(
        pd.DataFrame({"id": [1, 2], "one": lists, "many": lists}), "box", ["one", "many"]
    )
    run.apply()
    run.verify()

    assert tables.rows("SELECT one::text, array_to_json(many)::text FROM box ORDER BY id") == [
        ('[{"a": 1}, {"b": 0.5}]', '[{"a": 1},{"b": 0.5}]'),
        ('[{"c": [{"d": null}]}]', '[{"c": [{"d": null}]}]'),
    ]


def test_a_list_is_what_a_vector_reads() -> None:
    column = CatalogColumn(
        *("v", "vector(3)", "vector", "vector"),
        is_generated=False,
        is_not_null=False,
        is_always_identity=False,
        is_readable=True,
        has_modifier=True,
        sql_type=SqlType('public."vector"'),
    )

    texts = column_texts(pa.array([[1, 2.5, 0.1], None], pa.list_(pa.float64())), column)

    assert texts.to_pylist() == ["[1.0, 2.5, 0.1]", None]


def test_numbers_of_arrays_and_spans_of_pandas_keep_all_they_have(tables: Tables) -> None:
    objects = [np.array(7), np.float32(0.1), pd.Timedelta("-1 days +00:00:00.000001003")]

    values, left = filled(tables, objects, "text")

    assert (values, left) == (["7", "0.1", "-23:59:59.999998997"], {})


def test_lists_and_uuids_in_a_column_of_texts_are_spelt_as_people_do(tables: Tables) -> None:
    tables.make("CREATE TABLE box (id int PRIMARY KEY, v text)", "INSERT INTO box VALUES (1), (2)")
    who = "6f1b2c3d-0000-4000-8000-00000000000a"

    for values, stored in [
        (pa.array([["a", 'b"'], []]), ('["a", "b\\""]', "[]")),
        (pa.array([uuid.UUID(who).bytes, None], pa.uuid()), (who, "[]")),
    ]:
        tables.fill(pa.table({"id": [1, 2], "v": values}), "box", "v", overwrite=True).apply()

        assert tables.rows("SELECT v FROM box ORDER BY id") == [(text,) for text in stored]


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


def test_what_only_looks_like_a_dataframe_is_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [1]})
    taken = duckdb.connect()
    with pytest.warns(UserWarning, match="an extra copy"):
        taken.execute("SELECT 1 AS id").to_arrow_table()

    with pytest.raises(UsageError, match="Rows of type Styler are not known"):
        keep_frame(frame.style, tmp_path / "values.arrow")
    with pytest.raises(UsageError, match=r"taken out already\. Propose the relation"):
        keep_frame(taken, tmp_path / "values.arrow")


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
    tables: Tables, given: dict[str, Any]
) -> None:
    tables.make(
        "CREATE TABLE tide (id int PRIMARY KEY, day timestamp UNIQUE, height numeric)",
        "INSERT INTO tide VALUES (1, '2026-02-01'), (2, '2026-01-02')",
    )
    rows = pd.DataFrame({"id": [1, 2], "day": ["20260201", "01/02/2026"], "height": [1.5, 2.5]})

    with pytest.raises(UsageError, match=r"day in row 2 of the values: '01/02/2026' may have"):
        tables.fill(rows, "tide", "height", **given)


def test_a_span_is_as_a_clock_shows_it_whatever_takes_it(tables: Tables) -> None:
    tables.make(
        "CREATE TABLE shop (id int PRIMARY KEY, open time, told text, wait interval, n int)",
        "INSERT INTO shop SELECT generate_series(1, 3)",
    )
    spans = pd.Series(pd.to_timedelta(["10:00:00", "00:00:01.5", "-1s"]))
    kinds = {"open": spans, "told": spans.astype(object), "wait": spans}

    run = tables.fill(pd.DataFrame({"id": [1, 2, 3], **kinds}), "shop", list(kinds))
    run.apply()
    run.verify()

    assert tables.rows(
        "SELECT open::text, told, wait::text FROM shop WHERE id < 3 ORDER BY id"
    ) == [
        ("10:00:00", "10:00:00", "10:00:00"),
        ("00:00:01.5", "00:00:01.500000", "00:00:01.5"),
    ]
    assert run.skips["column"].tolist() == ["open"]
    number = tables.fill(pd.DataFrame({"id": [1], "n": spans[:1]}), "shop", "n")
    assert number.skips["detail"].tolist() == ['invalid input syntax for type integer: "10:00:00"']


@pytest.mark.parametrize("is_within", [False, True])
def test_moments_of_a_zone_that_nobody_knows_are_no_wall_times(
    tables: Tables, *, is_within: bool
) -> None:
    tables.make(
        "CREATE TABLE talk (id int PRIMARY KEY, wall timestamp, instant timestamptz, many text[])",
        "INSERT INTO talk VALUES (1)",
    )
    moments = pa.array([0], pa.timestamp("us", "Mars/Phobos"))
    many = pa.array([[0]], pa.list_(moments.type))
    rows = pa.table({"id": [1], "wall": moments, "instant": moments, "many": many})

    with pytest.raises(UsageError, match="zone 'Mars/Phobos', and what clocks show there nobody"):
        tables.fill(rows, "talk", "many" if is_within else "wall", reads=[])

    run = tables.fill(rows.select(["id", "instant"]), "talk", "instant")
    run.apply()
    assert tables.rows("SELECT instant = '1970-01-01 00:00Z' FROM talk") == [(True,)]


@pytest.mark.parametrize("name", ["kept.parquet", "kept.arrow"])
def test_numbers_that_mean_something_in_pandas_alone_are_refused(tmp_path: Path, name: str) -> None:
    months = pd.DataFrame({"id": [1], "month": pd.PeriodIndex(["2031-05"], freq="M")})
    rows, path = pa.Table.from_pandas(months), tmp_path / name
    if name.endswith(".parquet"):
        pq.write_table(rows, path)
    else:
        with pa.ipc.new_file(path, rows.schema) as writer:
            writer.write_table(rows)

    with pytest.raises(UsageError, match=r"column 'month' .*pandas.period.*\.astype\(str\)"):
        open_values(path)


@pytest.mark.parametrize(
    ("index", "says"),
    [
        (
            pd.RangeIndex(4, 6, name="id"),
            r"The index id of the frame is no column.*reset_index\(\)",
        ),
        (pd.RangeIndex(4, 6), r"The index of the frame is no column.*reset_index\(names=\[…\]\)"),
        (pd.Index([4, 7]), r"The index of the frame is no column.*reset_index\(names=\[…\]\)"),
        (pd.RangeIndex(2), r"They have: v\.$"),
    ],
)
@pytest.mark.parametrize("name", ["kept.parquet", "kept.arrow"])
def test_an_index_that_a_file_has_in_its_metadata_is_told_to_be_left_out(
    tables: Tables, tmp_path: Path, name: str, index: Any, says: str
) -> None:
    tables.make("CREATE TABLE box (id int PRIMARY KEY, v text)")
    rows, path = pa.Table.from_pandas(pd.DataFrame({"v": ["oak", "ash"]}, index=index)), tmp_path
    if name.endswith(".parquet"):
        pq.write_table(rows, path / name)
    else:
        with pa.ipc.new_file(path / name, rows.schema) as writer:
            writer.write_table(rows)

    with pytest.raises(UsageError, match=f"no key column id.*{says}"):
        planned(tables, values=path / name, table="box", targets=("v",))


def test_a_date_in_three_columns_is_made_by_the_query_that_the_refusal_names(
    tables: Tables, tmp_path: Path
) -> None:
    tables.make(
        "CREATE TABLE flight (id int PRIMARY KEY, flown date, gate text)",
        "INSERT INTO flight VALUES (1), (2)",
    )
    path = tmp_path / "flights.csv"
    path.write_text("id,dep_year,dep_month,dep_day\n1,2031,2,28\n2,2031,12,1\n")

    with pytest.raises(UsageError, match="no column to write flown") as refused:
        planned(tables, values=path, table="flight", targets=("flown",))
    with pytest.raises(UsageError, match=r"no column to write gate\. They have: [\w, ]+\.$"):
        planned(tables, values=path, table="flight", targets=("gate",))
    [query] = shlex.split(str(refused.value).rpartition(" --query ")[2])
    frame = duckdb.connect().execute(query).df()
    run = tables.fill(frame[["id", "flown"]], "flight", "flown")
    run.apply()

    assert tables.rows("SELECT flown::text FROM flight ORDER BY id") == [
        ("2031-02-28",),
        ("2031-12-01",),
    ]
    with pytest.raises(UsageError, match=r"rows\['flown'\] = pandas.to_datetime\(dict\(year="):
        tables.fill(frame.drop(columns="flown"), "flight", "flown")


def planned(tables: Tables, *, values: Path, table: str, targets: tuple[str, ...]) -> None:
    task = FillTask(FillSettings(table, targets), str(values), query="", where="")
    with connect(tables.dsn, read_only=True) as connection:
        resolved_of(task, connection)


def test_an_index_without_a_name_is_told_to_be_left_out(tables: Tables) -> None:
    tables.make("CREATE TABLE box (id int PRIMARY KEY, v text)")
    rows = pd.DataFrame({"v": ["oak", "ash"]}, index=[4, 7])

    with pytest.raises(UsageError, match=r"no key column id.*reset_index\(names="):
        tables.fill(rows, "box", "v")
    with pytest.raises(UsageError, match=r"no key column id\. They have: v\.$"):
        tables.fill(rows.reset_index(drop=True), "box", "v")


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


@pytest.mark.parametrize(
    ("kind", "value", "as_shown"),
    [
        ("way", {"street": "Elm", "number": 1}, "(Elm,1)"),
        ("way", ("Elm", 1), "(Elm,1)"),
        ("way[]", {"street": "Elm"}, '{"(Elm,1)"}'),
        ("hstore", {"street": "Elm"}, '"street"=>"Elm"'),
        ("int4range", {"from": 1}, "[1,2)"),
        ("point", [1, 2], "(1,2)"),
        ("interval", {"days": 1}, "1 day"),
    ],
)
def test_a_list_or_dict_that_a_type_does_not_take_says_what_it_takes(
    tables: Tables, kind: str, value: object, as_shown: str
) -> None:
    tables.make("CREATE EXTENSION IF NOT EXISTS hstore", "CREATE TYPE way AS (street text, n int)")
    tables.connection.execute(f"CREATE TABLE stop (id int PRIMARY KEY, v {kind})".encode())
    tables.make("INSERT INTO stop VALUES (1)")

    refused = tables.fill(pd.DataFrame({"id": [1], "v": [value]}), "stop", "v").skips

    assert "no list or dict is taken here, but the text that SELECT shows" in refused["detail"][0]
    tables.fill(pd.DataFrame({"id": [1], "v": [as_shown]}), "stop", "v").apply()
    assert tables.rows("SELECT v::text FROM stop") == [(as_shown,)]


def test_a_dict_that_is_too_long_for_its_text_is_told_as_no_other(tables: Tables) -> None:
    tables.make(
        "CREATE TABLE stop (id int PRIMARY KEY, v varchar(3))", "INSERT INTO stop VALUES (1)"
    )

    refused = tables.fill(pd.DataFrame({"id": [1], "v": [{"a": 1}]}), "stop", "v").skips

    assert refused["detail"][0] == "value too long for type character varying(3)"
