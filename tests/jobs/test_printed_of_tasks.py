"""Commands that the runs of somebody's own task print, pasted: its flags travel with them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.engine.workshop import load_empty
from tests.jobs.printed import Typed, printed
from tests.pasted import commands_in

if TYPE_CHECKING:
    from tests.jobs.conftest import BenchFrom

pytestmark = pytest.mark.slow

#: Its flags are called like those of jobs that ship, and mean something else.
TASK = """
import pyarrow as pa
import pyarrow.compute as pc
from dataclasses import dataclass, field

from backfill.plans.keyed_rows import rows_where
from backfill.steps.task import Names


@dataclass(frozen=True)
class Parameters:
    table: str = "bell"
    household_id: list[str] = field(default_factory=list)
    strict: bool = False
    loudest: int = 100


class Bells:
    name = "bells"
    parameters = Parameters
    reasons = ("too_loud",)

    def __init__(self, chosen):
        self.chosen = chosen
        self.settings = {"strict": chosen.strict, "of": [*chosen.household_id]}

    def names(self):
        return Names(self.chosen.table, ("tuned to",), ("hz", "house"))

    def extract(self, connection, table):
        for house in self.chosen.household_id:
            quoted = "'" + house.replace("'", "''") + "'"
            yield from rows_where(connection, table, f"house = {quoted}")

    def compute(self, rows):
        source = rows["source"].combine_chunks()
        hz = pc.struct_field(source, "hz").to_pylist()
        is_loud = [self.chosen.strict and value > self.chosen.loudest for value in hz]
        return pa.table({
            "tuned to": [None if loud else value * 2 for value, loud in zip(hz, is_loud)],
            "skip": pa.array(["too_loud" if loud else None for loud in is_loud], pa.string()),
        })
