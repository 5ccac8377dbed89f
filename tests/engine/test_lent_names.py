"""A statement has a name for one message of a session that others get: nobody ever sees it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from typing import Any, LiteralString

import psycopg
import pytest
from tests.engine.under_way import assert_complete, from_the_first_on
from tests.engine.workshop import Bench
from tests.server.pgbouncer import NAMES, Onlooker, pooled

from backfill.chunks import one_ahead
from backfill.server import lending
from backfill.server.lending import may_lend
from backfill.server.one_message import OneMessage
from backfill.server.postgres import connect
from backfill.server.session import Session
from backfill.server.table import Relation

#: The names that a statement sees of its session, and how often it had a plan for any values.
SEEN = (
    b"SELECT pg_catalog.array_agg(name ORDER BY name), pg_catalog.max(generic_plans)"
    b" FROM pg_catalog.pg_prepared_statements WHERE $1 > 0"
)
INSERT = b"INSERT INTO public.noted (what, place) VALUES ($1, $2) RETURNING place"
EVENTS = Relation("public", "events")
CANCELLED = 40


@pytest.fixture
def pool_of_one(bench: Bench) -> Iterator[str]:
    bench.sql("CREATE TABLE noted (what text NOT NULL, place bigint UNIQUE)")
    with pooled(bench.dsn, "transaction", 1) as dsn:
        yield dsn


@pytest.fixture
def lent(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each message of several transactions had names, as they are sent."""
    lent: list[bool] = []
    send = OneMessage.send

    def noted(message: OneMessage, parts: Sequence[Any], *, lends: bool = False) -> None:
        if len(parts) > 1:
            lent.append(lends)
        send(message, parts, lends=lends)

    monkeypatch.setattr(OneMessage, "send", noted)
    return lent


def send(session: Session, *rows: Sequence[Any], query: bytes = INSERT) -> None:
    session.send_alone(*(session.packed_alone(query, row) for row in rows), lends=True)


def answers(session: Session, count: int) -> list[Any]:
    """Return the answers to so many transactions; an error ends them."""
    found: list[Any] = []
    try:
        found += (session.answer_alone() for _ in range(count))
    except psycopg.Error as error:
        found.append(type(error))
    return found


def names_in(dsn: str, query: LiteralString = NAMES) -> list[Any]:
    with psycopg.connect(dsn, prepare_threshold=None) as other:
        return other.execute(query).fetchall()


def places(bench: Bench) -> list[int]:
    return [place for (place,) in bench.sql("SELECT place FROM noted ORDER BY place")]


def test_a_statement_is_planned_once_a_message_for_all_values_and_gone_with_its_end(
    pool_of_one: str,
) -> None:
    with connect(pool_of_one) as session:
        for _ in range(2):
            send(session, [1], [2], [3], query=SEEN)

            assert answers(session, 3) == [(["backfill_0", "backfill_1"], n) for n in (1, 2, 3)]
            assert names_in(pool_of_one) == []


@pytest.mark.parametrize("bad", range(4))
def test_whichever_transaction_fails_no_name_is_left_nor_anything_behind_it_written(
    bench: Bench, pool_of_one: str, bad: int
) -> None:
    rows = [[None if place == bad else "a", place] for place in range(4)]
    onlooker = Onlooker(pool_of_one)
    with connect(pool_of_one) as session, onlooker.at_work():
        send(session, *rows)

        told = answers(session, 4)

        assert told == [*((place,) for place in range(bad)), psycopg.errors.NotNullViolation]
        assert session.execute("SELECT 1").fetchone() == (1,)
    assert onlooker.found == [] and onlooker.looks
    assert places(bench) == list(range(bad))


def test_what_is_deferred_fails_before_the_commit_that_it_was_to_fail_at(
    bench: Bench, pool_of_one: str
) -> None:
    bench.sql("ALTER TABLE noted DROP CONSTRAINT noted_place_key")
    bench.sql("ALTER TABLE noted ADD UNIQUE (place) DEFERRABLE INITIALLY DEFERRED")
    onlooker = Onlooker(pool_of_one)
    with connect(pool_of_one) as session, onlooker.at_work():
        send(session, ["a", 1], ["b", 1], ["c", 2])

        assert answers(session, 3) == [(1,), psycopg.errors.UniqueViolation]
    assert onlooker.found == [] and onlooker.looks
    assert places(bench) == [1]


def test_a_session_that_was_left_with_a_name_in_spite_of_all_loses_it_with_the_next_message(
    bench: Bench, pool_of_one: str
) -> None:
    with connect(pool_of_one) as session:
        with psycopg.connect(pool_of_one, autocommit=True) as other:
            other.pgconn.prepare(b"backfill_1", b"SELECT 1")
        assert names_in(pool_of_one) == [("backfill_1",)]

        send(session, ["a", 1], ["b", 2])

        assert answers(session, 2) == [(1,), (2,)]
    assert names_in(pool_of_one) == []


