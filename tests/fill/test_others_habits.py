"""Files, frames and names as others have them."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from psycopg import sql
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from backfill.errors import UsageError
from backfill.jobs.fill.frames import keep_frame, keep_query
from backfill.jobs.fill.values import open_values
from backfill.jobs.registry import JOBS
from backfill.notebook.own_notebook import own_notebook
from backfill.parameters import defaults_of
from backfill.rows.texts import text_of, texts_of
from backfill.workbook import compare, open_run

if TYPE_CHECKING:
    from tests.fill.conftest import Tables

    from backfill.notebook.fill_run import FillRun

OWN_TYPES = (
    "SELECT '0110'::bit AS b, '-98765432109876543210987654321098765432109'::bignum AS n,"
    " '300000000000000000000000000000000000000'::uhugeint AS u, '21:40:00-03'::timetz AS t,"
    " ['11'::bit] AS l, 4 AS \"a BIT\""
)


@pytest.mark.parametrize("how", ["frame", "query"])
def test_types_of_duckdb_that_arrow_has_not_keep_their_value(tmp_path: Path, how: str) -> None:
    kept = tmp_path / "values.arrow"

    if how == "frame":
        keep_frame(duckdb.connect().sql(OWN_TYPES), kept)
    else:
        keep_query(OWN_TYPES, kept, tmp_path)

    (rows,) = open_values(kept).batches()
    assert {name: texts_of(rows.column(name)).to_pylist() for name in rows.column_names} == {
        "b": ["0110"],
        "n": ["-98765432109876543210987654321098765432109"],
        "u": ["300000000000000000000000000000000000000"],
        "t": ["21:40:00-03"],
        "l": ['{"11"}'],
        "a BIT": ["4"],
    }


class Stream:
    """Rows as any library hands them on: by Arrow's C stream."""

    def __init__(self, rows: pa.Table) -> None:
        self.__arrow_c_stream__ = rows.__arrow_c_stream__


@pytest.mark.parametrize("is_stream", [False, True])
def test_rows_in_pieces_of_uneven_length_some_of_them_empty_are_kept(
    tmp_path: Path, is_stream: bool
) -> None:
    names = pa.chunked_array([["Åsa"], ["Bo", "Cia", None]])
    rows = pa.table({"id": pa.chunked_array([[7, 8], [], [9, 10]]), "name": names})

    keep_frame(Stream(rows) if is_stream else rows, tmp_path / "values.arrow")

    kept = pa.concat_tables(
        pa.Table.from_batches([b]) if isinstance(b, pa.RecordBatch) else b
        for b in open_values(tmp_path / "values.arrow").batches()
    )
    assert kept.to_pydict() == rows.to_pydict()


@pytest.mark.filterwarnings("error")
def test_floats_of_sixteen_bits_are_written_out_without_a_warning() -> None:
    halves = pa.array([0.5, -3, None, 60_000, float("inf"), 2**-10], pa.float16())

    assert texts_of(halves).to_pylist() == ["0.5", "-3", None, "60000", "inf", "0.0009765625"]


