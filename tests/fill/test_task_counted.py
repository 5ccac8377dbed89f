"""Rows that a task should have read are counted, and those it decides by itself are numbered."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from backfill import workbook
from backfill.errors import PreflightError, UsageError
from backfill.jobs.registry import entry_of
from backfill.parameters import defaults_of
from backfill.plans.keyed_rows import rows_where
from backfill.rows.values import schema_of_changes
from backfill.skips import OwnReason, Skip
from backfill.steps.task import Decided, Names, Work

if TYPE_CHECKING:
    from tests.fill.conftest import Tables

PAIR = pa.struct([pa.field("litres", pa.string())])
READ = pa.struct([pa.field("gallons", pa.string())])
NOTE = pa.struct([pa.field("pump", pa.string())])


class Litres:
    """Litres of gallons; the engine reads the rows that have some."""

    name = "litres"
    settings: ClassVar[dict[str, Any]] = {}
    where = "gallons > 0"

    def names(self) -> Names:
        return Names("tank", targets=("litres",), sources=("gallons",))

    def compute(self, rows: pa.Table) -> pa.Table:
        gallons = pc.struct_field(rows["source"].combine_chunks(), "gallons")
        return pa.table({"litres": pc.multiply(gallons, 4)})


class FewLitres(Litres):
    """Reads its rows by itself, and not all that it says."""

    def extract(self, connection: Any, table: Any) -> Iterator[pa.Table]:
        yield from rows_where(connection, table, "gallons > 0 AND no % 3 <> 0")


class Uncounted(FewLitres):
    where = ""


class OwnWhere(FewLitres):
    """Has something of its own that is called so."""

    def where(self, least: int) -> str:  # type: ignore[override]
        return f"gallons > {least}"


class Wrong(Litres):
    where = "gallon > 0"


class ByChance(Litres):
    where = "gallons > 0 AND Random() < 0.5"


class Decides(Litres):
    """Decides by itself, and has nothing to say of every other row."""

    counted_kinds = ("updated", "skipped")

    def plan_schema(self, _staging: Any) -> pa.Schema:
        return schema_of_changes(READ, PAIR, NOTE)

    def plan_rows(self, work: Work) -> Iterator[Decided]:
        rows = work.staging.connection.cursor().execute(
            "SELECT key, source.gallons FROM extracted ORDER BY key"
        )
        place = 0
        while block := rows.fetchmany(4):
            yield self.decided(block, place)
            place += len(block)
        work.counts = {"pumps": 1}

    def decided(self, block: list[tuple[str, str]], first: int) -> Decided:
        odd = [(first + at, *row) for at, row in enumerate(block) if (first + at) % 2]
        changes = [
            {
                "position": place,
                "key": key,
                "scope": f"row {int(key) % 2}",
                "kind": "added",
                "rule": "filled",
                "warnings": "",
                "source": {"gallons": gallons},
                "before": {"litres": None},
                "after": {"litres": str(int(gallons) * 4)},
                "why": {"pump": "A"},
            }
            for place, key, gallons in odd
            if key != "8"
        ]
        dry = [(p, Skip(k, "row 0", "", OwnReason("dry"), "")) for p, k, _g in odd if k == "8"]
        return Decided(pa.Table.from_pylist(changes, schema=self.plan_schema(None)), dry)


@pytest.fixture
def tank(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> Tables:
    monkeypatch.setitem(sys.modules, "tanks", sys.modules[__name__])
    tables.make(
        "CREATE TABLE tank (no int PRIMARY KEY, gallons int, litres int)",
        "INSERT INTO tank (no, gallons) SELECT n, n * 10 FROM generate_series(1, 9) n",
        "INSERT INTO tank (no) VALUES (10)",
    )
    return tables


def book_of(tank: Tables, task: str) -> workbook.Book:
    values = defaults_of(entry_of(f"tanks:{task}").parameters)
    given = {**values, "runs_dir": str(tank.runs), "dsn_env": "TABLES_URL"}
    return workbook.open_run(f"tanks:{task}", given)


def planned(tank: Tables, task: str) -> workbook.Book:
    book = book_of(tank, task)
    for step in (book.preflight, book.extract, book.compute, book.plan):
        step()
    return book


def test_a_condition_is_enough_and_its_rows_are_counted(tank: Tables) -> None:
    book = planned(tank, "Litres")

    assert len(book.changes) == 9
    assert list(book.changes["after.litres"])[:2] == ["40", "80"]


def test_rows_that_a_task_did_not_read_stop_the_run_by_name(tank: Tables) -> None:
    book = book_of(tank, "FewLitres")
    book.preflight()

    with pytest.raises(PreflightError, match=r"counted 9 rows, 6 were read; 3 .* among them 3, 6"):
        book.extract()


@pytest.mark.parametrize("task", ["Uncounted", "OwnWhere"])
def test_what_nobody_counted_is_said(
    tank: Tables, capsys: pytest.CaptureFixture[str], task: str
) -> None:
    book = planned(tank, task)

    assert len(book.changes) == 6
    assert "that it read all it should, nobody has counted" in capsys.readouterr().err


def test_a_condition_that_is_none_is_refused_before_anything_is_read(tank: Tables) -> None:
    with pytest.raises(UsageError, match=r"condition of litres .* is no condition .*gallon"):
        book_of(tank, "Wrong").preflight()
    with pytest.raises(PreflightError, match=r"condition of litres .* calls random\(\)"):
        book_of(tank, "ByChance").preflight()


def test_rows_that_a_task_decides_are_numbered_without_holes_and_counted_by_scope(
    tank: Tables,
) -> None:
    book = planned(tank, "Decides")
    frozen = book._frozen()

    assert list(book.changes["position"]) == [0, 1, 2]
    assert list(book.skips["position"]) == [3]
    assert (frozen.rows, frozen.changes, frozen.skips) == (4, 3, 1)
    assert frozen.counts == {
        "pumps": 1,
        "by_scope": {"row 0": {"updated": 3, "skipped": 1}},
    }
