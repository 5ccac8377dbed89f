"""Commands that fills and tasks print, pasted: they do what their sentence says, and no more."""

from __future__ import annotations

import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.engine.workshop import load_empty
from tests.jobs.command_line import stop_in_chunk
from tests.jobs.printed import Typed, printed
from tests.longer import longer
from tests.pasted import commands_in, note_run

if TYPE_CHECKING:
    from tests.jobs.conftest import BenchFrom

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Place(Typed):
    """A table and a folder whose names want quotes; half of its rows wait for a value."""

    folder: Path

    @property
    def given(self) -> tuple[str, ...]:
        values = str(self.folder / "an owner's.csv")
        return (
            *("fill", "--table", 'our."market day"', "--set", "the price", "--values", values),
            *("--chunk-size", "2", "--runs-dir", str(self.folder / "runs of mine")),
        )

    def prices(self) -> list[int | None]:
        rows = self.bench.sql('SELECT "the price"::int FROM our."market day" ORDER BY id')
        return [row[0] for row in rows]


@pytest.fixture
def place(bench_from: BenchFrom, tmp_path: Path) -> Place:
    bench = bench_from("empty", load_empty)
    bench.sql("CREATE SCHEMA our")
    bench.sql('CREATE TABLE our."market day" (id int PRIMARY KEY, "the price" numeric(6,2))')
    bench.sql('INSERT INTO our."market day" SELECT generate_series(1, 6)')
    lines = "".join(f"{n},{n * 10}\n" for n in range(1, 7))
    (tmp_path / "an owner's.csv").write_text(f"id,the price\n{lines}")
    return Place(bench, tmp_path)


ALL = [10, 20, 30, 40, 50, 60]
NONE = [None] * 6


@pytest.mark.pastes(
    "archive.headline:_next",
    "command.executing:_how_to_apply apply_command",
    "notebook.run_book:RunBook.apply apply",
    "notebook.run_book:RunBook.verify apply",
)
def test_a_plan_is_applied_verified_and_reverted_by_what_is_printed(place: Place) -> None:
    planned = place.type(*place.given)
    assert place.prices() == NONE

    applied = place.paste(printed(planned, "apply"))
    told = place.type("status", applied.summary["run_id"], "--json").summary["next"]
    verified = place.paste(told)
    shown = place.type(
        "revert", applied.summary["run_id"], "--runs-dir", str(place.folder / "runs of mine")
    )

    assert (applied.code, place.prices()) == (0, ALL)
    assert told.startswith("backfill verify ") and verified.summary["verified"] is True
    assert shown.summary["dry_run"] is True and place.prices() == ALL
    assert place.paste(printed(shown, "apply")).code == 0
    assert place.prices() == NONE


@pytest.mark.long
def test_drifted_rows_are_planned_again_by_what_is_printed(place: Place) -> None:
    planned = place.type(*place.given)
    place.bench.sql('UPDATE our."market day" SET "the price" = 7 WHERE id = 4')

    applied = place.paste(printed(planned, "apply"), 5)

    assert (applied.code, place.prices()) == (5, [10, 20, 30, 7, 50, 60])
    for command in commands_in(applied.err):
        place.paste(command, 0, 5)
        assert place.prices() == [10, 20, 30, 7, 50, 60]


@pytest.mark.long
@pytest.mark.pastes("steps.left_alone:nothing_written new_plan")
def test_a_run_of_which_the_database_takes_nothing_names_the_command_that_plans_the_same(
    place: Place,
) -> None:
    planned = place.type(*place.given)
    place.bench.sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'closed'; END $$;"
        ' CREATE TRIGGER refuser BEFORE UPDATE ON our."market day"'
        " FOR EACH ROW EXECUTE FUNCTION refuse();"
    )

    failed = place.paste(printed(planned, "apply"), 7)
    place.bench.sql('DROP TRIGGER refuser ON our."market day"')
    again = place.paste(printed(failed, "fill"))

    assert (failed.code, place.prices()) == (7, NONE)
    assert (again.code, again.summary["dry_run"], again.summary["total_updated"]) == (0, True, 6)
    assert place.prices() == NONE
    assert (place.paste(printed(again, "apply")).code, place.prices()) == (0, ALL)


@pytest.mark.long
def test_a_failed_verification_names_a_command_that_looks(place: Place) -> None:
    applied = place.type(*place.given, "--apply")
    place.bench.sql('UPDATE our."market day" SET "the price" = 7 WHERE id = 4')

    verified = place.type("verify", applied.summary["run_id"])

    assert verified.code == 6
    for command in commands_in(verified.err + verified.out):
        place.paste(command, 0, 5, 6)  # revert leaves the edited row alone
    assert place.prices() == [10, 20, 30, 7, 50, 60]


