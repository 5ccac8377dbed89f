"""Rows that the database refuses, and a database that goes away: the rest goes on."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.deadline import DEADLINE_SECONDS
from tests.engine.workshop import Bench, noon_utc

from backfill.chunks import patience
from backfill.errors import DatabaseUnreachable, PreflightError
from backfill.server.database import Database
from backfill.server.postgres import what_failed

ALL_NOONS = {f"e{day:02d}": noon_utc(day) for day in range(1, 13)}
TRIGGER = """
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.id IN ('e04', 'e05') THEN
        {body}
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER meddler BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION meddle();
"""


def add_trigger(bench: Bench, body: str) -> None:
    bench.sql(TRIGGER.replace("{body}", body))


def without(*keys: str) -> dict[str, tuple[int | None, int | None]]:
    return {k: (None, None) if k in keys else v for k, v in ALL_NOONS.items()}


def terminate_ours(bench: Bench) -> None:
    """End every session of the applier, as a restart of the server does."""
    bench.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'backfill-workbook'"
    )


def nth(name: str, number: int, act: Callable[[], object]) -> Callable[[str], None]:
    """Return a step that acts at the n-th visit of a point."""
    seen: list[str] = []

    def step(reached: str) -> None:
        seen.append(reached)
        if reached == name and seen.count(name) == number:
            act()

    return step


def test_a_row_that_violates_a_constraint_is_skipped_and_the_rest_goes_on(bench: Bench) -> None:
    run_id = bench.plan().run_id
    bench.sql(f"ALTER TABLE events ADD CONSTRAINT never CHECK (start_at_utc <> {noon_utc(4)[0]})")

    applied = bench.apply_with(run_id, chunk_rows=5)

    assert (applied.counts.updated, applied.counts.skipped) == (11, 1)
    assert bench.filled() == without("e04")
    assert bench.sql("SELECT key, chunk_no, reason, detail FROM backfill.skip") == [
        (
            "e04",
            1,
            "database_error",
            'new row for relation "events" violates check constraint "never"',
        )
    ]
    assert bench.checkpoints(run_id)[0] == (1, "e01", "e05", 5, 4, 0, 0, 1)
    assert bench.verify(run_id).findings == []


def test_rows_for_which_a_trigger_raises_are_skipped_with_its_message(bench: Bench) -> None:
    add_trigger(bench, "RAISE EXCEPTION 'not on a %', 'Friday';")

    book = bench.run(chunk_size=12)

    assert bench.filled() == without("e04", "e05")
    details = bench.sql("SELECT key, reason, detail FROM backfill.skip ORDER BY key")
    assert details == [
        ("e04", "database_error", "not on a Friday"),
        ("e05", "database_error", "not on a Friday"),
    ]
    summary = bench.summary(book)
    assert (summary["total_updated"], summary["total_skipped"]) == (10, 2)
    assert bench.folder(book.run_id).file("skips.csv").read_text().count("not on a Friday") == 2


def test_rows_whose_value_a_trigger_rewrites_are_skipped_not_stored(bench: Bench) -> None:
    add_trigger(bench, "NEW.start_at_utc := 1;")

    book = bench.run(chunk_size=12)

    assert bench.filled() == without("e04", "e05")
    detail = bench.scalar("SELECT detail FROM backfill.skip WHERE key = 'e04'")
    assert detail.startswith("a trigger or rule stored another value than the plan's for key e04")
    assert bench.verify(book.run_id).findings == []


def test_rows_whose_update_a_trigger_swallows_are_listed_not_claimed(bench: Bench) -> None:
    add_trigger(bench, "RETURN NULL;")
    run_id = bench.plan().run_id

    applied = bench.apply_with(run_id)

    assert applied.counts.updated == 10
    assert bench.filled() == without("e04", "e05")
    assert sorted(bench.skips(run_id)) == ["e04", "e05"]


def test_a_trigger_that_touches_another_column_is_no_hindrance(bench: Bench) -> None:
    add_trigger(bench, "NEW.updated_at := 1234;")

    bench.run()

    assert bench.filled() == ALL_NOONS


def test_a_row_lock_is_waited_for_and_tried_again(bench: Bench) -> None:
    run_id = bench.plan().run_id
    timeouts: list[str] = []

    with psycopg.connect(bench.dsn) as other:
        other.execute("SELECT FROM events WHERE id = 'e04' FOR UPDATE")

        def give_way(name: str) -> None:
            timeouts.append(name)
            if timeouts.count("before_fence") == 3:
                other.rollback()

        applied = bench.apply_with(run_id, give_way, chunk_rows=12, lock_timeout_ms=50)

    assert applied.counts.updated == 12
    assert timeouts.count("before_fence") == 3


def test_a_row_that_stays_locked_is_skipped_and_the_rest_goes_on(bench: Bench) -> None:
    run_id = bench.plan().run_id

    with psycopg.connect(bench.dsn) as other:
        other.execute("SELECT FROM events WHERE id = 'e04' FOR UPDATE")
        applied = bench.apply_with(run_id, chunk_rows=12, lock_timeout_ms=20)

    assert (applied.counts.updated, applied.counts.skipped) == (11, 1)
    assert bench.sql("SELECT key, detail FROM backfill.skip") == [
        ("e04", "others hold a lock on it")
    ]


def test_a_deadlock_is_tried_again(bench: Bench) -> None:
    run_id = bench.plan().run_id
    name = bench.scalar("SELECT quote_ident(current_database())")
    bench.sql(f"ALTER DATABASE {name} SET deadlock_timeout = '500ms'")

    with psycopg.connect(bench.dsn) as rival:
        rival.execute("SET deadlock_timeout = '10min'")  # so that the applier is the one to fail
        rival.execute("UPDATE events SET title = 'rival' WHERE id = 'e02'")
        applier = threading.Thread(target=bench.apply_with, args=(run_id,))
        applier.start()
        bench.wait_for_lock_wait()
        rival.execute("UPDATE events SET title = 'rival' WHERE id = 'e01'")
    applier.join(timeout=DEADLINE_SECONDS)

    bench.wait_until(
        "SELECT deadlocks = 1 FROM pg_stat_database WHERE datname = current_database()"
    )
    assert bench.status(run_id) == "succeeded"
    assert bench.filled() == ALL_NOONS
    titles = bench.sql("SELECT id FROM events WHERE title = 'rival' ORDER BY id")
    assert titles == [("e01",), ("e02",)]


def test_a_session_ended_during_the_update_is_replaced_and_the_chunk_written(bench: Bench) -> None:
    run_id = bench.plan().run_id

    applied = bench.apply_with(
        run_id, nth("after_update", 2, lambda: terminate_ours(bench)), chunk_rows=5
    )

    assert applied.counts.updated == 12
    assert [c[3] for c in bench.checkpoints(run_id)] == [5, 5, 2]
    assert "The connection was lost; connected again." in bench.messages()
    assert bench.verify(run_id).findings == []


def test_a_session_ended_between_chunks_is_replaced(bench: Bench) -> None:
    run_id = bench.plan().run_id

    applied = bench.apply_with(
        run_id, nth("between_chunks", 2, lambda: terminate_ours(bench)), chunk_rows=5
    )

    assert applied.counts.updated == 12


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_commit_of_unknown_outcome_is_settled_by_its_checkpoint(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, is_committed: bool
) -> None:
    run_id = bench.plan().run_id
    lost: list[int] = []
    original = patience.PatientCommitter._try

    def lose_answer(self: patience.PatientCommitter, *chunk: object) -> object:
        """Let the commit get through, or not, and then lose the server's answer."""
        if len(lost) == 1 or is_committed:
            committed = original(self, *chunk)  # type: ignore[arg-type]
        if not lost:
            lost.append(1)
            self.connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return committed

    monkeypatch.setattr(patience.PatientCommitter, "_try", lose_answer)
    applied = bench.apply_with(run_id, chunk_rows=5)

    assert applied.counts.updated == 12
    assert bench.checkpoints(run_id) == [
        (1, "e01", "e05", 5, 5, 0, 0, 0),
        (2, "e06", "e10", 5, 5, 0, 0, 0),
        (3, "e11", "e12", 2, 2, 0, 0, 0),
    ]
    assert bench.filled() == ALL_NOONS
    assert bench.verify(run_id).findings == []


