"""What refusals and lists print to be typed next, pasted: it does what the sentence says."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import psycopg.errors
import pytest
from tests.engine.workshop import Bench, add_noons, load_empty, load_noons, load_nothing
from tests.jobs.conftest import BenchFrom
from tests.jobs.printed import Typed, printed
from tests.pasted import commands_in

from backfill.command import requests
from backfill.errors import DatabaseUnreachable, UsageError
from backfill.status import RunStatus, check_transition
from backfill.steps import comparison, verify


@pytest.fixture
def place(bench_from: BenchFrom) -> Typed:
    return Typed(bench_from("noons", load_noons))


@pytest.fixture
def bench(place: Typed) -> Bench:
    return place.bench


def written(bench: Bench) -> int:
    return int(bench.scalar("SELECT count(start_at_utc) FROM events"))


@pytest.mark.long
@pytest.mark.pastes(
    "records.ledger:Ledger.get utc",
    "command.status_view:status_text",
    "which_folder:find_folder runs",
    "command.runs_command:_lines runs",
    "command.runs_command:_lines utc",
)
def test_where_there_is_no_run_yet_a_first_one_is_made_by_what_is_printed(place: Typed) -> None:
    for arguments in (("verify", "2020"), ("status",)):
        said = place.type(*arguments)
        first = place.paste(commands_in(said.err + said.out, "utc"))
        assert first.summary["dry_run"] is True and first.summary["total_updated"] == 12
        place.bench.sql("DROP SCHEMA backfill CASCADE")
    found = place.paste(printed(place.type("evidence", "check", "2020"), "runs"))
    none = place.type("runs", "--job", "ocr")
    listed = place.paste(commands_in(none.out, "runs"))
    planned = place.paste(commands_in(none.out, "utc"))

    assert found.out.count("-utc-") == listed.out.count("-utc-") == 2
    assert planned.summary["dry_run"] is True
    assert written(place.bench) == 0


@pytest.mark.pastes(
    "records.ledger:Ledger.get status",
    "steps.which_run:run_to_resume status",
    "steps.which_run:run_to_resume apply",
    "steps.which_run:refuse_to_revert_latest status",
    "plans.worksheet:named_sheet runs",
    "archive.trace:find_source status",
    "archive.trace:Trace._not_seen_written apply",
)
def test_a_run_that_is_not_meant_is_found_or_applied_by_what_is_printed(
    place: Typed, bench: Bench
) -> None:
    run_id = bench.plan().run_id

    for refused in (
        place.type("verify", "2020"),
        place.type("resume", "latest"),
        place.type("revert", "latest", "--apply"),
        place.type("explain", "2020", "e01"),
    ):
        assert refused.code == 2
        assert run_id in place.paste(printed(refused, "status")).out
    unknown = place.type("utc", "--decisions", "2020")
    assert (unknown.code, run_id in place.paste(printed(unknown, "runs")).out) == (2, True)
    planned = place.type("explain", run_id, "e01")
    (by_explain,) = commands_in(planned.out, "apply")
    by_resume = printed(place.type("resume", run_id), "apply")

    assert written(bench) == 0
    assert place.paste(by_explain).code == 0
    assert written(bench) == 12
    assert "already: nothing to write" in place.paste(by_resume).err


@pytest.mark.long
@pytest.mark.pastes(
    "steps.which_run:_way_on apply",
    "steps.which_run:_way_on resume",
    "steps.which_run:_way_on status",
    "steps.which_run:refuse_latest",
    "command.requests:_ask status",
)
def test_no_planned_run_to_apply_names_the_way_on_with_the_newest(
    place: Typed, bench: Bench
) -> None:
    run_id = bench.plan().run_id
    place.paste(printed(place.type("cancel", "latest"), "cancel"))
    assert bench.status(run_id) == "cancelled"
    not_begun = printed(place.type("apply", "latest"), "apply")
    assert not_begun == place.type("status", run_id, "--json").summary["next"]
    assert place.paste(not_begun).code == 0
    bench.sql("UPDATE backfill.run SET status = 'interrupted'")
    assert place.paste(printed(place.type("apply", "latest"), "resume")).code == 0
    assert (bench.status(run_id), written(bench)) == ("succeeded", 12)

    looked = place.paste(printed(place.type("apply", "latest"), "status"))
    paused = place.paste(printed(place.type("pause", run_id), "status"))
    bench.revert(run_id, apply=False)
    put_back = place.paste(printed(place.type("apply", "latest"), "apply"))

    assert f"{run_id} (utc) is succeeded" in looked.out and looked.out == paused.out
    assert (put_back.code, written(bench)) == (0, 0)


@pytest.mark.pastes("steps.verify:verify_run revert")
def test_of_many_rows_that_are_not_as_written_some_are_named_and_all_are_counted(
    place: Typed, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "SHOWN", 3)
    run_id = bench.run().run_id
    bench.sql("UPDATE events SET start_at_utc = start_at_utc + 1")

    said = place.type("verify", run_id)
    listed = place.paste(printed(said, "revert"), 5)

    assert (said.code, said.summary["disagreements"]) == (6, 12)
    assert said.err.count("is not as written") == 3 and "… and 9 rows more" in said.err
    assert listed.summary["total_drifted"] == 12


@pytest.mark.pastes("status:check_transition status", "command.requests:patiently")
def test_what_can_not_be_asked_of_a_run_names_a_look_at_it_or_the_same_again(
    place: Typed, bench: Bench
) -> None:
    run_id = bench.plan().run_id
    clock = iter((0.0, 61.0))

    def held() -> str:
        raise psycopg.errors.LockNotAvailable

    with pytest.raises(DatabaseUnreachable) as busy:
        requests.patiently(held, "cancel", run_id, lambda _text: None, lambda: next(clock))
    with pytest.raises(UsageError) as never:
        check_transition(run_id, RunStatus.SUCCEEDED, RunStatus.PAUSED)

    assert "planned" in place.paste(commands_in(str(never.value))).out
    assert place.paste(commands_in(str(busy.value))).code == 0
    assert bench.status(run_id) == "cancelled"


@pytest.mark.long
@pytest.mark.pastes(
    "command.status_view:_next_command apply",
    "command.status_view:_next_command resume",
    "command.status_view:_next_command cancel",
    "command.status_view:_next_command verify",
    "steps.verify:_check_counts apply",
    "steps.verify:_check_counts resume",
    "steps.revert:plan_revert cancel",
    "command.commands:_go_on_with revert",
    "steps.running:stopped_run revert",
)
def test_what_status_and_verify_say_next_does_what_that_state_of_a_run_wants(
    place: Typed, bench: Bench
) -> None:
    def told() -> str:
        return str(place.type("status", run_id, "--json").summary["next"])

    run_id = bench.plan(chunk_size=5).run_id
    to_apply = printed(place.type("verify", run_id), "apply")
    assert to_apply == told()
    refuse(bench, "e07")
    assert place.paste(to_apply, 1).code == 1
    assert (bench.status(run_id), written(bench)) == ("failed", 5)
    unfinished = place.type("verify", run_id)
    assert unfinished.code == 6 and printed(unfinished, "resume") == told()

    bench.sql(
        "UPDATE backfill.run SET status = 'running', lease_expires_at = now() + interval '1 hour'"
    )
    to_cancel = told()
    assert printed(place.type("revert", run_id), "cancel") == to_cancel
    assert "will be cancelled after its current chunk" in place.paste(to_cancel).err
    bench.sql("UPDATE backfill.run SET status = 'interrupted'")

    going_on = place.type("utc", "--apply", "--chunk-size", "5")
    bench.folder(run_id).path.rename(bench.runs / "elsewhere")
    anew = place.type("utc", "--apply", "--chunk-size", "5")
    (bench.runs / "elsewhere").rename(bench.folder(run_id).path)
    assert (going_on.code, anew.code) == (1, 1)
    for said in (going_on, anew):
        shown = place.paste(printed(said, "revert"))
        assert (shown.summary["dry_run"], shown.summary["total_updated"]) == (True, 5)
    bench.sql("DROP TRIGGER refuser ON events")
    assert place.paste(printed(unfinished, "resume")).code == 0
    assert written(bench) == 12
    assert place.paste(told()).summary["verified"] is True


def refuse(bench: Bench, key: str) -> None:
    """Let the server end the session of whoever writes a row: the run stops there."""
    bench.sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'no room left' USING ERRCODE = 'disk_full'; END $$;"
        " CREATE TRIGGER refuser BEFORE UPDATE ON events FOR EACH ROW"
        f" WHEN (NEW.id = '{key}') EXECUTE FUNCTION refuse();"
    )


@pytest.mark.long
@pytest.mark.pastes(
    "command.status_view:shown_pending",
    "command.checks:run_check",
    "command.checks:run_check 2",
    "jobs.utc.members:members_asked status",
)
def test_of_many_households_all_are_told_by_what_is_said_to_tell_all(
    bench_from: BenchFrom, tmp_path: Path
) -> None:
    place = Typed(bench_from("empty", load_empty))
    bench = place.bench
    bench.sql("ALTER TABLE events RENAME TO concerts")
    bench.sql(
        "INSERT INTO concerts (id, household_id, start_at, tz)"
        " SELECT n::text, 'house ' || n, 0, 'Europe/Oslo' FROM generate_series(1, 130) AS n"
    )
    table = tmp_path / "our 'concerts'.toml"
    table.write_text(
        'table = "concerts"\nkey = "id"\nscope = "household_id"\nzone = "tz"\n'
        'pairs = [{ wall = "start_at", target = "start_at_utc" }]\n'
    )

    for said in (
        place.type("status", "--table", str(table)),
        place.type("check", "--table", str(table)),
    ):
        planned = place.paste(commands_in(said.out + said.err, "utc"))
        whole = json.loads((bench.runs / planned.summary["run_id"] / "plan.json").read_text())
        summary = bench.summary_of(planned.summary["run_id"])
        assert len(whole["counts"]["by_scope"]) == len(summary["households"]) == 130
    unknown = place.type("utc", "--table", str(table), "--household-id", "nobody")
    assert unknown.code == 2
    assert "house 130: 1" in place.paste(printed(unknown, "status")).out
    ocr = place.type("check", "--job", "ocr")
    assert place.paste(printed(ocr, "ocr"), 3).code == 3  # no captured session is here
    assert bench.scalar("SELECT count(start_at_utc) FROM concerts") == 0


@pytest.mark.long
@pytest.mark.pastes(
    "command.init_table:run_init_table --table",
    "jobs.utc.examine:examine_table init-table TABLE",
    "jobs.utc.spec_file:load_spec init-table TABLE",
    "jobs.utc.resolve:resolve_table init-table TABLE",
)
def test_a_table_that_is_not_known_is_described_by_what_is_printed_and_planned_then(
    bench_from: BenchFrom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Typed(bench_from("nothing", load_nothing))
    monkeypatch.chdir(tmp_path)
    place.bench.sql(
        'CREATE TABLE "old visits" (no int PRIMARY KEY, tz text, visit_local timestamp,'
        " visit_at timestamptz)"
    )
    place.bench.sql(
        "INSERT INTO \"old visits\" SELECT n, 'Asia/Tokyo', timestamp '2025-03-02 10:00' + n *"
        " interval '1 hour' FROM generate_series(1, 5) AS n"
    )
    bad = tmp_path / "bad.toml"
    bad.write_text('table = "old visits"\n')

    for number, said in enumerate(
        (
            place.type("utc"),
            place.type("utc", "--table", str(bad)),
            place.type("doctor", "--table", str(bad)),
        )
    ):
        monkeypatch.chdir(folder_of(tmp_path, f"typed here {number}"))
        (command,) = commands_in(said.err + said.out, "init-table")
        made = place.paste(command, TABLE='"old visits"')
        planned = place.paste(commands_in(made.err + made.out, "utc"))
        assert (planned.code, planned.summary["total_updated"]) == (0, 5)


def folder_of(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


@pytest.mark.pastes(
    "command.runs_command:_prune runs prune --keep-days 30",
    "command.runs_command:_listed doctor",
    "server.postgres:unreachable doctor",
)
def test_what_can_not_be_reached_is_looked_at_and_what_is_old_is_pruned_by_what_is_printed(
    place: Typed, bench: Bench
) -> None:
    run_id = bench.plan().run_id
    nowhere = "postgresql://nobody@/nowhere?host=/none"

    listed = place.type("runs", "--database-url", nowhere)
    lost = place.type("verify", run_id, "--database-url", nowhere)
    pruned = place.paste(printed(place.type("runs", "prune"), "runs"))

    assert run_id in listed.out and lost.code == 1
    for said in (listed, lost):
        looked = place.paste(printed(said, "doctor"), 3)
        assert "/none" in looked.out + looked.err  # at the database that was meant
    assert pruned.code == 0 and bench.folder(run_id).file("plan.json").exists()


#: As much of a run as a comparison looks at first; its plan is there.
RUN = {"plan": {"rows": 1}, "folder": SimpleNamespace(file=lambda _name: Path(__file__))}


@pytest.mark.long
@pytest.mark.pastes(
    "steps.comparison:Comparison.shown compare --output differences.csv",
    "steps.comparison:compare_runs evidence check",
    "steps.comparison:_check runs",
    "steps.comparison:_check runs 2",
    "steps.evidence_check:_sums",
    "steps.evidence_check:_sums apply",
    "steps.left_alone:_all_drifted new_plan",
)
def test_runs_that_differ_and_folders_that_are_not_whole_are_told_by_what_is_printed(
    place: Typed, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    add_noons(bench.connection, 490, prefix="z")
    before = bench.plan().run_id
    bench.sql("UPDATE events SET start_at = start_at + 60000")
    after = bench.plan().run_id

    shown = place.type("compare", before, after)
    place.paste(commands_in(shown.out, "compare"))
    with (tmp_path / "differences.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 502

    one, other = (SimpleNamespace(**RUN, job=job, run_id=before) for job in ("utc", "ocr"))
    with pytest.raises(UsageError) as unlike:
        comparison._check(one, other, None)  # type: ignore[arg-type]
    assert before in place.paste(commands_in(str(unlike.value))).out
    (bench.folder(after).path / "changes.parquet").write_bytes(b"PAR1")
    broken = place.type("compare", before, after)
    assert place.paste(printed(broken, "evidence"), 0, 6).code == 0  # the first is whole
    (bench.folder(after).path / "changes.parquet").unlink()
    assert before in place.paste(printed(place.type("compare", before, after), "runs")).out

    (bench.folder(before).path / "SHA256SUMS").unlink()
    unclosed = place.type("evidence", "check", before)
    assert unclosed.code == 6
    drifted = place.paste(printed(unclosed, "apply"), 5)
    assert place.paste(printed(drifted, "utc")).summary["total_updated"] == 502
    assert place.type("evidence", "check", before).code == 0
    (bench.folder(after).path / "SHA256SUMS").unlink()
    (bench.folder(after).path / "plan.json").unlink()
    again = place.paste(printed(place.type("evidence", "check", after), "utc"))
    assert again.summary["dry_run"] is True