@pytest.mark.kill
@pytest.mark.pastes("steps.ending:Ending._ways_on planned_again --chunk-size")
def test_rows_that_wait_for_those_of_another_chunk_are_planned_in_one(place: Place) -> None:
    place.bench.sql('UPDATE our."market day" SET "the price" = id * 10 - 10')
    place.bench.sql('CREATE UNIQUE INDEX ON our."market day" ("the price")')

    cut = place.type(*place.given, "--overwrite", "--apply")
    assert cut.summary["total_skipped"] > 0
    whole = place.paste(printed(cut, "fill"))

    assert (whole.summary["dry_run"], whole.summary["total_skipped"]) == (True, 0)
    assert place.paste(printed(whole, "apply")).code == 0
    assert place.prices() == ALL


@pytest.mark.pastes("steps.ending:Ending._stopped resume_command")
@pytest.mark.parametrize("how", ["paused", *longer("interrupted")])
def test_a_run_that_stopped_goes_on_by_what_is_printed(place: Place, how: str) -> None:
    if how == "interrupted":
        words = (*place.given, "--apply")
        lock = 'SELECT FROM our."market day" WHERE id = 3 FOR UPDATE'
        stopped = stop_in_chunk(place.bench, 1, signal.SIGINT, *words, lock=lock)
        assert stopped.code == 130
    else:
        planned = place.type(*place.given)
        run_id = planned.summary["run_id"]
        place.bench.sql(
            "CREATE FUNCTION ask() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" UPDATE backfill.run SET pause_requested = true WHERE run_id = '{run_id}';"
            " RETURN NULL; END $$;"
            " CREATE TRIGGER asker AFTER INSERT ON backfill.checkpoint"
            " FOR EACH ROW WHEN (NEW.chunk_no = 1) EXECUTE FUNCTION ask();"
        )
        stopped = place.paste(printed(planned, "apply"), 130)
    assert place.prices()[:2] == [10, 20] and place.prices()[4:] == [None, None]

    ended = place.paste(printed(stopped, "resume"))

    assert (ended.code, place.prices()) == (0, ALL)
    rows = place.bench.sql("SELECT scanned FROM backfill.checkpoint ORDER BY chunk_no")
    assert rows == [(2,), (2,), (2,)]


@pytest.mark.long
def test_more_skips_than_allowed_and_a_changed_plan_name_commands_that_plan_or_write_the_same(
    place: Place,
) -> None:
    place.bench.sql('UPDATE our."market day" SET "the price" = 1 WHERE id = 2')
    planned = place.type(*place.given, "--max-skips", "already_filled=0")
    assert planned.code == 7
    run_id = planned.summary["run_id"]

    allowed = place.paste(printed(planned, "apply"))
    assert (allowed.code, place.prices()) == (0, [10, 1, 30, 40, 50, 60])

    place.bench.sql('UPDATE our."market day" SET "the price" = NULL')
    planned = place.type(*place.given, "--overwrite")
    folder = place.folder / "runs of mine" / planned.summary["run_id"]
    with (folder / "plan_skips.csv").open("a") as stream:
        stream.write("x\n")
    refused = place.paste(printed(planned, "apply"), 5)
    again = place.paste(printed(refused, "fill"))

    assert refused.code == 5 and run_id != again.summary["run_id"]
    assert (again.code, again.summary["total_updated"], place.prices()) == (0, 6, NONE)


@pytest.mark.pastes("jobs.fill.other_files:_recode shell", "jobs.fill.entry:_make apply RUN_ID")
def test_a_file_in_another_encoding_is_read_after_what_is_printed_and_written_in_part(
    place: Place,
) -> None:
    place.bench.sql('ALTER TABLE our."market day" ADD COLUMN "who" text')
    sold = place.folder / "who's selling.csv"
    sold.write_bytes("id,who\n1,Åsa\n2,Björn\n".encode("latin-1"))
    given = ("fill", "--table", 'our."market day"', "--set", "who", "--values")

    refused = place.type(*given, str(sold))
    (command,) = re.findall(r"iconv [^\n]+?(?=\.?\n)", refused.err)
    ended = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    note_run(command, ended.returncode)
    mended = str(place.folder / "utf8-who's selling.csv")
    in_part = place.type(*given, mended, "--only", "key = '2'")
    planned = place.type(*given, mended)
    place.paste(printed(in_part, "apply"), RUN_ID=planned.summary["run_id"])

    assert (refused.code, in_part.code) == (2, 2)
    assert place.bench.sql('SELECT who FROM our."market day" WHERE who IS NOT NULL') == [("Björn",)]