def test_a_database_that_stays_away_ends_the_run_with_the_command_that_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = bench.plan().run_id
    monkeypatch.setattr(patience, "RECONNECT_SECONDS", 0.2)
    original = Database.connect

    def gone(self: Database, **_: object) -> object:
        raise DatabaseUnreachable("The database does not answer.")

    def go_away() -> None:
        monkeypatch.setattr(Database, "connect", gone)
        terminate_ours(bench)

    with pytest.raises(DatabaseUnreachable) as away:
        bench.apply_with(run_id, nth("after_update", 2, go_away), chunk_rows=5)

    message = str(away.value)
    assert f"while run {run_id} wrote chunk 2" in message
    assert f"backfill resume {run_id}" in message
    monkeypatch.setattr(Database, "connect", original)
    bench.let_lease_run_out(run_id)
    bench.apply(run_id, chunk_size=5)
    assert bench.filled() == ALL_NOONS


def test_a_right_taken_away_during_the_run_stops_it_and_names_the_mend(bench: Bench) -> None:
    run_id = bench.plan().run_id
    role = f"backfill_writer_{secrets.token_hex(4)}"
    bench.sql(f"CREATE ROLE {role} LOGIN")
    for right in (
        "USAGE ON SCHEMA backfill",
        "ALL ON ALL TABLES IN SCHEMA backfill",
        "SELECT ON ALL TABLES IN SCHEMA public",
    ):
        bench.sql(f"GRANT {right} TO {role}")
    bench.dsn = make_conninfo(bench.dsn, user=role)

    try:
        with pytest.raises(PreflightError, match=r"permission denied for table events.*Grant"):
            bench.apply_with(run_id)
    finally:
        bench.sql(f"DROP OWNED BY {role}")
        bench.sql(f"DROP ROLE {role}")

    assert bench.status(run_id) == "failed"
    assert set(bench.filled().values()) == {(None, None)}


