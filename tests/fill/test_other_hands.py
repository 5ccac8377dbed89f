"""Values that went through other people's hands: their programs, their packers, their countries."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.pasted import commands_in, note_pasted

from backfill.cli import main
from backfill.errors import UsageError
from backfill.jobs.fill.frames import keep_query
from backfill.jobs.fill.values import open_values
from backfill.jobs.registry import JOBS
from backfill.notebook.built_ins import with_built_ins
from backfill.notebook.own_notebook import own_notebook
from backfill.parameters import defaults_of
from backfill.rows.texts import texts_of
from backfill.workbook import open_run

if TYPE_CHECKING:
    from tests.fill.conftest import Tables

    from backfill.workbook import Book


def read(path: Path) -> list[dict[str, Any]]:
    return [row for batch in open_values(path).batches() for row in batch.to_pylist()]


def typed(words: str) -> str:
    """Return the one argument that a shell makes of some words."""
    return subprocess.check_output(["sh", "-c", f"printf %s {words}"], text=True)


def opened(tables: Tables, **values: Any) -> Book:
    defaults = defaults_of(JOBS["fill"].parameters)
    own = {"runs_dir": str(tables.runs), "dsn_env": "TABLES_URL"}
    return open_run("fill", defaults | own | values)


def packed_by_zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, "zstd", asbytes=True))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("oars.tsv", b"id\tname\n7\tAsk, the long one\n"),
        ("oars.txt", b"id;name\n7;Ask, the long one\n"),
        ("oars.csv.gz", gzip.compress(b'\xef\xbb\xbfid,name\n7,"Ask, the long one"\n')),
        ("oars.csv.zst", packed_by_zstd(b'id,name\n7,"Ask, the long one"\n')),
        ("oars.tsv.gz", gzip.compress(b"id\tname\n7\tAsk, the long one\n")),
        ("oars.jsonl.gz", gzip.compress(b'\n{"id": 7, "name": "Ask, the long one"}\n')),
        ("oars.json.zst", packed_by_zstd(b'[{"id": 7, "name": "Ask, the long one"}]')),
        ("OARS.CSV.GZ", gzip.compress(b'id,name\n7,"Ask, the long one"\n')),
    ],
)
def test_texts_are_read_by_what_they_are_called_packed_or_not(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)

    assert read(tmp_path / name) == [{"id": "7", "name": "Ask, the long one"}]
    assert open_values(tmp_path / name).count() == 1


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"PK\x03\x04", "sheets of Excel are: save the sheet as CSV"),
        ("a.csv", gzip.compress(b"id\n1\n"), "let its name end in .gz"),
        ("a.json", b"PAR1", "is Parquet: let its name end in .parquet"),
        ("a.csv", b"<!DOCTYPE html><p>Sign in</p>\n", "is a page of HTML"),
        ("a.feather", b"FEA1\0\0\0\0", "Feather's first format: write it anew"),
        ("a.csv", b"# from the harbour\nid,name\n7,x\n", "names no column: take it out"),
        ("a.csv", b";;\nid;name;\n7;x;\n", "Is its first line the one with the columns' names"),
        ("a.csv", b'id,"name\n(mobile)"\r\n7,x\r\n', r"name, 'name\\n\(mobile\)', goes over two"),
        ("a.csv", b'id,"name\r\n"\n7,x\n', "goes over two lines: write it on one"),
        ("a.csv.gz", b"id,name\n7,x\n", "zlib"),
        ("a.csv.gz", gzip.compress("id,n\n7,å\n".encode("latin1")), "name the unpacked file"),
        ("a.jsonl", b'{"id": 7}\n{"id": \n', "row 2 is no JSON"),
        ("a.sqlite", b"SQLite format 3\0", "hand the dataframe to workbook.fill"),
    ],
)
def test_a_file_that_is_something_else_is_told_what_it_is_and_what_mends_it(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(UsageError, match=says):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "says"),
    [("boats.csv.bz2", "unpack it, and name the unpacked file"), ("boats.ZIP", "unpack it, and")],
)
def test_a_file_that_is_packed_otherwise_is_to_be_unpacked(
    tmp_path: Path, name: str, says: str
) -> None:
    (tmp_path / name).write_bytes(b"BZh91AY&SY")

    with pytest.raises(UsageError, match=says):
        open_values(tmp_path / name)


def test_a_text_of_another_ending_is_read_by_what_is_printed_wherever_it_is_typed(
    tmp_path: Path,
) -> None:
    (tmp_path / "it's.dat").write_text("id;name\n7;Ask\n")

    with pytest.raises(UsageError, match="text like CSV: --query ") as refused:
        open_values(tmp_path / "it's.dat")

    query = str(refused.value).split("--query ")[1].split("; anything")[0]
    keep_query(typed(query), tmp_path / "values.arrow", Path.cwd())
    assert read(tmp_path / "values.arrow") == [{"id": 7, "name": "Ask"}]


def test_an_address_is_to_be_fetched_and_a_pattern_is_a_query(tmp_path: Path) -> None:
    for year in (2025, 2026):
        (tmp_path / "boats" / f"year={year}").mkdir(parents=True)
        rows = pa.table({"id": [year], "name": [f"Ran {year}"]})
        pq.write_table(rows, tmp_path / "boats" / f"year={year}" / "a.parquet")

    with pytest.raises(UsageError, match="fetch it first"):
        open_values(tmp_path / "https://harbour.example/boats.csv")
    for named in ("boats", "boats/*/*.parquet"):
        with pytest.raises(UsageError, match="--query ") as refused:
            open_values(tmp_path / named)
        keep_query(
            typed(str(refused.value).split("--query ")[1]), tmp_path / "values.arrow", tmp_path
        )
        assert [row["name"] for row in read(tmp_path / "values.arrow")] == ["Ran 2025", "Ran 2026"]


def test_a_column_that_is_only_spelt_otherwise_comes_with_the_query_that_renames_it(
    tables: Tables, tmp_path: Path
) -> None:
    tables.make("CREATE TABLE oar (id int PRIMARY KEY, name text)", "INSERT INTO oar VALUES (7)")
    (tmp_path / "it's.csv").write_text("ID;name\n7;Ask\n")

    with pytest.raises(UsageError, match="no key column id") as refused:
        opened(tables, table="oar", set="name", values=str(tmp_path / "it's.csv")).preflight()

    query = typed(str(refused.value).split("--query ")[1])
    run = opened(tables, table="oar", set="name", query=query, apply=True)
    for step in (run.preflight, run.extract, run.compute, run.diff, run.plan, run.apply):
        step()
    assert tables.rows("TABLE oar") == [(7, "Ask")]


@pytest.mark.parametrize(
    ("kind", "values", "texts"),
    [
        (
            pa.time64("ns"),
            [1_000, 86_399_999_999_999, None],
            ["00:00:00.000001000", "23:59:59.999999999", None],
        ),
        (
            pa.duration("ns"),
            [1_001, -2_000, None],
            ["00:00:00.000001001", "-00:00:00.000002", None],
        ),
        (pa.duration("s"), [3, 2**62], ["00:00:03", "out of range"]),
        (
            pa.list_(pa.timestamp("ns")),
            [[1], [2_000]],
            ['{"1970-01-01 00:00:00.000000001"}', '{"1970-01-01 00:00:00.000002000"}'],
        ),
        (pa.list_(pa.date32()), [[10**9], [0]], ["out of range", '{"1970-01-01"}']),
        (pa.date64(), [86_400_001, None], ["1970-01-02 00:00:00.001000", None]),
        (pa.struct([("at", pa.time64("ns"))]), [{"at": 1_000}], ['{"at": "00:00:00.000001"}']),
    ],
    ids=str,
)
def test_times_finer_or_farther_than_python_s_refuse_no_more_than_their_row(
    kind: pa.DataType, values: list[Any], texts: list[str]
) -> None:
    array = (
        pa.array(values, pa.int64()).cast(kind) if kind == pa.date64() else pa.array(values, kind)
    )

    assert texts_of(array).to_pylist() == texts


def test_nanoseconds_need_no_pandas_as_in_a_kernel_that_has_not_met_it() -> None:
    program = (
        "from backfill.loading import without_pandas\n"
        "without_pandas()\n"
        "import pyarrow as pa\n"
        "from backfill.rows.texts import texts_of\n"
        "print(*texts_of(pa.array([1_500], pa.time64('ns'))).to_pylist(),\n"
        "      *texts_of(pa.array([[1_000]], pa.list_(pa.timestamp('ns')))).to_pylist())\n"
    )

    said = subprocess.check_output([sys.executable, "-c", program], text=True)

    assert said == '00:00:00.000001500 {"1970-01-01 00:00:00.000001"}\n'


def test_a_query_that_names_a_table_of_the_database_is_told_where_to_join(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("id,name\n1,x\n")

    with pytest.raises(UsageError, match=r"no table of the database: join .* run\.extracted"):
        keep_query("FROM oar JOIN 'd.csv' USING (id)", tmp_path / "values.arrow", tmp_path)


def test_a_query_s_wall_time_is_utc_wherever_the_machine_stands(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from backfill.jobs.fill.frames import keep_query\n"
        "here = Path(sys.argv[1])\n"
        "keep_query(\"SELECT '2026-07-01 12:00'::timestamptz AS at\", here / 'v.arrow', here)\n"
    )

    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], check=True, env={"TZ": "Asia/Tokyo"}
    )

    assert read(tmp_path / "v.arrow") == [{"at": dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)}]


def test_whole_numbers_with_a_point_are_whole_and_dressed_ones_are_told_how_to_write(
    tables: Tables, tmp_path: Path
) -> None:
    tables.make(
        "CREATE TABLE crate (id int PRIMARY KEY, apples int, weight numeric(8,2))",
        "INSERT INTO crate SELECT generate_series(1, 6)",
    )
    (tmp_path / "c.csv").write_text(
        "id;apples;weight\n1.0;40.00;1.5\n 2.0;-7.0;2\n3;4.5;3\n4;1;1.234,50\n5;1 000;5\n6;many;6\n"
    )

    run = opened(tables, table="crate", set=["apples", "weight"], values=str(tmp_path / "c.csv"))
    for step in (run.preflight, run.extract, run.compute, run.diff, run.plan):
        step()

    after = run.duckdb.sql("SELECT after.apples, after.weight FROM changes").fetchall()
    assert sorted(after) == [("-7", "2.00"), ("40", "1.50")]
    told = {row.key: row.detail for row in run.skips.itertuples()}
    assert [key for key, detail in told.items() if "like 1234.50" in detail] == ["4", "5"]
    assert told["3"].startswith("invalid input syntax for type integer")


def test_a_word_for_no_value_is_written_as_the_text_it_is_and_said_to_be_one(
    tables: Tables,
) -> None:
    tables.make(
        "CREATE TABLE flag (id int PRIMARY KEY, motto text)",
        "INSERT INTO flag SELECT generate_series(1, 4)",
    )
    mottos = [str(None), str(float("nan")), "Nanook", "\\N"]

    run = opened(tables, table="flag", set="motto", apply=True)
    run.preflight()
    run.propose(pd.DataFrame({"id": range(1, 5), "motto": mottos}))
    run.diff()

    changes = run.duckdb.sql("SELECT key, warnings FROM changes ORDER BY key").fetchall()
    said = {key: warnings for key, warnings in changes if warnings}
    assert list(said) == ["1", "2", "4"]
    assert said["4"] == r"motto: '\\N' is a text here, no NULL"
    run.plan()
    run.apply()
    assert tables.rows("SELECT motto FROM flag ORDER BY id") == [
        ("None",),
        ("nan",),
        ("Nanook",),
        ("\\N",),
    ]


def test_rows_that_a_notebook_does_not_hand_back_are_counted(
    tables: Tables, capfd: pytest.CaptureFixture[str]
) -> None:
    tables.make(
        "CREATE TABLE buoy (id int PRIMARY KEY, depth int, colour text)",
        "INSERT INTO buoy SELECT n, n * 3 FROM generate_series(1, 5) n",
    )
    run = opened(tables, table="buoy", set="colour")
    run.preflight()
    run.extract()
    with pytest.raises(UsageError, match="Nothing was proposed yet"):
        run.plan()
    rows = run.extracted.assign(colour="red")

    run.propose(rows[rows.depth < 6], reads=["depth"])
    first = capfd.readouterr().err
    run.propose(rows[rows.depth > 6], reads=["depth"])
    second = capfd.readouterr().err
    run.propose(rows, reads=["depth"])
    third = capfd.readouterr().err

    assert "4 rows of those that were read are not among the proposed ones" in first
    assert "takes the place of what was proposed before" in second
    assert "2 rows of those that were read are not" in second
    assert "not among" not in third
    assert len(run.changes) == 5


@pytest.mark.pastes("notebook.failed_step:never_applied apply")
def test_a_notebook_that_was_to_apply_and_did_not_says_so(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", tables.dsn)
    tables.make("CREATE TABLE knot (id int PRIMARY KEY, name text)", "INSERT INTO knot VALUES (1)")
    run = opened(tables, table="knot", set="name", apply=True)
    run.preflight()
    run.extract()
    run.propose(pd.DataFrame({"id": [1], "name": ["bowline"]}))
    run.diff()
    run.plan()

    with pytest.raises(UsageError, match=r"never called run\.apply") as refused:
        run.summary()
    assert tables.rows("SELECT name FROM knot") == [(None,)]

    (command,) = commands_in(str(refused.value), "apply")
    code = main(shlex.split(command)[1:])
    note_pasted(shlex.split(command)[1:], code, [0], "")
    assert tables.rows("SELECT name FROM knot") == [("bowline",)]


def test_a_parameter_called_set_leaves_python_s_own_usable() -> None:
    cells: dict[str, Any] = {"set": "city,zip", "table": "customer"}

    cells |= with_built_ins(JOBS["fill"].parameters, cells)

    assert cells["set"].split(",") == ["city", "zip"]
    assert cells["set"](["Visby", "Visby"]) == {"Visby"}
    assert cells["table"] == "customer"


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"metadata": {"kernelspec": {"name": "ir", "language": "R"}}}, "is written in r"),
        ({"metadata": {"language_info": {"name": "julia"}}}, "is written in julia"),
        ({"worksheets": [{"cells": []}], "nbformat": 3}, r"nbconvert --to .* /\S+/n.ipynb$"),
    ],
)
def test_a_notebook_that_is_not_ours_to_run_is_refused(
    tmp_path: Path, document: dict[str, Any], says: str
) -> None:
    cell = {"cell_type": "code", "source": "x = 1", "metadata": {"tags": ["parameters"]}}
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": [cell], **document}))
    if "worksheets" in document:
        (tmp_path / "n.ipynb").write_text(json.dumps(document))

    with pytest.raises(UsageError, match=says):
        own_notebook(str(tmp_path / "n.ipynb"))


def test_a_process_that_a_cell_forks_dies_of_its_own_signal_and_the_run_does_not() -> None:
    program = (
        "import multiprocessing, time\n"
        "from backfill.stop import Interrupts\n"
        "heard = Interrupts()\n"
        "heard.listen()\n"
        "child = multiprocessing.get_context('fork').Process(target=time.sleep, args=(60,))\n"
        "child.start()\n"
        "child.terminate()\n"
        "child.join(20)\n"
        "print(child.exitcode, heard.received)\n"
    )

    said = subprocess.check_output([sys.executable, "-c", program], text=True, timeout=50)

    assert said.split() == [str(-signal.SIGTERM), "None"]


def test_lines_that_end_in_two_ways_are_read_after_what_is_printed(tmp_path: Path) -> None:
    mixed = tmp_path / "bo at.csv"
    mixed.write_bytes(b'id,name\r\n7,Ask\n8,"Ran\r\nII"\r\n')

    with pytest.raises(UsageError, match="some of its lines end as Windows' do") as refused:
        read(mixed)
    subprocess.check_call(["sh", "-c", str(refused.value).split("alike: ")[1]], timeout=60)

    assert read(tmp_path / "lines-bo at.csv") == [
        {"id": "7", "name": "Ask"},
        {"id": "8", "name": "Ran\nII"},
    ]