"""


@dataclass(frozen=True)
class Place(Typed):
    """Two houses of four bells each, names that want quotes; the task lies where one types."""

    folder: Path

    @property
    def runs(self) -> tuple[str, str]:
        return "--runs-dir", str(self.folder / "runs of mine")

    @property
    def given(self) -> tuple[str, ...]:
        return (
            *("task", "strangers_bells:Bells", "--table", 'our."old bells"', "--strict"),
            *("--household-id", "St Mary's", "--loudest", "30", "--chunk-size", "1", *self.runs),
        )

    def bells(self) -> list[int | None]:
        rows = self.bench.sql('SELECT "tuned to" FROM our."old bells" ORDER BY no')
        return [row[0] for row in rows]


@pytest.fixture
def place(
    bench_from: BenchFrom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    bench = bench_from("empty", load_empty)
    bench.sql("CREATE SCHEMA our")
    bench.sql(
        'CREATE TABLE our."old bells" (no int PRIMARY KEY, house text, hz int, "tuned to" int)'
    )
    bench.sql(
        "INSERT INTO our.\"old bells\" SELECT n, CASE WHEN n <= 4 THEN 'St Mary''s' ELSE 'x' END,"
        " n * 10 FROM generate_series(1, 8) AS n"
    )
    (tmp_path / "strangers_bells.py").write_text(TASK, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))  # put back afterwards
    yield Place(bench, tmp_path)


NONE = [None] * 8
TUNED = [20, 40, 60, *[None] * 5]


@pytest.mark.long
@pytest.mark.pastes("steps.running:too_many_skips apply --max-skips")
def test_more_skips_than_allowed_are_allowed_by_what_is_printed_and_undone_by_it(
    place: Place,
) -> None:
    misspelt = place.type(*place.given, "--max-skips", "to_loud=0")
    assert misspelt.code == 2 and "Did you mean too_loud?" in misspelt.err
    planned = place.type(*place.given, "--max-skips", "too_loud=0")
    assert (planned.code, place.bells()) == (7, NONE)

    applied = place.paste(printed(planned, "apply"))
    assert (applied.code, place.bells()) == (0, TUNED)

    told = place.type("status", applied.summary["run_id"], "--json").summary["next"]
    assert place.paste(told).summary["verified"] is True
    shown = place.type("revert", applied.summary["run_id"], *place.runs)
    assert (shown.summary["dry_run"], place.bells()) == (True, TUNED)
    assert place.paste(printed(shown, "apply")).code == 0
    assert place.bells() == NONE


def test_a_run_that_paused_and_one_that_was_refused_go_on_by_what_is_printed(place: Place) -> None:
    """With the task's own flags, and with the chunk's size: chunks of one bell."""
    planned = place.type(*place.given)
    run_id = planned.summary["run_id"]
    place.bench.sql(
        "CREATE FUNCTION ask() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" UPDATE backfill.run SET pause_requested = true WHERE run_id = '{run_id}';"
        " RETURN NULL; END $$;"
        " CREATE TRIGGER asker AFTER INSERT ON backfill.checkpoint"
        " FOR EACH ROW WHEN (NEW.chunk_no = 1) EXECUTE FUNCTION ask();"
    )
    paused = place.paste(printed(planned, "apply"), 130)
    assert place.bells()[0] == 20 and place.bells()[2] is None
    place.bench.sql("DROP TRIGGER asker ON backfill.checkpoint")

    ended = place.paste(printed(paused, "resume"))

    assert (ended.code, place.bells()) == (0, TUNED)
    rows = place.bench.sql("SELECT scanned FROM backfill.checkpoint ORDER BY chunk_no")
    assert rows == [(1,)] * 4  # the loud one among them


@pytest.mark.long
def test_a_plan_of_which_the_database_takes_nothing_is_made_again_by_what_is_printed(
    place: Place,
) -> None:
    planned = place.type(*place.given)
    place.bench.sql('ALTER TABLE our."old bells" ADD CHECK ("tuned to" IS NULL) NOT VALID')

    failed = place.paste(printed(planned, "apply"), 7)
    place.bench.sql('ALTER TABLE our."old bells" DROP CONSTRAINT "old bells_tuned to_check"')
    again = place.paste(printed(failed, "task"))

    assert (failed.code, place.bells()) == (7, NONE)
    assert (again.code, again.summary["dry_run"], again.summary["total_updated"]) == (0, True, 3)
    assert (place.paste(printed(again, "apply")).code, place.bells()) == (0, TUNED)


@pytest.mark.long
def test_a_changed_plan_drift_and_a_failed_verification_name_commands_that_do_no_more(
    place: Place,
) -> None:
    planned = place.type(*place.given)
    folder = place.folder / "runs of mine" / planned.summary["run_id"]
    with (folder / "plan_skips.csv").open("a") as stream:
        stream.write("x\n")
    refused = place.paste(printed(planned, "apply"), 5)
    assert (refused.code, place.bells()) == (5, NONE)

    again = place.paste(printed(refused, "task"))
    place.bench.sql('UPDATE our."old bells" SET hz = 11 WHERE no = 1')
    applied = place.paste(printed(again, "apply"), 5)
    assert (applied.code, place.bells()) == (5, [None, *TUNED[1:]])
    place.bench.sql('UPDATE our."old bells" SET "tuned to" = 7 WHERE no = 2')
    verified = place.type("verify", applied.summary["run_id"])

    assert verified.code == 6
    for command in commands_in(applied.err + verified.err + verified.out):
        place.paste(command, 0, 5, 6)
    assert place.bells() == [None, 7, *TUNED[2:]]


@pytest.mark.long
def test_a_gate_and_rights_are_told_of_the_same_rows_by_what_is_printed(place: Place) -> None:
    asked = ("--job", "strangers_bells:Bells", *place.given[2:9])
    gate = place.type("check", *asked)

    assert (gate.code, gate.summary["total_pending"]) == (8, 3)
    assert gate.summary["total_left_alone"] == 1
    assert "1 row has a reason to be left alone" in gate.err
    assert 'ON "our"."old bells" TO' in place.type("grants", *asked).out
    for command in commands_in(gate.err):
        place.paste(command, 0, 8)
    assert place.bells() == NONE