@pytest.mark.parametrize(
    ("statements", "mend"),
    [
        (
            [
                "SET temp_file_limit = '64kB'; SET work_mem = '64kB'",
                "SELECT count(*) FROM (SELECT g::text FROM generate_series(1, 50000) AS g ORDER BY"
                " 1) AS t",
            ],
            "ALTER ROLE … SET work_mem = '256MB'",
        ),
        (
            [
                "DO $$ BEGIN RAISE EXCEPTION 'out of shared memory' USING ERRCODE = '53200',"
                " HINT = 'You might need to increase max_locks_per_transaction.'; END $$"
            ],
            "You might need to increase max_locks_per_transaction",
        ),
    ],
)
def test_a_limit_of_the_server_is_told_with_its_own_mend(
    bench: Bench, statements: list[str], mend: str
) -> None:
    with pytest.raises(psycopg.OperationalError) as limited:
        for statement in statements:
            bench.sql(statement)

    said = what_failed(limited.value, "extract")

    assert said.startswith("The server could not go on during extract: ")
    assert mend in said and not said.endswith(".")


@pytest.mark.parametrize(
    "body",
    [
        "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(9);",
        "PERFORM set_config('transaction_read_only', 'on', true);",
    ],
)
def test_rows_that_end_each_session_that_writes_them_end_the_run_as_well(
    bench: Bench, body: str
) -> None:
    add_trigger(bench, body)
    run_id = bench.plan(chunk_size=2).run_id

    with pytest.raises(DatabaseUnreachable, match="happened 5 times more, though the server"):
        bench.apply(run_id)

    written = without(*(f"e{day:02d}" for day in range(3, 13)))
    assert bench.filled() == written
    bench.sql("DROP TRIGGER meddler ON events")
    bench.apply(run_id)
    assert bench.filled() == ALL_NOONS
