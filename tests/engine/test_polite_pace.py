"""A run that waits for the database: it says why, keeps its lease, heeds requests, and goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.deadline import DEADLINE_SECONDS
from tests.engine.workshop import PAUSE, Bench, load_noons
from tests.longer import longer

from backfill.command.status_view import status_document, status_text
from backfill.errors import ExitCode, Interrupted, PressureTooHigh
from backfill.politeness.polite_pace import PolitePace
from backfill.politeness.signals import Signal
from backfill.politeness.throttle import Limit, Throttle
from backfill.records.lease import Lease
from backfill.records.ledger import Ledger
from backfill.report import Reporter
from backfill.server.database import Database
from backfill.steps.standing import Applied

if TYPE_CHECKING:
    from tests.conftest import DatabaseFrom

APPLIER = Path(__file__).with_name("waiting_applier.py")
IS_WAITING = "SELECT count(*) > 0 FROM backfill.run WHERE waiting IS NOT NULL"
GATE = "SELECT is_open FROM gate"
REASON = "--go-when does not say true"


def gated(query: str = GATE) -> Throttle:
    return Throttle({Signal.GO_WHEN: Limit(pause=0)}, go_when=query)


@pytest.fixture
def gate(bench: Bench) -> Bench:
    """A bench with a gate that is shut."""
    bench.sql("CREATE TABLE gate AS SELECT false AS is_open")
    return bench


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def begin(pool: ThreadPoolExecutor, bench: Bench, run_id: str, **given: Any) -> Future[Applied]:
    """Apply in another thread, and return when the run's row says that it waits."""
    given = {"chunk_rows": 5, "throttle": gated(), **given}
    future = pool.submit(lambda: bench.apply_with(run_id, **given))
    bench.wait_until(IS_WAITING)
    return future


def ask_to_pause(bench: Bench, run_id: str, name: str) -> None:
    """A step: stop after the first chunk."""
    if name == "after_commit":
        Ledger(bench.connection).request(run_id, "pause")


def open_gate(bench: Bench) -> None:
    bench.sql("UPDATE gate SET is_open = true")


def paused_ms(bench: Bench, run_id: str) -> dict[str, int]:
    found: dict[str, int] = bench.scalar(
        "SELECT paused_ms FROM backfill.run WHERE run_id = %s", run_id
    )
    return found


# -- what is said -------------------------------------------------------------------------------


def test_a_wait_names_its_reason_in_status_events_folder_and_summary(
    gate: Bench, background: ThreadPoolExecutor
) -> None:
    run_id = gate.plan().run_id
    applied = begin(background, gate, run_id)

    with psycopg.connect(gate.dsn, autocommit=True) as connection:
        document = status_document(connection, run_id)
    assert (document["status"], document["waiting"]) == ("running", REASON)
    assert document["waiting_since"] is not None
    assert f"UTC: {REASON}." in status_text(document)
    assert document["updated"] == 0
    open_gate(gate)
    found = applied.result(timeout=DEADLINE_SECONDS)

    (pause,) = [event for event in gate.events if event["type"] == "pause"]
    assert (pause["signal"], pause["reason"]) == ("go_when", REASON)
    kept = gate.folder(run_id).file("progress.jsonl").read_text().splitlines()
    waits = [kind for line in kept if (kind := json.loads(line)["type"]) in ("pause", "go_on")]
    assert waits == ["pause", "go_on"]
    assert found.counts.updated == 12
    assert found.paused_ms == paused_ms(gate, run_id)
    assert found.paused_ms["go_when"] > 0
    assert gate.sql("SELECT waiting, waiting_since FROM backfill.run") == [(None, None)]


def test_the_summary_of_a_run_says_how_long_it_waited_for_what(
    gate: Bench, background: ThreadPoolExecutor
) -> None:
    run_id = gate.plan().run_id
    book = background.submit(lambda: gate.apply(run_id, go_when=GATE))
    gate.wait_until(IS_WAITING)
    open_gate(gate)

    summary = gate.summary(book.result(timeout=DEADLINE_SECONDS))

    assert summary["status"] == "succeeded"
    assert list(summary["paused_ms"]) == ["go_when"]


