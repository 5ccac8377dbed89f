"""What PostgreSQL tells of its load, read from real servers with the load on them."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.deadline import DEADLINE_SECONDS
from tests.engine.replication import STANDBY, standby_of
from tests.engine.workshop import Bench
from tests.pasted import statements_in

from backfill.politeness.quantity import window_from
from backfill.politeness.signals import Signal
from backfill.politeness.throttle import Limit, SignalReading, Throttle
from backfill.politeness.watch import Unreadable, Watch, explain_failure, read
from backfill.server.embedded import EmbeddedServer
from backfill.server.embedded_process import wait_until
from backfill.server.postgres import Connection, connect

if TYPE_CHECKING:
    from tests.conftest import DatabaseServer


@pytest.fixture
def watcher(bench: Bench) -> Iterator[Connection]:
    """The connection that a watch has."""
    with contextlib.closing(connect(bench.dsn, read_only=True)) as connection:
        yield connection


@pytest.fixture
def stranger(bench: Bench, server: DatabaseServer) -> Iterator[Connection]:
    """The same of a role that may not see other sessions."""
    role = f"{server.prefix}_stranger"
    bench.sql(f"CREATE ROLE {role} LOGIN")
    try:
        dsn = make_conninfo(bench.dsn, user=role)
        with contextlib.closing(connect(dsn, read_only=True)) as connection:
            yield connection
    finally:
        bench.sql(f"DROP ROLE {role}")


def reading(
    connection: Connection, signal: Signal, tables: tuple[str, ...] = (), **said: Any
) -> SignalReading:
    return read(connection, signal, Throttle(**said), tables)


def value(connection: Connection, signal: Signal, **said: Any) -> float:
    return reading(connection, signal, **said).value


# -- locks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["watcher", "stranger"])
def test_a_session_that_waits_for_our_lock_is_counted_whoever_asks(
    bench: Bench, who: str, request: pytest.FixtureRequest
) -> None:
    asking: Connection = request.getfixturevalue(who)
    update = "UPDATE public.events SET title = 'x' WHERE id = 'e01'"
    ours = connect(bench.dsn)

    def wait_for_lock() -> None:
        with psycopg.connect(bench.dsn, autocommit=True) as application:
            application.execute(update)

    other = threading.Thread(target=wait_for_lock)
    with contextlib.closing(ours):
        with ours.transaction():
            ours.execute(update)
            assert value(asking, Signal.LOCK_WAITERS) == 0
            other.start()
            bench.wait_for_lock_wait()

            assert value(asking, Signal.LOCK_WAITERS) == 1
        other.join(DEADLINE_SECONDS)

        assert value(asking, Signal.LOCK_WAITERS) == 0


def test_sessions_that_wait_for_others_or_are_ours_do_not_count(
    bench: Bench, watcher: Connection
) -> None:
    update = "UPDATE public.events SET title = 'x' WHERE id = 'e01'"

    def wait_for_lock() -> None:
        with contextlib.closing(connect(bench.dsn)) as ours:
            ours.execute(update)

    other = threading.Thread(target=wait_for_lock)
    with psycopg.connect(bench.dsn) as application:
        application.execute(update)
        other.start()
        bench.wait_for_lock_wait()

        assert value(watcher, Signal.LOCK_WAITERS) == 0
    other.join(DEADLINE_SECONDS)


# -- transactions, connections, WAL -------------------------------------------------------------


def test_the_oldest_transaction_of_others_is_named(bench: Bench, watcher: Connection) -> None:
    assert value(watcher, Signal.TRANSACTION_AGE) < 1
    with psycopg.connect(bench.dsn, application_name="nightly report") as old:
        old.execute("SELECT 1")
        bench.wait_until(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'nightly report'"
            " AND clock_timestamp() - xact_start > interval '0.2 s'"
        )

        found = reading(watcher, Signal.TRANSACTION_AGE)

        assert found.value > 0.2
        assert found.detail == (
            f"process {old.info.backend_pid}, nightly report, idle in transaction"
        )


def test_our_own_transactions_are_not_old(bench: Bench, watcher: Connection) -> None:
    with contextlib.closing(connect(bench.dsn)) as ours, ours.transaction():
        ours.execute("SELECT 1")

        found = reading(watcher, Signal.TRANSACTION_AGE)

    assert (found.value, found.detail) == (0.0, "")


def test_who_may_not_see_other_sessions_is_told_so_and_not_that_there_are_none(
    bench: Bench, stranger: Connection
) -> None:
    with psycopg.connect(bench.dsn) as old:
        old.execute("SELECT 1")

        with pytest.raises(Unreadable, match="GRANT pg_read_all_stats") as refused:
            reading(stranger, Signal.TRANSACTION_AGE)
        for statement in statements_in(str(refused.value)):  # by who may grant it
            bench.sql(statement)

        assert reading(stranger, Signal.TRANSACTION_AGE).value > 0


def test_connections_are_counted_and_set_against_the_maximum(
    bench: Bench, watcher: Connection
) -> None:
    maximum = int(bench.scalar("SHOW max_connections"))
    before = value(watcher, Signal.CONNECTIONS)
    with psycopg.connect(bench.dsn), psycopg.connect(bench.dsn):
        count = reading(watcher, Signal.CONNECTIONS)
        share = reading(watcher, Signal.CONNECTIONS_SHARE)

    assert count.value >= before + 2
    assert share.value == round(100 * count.value / maximum, 1)


def test_the_wal_rate_is_that_of_the_last_seconds(bench: Bench) -> None:
    limits = {Signal.WAL_RATE: Limit(pause=1)}
    watch = Watch(lambda: connect(bench.dsn, read_only=True), Throttle(limits), [])

    def rate() -> float:
        last, _failures = watch.last()
        return last[Signal.WAL_RATE].value if Signal.WAL_RATE in last else -1

    with contextlib.closing(watch):
        assert wait_until(lambda: rate() >= 0, DEADLINE_SECONDS)
        bench.sql("CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 1000)")

        assert wait_until(lambda: rate() > 10_000, DEADLINE_SECONDS)


# -- vacuum -------------------------------------------------------------------------------------


def test_a_vacuum_at_work_on_our_table_is_seen_and_one_elsewhere_is_not(
    bench: Bench, watcher: Connection
) -> None:
    bench.sql(
        "INSERT INTO events (id, household_id, title, start_at, updated_at)"
        " SELECT 'v' || n, 'hh_demo', 'x', 0, 0 FROM generate_series(1, 20000) AS n"
    )
    bench.sql("DELETE FROM events WHERE id LIKE 'v%'")
    assert reading(watcher, Signal.VACUUM, ("public.events",)).value == 0

    def vacuum() -> None:
        with psycopg.connect(bench.dsn, autocommit=True) as other:
            other.execute("SET vacuum_cost_delay = 100")
            other.execute("SET vacuum_cost_limit = 1")
            with contextlib.suppress(psycopg.errors.QueryCanceled):
                other.execute("VACUUM events")

    worker = threading.Thread(target=vacuum)
    worker.start()
    try:
        assert wait_until(
            lambda: reading(watcher, Signal.VACUUM, ("public.events",)).value == 1, DEADLINE_SECONDS
        )
        assert reading(watcher, Signal.VACUUM, ("public.events",)).detail == "public.events"
        assert reading(watcher, Signal.VACUUM, ("public.household",)).value == 0
    finally:
        bench.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_progress_vacuum")
        worker.join(DEADLINE_SECONDS)


def test_a_vacuum_of_a_partition_is_one_of_the_table(bench: Bench, watcher: Connection) -> None:
    bench.sql("CREATE TABLE parted (id int PRIMARY KEY, t text) PARTITION BY RANGE (id)")
    bench.sql("CREATE TABLE part PARTITION OF parted DEFAULT")
    bench.sql("INSERT INTO parted SELECT n, repeat('x', 500) FROM generate_series(1, 5000) n")
    bench.sql("DELETE FROM parted")

    def vacuum() -> None:
        with psycopg.connect(bench.dsn, autocommit=True) as other:
            other.execute("SET vacuum_cost_delay = 100")
            other.execute("SET vacuum_cost_limit = 1")
            with contextlib.suppress(psycopg.errors.QueryCanceled):
                other.execute("VACUUM part")

    worker = threading.Thread(target=vacuum)
    worker.start()
    try:
        assert wait_until(
            lambda: reading(watcher, Signal.VACUUM, ("public.parted",)).value == 1, DEADLINE_SECONDS
        )
    finally:
        bench.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_progress_vacuum")
        worker.join(DEADLINE_SECONDS)


# -- a query of the user's ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "held"), [("SELECT true", 0), ("SELECT false", 1), ("SELECT NULL::boolean", 1)]
)
def test_only_true_goes(watcher: Connection, query: str, held: int) -> None:
    assert value(watcher, Signal.GO_WHEN, go_when=query) == held


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1",
        "SELECT true, true",
        "SELECT true WHERE false",
        "SELECT true UNION ALL SELECT true",
    ],
)
def test_a_query_that_does_not_return_one_boolean_is_unreadable(
    watcher: Connection, query: str
) -> None:
    with pytest.raises(Unreadable, match="one row with one boolean"):
        reading(watcher, Signal.GO_WHEN, go_when=query)


def test_a_query_can_neither_write_nor_bring_another_with_it(
    bench: Bench, watcher: Connection
) -> None:
    for query, error in (
        ("DELETE FROM events RETURNING true", psycopg.errors.ReadOnlySqlTransaction),
        ("SELECT true; SELECT true", psycopg.errors.SyntaxError),
        ("SET TRANSACTION READ WRITE; DELETE FROM events", psycopg.errors.SyntaxError),
    ):
        with pytest.raises(error):
            reading(watcher, Signal.GO_WHEN, go_when=query)

    assert len(bench.table()) == 12
    assert value(watcher, Signal.GO_WHEN, go_when="SELECT true") == 0


def test_what_is_said_of_a_failing_query_does_not_show_it(watcher: Connection) -> None:
    with pytest.raises(psycopg.Error) as failed:
        reading(watcher, Signal.GO_WHEN, go_when="SELECT nothing_here('s3cret')")

    assert explain_failure(failed.value) == "function nothing_here(unknown) does not exist"


def test_a_revoked_right_makes_it_unreadable(bench: Bench, stranger: Connection) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
        reading(stranger, Signal.GO_WHEN, go_when="SELECT count(*) > 0 FROM events")


def test_the_window_is_read_by_the_clock_of_the_database(bench: Bench, watcher: Connection) -> None:
    now: dt.datetime = bench.scalar("SELECT clock_timestamp()")
    utc = now.astimezone(dt.UTC)
    opens, closes = utc - dt.timedelta(hours=2), utc + dt.timedelta(hours=2)
    is_in = window_from(f"{opens:%H:%M}-{closes:%H:%M} Etc/UTC")
    is_out = window_from(f"{closes:%H:%M}-{opens:%H:%M} Etc/UTC")

    assert value(watcher, Signal.WINDOW, window=is_in) == 0
    closed = reading(watcher, Signal.WINDOW, window=is_out)
    assert (closed.value, closed.detail) == (1, str(is_out))


# -- standbys -----------------------------------------------------------------------------------


def test_a_required_standby_that_is_not_there_is_unreadable(watcher: Connection) -> None:
    assert value(watcher, Signal.REPLAY_LAG) == 0
    with pytest.raises(Unreadable, match=r"no standby far replays .*\(there are: none\)"):
        reading(watcher, Signal.REPLAY_LAG, standbys=("far",))


@pytest.mark.slow
def test_a_run_waits_for_a_standby_that_stopped_replaying_and_goes_on_when_it_has_caught_up(
    server_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from tests.engine.workshop import load_noons

    primary = EmbeddedServer(server_folder / "primary", durable=False)
    try:
        primary.start()
        load_noons(primary.dsn)
        monkeypatch.setenv("DATABASE_URL", primary.dsn)
        with (
            psycopg.connect(primary.dsn, autocommit=True) as connection,
            standby_of(primary, server_folder / "standby") as standby,
            psycopg.connect(standby, autocommit=True) as there,
            ThreadPoolExecutor(1) as pool,
        ):
            bench = Bench(primary.dsn, tmp_path / "runs", connection)
            run_id = bench.plan().run_id
            bench.wait_until(
                "SELECT count(*) = 1 FROM pg_stat_replication WHERE replay_lsn >= sent_lsn"
            )
            there.execute("SELECT pg_wal_replay_pause()")
            bench.sql("CREATE TABLE filler AS SELECT repeat('x', 900) FROM generate_series(1, 900)")
            limits = {Signal.REPLAY_BYTES: Limit(pause=500_000), Signal.REPLAY_LAG: Limit(pause=30)}
            throttle = Throttle(limits, standbys=(STANDBY,))
            applied = pool.submit(lambda: bench.apply_with(run_id, throttle=throttle))
            bench.wait_until("SELECT count(*) > 0 FROM backfill.run WHERE waiting IS NOT NULL")
            with contextlib.closing(connect(primary.dsn, read_only=True)) as watcher:
                assert wait_until(
                    lambda: value(watcher, Signal.REPLAY_LAG, standbys=(STANDBY,)) > 0.5,
                    DEADLINE_SECONDS,
                )

            said = bench.scalar("SELECT waiting FROM backfill.run")
            assert said.startswith(f"standby {STANDBY} is ")
            assert said.endswith("kB behind (limit 488.3 kB)")
            assert bench.checkpoints(run_id) == []
            there.execute("SELECT pg_wal_replay_resume()")

            found = applied.result(timeout=DEADLINE_SECONDS)
            assert found.counts.updated == 12
            assert list(found.paused_ms) == ["replay_bytes"]
    finally:
        primary.reset()
