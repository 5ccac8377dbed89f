"""Commands that a run prints on its way, pasted: as it was refused, in parts, stopped or lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from tests.engine.test_parts_record import make_old
from tests.engine.workshop import Bench
from tests.jobs.printed import Typed, printed
from tests.pasted import commands_in

from backfill.chunks import found_again, patience
from backfill.chunks.apply import Applier
from backfill.errors import BackfillError, Interrupted
from backfill.jobs.registry import kind_of
from backfill.plans import extract, plan
from backfill.plans.plan import ChunkReader
from backfill.records import lease, ledger_tables, ranges
from backfill.records.ledger import Ledger
from backfill.records.parts import Selection
from backfill.records.positions import Positions
from backfill.rows import image
from backfill.settings import EngineSettings
from backfill.steps import approval, running
from backfill.steps.task import Recomputed


@pytest.fixture
def place(bench: Bench) -> Typed:
    return Typed(bench)


def written(bench: Bench) -> int:
    return int(bench.scalar("SELECT count(start_at_utc) FROM events"))


@contextmanager
def printed_by_an_error(place: Typed, *verbs: str) -> Iterator[dict[str, str]]:
    """Catch an error of ours; give its commands by their verb."""
    commands: dict[str, str] = {}
    with pytest.raises(BackfillError) as raised:
        yield commands
    commands.update({text.split()[1]: text for text in commands_in(str(raised.value))})
    assert set(verbs) <= set(commands), str(raised.value)


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_arguments: object, **_named: object) -> Any:
        raise error

    return fail


def stub(**attributes: object) -> Any:
    return SimpleNamespace(**attributes)


def pause_after_one_chunk(bench: Bench, run_id: str, **engine: Any) -> None:
    def pause(name: str) -> None:
        if name == "after_commit":
            bench.sql("UPDATE backfill.run SET pause_requested = true")

    with pytest.raises(Interrupted):
        bench.apply_with(run_id, pause, **engine)


@pytest.mark.long
@pytest.mark.pastes(
    "steps.approval:approve status",
    "steps.approval:_check_same resume",
    "steps.approval:begin status",
    "steps.choosing:Choosing._again verify",
    "steps.ending:Ending._outcome apply_command",
    "steps.verify:_check_counts apply 2",
)
def test_a_plan_is_written_part_by_part_by_what_is_printed(place: Typed, bench: Bench) -> None:
    run_id = bench.plan().run_id
    nothing = place.type("apply", run_id, "--only", "false")
    assert nothing.code == 2 and "planned" in place.paste(printed(nothing, "status")).out

    first = place.type("apply", run_id, "--only", "key <= 'e04'")
    the_rest = printed(first, "apply")
    verified = place.type("verify", run_id)
    assert (verified.code, printed(verified, "apply")) == (0, the_rest)

    bench.sql("UPDATE backfill.part SET selection = '{\"only\": \"key <= ''e03''\"}'")
    other_rows = place.paste(the_rest, 5)
    assert place.paste(printed(other_rows, "verify"), 6).code == 6
    bench.sql("UPDATE backfill.part SET selection = '{\"only\": \"key <= ''e04''\"}'")

    pause_after_one_chunk(bench, run_id, only="key <= 'e08'", chunk_rows=2)
    unfinished = place.type("apply", run_id, "--only", "key > 'e08'")
    place.paste(printed(unfinished, "resume"))
    assert (unfinished.code, written(bench), bench.status(run_id)) == (2, 8, "paused")

    at_this_moment = approval.Approval(9, Selection(), Positions.every(1), is_new=True)
    frozen = plan.load(bench.folder(run_id))
    with printed_by_an_error(place, "status") as found:
        approval.begin(bench.connection, kind_of("utc"), frozen, at_this_moment, EngineSettings())
    assert "paused" in place.paste(found["status"]).out

    assert (place.paste(the_rest).code, written(bench)) == (0, 12)


@pytest.mark.pastes("steps.approval:approve resume")
def test_a_run_that_an_earlier_version_began_is_finished_by_what_is_printed(
    place: Typed, bench: Bench
) -> None:
    run_id = bench.plan().run_id
    make_old(bench, run_id, "stopped half way")

    refused = place.type("apply", run_id, "--only", "key > 'e08'")

    assert (refused.code, place.paste(printed(refused, "resume")).code) == (2, 0)
    assert written(bench) == 12


@pytest.mark.pastes(
    "records.lease:acquire status",
    "records.lease:_held_message status",
    "records.lease:_held_message cancel",
    "records.lease:_held_message apply",
    "records.lease:_join_hint apply --join",
    "records.lease:lost_message status",
    "records.ranges:_lost_message status",
    "chunks.apply:Applier._beginning apply --join",
)
def test_who_finds_a_run_in_other_hands_is_told_how_to_look_stop_join_or_take_over(
    place: Typed, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = bench.plan().run_id
    pause_after_one_chunk(bench, run_id, chunk_rows=4)
    bench.sql(
        "UPDATE backfill.run SET status = 'running', lease_token = 7, lease_holder = 'another',"
        " pause_requested = false, lease_expires_at = now() + interval '1 hour'"
    )

    held = place.type("apply", run_id)
    assert held.code == 4
    by_verb = {text: text.split()[1] for text in commands_in(held.err)}
    to_apply, to_join = sorted(text for text, verb in by_verb.items() if verb == "apply")
    assert "another" in place.type("status", run_id, "--json").out
    claim = stub(lease=stub(token=7), run_id=run_id, range=stub(range_no=1, part_no=2))
    looks = [printed(held, "status")]
    looks += commands_in(lease.lost_message(run_id), "status")
    looks += commands_in(ranges._lost_message(bench.connection, claim), "status")
    with monkeypatch.context() as patch, printed_by_an_error(place, "status") as found:
        patch.setattr(lease, "_claim", raising(psycopg.errors.LockNotAvailable()))
        lease.acquire(Ledger(bench.connection), run_id, 60)
    assert run_id in found["status"] and "running" in place.paste(found["status"]).out
    for look in looks:
        assert "running" in place.paste(look).out

    with printed_by_an_error(place, "apply") as begun:
        Applier._beginning(stub(approved=stub(part=stub(part_no=1))), bench.connection, claim)
    assert begun["apply"] == to_join
    assert (place.paste(to_join).code, written(bench)) == (0, 12)
    place.paste(printed(held, "cancel"), 0, 2)
    bench.let_lease_run_out(run_id)
    assert place.paste(to_apply).code == 0
    assert bench.status(run_id) == "succeeded"


@pytest.mark.pastes(
    "chunks.tally:Tally._check_skips status",
    "chunks.tally:Tally._check_skips resume --max-skips -1",
    "steps.ending:Ending.recorded resume_command",
    "steps.ending:Ending._failed resume_command",
    "steps.ending:Ending._failed new_plan",
)
def test_a_run_that_the_database_stopped_goes_on_by_what_is_printed_when_it_is_mended(
    place: Typed, bench: Bench
) -> None:
    refuse(bench, "e03", "raise_exception")
    run_id = bench.plan(chunk_size=2).run_id

    skipped = place.type("apply", run_id, "--max-skips", "0", "--max-refused", "1")
    assert skipped.code == 7 and "interrupted" in place.paste(printed(skipped, "status")).out
    refuse(bench, "e07", "disk_full")
    full = place.paste(printed(skipped, "resume"), 1)
    refuse(bench, "%", "undefined_column")
    of_class_42 = place.paste(printed(full, "resume"), 3)
    refuse(bench, "none", "undefined_column")
    ended = place.paste(printed(of_class_42, "resume"))

    assert (ended.code, written(bench)) == (0, 11)
    assert bench.status(run_id) == "succeeded"
    again = place.paste(printed(of_class_42, "utc"))
    assert (again.summary["dry_run"], again.summary["total_updated"]) == (True, 1)


def refuse(bench: Bench, key: str, what: str) -> None:
    """Let the server refuse rows, with an error of that name."""
    bench.sql("DROP TRIGGER IF EXISTS refuser ON events")
    bench.sql(
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" RAISE EXCEPTION 'closed' USING ERRCODE = '{what}'; END $$;"
        " CREATE TRIGGER refuser BEFORE UPDATE ON events FOR EACH ROW"
        f" WHEN (NEW.id LIKE '{key}') EXECUTE FUNCTION refuse();"
    )


@pytest.mark.pastes(
    "chunks.found_again:look_for resume",
    "chunks.patience:_gone resume",
    "rows.image:decode verify",
    "plans.extract:_translated doctor",
    "plans.plan:load new_plan",
    "plans.plan:ChunkReader.take new_plan",
    "plans.plan:_readable new_plan",
)
def test_a_server_or_a_plan_that_is_lost_names_what_goes_on_looks_or_plans_anew(
    place: Typed, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = bench.plan().run_id
    pause_after_one_chunk(bench, run_id, chunk_rows=4)
    folder = bench.folder(run_id)
    printed_there: list[str] = []

    with printed_by_an_error(place, "doctor") as asked:
        raise extract._translated(bench.dsn, ServerSaid("out of shared memory"))
    assert place.paste(asked["doctor"], 0, 3).out

    monkeypatch.setattr(found_again, "renew_range", lambda *_: None)
    claim = stub(run_id=run_id, range=stub(range_no=1, first_chunk_no=1))
    with printed_by_an_error(place, "resume") as lost:
        found_again.look_for(bench.connection, claim, 9, "0" * 64)
    monkeypatch.setattr(patience, "RECONNECT_SECONDS", -1.0)
    gone = psycopg.OperationalError("server closed the connection")
    shared = stub(lease=stub(run_id=run_id), connect=raising(gone))
    writer = stub(shared=shared, connection=stub(close=lambda: None))
    with printed_by_an_error(place, "resume") as away:
        patience.PatientCommitter._reconnect(writer, lambda _c: None, "wrote", gone)
    assert away == lost
    assert (place.paste(lost["resume"]).code, written(bench)) == (0, 12)

    with printed_by_an_error(place, "verify") as tampered:
        image.decode(run_id, 1, "0" * 64, b"another")
    assert place.paste(tampered["verify"]).code == 0

    frozen = plan.load(folder)
    with printed_by_an_error(place, "utc") as short:
        ChunkReader(folder, replace(frozen, rows=20)).take(1, 20)
    printed_there.append(short["utc"])
    with printed_by_an_error(place, "utc") as unread, plan._readable(folder):
        raise ValueError("not of ours")
    printed_there.append(unread["utc"])
    folder.file("plan.json").write_text("{}")
    printed_there.append(printed(place.type("apply", run_id), "utc"))
    for command in set(printed_there):
        assert place.paste(command).summary["dry_run"] is True


class ServerSaid(Exception):
    sqlstate = "53200"


@pytest.mark.pastes(
    "records.ledger_tables:create_tables status",
    "records.ledger_tables:create_tables grants",
    "records.ledger_tables:_refusal grants",
)
def test_tables_of_ours_that_can_not_be_made_are_made_by_what_the_printed_command_prints(
    place: Typed, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, verb in (
        (psycopg.errors.LockNotAvailable(), "status"),
        (psycopg.errors.RaiseException("not here"), "grants"),
        (psycopg.errors.InsufficientPrivilege("no"), "grants"),
    ):
        with monkeypatch.context() as patch, printed_by_an_error(place, verb) as found:
            patch.setattr(ledger_tables, "_lock_creation", raising(error))
            ledger_tables.create_tables(bench.connection, is_new=False)
        told = place.paste(found[verb])
        assert verb == "status" or "CREATE SCHEMA" in told.out

    bench.plan()
    bench.sql("DROP SCHEMA backfill CASCADE")
    roles = [f"backfill_pasted_{role}" for role in ("planner", "applier", "reader", "operator")]
    try:
        bench.sql("".join(f"CREATE ROLE {role};" for role in roles))
        bench.sql(told.out.replace("backfill_", "backfill_pasted_"))
        assert bench.scalar("SELECT to_regclass('backfill.run') IS NOT NULL")
    finally:
        for role in roles:
            bench.sql(f"DROP OWNED BY {role}; DROP ROLE {role};")


@pytest.mark.long
@pytest.mark.pastes(
    "steps.running:check_fresh new_plan",
    "steps.running:_check_rules new_plan",
    "steps.running:_check_limit apply",
    "steps.running:_tell_of_types new_plan",
    "steps.ending:Ending._complete status",
)
def test_a_plan_that_does_not_fit_any_more_is_made_anew_or_written_over_one_connection(
    place: Typed, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = bench.plan().run_id
    with monkeypatch.context() as patch, printed_by_an_error(place, "utc") as otherwise:
        patch.setattr(running, "code_digest", lambda: "of today")
        wrong = Recomputed(1, [(0, "wrong")])
        patch.setattr("backfill.jobs.utc.kind.recompute", lambda _target, _rows: wrong)
        bench.apply_with(run_id)
    assert place.paste(otherwise["utc"]).summary["dry_run"] is True

    bench.sql("UPDATE backfill.run SET settings_fingerprint = 'another'")
    stale = place.type("apply", run_id)
    again = place.paste(printed(stale, "utc"))
    assert (stale.code, again.summary["dry_run"], written(bench)) == (5, True, 0)

    run_id = again.summary["run_id"]
    bench.sql("ALTER TABLE events ALTER start_at_utc TYPE numeric(20)")
    with monkeypatch.context() as patch, printed_by_an_error(place, "status") as found:
        patch.setattr(lease, "leave", lambda *_: lease.Left.LOST)
        patch.setattr("backfill.steps.ending.Ending._has_ended", lambda *_: False)
        bench.apply_with(run_id)
    assert run_id in place.paste(found["status"]).out
    (anew,) = commands_in(bench.messages(), "utc")
    assert place.paste(anew).summary["dry_run"] is True

    crowd = EngineSettings(workers=4)
    work = stub(settings=crowd, plan=stub(run_id=run_id))
    with monkeypatch.context() as patch, printed_by_an_error(place, "apply") as alone:
        patch.setattr(running, "check_limit", lambda _c, _n, mend: raising(BackfillError(mend))())
        running._check_limit(bench.connection, work)
    bench.let_lease_run_out(run_id)
    assert place.paste(alone["apply"]).code == 0
    assert (bench.status(run_id), written(bench)) == ("succeeded", 12)