def test_a_run_on_an_idle_database_waits_for_nothing(bench: Bench) -> None:
    book = bench.run()

    assert "paused_ms" not in bench.summary(book)
    assert not [event for event in bench.events if event["type"] == "pause"]


def test_tables_of_an_earlier_version_show_their_status_and_get_the_new_columns(
    bench: Bench,
) -> None:
    run_id = bench.plan().run_id
    bench.sql(
        "ALTER TABLE backfill.run DROP COLUMN waiting, DROP COLUMN waiting_since,"
        " DROP COLUMN paused_ms"
    )
    bench.sql("DROP TABLE backfill.applier")

    with psycopg.connect(bench.dsn, autocommit=True) as connection:
        document = status_document(connection, run_id)
        assert (document["waiting"], document["paused_ms"]) == (None, {})
        assert not Ledger(connection).is_current()
    bench.apply_with(run_id, chunk_rows=5)

    assert paused_ms(bench, run_id) == {}


# -- what happens meanwhile ---------------------------------------------------------------------


@pytest.mark.parametrize("is_cut_off", [False, True])
def test_the_lease_is_renewed_while_a_run_waits_also_without_its_connection(
    gate: Bench, background: ThreadPoolExecutor, is_cut_off: bool
) -> None:
    run_id = gate.plan().run_id
    applied = begin(background, gate, run_id, lease_seconds=2)
    if is_cut_off:
        gate.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'backfill-workbook'"
        )
    first = gate.scalar("SELECT lease_expires_at FROM backfill.run")

    # The first lease has run out, and the run still holds one.
    gate.wait_until(
        f"SELECT clock_timestamp() > '{first}' AND lease_expires_at > clock_timestamp()"
        " FROM backfill.run"
    )

    open_gate(gate)
    assert applied.result(timeout=DEADLINE_SECONDS).counts.updated == 12


@pytest.mark.parametrize(
    ("what", "status", "workers"),
    [("pause", "paused", 1), ("cancel", "cancelled", 1), ("cancel", "cancelled", 2)],
)
def test_a_request_takes_effect_while_a_run_waits(
    gate: Bench, background: ThreadPoolExecutor, what: str, status: str, workers: int
) -> None:
    run_id = gate.plan().run_id
    applied = begin(background, gate, run_id, workers=workers)

    Ledger(gate.connection).request(run_id, what)

    with pytest.raises(Interrupted, match=f"was {status} before its first chunk"):
        applied.result(timeout=DEADLINE_SECONDS)
    assert gate.status(run_id) == status
    assert paused_ms(gate, run_id)["go_when"] > 0


@pytest.mark.kill
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), *longer((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL))],
)
def test_a_signal_ends_a_run_that_waits_and_it_resumes_to_the_same_bytes(
    gate: Bench, database_from: DatabaseFrom, number: int, code: int
) -> None:
    with psycopg.connect(database_from("noons", load_noons), autocommit=True) as connection:
        connection.execute(
            "UPDATE events SET start_at_utc = start_at - 7200000, end_at_utc = end_at - 7200000"
        )
        expected = [row[0] for row in connection.execute("SELECT e::text FROM events e ORDER BY 1")]
    run_id = gate.plan().run_id
    with pytest.raises(Interrupted, match="was paused after chunk 1"):
        gate.apply_with(run_id, lambda name: ask_to_pause(gate, run_id, name), chunk_rows=5)
    command = [sys.executable, str(APPLIER), run_id, str(gate.runs), GATE]
    with subprocess.Popen(command) as process:
        gate.wait_until(IS_WAITING)
        process.send_signal(number)
        assert process.wait(timeout=DEADLINE_SECONDS) == code
    assert len(gate.checkpoints(run_id)) == 1
    if number == signal.SIGKILL:
        assert gate.status(run_id) == "running"
        gate.let_lease_run_out(run_id)
    else:
        assert gate.status(run_id) == "interrupted"

    gate.apply_with(run_id, chunk_rows=5)

    assert gate.table() == expected
    assert gate.verify(run_id).findings == []
    assert gate.sql("SELECT waiting FROM backfill.run") == [(None,)]