def test_a_connection_of_duckdb_without_rows_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"DuckDB has no rows to give: .*No open result set"):
        keep_frame(duckdb.connect(), tmp_path / "values.arrow")


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("a.csv", '"one;two;three;four",n\nx,1\n', [{"one;two;three;four": "x", "n": "1"}]),
        ("a.csv", 'id,"n\n!"\n1,"x\r\ny"\n', [{"id": "1", "n\n!": "x\r\ny"}]),
        ("a.csv", 'id,"n\r\n!"\r\n1,"x\ny"\r\n', [{"id": "1", "n\r\n!": "x\ny"}]),
        ("a.json", '\ufeff{\n  "n": 1.50,\n  "o": [1]\n}\n', [{"n": "1.50", "o": "[1]"}]),
        ("a.json", '[\n{"n": 1,\n"o": 2}]', [{"n": "1", "o": "2"}]),
    ],
)
def test_a_file_is_read_as_it_was_meant(
    tmp_path: Path, name: str, text: str, rows: list[dict[str, str]]
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")

    (found,) = open_values(tmp_path / name).batches()

    assert found.to_pylist() == rows


def test_a_csv_that_leaves_utf_8_far_down_is_refused_with_the_mend(tmp_path: Path) -> None:
    path = tmp_path / "cities.csv"
    path.write_bytes(b"id,city\n" + b"".join(b"%d,Rom\n" % n for n in range(30_000)) + b"x,K\xf6ln")

    with pytest.raises(UsageError, match=r"Line: 30002.*iconv -f LATIN1 -t UTF-8 /.*/cities\.csv"):
        list(open_values(path).batches())


def test_an_empty_csv_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.csv").write_text("")

    with pytest.raises(UsageError, match="its first line names no column"):
        open_values(tmp_path / "none.csv")


def test_whole_decimals_are_whole_numbers_and_a_comma_divides_no_name(tables: Tables) -> None:
    tables.make(
        'CREATE TABLE tally (id int PRIMARY KEY, "won, lost" smallint, area point)',
        "INSERT INTO tally VALUES (4, NULL, '(1,2.5)'), (7, NULL, NULL), (9, NULL, NULL)",
    )
    wins = [decimal.Decimal("12.000"), decimal.Decimal("1.500"), None]
    rows = {"id": [4, 7, 9], "won, lost": pa.array(wins), "area": ["( 1.0 , 2.50 )", None, None]}

    run = tables.fill(pa.table(rows), "tally", ["won, lost"], reads="area")
    run.apply()

    assert tables.rows('SELECT id, "won, lost" FROM tally ORDER BY id') == [
        (4, 12),
        (7, None),
        (9, None),
    ]
    assert run.skips.set_index("key")["reason"].to_dict() == {"7": "invalid_value", "9": "no_value"}


def test_rows_that_only_writing_found_are_among_the_skips(tables: Tables) -> None:
    tables.make(
        "CREATE TABLE maker (id int PRIMARY KEY)",
        "INSERT INTO maker VALUES (31)",
        "CREATE TABLE bike (id int PRIMARY KEY, maker int REFERENCES maker, frame text)",
        "INSERT INTO bike SELECT generate_series(1, 4), NULL, 'steel'",
    )
    rows = pd.DataFrame({"id": [1, 2, 3, 8], "maker": [31, 32, 31, 31], "frame": ["steel"] * 4})
    run = tables.fill(rows, "bike", "maker")
    tables.make("UPDATE bike SET frame = 'oak' WHERE id = 3")

    run.apply()

    assert run.skips.set_index("key")["reason"].to_dict() == {
        "2": "database_error",
        "3": "drifted",
        "8": "missing_row",
    }
    assert tables.rows("SELECT id FROM bike WHERE maker IS NOT NULL") == [(1,)]


def test_a_name_in_other_letters_is_asked_back(tables: Tables) -> None:
    tables.make('CREATE TABLE pet (id int PRIMARY KEY, "petName" text)')

    with pytest.raises(UsageError, match=r"no key column id\. Did you mean ID\?"):
        tables.fill(pd.DataFrame({"ID": [1], "petName": ["Bo"]}), "pet", "petName")


def test_ranges_and_composites_of_nulls_as_the_driver_reads_them(tables: Tables) -> None:
    tables.make(
        "CREATE TYPE size AS (wide int, tall int)",
        "CREATE TABLE stay (id int PRIMARY KEY, nights daterange, was size, copy daterange)",
        "INSERT INTO stay VALUES (1, '[2031-02-03,)', '(,)'), (2, 'empty', '(4,)'),"
        " (3, '(,2031-05-01)', '(4,7)')",
    )
    read = zip(*tables.rows("SELECT id, nights, was::text FROM stay ORDER BY id"), strict=True)
    columns = [pd.Series(column, dtype=object) for column in read]
    rows = pd.DataFrame(dict(zip(("id", "nights", "was"), columns, strict=True)))

    run = tables.fill(rows.assign(copy=rows["nights"]), "stay", "copy")
    run.apply()
    run.verify()

    assert run.skips.to_dict("records") == []
    assert tables.rows("SELECT count(*) FROM stay WHERE nights = copy") == [(3,)]
    nights: Multirange[Any] = Multirange([Range(dt.date(2031, 2, 3), None), Range(None, None)])
    assert text_of(nights) == '{["2031-02-03",),(,)}'


def test_a_key_is_named_as_python_has_it_and_a_database_that_is_meant_must_be_there(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables.make(
        "CREATE TABLE seat (row_no int, place int, fare int, PRIMARY KEY (row_no, place))",
        "INSERT INTO seat VALUES (7, 2)",
    )
    rows = pd.DataFrame({"row_no": [7], "place": [2], "fare": [90]})

    run = tables.fill(rows, "seat", "fare")

    assert run.explain((7, 2)).document == run.explain("7,2").document
    monkeypatch.delenv("TABLES_URL")
    with pytest.raises(UsageError, match="TABLES_URL, which dsn_env names, is not set"):
        tables.fill(rows, "seat", "fare")


ODD = 'say "it\'s" %s %(x)s {y}\n;--$1 \\ ü'


def test_names_with_quotes_percents_lines_and_cases_are_shown_compared_and_explained(
    tables: Tables,
) -> None:
    tables.connection.execute(
        sql.SQL(
            'CREATE TABLE odd ({k} int PRIMARY KEY, "Tone" text, tone text, {s} text, {t} text)'
        ).format(**{n: sql.Identifier(n + ODD) for n in "kst"})
    )
    tables.make("INSERT INTO odd SELECT n, NULL, NULL, 'seen' FROM generate_series(1, 2) AS n")
    names = ["tone", "Tone", "t" + ODD]

    def plan(values: list[str]) -> FillRun:
        row = {"k" + ODD: [2], "s" + ODD: ["seen"], "n" + ODD: ["why"]}
        rows = pa.table(row | {name: [v] for name, v in zip(names, values, strict=True)})
        return tables.fill(rows, "odd", names, looks=True, chunk_size=1)

    first, second = plan(["low", "HIGH", "so"]), plan(["low", "HIGHER", "as"])
    second.apply()
    second.verify()

    shown = first.diff().text.replace(ODD, "*")
    for heading in ("s*", "tone new", "Tone new", "t* new", "n*", "low", "HIGH", "so", "why"):
        assert heading in shown
    differences = compare(first.run_id, second.run_id, runs_folder=str(tables.runs))
    (row,) = differences.rows
    assert "after.Tone (2): HIGH; after.t*: so" in [str(part).replace(ODD, "*") for part in row]
    assert "HIGHER" in second.explain("2")._repr_html_()
    assert tables.rows('SELECT tone, "Tone" FROM odd WHERE tone IS NOT NULL') == [("low", "HIGHER")]
    second.undo()
    assert tables.rows('SELECT tone, "Tone" FROM odd WHERE tone IS NOT NULL') == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"only": "rule = 'filled'", "values": "a.csv"}, "give them with --apply"),
        ({"canary": "5%", "values": "a.csv"}, "give them with --apply"),
        ({"where": "id > 4", "values": "a.csv"}, "--where chooses rows for a notebook"),
        ({"query": "FROM 's3://far/a.parquet'"}, "It reads local files"),
    ],
)
def test_options_that_would_do_nothing_are_refused(given: dict[str, str], says: str) -> None:
    fill = JOBS["fill"]

    with pytest.raises(UsageError, match=says):
        fill.make({**defaults_of(fill.parameters), "table": "t", "set": ["v"], **given})


