"""A role or a database with one connection, or two: it works, or says what would."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from tests.deadline import DEADLINE_SECONDS
from tests.engine.workshop import Bench
from tests.jobs.command_line import Said, run_here
from tests.pasted import statements_in

from backfill.errors import ExitCode, NoConnectionLeft, PreflightError
from backfill.politeness.signals import Signal
from backfill.politeness.throttle import Limit, Throttle
from backfill.politeness.watch import Watch
from backfill.server import arrow_session, postgres
from backfill.server.embedded_process import wait_until
from backfill.server.postgres import connect


@dataclass(frozen=True)
class Limited:
    """A bench, and a role for which a number of connections may be set."""

    bench: Bench
    role: str

    @property
    def dsn(self) -> str:
        return make_conninfo(self.bench.dsn, user=self.role)

    def limit(self, most: int) -> None:
        role = sql.Identifier(self.role).as_string(None)
        self.bench.sql(f"ALTER ROLE {role} CONNECTION LIMIT {most}")

    def command(self, *arguments: str) -> Said:
        return run_here(self.dsn, self.bench.runs, *arguments)

    @contextlib.contextmanager
    def as_role(self) -> Iterator[Bench]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DATABASE_URL", self.dsn)
            yield self.bench


@pytest.fixture
def limited(bench: Bench) -> Iterator[Limited]:
    role = bench.scalar("SELECT 'Ö ' || current_database()")
    name = sql.Identifier(role).as_string(None)
    bench.sql(f"CREATE ROLE {name} LOGIN")
    bench.sql(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}")
    bench.sql(
        f"DO $$BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO {name}',"
        " current_database()); END$$"
    )
    yield Limited(bench, role)
    bench.sql("DROP SCHEMA IF EXISTS backfill CASCADE")
    bench.sql(f"DROP OWNED BY {name}")
    bench.sql(f"DROP ROLE {name}")


def test_over_one_connection_a_run_is_planned_applied_proven_and_put_back(
    limited: Limited,
) -> None:
    before = limited.bench.table()
    limited.limit(1)

    with limited.as_role() as bench:
        run_id = bench.plan().run_id
        with pytest.raises(PreflightError) as refused:
            bench.apply(run_id)
        assert bench.table() == before
        bench.apply(run_id, workers=1, max_lock_waiters=-1)
        assert bench.status(run_id) == "succeeded"
        assert limited.command("status", run_id).code == ExitCode.OK
        assert limited.command("verify", run_id).code == ExitCode.OK
        assert limited.command("check").code == ExitCode.OK
        bench.revert(run_id, max_lock_waiters=-1)

    assert bench.table() == before
    quoted = sql.Identifier(limited.role).as_string(None)
    assert f"ALTER ROLE {quoted} CONNECTION LIMIT 2;" in str(refused.value)
    alone = f"backfill apply {run_id} --workers 1 --max-lock-waiters=-1"
    assert str(refused.value).endswith(alone)


def test_over_two_connections_a_run_watches_whom_it_holds_up(limited: Limited) -> None:
    limited.limit(2)

    with limited.as_role() as bench:
        book = bench.run()

    assert bench.summary(book)["total_updated"] == 12


def test_more_writers_than_the_database_lets_in_are_refused_before_the_first_row(
    limited: Limited,
) -> None:
    name = limited.bench.scalar("SELECT current_database()")

    with limited.as_role() as bench:
        run_id = bench.plan().run_id
        bench.sql(f"ALTER DATABASE {name} CONNECTION LIMIT 3")
        with pytest.raises(PreflightError) as refused:
            bench.apply(run_id, workers=3)
        assert bench.filled()["e01"] == (None, None)
        (mend,) = statements_in(str(refused.value))
        limited.bench.sql(mend)  # by its owner
        bench.apply(run_id, workers=3)

    assert bench.status(run_id) == "succeeded"


def test_who_is_not_let_in_is_told_of_the_limit_and_not_of_a_server_that_is_away(
    limited: Limited,
) -> None:
    limited.limit(1)
    with psycopg.connect(limited.dsn), pytest.raises(NoConnectionLeft) as refused:
        connect(limited.dsn)

    assert "ALTER ROLE … CONNECTION LIMIT N" in str(refused.value)
    assert "doctor" not in str(refused.value)


def test_both_drivers_wait_for_a_session_that_is_just_leaving(
    limited: Limited, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited.limit(1)
    monkeypatch.setattr(postgres, "LEAVING_SECONDS", DEADLINE_SECONDS)
    monkeypatch.delattr(arrow_session, "_with_time")  # which another session of ours asks first

    def connected() -> None:
        connect(limited.dsn).close()

    def opened_by_driver() -> None:
        with arrow_session.open_arrow(limited.dsn, {}) as session:
            session.cursor.execute("SELECT 1")

    for opened in (connected, opened_by_driver):
        with psycopg.connect(limited.dsn) as leaving, pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "sleep", lambda _seconds: leaving.close())
            opened()
            assert leaving.closed


def test_a_watch_that_is_not_let_in_says_how_to_do_without_it(limited: Limited) -> None:
    limited.limit(1)
    limits = {Signal.LOCK_WAITERS: Limit(pause=0)}
    with psycopg.connect(limited.dsn):
        watch = Watch(lambda: connect(limited.dsn), Throttle(limits), [])
        with contextlib.closing(watch):
            assert wait_until(lambda: bool(watch.last()[1]), DEADLINE_SECONDS)

    (why,) = watch.last()[1].values()
    assert "too many connections for role" in why
    assert why.endswith("Raise that limit, or resume without the watch: --max-lock-waiters -1")
