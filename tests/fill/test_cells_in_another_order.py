"""Cells that are run twice, or before those above them: what is written is what was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from tests.fill.test_fill_cli import own_notebook
from tests.fill.test_other_hands import opened
from tests.fill.test_own_task import typed

from backfill.errors import BackfillError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fill.conftest import Tables

    from backfill.workbook import Book


def reeds(tables: Tables) -> None:
    tables.make(
        "CREATE TABLE reed (id int PRIMARY KEY, name text, height float8)",
        "INSERT INTO reed VALUES (1, 'tall'), (2, 'short')",
    )


def computed(book: Book, heights: list[float]) -> pd.DataFrame:
    rows: pd.DataFrame = book.extracted.assign(height=heights)
    return rows


def test_what_is_proposed_behind_the_plan_is_refused_unless_it_is_the_same(tables: Tables) -> None:
    reeds(tables)
    book = opened(tables, table="reed", set="height", apply=True)
    book.preflight()
    book.extract()
    book.propose(computed(book, [2.5, float("nan")]), reads=["name"])
    book.plan()

    book.propose(computed(book, [2.5, float("nan")]), reads=["name"])
    with pytest.raises(UsageError, match="these values are not in it"):
        book.propose(computed(book, [2.5, 0.5]), reads=["name"])
    book.apply()
    book.verify()

    assert tables.rows("SELECT height FROM reed ORDER BY id") == [(2.5,), (None,)]


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (lambda book: book.extracted, "Nothing is extracted yet. Run the cells above first"),
        (lambda book: book.apply(), "There is no plan yet. Run the cells above first: run.plan"),
        (lambda book: book.summary(), "There is no plan yet. Run the cells above first: run.plan"),
    ],
)
def test_a_cell_that_is_run_too_early_names_what_comes_before(
    tables: Tables, step: Callable[[Book], Any], says: str
) -> None:
    reeds(tables)
    book = opened(tables, table="reed", set="height", apply=True)
    book.preflight()

    with pytest.raises(BackfillError, match=says):
        step(book)


def test_a_notebook_that_opens_its_run_twice_writes_nothing_and_is_told_why(
    tables: Tables, tmp_path: Path
) -> None:
    reeds(tables)
    mine = own_notebook(
        tmp_path,
        "run = workbook.open_run('fill', globals())\n"
        "run.preflight(), run.extract()\n"
        "run.propose(run.extracted.assign(height=1.5), reads=['name'])",
    )

    ended = typed(
        tables, tmp_path, *("fill", "--notebook", str(mine), "--table", "reed"),
        *("--set", "height", "--apply"),
    )  # fmt: skip

    assert ended.returncode == 2, ended.stderr
    assert "of this notebook has not ended, and a cell opens another one. Open it" in ended.stderr
    assert tables.rows("SELECT height FROM reed") == [(None,), (None,)]
