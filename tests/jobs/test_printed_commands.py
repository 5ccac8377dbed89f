"""Every command that a message prints is run: it does what its sentence says, and no more."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.engine.workshop import add_noons, load_empty
from tests.jobs.command_line import run_here, stop_in_chunk
from tests.jobs.printed import Typed, printed
from tests.pasted import read_by_a_shell

from backfill.workbook import decide

if TYPE_CHECKING:
    from tests.jobs.conftest import BenchFrom

pytestmark = pytest.mark.slow

TOML = """table = "choir practice"
key = "no"
scope = "house"
zone = "its zone"
pairs = [{ wall = "begins", target = "begins at" }]
"""


@dataclass(frozen=True)
class Place(Typed):
    """A table with other names, and a folder of runs whose name wants quotes."""

    table: Path
    runs: Path

    @property
    def given(self) -> tuple[str, ...]:
        return ("--table", str(self.table), "--runs-dir", str(self.runs))

    def written(self) -> dict[str, int]:
        """Return how many rows of each household have a value."""
        rows = self.bench.sql(
            'SELECT house, count("begins at") FROM "choir practice" GROUP BY house ORDER BY house'
        )
        return {str(house): int(count) for house, count in rows}


@pytest.fixture
def place(bench_from: BenchFrom, tmp_path: Path) -> Place:
    """Six practices in each of two households; one wall time of the first happened twice."""
    bench = bench_from("empty", load_empty)
    bench.sql(
        'CREATE TABLE "choir practice" (no int PRIMARY KEY, house text NOT NULL, "its zone" text,'
        ' begins timestamp, "begins at" timestamptz)'
    )
    bench.sql(
        'INSERT INTO "choir practice" SELECT n, CASE WHEN n <= 6 THEN $$the north$$ ELSE $$south$$'
        " END, 'Europe/Stockholm', timestamp '2025-06-02 19:00' + n * interval '1 day'"
        " FROM generate_series(1, 12) AS n"
    )
    bench.sql("UPDATE \"choir practice\" SET begins = '2025-10-26 02:30' WHERE no = 3")
    table = tmp_path / "a choir's.toml"
    table.write_text(TOML, encoding="utf-8")
    return Place(bench, table, tmp_path / "runs of mine")


@pytest.mark.long
def test_answers_are_planned_for_the_same_rows_by_the_command_that_asks_for_them(
    place: Place,
) -> None:
    asked = place.type(
        *("utc", *place.given, "--household-id", "the north", "--strict", "--chunk-size", "2")
    )
    assert place.written() == {"south": 0, "the north": 0}
    run_id = asked.summary["run_id"]
    decide("3", "later", run_id=run_id, runs_folder=str(place.runs))

    again = place.paste(printed(asked, "utc"))

    settings = json.loads((place.runs / again.summary["run_id"] / "plan.json").read_text())
    assert again.code == 0
    assert again.summary["dry_run"] is True
    assert again.summary["total_scanned"] == 6
    assert settings["settings"]["strict"] is True
    assert settings["kept"] == {"chunk_size": 2}
    assert place.written() == {"south": 0, "the north": 0}

    applied = place.paste(printed(again, "apply"))

    assert applied.code == 0
    assert place.written() == {"south": 0, "the north": 6}
    assert len(place.bench.checkpoints(again.summary["run_id"])) == 3
    verified = place.type("verify", again.summary["run_id"])
    assert verified.summary["verified"] is True


@pytest.mark.long
def test_a_plan_that_nobody_approved_is_not_resumed_and_the_refusal_names_what_applies_it(
    place: Place,
) -> None:
    planned = place.type("utc", *place.given)
    run_id = planned.summary["run_id"]

    refused = place.type("resume", run_id, "--runs-dir", str(place.runs))
    by_latest = place.type("resume", "latest", "--runs-dir", str(place.runs))

    assert refused.code == by_latest.code == 2
    assert "has not begun" in refused.err
    assert place.written() == {"south": 0, "the north": 0}
    assert place.paste(printed(refused, "apply")).code == 0
    assert place.written() == {"south": 6, "the north": 6}


@pytest.mark.long
@pytest.mark.pastes("steps.running:too_many_skips apply --max-skips")
def test_more_skips_than_allowed_is_remembered_until_the_printed_command_allows_them(
    place: Place,
) -> None:
    place.bench.sql('UPDATE "choir practice" SET "its zone" = \'Nowhere\' WHERE no IN (1, 8)')
    planned = place.type("utc", *place.given, "--max-skips", "1")
    assert planned.code == 7

    again = place.type("apply", "latest", "--runs-dir", str(place.runs))

    assert again.code == 7
    assert f"latest is run {planned.summary['run_id']} (utc, planned" in again.err
    assert place.written() == {"south": 0, "the north": 0}
    assert place.paste(printed(again, "apply")).code == 0
    assert place.written() == {"south": 5, "the north": 5}


def test_a_reverts_plan_is_never_what_apply_latest_means(place: Place) -> None:
    applied = place.type("utc", *place.given, "--apply")
    run_id = applied.summary["run_id"]
    before = place.written()
    shown = place.type("revert", "latest", "--runs-dir", str(place.runs))
    assert shown.summary["dry_run"] is True
    assert f"latest is run {run_id} (utc, succeeded" in shown.err

    refused = place.type("apply", "latest", "--runs-dir", str(place.runs))
    by_latest = place.type("revert", "latest", "--apply", "--runs-dir", str(place.runs))

    assert refused.code == by_latest.code == 2
    assert place.written() == before == {"south": 6, "the north": 6}
    assert printed(by_latest, "revert").startswith(f"backfill revert {run_id} --apply ")
    assert place.paste(printed(by_latest, "revert")).code == 0
    assert place.written() == {"south": 0, "the north": 0}


def test_cancel_and_pause_take_no_latest_and_name_the_run(place: Place) -> None:
    planned = place.type("utc", *place.given)

    refused = [place.type(verb, "latest") for verb in ("cancel", "pause")]

    run_id = planned.summary["run_id"]
    assert [said.code for said in refused] == [2, 2]
    assert printed(refused[0], "cancel") == f"backfill cancel {run_id}"
    assert printed(refused[1], "pause") == f"backfill pause {run_id}"
    assert place.paste(printed(refused[0], "cancel")).code == 0
    assert place.bench.status(run_id) == "cancelled"


@pytest.mark.kill
def test_an_interrupted_run_goes_on_in_its_own_chunks_by_the_printed_command(
    bench_from: BenchFrom, tmp_path: Path
) -> None:
    bench = bench_from("empty", load_empty)
    add_noons(bench.connection, 12)
    runs = tmp_path / "it's here"
    stopped = stop_in_chunk(
        bench,
        *(1, signal.SIGINT, "utc", "--apply", "--chunk-size", "5", "--runs-dir", str(runs)),
        *("--max-lock-waiters", "3", "--statement-timeout-ms", "30000"),
    )
    assert stopped.code == 130
    run_id = stopped.summary["run_id"]
    place = Place(bench, tmp_path, runs)

    told = place.type("status", run_id, "--json").summary["next"]
    ended = place.paste(printed(stopped, "resume"))

    assert told.startswith(f"backfill resume {run_id}")
    assert ended.code == 0
    assert [row[3] for row in bench.checkpoints(run_id)] == [5, 5, 2]
    assert bench.scalar("SELECT kept FROM backfill.run") == {
        "chunk_size": 5,
        "lock_timeout_ms": 0,
        "max_lock_waiters": 3,
        "statement_timeout_ms": 30000,
    }


@pytest.mark.long
def test_a_changed_plan_names_the_command_that_plans_the_same_again(place: Place) -> None:
    planned = place.type("utc", *place.given, "--household-id", "south", "--max-skips", "4")
    skips = place.runs / planned.summary["run_id"] / "plan_skips.csv"
    skips.write_text(skips.read_text() + "x\n")

    refused = place.type("apply", planned.summary["run_id"], "--runs-dir", str(place.runs))
    again = place.paste(printed(refused, "utc"))

    assert refused.code == 5
    assert (again.code, again.summary["total_scanned"]) == (0, 6)
    assert again.summary["dry_run"] is True
    assert place.written() == {"south": 0, "the north": 0}


def test_a_database_given_by_address_is_named_again_without_its_password(place: Place) -> None:
    with_password = place.bench.dsn.replace("postgres@", "postgres:s3cr%2Ft@")
    nowhere = "postgresql://nobody@/nowhere"
    planned = run_here(
        nowhere, place.bench.runs, "utc", *place.given, "--database-url", with_password
    )
    assert planned.code == 0
    command = printed(planned, "apply")
    assert "--database-url" in command
    assert "s3cr" not in planned.err + planned.out

    applied = run_here(nowhere, place.bench.runs, *read_by_a_shell(command))

    assert applied.code == 0
    assert place.written() == {"south": 6, "the north": 6}