def test_a_part_is_written_where_only_that_is_approved(tables: Tables, tmp_path: Path) -> None:
    tables.make(
        "CREATE TABLE lamp (id int PRIMARY KEY, watts int)",
        "INSERT INTO lamp VALUES (1, NULL), (2, 60), (3, NULL)",
    )
    (tmp_path / "watts.csv").write_text("id,watts\n1,5\n2,7\n3,9\n")
    given = {"table": "lamp", "set": ["watts"], "values": str(tmp_path / "watts.csv")}
    places = {"runs_dir": str(tables.runs), "dsn_env": "TABLES_URL"}
    only = {"overwrite": True, "only": "rule = 'overwritten'", "apply": True}
    run = open_run("fill", defaults_of(JOBS["fill"].parameters) | given | places | only)

    for step in (run.preflight, run.extract, run.compute, run.diff, run.plan, run.apply):
        step()
    run.summary()

    assert tables.rows("SELECT id, watts FROM lamp ORDER BY id") == [(1, None), (2, 7), (3, None)]
    assert tables.rows("SELECT status FROM backfill.run") == [("paused",)]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", "id,price\n1,3 €\n".encode("cp1252"), "iconv -f WINDOWS-1252 -t UTF-8 /"),
        ("a.csv", b"id,name\n" + b"1,x\n" * 30_000 + "2,“é”".encode("cp1252"), "WINDOWS-1252"),
        ("a.csv", "id,name\n1,Åsa\n".encode("utf-16-le"), "iconv -f UTF-16LE"),
        ("a.csv", "id,name\n1,Asa\n".encode("utf-16-be"), "iconv -f UTF-16BE"),
        ("a.xlsx", b"PK", "save the sheet as CSV in UTF-8, or hand pandas.read_excel(…)"),
        ("a.csv", b"SEP=;\nid;name\n1;x\n", "its first line, SEP=;, is Excel's own: take it out"),
        ("a.json", b'{"id": [1, 2], "name": ["x", "y"]}', 'to_json(…, orient="records")'),
        ("a.json", b'{\n"id": {"0": 1},\n"name": {"0": "x"}\n}', "it holds columns, not rows"),
    ],
)
def test_a_file_of_another_make_is_refused_with_what_it_is(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(UsageError) as refused:
        list(open_values(tmp_path / name).batches())

    assert told in str(refused.value)


@pytest.mark.parametrize("ending", ["parquet", "csv", "csv.gz", "CSV", "tsv", "jsonl", "json"])
def test_a_folder_is_refused_with_the_query_that_reads_it(tmp_path: Path, ending: str) -> None:
    folder = tmp_path / "it's a folder"
    for name in ("a", "b"):
        place = folder / f"part={name}"
        place.mkdir(parents=True)
        (folder / "_SUCCESS").touch()
        file = place / f"{name}.{ending}"
        rows = pd.DataFrame({"id": [1], "v": [name]})
        if ending == "parquet":
            rows.to_parquet(file)
        elif ending.startswith("json"):
            rows.to_json(file, orient="records", lines=ending == "jsonl")
        else:
            rows.to_csv(file, index=False, sep="\t" if ending == "tsv" else ",")

    with pytest.raises(UsageError, match=r"is a folder\. All files in it at once: ") as refused:
        open_values(folder)

    _query, query = shlex.split(str(refused.value).partition("at once: ")[2])
    keep_query(query, tmp_path / "values.arrow", tmp_path)
    found = pa.ipc.open_file(tmp_path / "values.arrow").read_all()
    assert sorted(found.column("v").to_pylist()) == ["a", "b"]


def test_a_folder_without_values_is_told_as_that(tmp_path: Path) -> None:
    (tmp_path / "notes.md").touch()

    with pytest.raises(UsageError, match="without a file of values"):
        open_values(tmp_path)


def test_a_query_that_names_two_columns_alike_is_refused_as_that(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="What --query returns has two columns of the name 'b'"):
        keep_query("SELECT 1 AS a, 2 AS b, 3 AS b", tmp_path / "values.arrow", tmp_path)


def test_bytes_are_what_the_type_of_their_column_has(tables: Tables) -> None:
    tables.make(
        "CREATE TABLE crate (tag uuid PRIMARY KEY, twin uuid, kept interval, mark bytea)",
        "INSERT INTO crate VALUES (md5('a')::uuid), (md5('b')::uuid)",
    )
    tags = [row[0] for row in tables.rows("SELECT tag FROM crate ORDER BY md5('b')::uuid = tag")]
    kept = [(14, -3, 1500), (0, 1, 0)]
    twelve = [b"".join(n.to_bytes(4, "little", signed=True) for n in one) for one in kept]
    rows = pa.table(
        {
            "tag": pa.array([tag.bytes for tag in tags], pa.binary(16)),
            "twin": pa.array([tags[1].bytes, str(tags[0]).encode()]),
            "kept": pa.array(twelve, pa.binary(12)),
            "mark": pa.array([tags[0].bytes, b"\0"]),
        }
    )

    tables.fill(rows, "crate", ["twin", "kept", "mark"]).apply()

    assert tables.rows("SELECT tag, twin, kept::text, mark FROM crate ORDER BY kept DESC") == [
        (tags[0], tags[1], "1 year 2 mons -3 days +00:00:01.5", tags[0].bytes),
        (tags[1], tags[0], "1 day", b"\0"),
    ]


def test_a_script_is_no_notebook() -> None:
    with pytest.raises(UsageError, match=r"does not end in \.ipynb\. A script plans by itself"):
        own_notebook("mine.py")


PARAMETERS = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": ["set = 'v'"]}


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["a text", PARAMETERS], "its cell 1 has no source"),
        ([PARAMETERS, {"cell_type": "code", "metadata": {}}], "its cell 2 has no source"),
        (
            [{**PARAMETERS, "metadata": {"tags": ["raises-exception"]}}, PARAMETERS],
            "cell 1 is tagged raises-exception, and the notebook is the run's evidence",
        ),
        ([{**PARAMETERS, "metadata": {"tags": None}}], "has no cell tagged `parameters`"),
        ([{**PARAMETERS, "metadata": None}], "has no cell tagged `parameters`"),
    ],
)
def test_a_notebook_of_another_make_is_refused_in_a_sentence(
    tmp_path: Path, cells: list[Any], told: str
) -> None:
    path = tmp_path / "own.ipynb"
    path.write_text(json.dumps({"cells": cells, "nbformat": 4}), encoding="utf-8")

    with pytest.raises(UsageError) as refused:
        own_notebook(str(path))

    assert told in str(refused.value)
