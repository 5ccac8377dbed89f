"""Names of files and folders that readers take for patterns, or columns."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import backfill
from backfill import workbook
from backfill.jobs.fill.values import open_values

if TYPE_CHECKING:
    from tests.fill.conftest import Tables


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        ("list[1].csv", "list1.csv"),
        ("list?.csv", "list7.csv"),
        ("list*.csv", "list7.csv"),
        ("year=2031/old [a]/list.csv", "year=2031/old a/list.csv"),
        ("~list.csv", "list.csv"),
    ],
)
def test_a_file_of_values_is_that_file_whatever_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, beside: str
) -> None:
    for path, wood in ((tmp_path / beside, "ash"), (tmp_path / name, "oak")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"id,wood\n1,{wood}\n")
    monkeypatch.chdir(tmp_path)

    (rows,) = open_values(Path(name)).batches()

    assert rows.to_pylist() == [{"id": "1", "wood": "oak"}]


def test_no_folder_s_name_becomes_a_column_of_a_run(tables: Tables, tmp_path: Path) -> None:
    tables.make(
        "CREATE TABLE box (id int PRIMARY KEY, v text)",
        "INSERT INTO box VALUES (1, NULL), (2, NULL), (3, 'x')",
    )
    runs = tmp_path / "key=1" / "kind=added" / "old [1]"
    rows = pd.DataFrame({"id": [1, 2, 3], "v": ["oak", "ash", "elm"]})

    run = replace(tables, runs=runs).fill(rows, "box", "v")
    run.apply()

    assert run.changes["key"].tolist() == ["1", "2"]
    assert run.skips["key"].tolist() == ["3"]
    assert "oak" in str(run.explain("1"))
    assert "ash" in str(run.explain("2"))
    compared = workbook.compare(run.run_id, run.run_id, runs_folder=str(runs))
    assert not compared.rows
    run.undo()
    assert tables.rows("TABLE box ORDER BY id") == [(1, None), (2, None), (3, "x")]


def test_every_parquet_file_is_read_without_its_folders_names() -> None:
    for path in Path(backfill.__file__).parent.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                is_table = call.func.attr == "read_table"
                given = {keyword.arg for keyword in call.keywords}
                assert not is_table or "partitioning" in given, f"{path.name}:{call.lineno}"
