"""Statements that go to the server as one message: all of them or none, nothing left open."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.pq import PipelineStatus, TransactionStatus
from tests.engine.workshop import Bench

from backfill.rows.binary_array import pack, register
from backfill.rows.columns import ColumnType
from backfill.server.postgres import connect
from backfill.server.session import Session

INSERT = b"INSERT INTO public.noted (what, place) VALUES ($1, $2) RETURNING what, place"


@pytest.fixture
def session(bench: Bench) -> Iterator[Session]:
    bench.sql("CREATE TABLE noted (what text NOT NULL, place bigint UNIQUE)")
    with connect(bench.dsn) as session:
        yield session


def noted(bench: Bench) -> list[tuple[str, int]]:
    return [(what, place) for what, place in bench.sql("SELECT * FROM noted ORDER BY place")]


def kept_by_name(session: Session) -> int:
    row = session.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
    assert row is not None
    return int(row[0])


def executed(session: Session, query: bytes, values: Sequence[Any]) -> tuple[Any, ...] | None:
    session.send_alone(session.packed_alone(query, values))
    return session.answer_alone()


def is_idle(session: Session) -> bool:
    return (
        session.pgconn.transaction_status == TransactionStatus.IDLE
        and session.pgconn.pipeline_status == PipelineStatus.OFF
    )


def test_the_same_statement_again_is_kept_by_name_once(bench: Bench, session: Session) -> None:
    rows = [executed(session, INSERT, ["Skåne 100 %", place]) for place in (1, 70_000, 3)]

    assert rows == [("Skåne 100 %", 1), ("Skåne 100 %", 70_000), ("Skåne 100 %", 3)]
    assert noted(bench) == [("Skåne 100 %", 1), ("Skåne 100 %", 3), ("Skåne 100 %", 70_000)]
    # Settings, and the statement for small numbers and for large ones.
    assert kept_by_name(session) <= 4


def test_where_a_pooler_may_stand_between_nothing_is_kept(bench: Bench) -> None:
    bench.sql("CREATE TABLE noted (what text NOT NULL, place bigint UNIQUE)")
    with connect(bench.dsn) as session:
        session._message.keeps = False
        before = kept_by_name(session)

        executed(session, INSERT, ["a", 1])
        executed(session, INSERT, ["b", 2])

        assert kept_by_name(session) == before
    assert noted(bench) == [("a", 1), ("b", 2)]


def test_a_refused_statement_leaves_nothing_and_a_session_that_goes_on(
    bench: Bench, session: Session
) -> None:
    executed(session, INSERT, ["a", 1])

    with pytest.raises(psycopg.errors.UniqueViolation) as refused:
        executed(session, INSERT, ["b", 1])

    assert refused.value.diag.table_name == "noted"
    assert is_idle(session)
    assert executed(session, INSERT, ["c", 2]) == ("c", 2)
    assert noted(bench) == [("a", 1), ("c", 2)]


def test_a_statement_that_is_not_understood_is_tried_under_another_name(
    bench: Bench, session: Session
) -> None:
    late = b"SELECT place FROM public.later WHERE place = $1"
    for _ in range(2):
        with pytest.raises(psycopg.errors.UndefinedTable):
            executed(session, late, [5])
    bench.sql("CREATE TABLE later AS SELECT 5 AS place")

    assert executed(session, late, [5]) == (5,)
    assert is_idle(session)


def test_a_value_that_no_text_can_hold_is_told_before_anything_is_sent(
    bench: Bench, session: Session
) -> None:
    with pytest.raises(psycopg.DataError):
        executed(session, INSERT, ["\0", 1])

    assert is_idle(session)
    assert executed(session, INSERT, ["a", 1]) == ("a", 1)


def test_what_is_refused_at_the_commit_is_told(bench: Bench, session: Session) -> None:
    bench.sql("ALTER TABLE noted DROP CONSTRAINT noted_place_key")
    bench.sql("ALTER TABLE noted ADD UNIQUE (place) DEFERRABLE INITIALLY DEFERRED")
    executed(session, INSERT, ["a", 1])

    with pytest.raises(psycopg.errors.UniqueViolation):
        executed(session, INSERT, ["b", 1])

    assert is_idle(session)
    assert noted(bench) == [("a", 1)]


def test_a_server_that_ends_the_session_is_told_as_one_that_is_away(
    bench: Bench, session: Session
) -> None:
    pid = session.info.backend_pid
    done = threading.Event()

    def end() -> None:
        with psycopg.connect(bench.dsn, autocommit=True) as other:
            while not done.is_set():
                asleep = other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE pid = %s AND wait_event = 'PgSleep'",
                    [pid],
                ).fetchone()
                if asleep:
                    return

    ending = threading.Thread(target=end)
    ending.start()
    try:
        with pytest.raises(psycopg.OperationalError):
            executed(session, b"SELECT pg_catalog.pg_sleep($1)", [30])
    finally:
        done.set()
        ending.join()

    assert session.closed


def test_a_message_larger_than_any_buffer_arrives_whole(session: Session) -> None:
    large = "å" * 4_000_000

    assert executed(session, b"SELECT pg_catalog.length($1)", [large]) == (4_000_000,)


NUMBERS = st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=20)
TEXTS = st.lists(
    st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0")), max_size=20
)


@given(numbers=NUMBERS, texts=TEXTS, ends=st.tuples(st.integers(0, 20), st.integers(0, 20)))
def test_a_piece_of_a_packed_column_is_what_packing_the_piece_gives(
    numbers: list[int | None], texts: list[str | None], ends: tuple[int, int]
) -> None:
    for values, kind in (
        (pa.array(numbers, pa.int64()), ColumnType.BIGINT),
        (pa.array(texts, pa.string()), ColumnType.TEXT),
    ):
        first, behind = (min(end, len(values)) for end in sorted(ends))
        piece = pack(values, kind).piece(first, behind - first)
        alone = pack(pa.array(values.to_pylist()[first:behind], values.type), kind).whole

        # Whether there are NULLs is said of the whole column; the server looks for itself.
        assert piece.oid == alone.oid
        assert piece.content[:4] + piece.content[8:] == alone.content[:4] + alone.content[8:]


def test_pieces_arrive_as_they_were(session: Session) -> None:
    register(session)
    walls = [dt.datetime(1900, 1, 1), None, dt.datetime(2026, 3, 29, 2, 30)]  # noqa: DTZ001
    moments = pack(pa.array(walls, pa.timestamp("us")), ColumnType.TIMESTAMP)
    texts = pack(pa.array(["", None, "Å\n"]), ColumnType.TEXT)
    query = b"SELECT $1::timestamp[], $2::text[]"

    found = [
        executed(session, query, [moments.piece(first, 2), texts.piece(first, 2)])
        for first in (0, 1)
    ]

    assert found == [(walls[:2], ["", None]), (walls[1:], [None, "Å\n"])]
    assert np.diff(moments.begins).tolist() == [12, 4, 12]


def test_few_long_texts_are_packed_as_many_short_ones_are() -> None:
    texts = [None, "å" * 300, "", "b" * 2_000, None]
    column = pa.array(["first", *texts], pa.string()).slice(1)

    packed = pack(column, ColumnType.TEXT)

    lengths = [b"\xff\xff\xff\xff" if text is None else None for text in texts]
    content = [
        mark or len(text.encode()).to_bytes(4, "big") + text.encode()
        for mark, text in zip(lengths, (text or "" for text in texts), strict=True)
    ]
    assert packed.content == b"".join(content)
    assert np.diff(packed.begins).tolist() == [len(part) for part in content]
