"""`backfill fill` as it is typed: files of every kind, queries, notebooks of one's own."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.fill.test_own_task import command, typed

from backfill.errors import UsageError
from backfill.jobs.fill.frames import keep_query
from backfill.jobs.fill.values import open_values
from backfill_lab.demo.customers import load_customers

if TYPE_CHECKING:
    from tests.fill.conftest import Tables

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "06_fill_columns.ipynb"


def read(path: Path) -> list[dict[str, object]]:
    values = open_values(path)
    assert sum(table.num_rows for table in values.batches()) == values.count()
    return [row for table in values.batches() for row in table.to_pylist()]


def test_a_csv_tells_null_from_an_empty_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeffid;name\r\n007;\r\n2;""\r\n3;"a;""b""\nc"\r\n'.encode())

    assert read(path) == [
        {"id": "007", "name": None},
        {"id": "2", "name": ""},
        {"id": "3", "name": 'a;"b"\nc'},
    ]


def test_json_keeps_the_digits_of_its_numbers(tmp_path: Path) -> None:
    lines = tmp_path / "a.jsonl"
    lines.write_text(
        '{"id": 12345678901234567890, "n": 1.50}\n\n{"id": 2, "tags": ["a", {"b": 1.0}]}\n'
    )
    array = tmp_path / "b.json"
    array.write_text(' [{"id": 1, "ok": true}, {"id": 2, "ok": null}]')

    assert read(lines) == [
        {"id": "12345678901234567890", "n": "1.50", "tags": None},
        {"id": "2", "n": None, "tags": '["a", {"b": 1.0}]'},
    ]
    assert read(array) == [{"id": "1", "ok": "true"}, {"id": "2", "ok": None}]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.xlsx", b"PK", "the ending .xlsx is not known"),
        ("a.parquet", b"no parquet", "can not be read"),
        ("a.csv", b"id,id\n1,2\n", "two columns of the name 'id'"),
        ("a.jsonl", b"[1]\n", "it is no object"),
    ],
)
def test_a_file_that_is_none_is_refused_in_a_sentence(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(UsageError, match=says):
        read(tmp_path / name)


@pytest.mark.parametrize(
    "query",
    [
        "COPY (SELECT 1) TO 'out.csv'",
        "INSTALL httpfs",
        "SELECT 1; SELECT 2",
        "SELECT * FROM 'https://example.invalid/a.parquet'",
        "SELEC 1",
    ],
)
def test_a_query_only_selects_from_local_files(tmp_path: Path, query: str) -> None:
    with pytest.raises(UsageError, match="--query"):
        keep_query(query, tmp_path / "values.arrow", tmp_path)

    assert not (tmp_path / "out.csv").exists()


def test_a_query_finds_files_beside_it(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1, 2]}), tmp_path / "rows.parquet")

    keep_query("SELECT id, id * 2 AS twice FROM 'rows.parquet'", tmp_path / "v.arrow", tmp_path)

    assert read(tmp_path / "v.arrow") == [{"id": 1, "twice": 2}, {"id": 2, "twice": 4}]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM 'pipe.csv'",
        'SELECT * FROM "pipe.csv"',
        "SELECT * FROM read_csv(['rows.csv', 'p*.csv'])",
        "SELECT content FROM read_text('/dev/zero')",
    ],
)
def test_a_query_never_waits_for_what_is_no_file(tmp_path: Path, query: str) -> None:
    (tmp_path / "rows.csv").write_text("id\n1\n")
    os.mkfifo(tmp_path / "pipe.csv")

    with pytest.raises(UsageError, match=r"which is no regular file \(a pipe or a device\)"):
        keep_query(query, tmp_path / "values.arrow", tmp_path)


def test_a_texts_quotes_and_patterns_in_a_query_name_no_file(tmp_path: Path) -> None:
    query = """SELECT 1 AS id, 'it''s [a-' AS "a""b", '**', regexp_matches('x', '[^z]+$') AS m"""

    keep_query(query, tmp_path / "v.arrow", tmp_path)

    assert len(read(tmp_path / "v.arrow")) == 1


@pytest.mark.slow
def test_a_query_is_kept_with_the_run_that_it_fills(tables: Tables, tmp_path: Path) -> None:
    tables.make(
        "CREATE TABLE lamp (id int PRIMARY KEY, watts numeric(6,2))",
        "INSERT INTO lamp (id) SELECT generate_series(1, 30)",
    )
    (tmp_path / "w.csv").write_text(
        "n,watts\n" + "".join(f"{n},{n}.5\n" for n in range(1, 41)) + "41,lots\n"
    )
    words = ("fill", "--table", "lamp", "--set", "watts", "--chunk-size", "7", "--apply")
    query = "SELECT n AS id, watts FROM 'w.csv'"

    code, summary = command(tables, tmp_path, *words, "--query", query)
    again, second = command(tables, tmp_path, *words, "--query", query)
    checked, pending = command(
        tables, tmp_path, "check", "--job", "fill", *words[1:5], "--query", query
    )

    assert (code, again, checked) == (0, 0, 0)
    assert (summary["total_updated"], summary["total_skipped"]) == (30, 11)
    assert (second["total_updated"], second["total_unchanged"]) == (0, 30)
    assert pending["total_pending"] == 0
    assert (tables.runs / summary["run_id"] / "values.arrow").is_file()
    assert tables.rows("SELECT sum(watts)::text FROM lamp") == [("480.00",)]


@pytest.mark.slow
def test_a_dry_run_names_the_file_of_a_row_that_is_another_and_the_command_that_writes_the_rest(
    tables: Tables, tmp_path: Path
) -> None:
    tables.make(
        "CREATE TABLE lamp (id int PRIMARY KEY, socket text, watts int)",
        "INSERT INTO lamp VALUES (1, 'E14', NULL), (2, 'E27', NULL)",
    )
    (tmp_path / "w.csv").write_text("id,socket,watts\n1,E14,4\n2,GU10,5\n")

    dry = typed(tables, tmp_path, "fill", "--table", "lamp", "--set", "watts", "--values", "w.csv")

    assert dry.returncode == 5
    said = re.sub(r"\s+", " ", dry.stderr)
    assert "1 row is left alone: the table holds something else than was read" in said
    (folder,) = (path for path in tables.runs.iterdir() if path.is_dir())
    assert "It is listed in skips.csv." in said
    assert "2,public.lamp,,drifted" in (folder / "skips.csv").read_text().replace('"', "")
    (line,) = (text for text in dry.stderr.splitlines() if "write exactly this plan: " in text)
    words = shlex.split(line.partition("this plan: backfill ")[2])
    assert words[:2] == ["apply", folder.name]
    assert command(tables, tmp_path, *words[:2])[0] == 5
    assert tables.rows("SELECT id, watts FROM lamp ORDER BY id") == [(1, 4), (2, None)]


def own_notebook(folder: Path, code: str) -> Path:
    """Return a copy of notebook 06 that fills `city_name` by code of an analyst's own."""
    document = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    for cell in document["cells"]:
        text = "".join(cell["source"])
        if "parameters" in cell["metadata"].get("tags", []):
            text = text.replace('set: str = "phone_e164"', 'set: str = "city_name"')
        if "analyst" in cell["metadata"].get("tags", []):
            text = code
        cell["source"] = text
    path = folder / "cities.ipynb"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_notebook_of_ones_own_runs_and_its_code_is_the_evidence(
    tables: Tables, tmp_path: Path
) -> None:
    load_customers(tables.connection)
    mine = own_notebook(
        tmp_path,
        "import polars as pl\n"
        "rows = pl.from_pandas(run.extracted).select('id', 'city')\n"
        "rows = rows.with_columns(city_name=pl.col('city').str.strip_chars())\n"
        "run.propose(rows, reads=['city'])",
    )

    code, summary = command(
        tables, tmp_path, "fill", "--notebook", str(mine), "--where", "city = ' visby'", "--apply"
    )

    assert code == 0, summary
    assert tables.rows("SELECT DISTINCT city_name FROM customer WHERE city = ' visby'") == [
        ("Visby".lower(),)
    ]
    kept = (tables.runs / summary["run_id"] / "notebook.ipynb").read_text(encoding="utf-8")
    assert "str.strip_chars()" in kept