def test_cancelled_at_any_moment_no_name_is_ever_seen_and_all_or_nothing_is_written(
    bench: Bench, pool_of_one: str
) -> None:
    """Also between two transactions of a message, which leaves none of them failed."""
    is_over = threading.Event()
    cancelled, committed = 0, []
    [(pid,)] = names_in(pool_of_one, "SELECT pg_backend_pid()")

    def cancel() -> None:
        with psycopg.connect(bench.dsn, autocommit=True) as other:
            while not is_over.wait(0.0005):
                other.execute("SELECT pg_cancel_backend(%s)", [pid])

    onlooker = Onlooker(pool_of_one)
    cancelling = threading.Thread(target=cancel)
    with connect(pool_of_one) as session, onlooker.at_work():
        cancelling.start()
        try:
            for first in itertools.count(0, 4):
                send(session, *(["a", first + place] for place in range(4)))
                told = answers(session, 4)
                cancelled += psycopg.errors.QueryCanceled in told
                committed += [row[0] for row in told if isinstance(row, tuple)]
                if cancelled == CANCELLED:
                    break
        finally:
            is_over.set()
            cancelling.join()

    assert onlooker.found == [] and onlooker.looks
    assert places(bench) == committed


def test_a_run_behind_a_pooler_has_names_for_its_messages_and_leaves_none(
    bench: Bench, pool_of_one: str, lent: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    from_the_first_on(monkeypatch)
    monkeypatch.setattr(one_ahead, "_ROWS_TOGETHER", 6)
    run_id = bench.plan().run_id
    onlooker = Onlooker(pool_of_one)

    with onlooker.at_work():
        Bench(pool_of_one, bench.runs, bench.connection).apply_with(run_id, chunk_rows=2)

    assert lent == [True, True]
    assert onlooker.found == [] and onlooker.looks
    assert_complete(bench, run_id)


@pytest.mark.parametrize(
    "made",
    [
        "CREATE TRIGGER told AFTER UPDATE ON events FOR EACH ROW EXECUTE FUNCTION tell()",
        "CREATE TABLE later () INHERITS (events); CREATE TRIGGER told AFTER UPDATE ON later"
        " FOR EACH ROW EXECUTE FUNCTION tell()",
        "CREATE TABLE dish (event text REFERENCES events ON UPDATE CASCADE)",
        "CREATE FOREIGN DATA WRAPPER afar; CREATE SERVER elsewhere FOREIGN DATA WRAPPER afar",
        "ALTER TABLE events RENAME TO kept; CREATE VIEW events AS SELECT * FROM kept",
    ],
)
def test_a_table_whose_commits_may_fail_of_something_else_goes_without_names(
    bench: Bench, pool_of_one: str, made: str
) -> None:
    """A trigger's notes are sent at the commit, and may find no room; other servers commit too."""
    bench.sql(
        "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NOTIFY told; RETURN NULL; END $$"
    )
    with connect(pool_of_one) as session:
        assert may_lend(session, EVENTS)
        bench.sql(made)

        assert not may_lend(session, EVENTS)


def test_a_pooler_that_gives_on_what_its_client_left_gets_no_names(
    bench: Bench, pool_of_one: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pgcat: it rolls back, and the session is somebody else's, with whatever it has."""
    with psycopg.connect(bench.dsn) as kept, connect(pool_of_one) as session:
        monkeypatch.setattr(lending, "_another", lambda _session: kept)
        monkeypatch.setattr(kept, "close", kept.rollback)

        assert not may_lend(session, EVENTS)

        assert kept.execute(NAMES).fetchall() == []
        monkeypatch.undo()


def test_a_pooler_that_gives_statements_names_of_its_own_gets_none_of_ours(
    bench: Bench, pool_of_one: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As PgBouncer with `max_prepared_statements`: it keeps them for the next who asks the same."""
    other_name = lending._NAMED.replace(b"backfill_0", b"PGBOUNCER_7")
    monkeypatch.setattr(lending, "_NAMED", other_name)
    with connect(pool_of_one) as session:
        assert not may_lend(session, EVENTS)


def test_a_pool_in_session_mode_without_room_for_another_client_is_not_waited_for(
    bench: Bench,
) -> None:
    with pooled(bench.dsn, "session", 1) as dsn, connect(dsn) as session:
        assert not may_lend(session, EVENTS)

        assert session.execute("SELECT 1").fetchone() == (1,)


def test_a_session_of_our_own_is_lent_nothing(bench: Bench) -> None:
    with connect(bench.dsn) as session:
        assert not may_lend(session, EVENTS)
