"""Every shape of docs/other-tables.md, run: its table, its specification, its result."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.engine.workshop import Bench, load_nothing
from tests.jobs.conftest import BenchFrom
from tests.longer import longer_behind

PAGE = (Path(__file__).parents[2] / "docs" / "other-tables.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (\d+\. .*?)\n(.*?)(?=^### |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def block(language: str, text: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert found, language
    return found[1]


def rows_of(text: str) -> list[list[str]]:
    """Return the header and the rows of the table at the end of a section."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [cells[0], *cells[2:]]


def stored(bench: Bench, table: str, columns: list[str]) -> list[list[str]]:
    rows = bench.sql(
        f"SELECT {', '.join(columns)}, {', '.join(f'pg_typeof({c})::text' for c in columns)}"
        f" FROM {table} ORDER BY 1"
    )
    count = len(columns)
    return [[shown(value) for value in row[:count]] for row in rows]


def shown(value: Any) -> str:
    if value is None:
        return ""
    if getattr(value, "tzinfo", None) is not None:
        return f"{value:%Y-%m-%d %H:%M:%S}Z"
    return f"{value}".removesuffix("000") if hasattr(value, "microsecond") else f"{value}".strip()


def test_there_are_twelve() -> None:
    assert len(SECTIONS) == 12


@pytest.mark.parametrize("title", longer_behind(3, SECTIONS))
def test_a_table_from_the_wild_gets_its_instants(
    bench_from: BenchFrom, tmp_path: Path, title: str
) -> None:
    text = SECTIONS[title]
    bench = bench_from("nothing", load_nothing)
    bench.sql(block("sql", text))
    path = tmp_path / "table.toml"
    path.write_text(block("toml", text), encoding="utf-8")
    header, *expected = rows_of(text)
    table = re.search(r'^table = "(\w+)"', block("toml", text), re.MULTILINE)
    assert table

    book = bench.run(table=str(path))

    assert stored(bench, table[1], header) == expected
    verified = bench.verify(book.run_id)
    assert verified.findings == []
    assert verified.recomputed == verified.rows
    again = bench.summary(bench.run(table=str(path)))
    assert again["total_updated"] == 0
    before = bench.summary(bench.revert(book.run_id))
    assert before["total_updated"] == verified.rows