@pytest.mark.slow
def test_a_notebook_that_names_no_kernel_may_have_a_pool_and_python_s_own_set(
    tables: Tables, tmp_path: Path
) -> None:
    load_customers(tables.connection)
    mine = own_notebook(
        tmp_path,
        "from multiprocessing import get_context\n"
        "rows = run.extracted\n"
        "assert len(set(rows['city'])) == 1 and set == ['city_name']\n"
        "with get_context('fork').Pool(2) as pool:\n"
        "    rows['city_name'] = pool.map(str.swapcase, rows['city'])\n"
        "run.propose(rows, reads=['city'])",
    )
    document = json.loads(mine.read_text(encoding="utf-8"))
    mine.write_text(json.dumps(document | {"metadata": {}}), encoding="utf-8")

    words = ("--where", "city = ' visby'", "--set", "city_name", "--apply")
    code, summary = command(tables, tmp_path, "fill", "--notebook", str(mine), *words)

    assert code == 0, summary
    assert tables.rows("SELECT DISTINCT city_name FROM customer WHERE city = ' visby'") == [
        (" VISBY",)
    ]


@pytest.mark.slow
def test_of_a_notebook_whose_cell_raises_the_cell_is_named_not_the_kernel(
    tables: Tables, tmp_path: Path
) -> None:
    load_customers(tables.connection)
    mine = own_notebook(tmp_path, "rows = run.extracted['stad']")

    ended = typed(tables, tmp_path, "fill", "--notebook", str(mine), "--apply")

    assert ended.returncode == 1
    assert "KeyError: 'stad'" in ended.stderr
    assert "of the notebook raised KeyError before the plan was frozen: nothing " in ended.stderr
    assert "mend the notebook, and type the command again" in ended.stderr
    assert "kernel ended" not in ended.stderr
    (kept,) = tables.runs.glob("*/notebook.ipynb")
    assert str(kept) in ended.stderr
    assert "Traceback" not in ended.stderr


