"""Commands of messages that only a lost process, a full disk or a bug brings about, pasted."""

from __future__ import annotations

import argparse
from pathlib import Path

import psycopg
import pytest
from tests.engine.workshop import Bench, load_noons
from tests.jobs.conftest import BenchFrom
from tests.jobs.printed import Typed, printed
from tests.pasted import commands_in

from backfill import cli
from backfill.archive import runs_index
from backfill.archive.runs_list import list_runs
from backfill.command import commands, executing
from backfill.display.eye import NotShown
from backfill.errors import StorageError
from backfill.notebook import failed_step, offline_page
from backfill.notebook.headless import Ended
from backfill.workbook import decide, review


@pytest.fixture
def place(bench_from: BenchFrom) -> Typed:
    return Typed(bench_from("noons", load_noons))


@pytest.fixture
def bench(place: Typed) -> Bench:
    return place.bench


def written(bench: Bench) -> int:
    return int(bench.scalar("SELECT count(start_at_utc) FROM events"))


LOOKS = ("status", "doctor", "grants", "runs")
OPTIONS = argparse.Namespace(json=False, quiet=False, metrics_file=None)


@pytest.mark.long
@pytest.mark.pastes(
    "notebook.failed_step:refused apply_command",
    "notebook.failed_step:refused grants",
    "notebook.failed_step:lost apply_command",
    "notebook.failed_step:lost doctor",
    "notebook.failed_step:no_room apply_command",
    "notebook.failed_step:no_room",
    "notebook.failed_step:stopped resume_command",
    "notebook.failed_step:stopped status",
    "command.executing:_how_to_go_on resume_command",
    "command.executing:_how_to_go_on status",
    "command.executing:_how_to_close resume_command",
    "command.executing:_how_to_close status",
    "command.executing:_how_to_close",
    "notebook.offline_page:write_empty_page status",
)
def test_a_step_that_failed_names_a_command_that_writes_only_where_one_was_writing(
    place: Typed, bench: Bench
) -> None:
    def of(is_writing: bool) -> dict[str, str]:
        lost = psycopg.OperationalError("gone")
        refused = psycopg.errors.InsufficientPrivilege("denied")
        full = StorageError("The disk is full.")
        ended = Ended(1, "", {}, False, None, "The kernel ended")
        kept = folder.file("notebook.ipynb")
        step = failed_step.FailedStep("x", folder, "", is_writing)
        return {
            **{
                what: str(failed_step.in_our_words(error, step))
                for what, error in (("refused", refused), ("lost", lost), ("no room", full))
            },
            "stopped": str(failed_step.stopped("SIGTERM", folder.run_id, step)),
            "killed": executing._how_to_go_on(folder, ended, kept, is_writing=is_writing),
            **{
                f"not closed, {told}": executing._how_to_close(
                    folder, told, "Mend it", is_writing=is_writing
                )
                for told in ({"dry_run": not is_writing}, {})
            },
        }

    folder = bench.folder(bench.plan().run_id)
    offline_page.write_empty_page(folder, "notebook.html", NotShown("The page", "no"))

    page = commands_in(folder.file("notebook.html").read_text(), "status")
    for command in {*page, *(c for text in of(False).values() for c in commands_in(text))}:
        place.paste(command, 0, 3)
    assert (written(bench), bench.status(folder.run_id)) == (0, "planned")

    assert "nothing was written" not in "".join(of(True).values())
    way_on = [command for text in of(True).values() for command in commands_in(text)]
    assert {command.split()[1] for command in way_on} == {"grants", "apply", "resume", "status"}
    assert place.paste(commands_in(way_on[1], "apply")).code == 0
    assert written(bench) == 12
    folder.file("SHA256SUMS").unlink()
    for command in way_on:
        assert place.paste(command).code == 0
    assert folder.file("SHA256SUMS").exists()


@pytest.mark.pastes(
    "cli:_stopped status",
    "command.commands:_situation doctor",
    "command.commands:_situation grants",
    "command.commands:report_bug status",
    "command.doctor:_database status",
    "archive.runs_index:_no_list runs",
    "archive.runs_index:index_page runs",
)
def test_what_ends_a_command_unexpectedly_names_commands_that_look(
    place: Typed, bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = bench.plan().run_id
    for named in (None, run_id):
        options = argparse.Namespace(json=False, run_id=named)
        cli._stopped(options, "Interrupted", is_interrupt=True)
    for error in (
        psycopg.OperationalError("gone"),
        psycopg.errors.InsufficientPrivilege("denied"),
        ZeroDivisionError("a bug"),
    ):
        commands.report_bug(OPTIONS, error)
    texts = [capsys.readouterr().err]
    texts.append(runs_index._no_list(NotShown("The list", "no")))
    texts.append(runs_index.index_page(list_runs(bench.runs, most=1), 2))
    bench.sql("ALTER TABLE backfill.run RENAME COLUMN status TO state")
    texts.append(place.type("doctor").out)
    bench.sql("ALTER TABLE backfill.run RENAME COLUMN state TO status")

    commands_printed = {c for text in texts for c in commands_in(text, *LOOKS)}
    pasted = {command: place.paste(command, 0, 3) for command in commands_printed}

    assert {command.split()[1] for command in pasted} == set(LOOKS)
    assert "planned" in pasted[f"backfill status {run_id}"].out
    assert run_id in pasted["backfill status"].out and run_id in pasted["backfill runs"].out


@pytest.mark.pastes(
    "notebook.asking:decide_in planned_again --decisions",
    "notebook.review:Review.settle planned_again",
    "steps.planning:Planning._again planned_again --decisions",
)
def test_answers_given_in_a_notebook_are_planned_by_what_it_prints_wherever_the_runs_are(
    place: Typed, bench: Bench, tmp_path: Path
) -> None:
    runs = tmp_path / "runs of 'mine'"
    bench.sql(
        "UPDATE events SET start_at = 1761445800000, end_at = NULL WHERE id IN ('e02', 'e03')"
    )
    asked = place.type("utc", "--runs-dir", str(runs), "--chunk-size", "5")
    run_id = asked.summary["run_id"]

    waiting = review(run_id, runs_folder=str(runs))
    told = [
        repr(decide("e02", "later", run_id=run_id, runs_folder=str(runs))),
        waiting.settle([row.place for row in waiting.rows if "e03" in row.about], "earlier"),
    ]
    commands = {*commands_in("\n".join(told), "utc"), printed(asked, "utc")}

    assert len(commands) == 1
    planned = place.paste(commands)
    assert planned.summary["dry_run"] is True and planned.summary["total_updated"] == 12
    assert "wait for a person" not in planned.err


@pytest.mark.pastes("notebook.run_book:RunBook.verify verify", "steps.verify:verify_run revert")
def test_a_run_that_is_not_proven_names_what_lists_all_of_it(place: Typed, bench: Bench) -> None:
    bench.sql(
        "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " UPDATE events SET start_at_utc = 1 WHERE id = NEW.id; RETURN NULL; END $$;"
        " CREATE TRIGGER meddler AFTER UPDATE ON events FOR EACH ROW"
        " WHEN (pg_trigger_depth() = 0 AND NEW.id = 'e05') EXECUTE FUNCTION meddle();"
    )

    unproven = place.type("utc", "--apply")

    assert unproven.code == 6
    listed = place.paste(printed(unproven, "verify"), 6)
    assert "Row e05 (chunk 1) is not as written" in listed.err
    put_back = place.paste(printed(listed, "revert"), 5)
    assert put_back.summary["total_drifted"] == 1
