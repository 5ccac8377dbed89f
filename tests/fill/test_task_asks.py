"""A task that asks: its questions, their answers, and what is decided of the rows then."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from backfill import workbook
from backfill.errors import PreflightError, UsageError
from backfill.jobs.registry import entry_of
from backfill.parameters import defaults_of
from backfill.plans.keyed_rows import rows_where
from backfill.steps.task import Names

if TYPE_CHECKING:
    from tests.fill.conftest import Tables


class Sizes:
    """Metres of planks; of a number without a unit nobody knows which it is in."""

    name = "sizes"
    settings: ClassVar[dict[str, Any]] = {}
    questions: ClassVar[Any] = {"which_unit": ("cm", "inch", "neither")}
    reasons = ("no_unit",)

    def names(self) -> Names:
        return Names("plank", targets=("metres",), sources=("size",))

    def extract(self, connection: Any, table: Any) -> Iterator[pa.Table]:
        yield from rows_where(connection, table, "metres IS NULL")

    def compute(self, rows: pa.Table) -> pa.Table:
        sizes = pc.struct_field(rows["source"].combine_chunks(), "size").to_pylist()
        said = pc.struct_field(rows["answer"].combine_chunks(), "which_unit").to_pylist()
        metres, asks = [], []
        for size, unit in zip(sizes, said, strict=True):
            is_bare = size.isdigit()
            factor = {"cm": 0.01, "inch": 0.0254}.get(unit or "cm" * (not is_bare))
            metres.append(None if factor is None else f"{float(size.rstrip('cm ')) * factor:.3f}")
            asks.append("which_unit" if is_bare else None)
        skips = [None if value else "no_unit" for value in metres]
        return pa.table({"metres": metres, "skip": pa.array(skips, pa.string()), "ask": asks})


@pytest.fixture
def planks(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> Tables:
    monkeypatch.setitem(sys.modules, "planks", sys.modules[__name__])
    tables.make(
        "CREATE TABLE plank (id int PRIMARY KEY, size text, metres numeric(6,3))",
        "INSERT INTO plank (id, size) VALUES (1, '240 cm'), (2, '96'), (3, '48'), (4, '12')",
    )
    return tables


def planned(tables: Tables, task: str = "Sizes", **values: Any) -> workbook.Book:
    name = f"planks:{task}"
    run = workbook.open_run(
        name,
        defaults_of(entry_of(name).parameters)
        | {"runs_dir": str(tables.runs), "dsn_env": "TABLES_URL"}
        | values,
    )
    for step in (run.preflight, run.extract, run.compute, run.diff, run.plan, run.apply):
        step()
    run.summary()
    return run


def asked(run: workbook.Book) -> list[str]:
    lines = Path(run.folder.file("questions.csv")).read_text(encoding="utf-8").splitlines()
    return [line for line in lines[1:] if line]


def test_a_row_in_doubt_is_asked_about_and_the_next_run_takes_the_answer_in(
    planks: Tables,
) -> None:
    first = planned(planks)

    assert first.skips["reason"].tolist() == ["no_unit"] * 3
    assert len(asked(first)) == 3
    assert "cm | inch | neither" in asked(first)[0]
    assert "size: 96" in asked(first)[0]
    first.decide("2", "inch")
    first.decide("3", "neither")
    second = planned(planks, decisions=first.run_id, apply=True)

    assert planks.rows(
        "SELECT id, metres::text FROM plank WHERE metres IS NOT NULL ORDER BY id"
    ) == [
        (1, "2.400"),
        (2, "2.438"),
    ]
    assert len(asked(second)) == 1
    assert second.folder.read_json("run.json")["settings"]["decisions"][0]["decision"] == "inch"


def test_a_value_that_has_changed_since_is_another_question(
    planks: Tables, capsys: pytest.CaptureFixture[str]
) -> None:
    first = planned(planks)
    first.decide("2", "inch")
    planks.make("UPDATE plank SET size = '97' WHERE id = 2")

    second = planned(planks, decisions=first.run_id)

    assert [line for line in asked(second) if "size: 97" in line]
    assert "meets no row: it has no effect" in capsys.readouterr().err


def test_a_word_that_answers_nothing_is_refused(planks: Tables) -> None:
    first = planned(planks)

    with pytest.raises(UsageError, match="yards"):
        first.decide("2", "yards")


class Unnamed(Sizes):
    """Asks what it never said that it would."""

    name = "unnamed"
    questions: ClassVar[Any] = {"whose": ("ours", "theirs")}

    def compute(self, rows: pa.Table) -> pa.Table:
        return pa.table({"metres": ["1"] * rows.num_rows, "ask": ["which_unit"] * rows.num_rows})


class Mute(Unnamed):
    name = "mute"
    questions: ClassVar[Any] = {}


class Lost(Sizes):
    name = "lost"

    def compute(self, rows: pa.Table) -> pa.Table:
        raise KeyError(rows.num_rows)


class Needy(Sizes):
    def __init__(self, house: str) -> None:
        self.house = house


@pytest.mark.parametrize(("task", "known"), [("Unnamed", "whose"), ("Mute", "none")])
def test_a_question_that_a_task_does_not_name_stops_its_plan(
    planks: Tables, task: str, known: str
) -> None:
    with pytest.raises(PreflightError, match=rf"asks 'which_unit'.*\(there: {known}\)"):
        planned(planks, task=task)


def test_what_a_task_raises_is_told_with_its_line(planks: Tables) -> None:
    with pytest.raises(KeyError):
        planned(planks, task="Lost")

    (told,) = [json.loads(path.read_text()) for path in planks.runs.glob("*-lost-*/summary.json")]
    assert re.fullmatch(r"KeyError: 4 \(.*test_task_asks\.py, line \d+\)", told["error"])


def test_a_task_that_can_not_be_made_is_no_error_of_ours(planks: Tables) -> None:
    with pytest.raises(UsageError, match=r"planks:Needy can not be made: TypeError: .*house"):
        planned(planks, task="Needy")