def test_what_is_refused_at_once_leaves_no_folder(tables: Tables, tmp_path: Path) -> None:
    tables.make("CREATE TABLE lamp (id int PRIMARY KEY, watts int)")

    code, summary = command(tables, tmp_path, "fill", "--table", "lamp", "--set", "watts")

    assert (code, summary["status"]) == (2, "refused")
    assert not tables.runs.exists()


def test_a_row_with_a_key_of_several_columns_is_explained_however_it_is_spelt(
    tables: Tables,
) -> None:
    tables.make(
        "CREATE TABLE room (hotel int, room text, beds int, PRIMARY KEY (hotel, room))",
        "INSERT INTO room VALUES (2, '001'), (2, 'Zö')",
    )
    rows = pa.table({"hotel": [2, 2], "room": ["001", "Zö"], "beds": [1, 3]})
    run = tables.fill(rows, "room", "beds")

    for said in ('["2", "001"]', '["2","001"]', '[2, "001"]', "2,001", "2, 001"):
        assert run.explain(said).document["key"] == '["2", "001"]', said
    explained = run.explain("2,Zö")
    assert explained.document["key"] == '["2", "Zö"]'
    assert "what became of it" in repr(explained) and "note" not in repr(explained)
    with pytest.raises(UsageError, match="has no row '2,002'"):
        run.explain("2,002")


@pytest.mark.slow
def test_a_fill_beside_the_notebook_s_own_run_is_a_run_of_its_own(
    tables: Tables, tmp_path: Path
) -> None:
    load_customers(tables.connection)
    tables.make("CREATE TABLE place (code text PRIMARY KEY, region text)")
    tables.make("INSERT INTO place VALUES ('visby')")
    mine = own_notebook(
        tmp_path,
        "rows = run.extracted.assign(city_name='Visby')\n"
        "run.propose(rows, reads=['city'])\n"
        "import pandas as pd\n"
        "beside = pd.DataFrame({'code': ['visby'], 'region': ['Gotland']})\n"
        "beside = workbook.fill(beside, table='place', set='region', runs_dir=runs_dir)\n"
        "beside.apply()",
    )

    ended = typed(
        tables, tmp_path, "fill", "--notebook", str(mine), "--where", "city = ' visby'", "--apply"
    )

    assert ended.returncode == 0, ended.stderr
    summary = json.loads(ended.stdout.splitlines()[-1])
    assert (summary["table"], summary["total_updated"]) == ("public.customer", 203)
    assert tables.rows("SELECT region FROM place") == [("Gotland",)]
    assert sorted(tables.rows("SELECT scope ->> 'table', status FROM backfill.run")) == [
        ("public.customer", "succeeded"),
        ("public.place", "succeeded"),
    ]
