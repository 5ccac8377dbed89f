"""Behind PgBouncer, beside an application in the same pool: it works, and leaves nothing behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import psycopg
import pytest
from psycopg import sql
from tests.conftest import DatabaseFrom
from tests.engine.appliers import ALL_NOONS, load_many
from tests.engine.workshop import Bench
from tests.longer import longer_behind
from tests.server.middleman import without_prepared_copies
from tests.server.pgbouncer import pooled

from backfill.errors import DatabaseUnreachable, ExitCode, PreflightError
from backfill.server.arrow_session import open_arrow
from backfill.server.postgres import connect

CLIENTS = 5


@pytest.fixture
def database(database_from: DatabaseFrom) -> str:
    return database_from("many-noons", load_many)


@dataclass
class Application:
    """Somebody else's clients in the same pool: they write, and mind what their sessions are."""

    dsn: str
    clients: int
    errors: list[str] = field(default_factory=list)
    writes: int = 0

    def __post_init__(self) -> None:
        self._is_over = threading.Event()
        self._counting = threading.Lock()
        self._begun = threading.Barrier(self.clients + 1)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._write) for _ in range(self.clients)]
        for thread in threads:
            thread.start()
        self._begun.wait()
        try:
            yield
        finally:
            self._is_over.set()
            for thread in threads:
                thread.join()

    def _write(self) -> None:
        with psycopg.connect(self.dsn, autocommit=True, prepare_threshold=None) as connection:
            self._begun.wait()
            while not self._is_over.is_set():
                try:
                    connection.execute("UPDATE shop SET sold = sold + 1 WHERE item = 1")
                except psycopg.Error as error:
                    self.errors.append(str(error))
                with self._counting:
                    self.writes += 1


def settings_of(dsn: str, sessions: int) -> list[dict[str, str]]:
    """Return SHOW ALL and the prepared statements of every session of a pool of that size."""
    with ExitStack() as stack:
        opened = [
            stack.enter_context(psycopg.connect(dsn, prepare_threshold=None))
            for _ in range(sessions)
        ]
        seen: dict[int, dict[str, str]] = {}
        for connection in opened:  # each in a transaction that stays open: a session of its own
            [(pid,)] = connection.execute("SELECT pg_backend_pid()").fetchall()
            shown = {str(r[0]): str(r[1]) for r in connection.execute("SHOW ALL").fetchall()}
            prepared = connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
            shown["prepared statements"] = str(prepared)
            locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            shown["advisory locks"] = str(connection.execute(locks).fetchone())
            seen[pid] = shown
        assert len(seen) == sessions
        return list(seen.values())


def open_shop(bench: Bench) -> None:
    bench.sql("CREATE TABLE shop (item int PRIMARY KEY, sold bigint NOT NULL DEFAULT 0)")
    bench.sql("INSERT INTO shop VALUES (1)")


@pytest.mark.parametrize(
    ("mode", "size"), longer_behind(1, [("transaction", 1), ("transaction", 3)])
)
def test_beside_an_application_in_its_pool_all_is_written_and_nothing_left_behind(
    bench: Bench, mode: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_shop(bench)
    with pooled(bench.dsn, mode, size) as dsn:
        before = settings_of(dsn, size)
        application = Application(dsn, CLIENTS)

        with application.at_work():
            done = whole_life(bench, dsn, monkeypatch)

        assert application.errors == [] and application.writes
        assert settings_of(dsn, size) == before
        assert done == "verified and reverted"
    assert bench.sql("SELECT sold FROM shop") == [(application.writes,)]


def test_behind_a_pooler_in_session_mode_nothing_is_left_behind_either(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_shop(bench)
    with pooled(bench.dsn, "session", 8) as dsn:
        before = settings_of(dsn, 1)

        assert whole_life(bench, dsn, monkeypatch) == "verified and reverted"

        assert settings_of(dsn, 1) == before


def whole_life(bench: Bench, dsn: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Plan, apply by two workers, verify and revert the noons by that URL; say how that went."""
    monkeypatch.setenv("DATABASE_URL", dsn)
    run = bench.plan()
    bench.apply(run.run_id, chunk_size=7, workers=2)
    assert bench.filled() == ALL_NOONS
    assert bench.verify(run.run_id).is_proven
    bench.revert(run.run_id)
    assert set(bench.filled().values()) == {(None, None)}
    return "verified and reverted"


def test_statement_mode_is_refused_in_one_sentence(bench: Bench) -> None:
    with (
        pooled(bench.dsn, "statement", 2) as dsn,
        pytest.raises(PreflightError, match="statement mode") as refused,
    ):
        connect(dsn)

    assert refused.value.exit_code == ExitCode.PREFLIGHT
    assert len(str(refused.value).splitlines()) == 1


def test_a_pooler_that_refuses_a_url_s_options_is_heard(bench: Bench) -> None:
    with (
        pooled(bench.dsn, "transaction", 2) as dsn,
        pytest.raises(DatabaseUnreachable, match="unsupported startup parameter"),
    ):
        connect(f"{dsn}&options=-c%20jit%3Doff")


def test_a_time_out_of_a_millisecond_is_set_aside_behind_a_pooler_or_named(bench: Bench) -> None:
    """Our own sessions set it before anything takes time; Arrow's driver can not be told to."""
    database = sql.Identifier(bench.scalar("SELECT current_database()"))
    bench.connection.execute(
        sql.SQL("ALTER DATABASE {} SET statement_timeout = 1").format(database)
    )
    with pooled(bench.dsn, "transaction", 2) as dsn:
        with connect(dsn) as connection:
            connection.execute("SELECT pg_sleep(0.05)")

        with (
            pytest.raises(PreflightError, match=r"statement_timeout = 1 ms ends .* DATABASE_URL"),
            open_arrow(dsn, {}),
        ):
            pass


def test_rows_are_read_through_what_does_not_carry_a_prepared_copy(bench: Bench) -> None:
    """pgpool-II ends with a session that begins one, which is how Arrow's driver reads."""
    with without_prepared_copies(bench.dsn) as dsn:
        with open_arrow(dsn, {}) as session, session.transaction() as cursor:
            cursor.execute("SELECT 'one'::text, NULL::float8, ARRAY[2, 3]")
            assert cursor.fetchall() == [("one", None, [2, 3])]
        behind = Bench(dsn, bench.runs, bench.connection)
        run_id = behind.run().run_id

        assert behind.verify(run_id).findings == []
    assert bench.filled() == ALL_NOONS