def test_a_critical_level_stops_the_run_and_it_resumes_to_the_same_bytes(bench: Bench) -> None:
    run_id = bench.plan().run_id
    limits = {Signal.TRANSACTION_AGE: Limit(stop=0.05)}
    with psycopg.connect(bench.dsn) as old:
        old.execute("SELECT count(*) FROM events")
        bench.wait_until(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database()"
            " AND clock_timestamp() - xact_start > interval '1 s'"
        )
        with pytest.raises(PressureTooHigh) as stopped:
            bench.apply_with(run_id, chunk_rows=5, throttle=Throttle(limits))

    assert stopped.value.exit_code is ExitCode.INTERRUPTED
    text = str(stopped.value)
    assert "stopped at a critical level: a transaction is" in text
    assert "before its first chunk was written" in text
    assert text.endswith(f"Go on with: backfill resume {run_id}")
    assert bench.status(run_id) == "interrupted"

    bench.apply_with(run_id, chunk_rows=5, throttle=Throttle(limits))

    assert bench.status(run_id) == "succeeded"
    assert bench.verify(run_id).findings == []


# -- what makes it wait -------------------------------------------------------------------------


def test_a_query_that_fails_makes_wait_and_says_why(
    bench: Bench, background: ThreadPoolExecutor
) -> None:
    run_id = bench.plan().run_id
    applied = begin(background, bench, run_id)
    said = bench.scalar("SELECT waiting FROM backfill.run")

    assert said == 'go when can not be read: relation "gate" does not exist'
    bench.sql("CREATE TABLE gate AS SELECT true AS is_open")
    assert applied.result(timeout=DEADLINE_SECONDS).counts.updated == 12


def test_a_session_that_waits_for_a_lock_of_ours_is_let_go_first(
    bench: Bench, background: ThreadPoolExecutor
) -> None:
    run_id = bench.plan().run_id
    waiters: list[Future[int]] = []

    def edit() -> int:
        with psycopg.connect(bench.dsn, autocommit=True) as application:
            return application.execute("UPDATE events SET title = 'x' WHERE id = 'e01'").rowcount

    def step(name: str) -> None:
        if name != "after_update" or waiters:
            return
        waiters.append(background.submit(edit))
        bench.wait_for_lock_wait()
        since = bench.scalar("SELECT clock_timestamp()")
        bench.wait_until(  # until the watch has looked
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'backfill-workbook' AND state = 'idle'"
            f" AND state_change > '{since}'::timestamptz + interval '0.5 s'"
        )

    applied = bench.apply_with(run_id, step, chunk_rows=5)

    assert waiters[0].result(timeout=DEADLINE_SECONDS) == 1
    assert applied.counts.updated == 12
    assert list(applied.paused_ms) == ["lock_waiters"]


def test_a_wal_budget_makes_wait_between_chunks_and_finishes(bench: Bench) -> None:
    run_id = bench.plan().run_id

    applied = bench.apply_with(
        run_id, chunk_rows=5, throttle=Throttle(limits={}, wal_budget=20_000)
    )

    assert applied.counts.updated == 12
    assert list(applied.paused_ms) == ["wal_budget"]


def test_all_writers_of_a_process_share_one_pace(
    gate: Bench, background: ThreadPoolExecutor
) -> None:
    run_id = gate.plan().run_id
    breaths: set[int] = set()
    pace = PolitePace(
        Database(gate.dsn, is_embedded=False),
        gated(),
        ["public.events"],
        Lease(run_id, 0, 60),
        Reporter(gate.events.append),
    )

    def work() -> None:
        pace.before_chunk(lambda: breaths.add(threading.get_ident()))
        pace.after_chunk(1, 0.1)

    workers = [background.submit(work) for _ in range(3)]
    while len(breaths) < 3:
        PAUSE.wait(0.01)
    assert not any(worker.done() for worker in workers)
    open_gate(gate)
    for worker in workers:
        worker.result(timeout=DEADLINE_SECONDS)
    pace.close()

    assert [event["type"] for event in gate.events if event["type"] in ("pause", "go_on")] == [
        "pause",
        "go_on",
    ]
