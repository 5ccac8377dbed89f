"""Several statements as one message to the server, and one answer: libpq's pipeline mode.

The driver's own pipeline makes a cursor for each statement; for the six of a small chunk that took
a quarter as long as the server's whole work. This one knows bytes only.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.abc import Buffer, Transformer
from psycopg.adapt import PyFormat
from psycopg.adapt import Transformer as NewTransformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format, PipelineStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Ready, Wait

_Key = tuple[bytes, tuple[int, ...]]  # text of a statement, types of its values


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with `$1`, `$2`, … and its values; `is_kept` where it will come again so."""

    text: bytes
    values: Sequence[Any] = ()
    is_kept: bool = False


@dataclass(frozen=True, slots=True)
class _Sent:
    """A message without its answer yet: what comes for each statement, and whose row is asked for.

    For each answer: what the server keeps from then on, or the place of the statement.
    """

    expected: Sequence[tuple[_Key, bytes] | int]
    asked: int
    transformer: Transformer


@dataclass
class OneMessage:
    """Sends statements over one connection; `keeps` those by name that will come again.

    A connection that a pooler gives to others may keep none. A message may be sent before the one
    ahead of it is answered; until all are, the connection is good for nothing else.
    """

    connection: psycopg.Connection[Any]
    keeps: bool
    _names: dict[_Key, bytes] = field(default_factory=dict)  # that the server has
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _sent: deque[_Sent] = field(default_factory=deque)

    @property
    def is_under_way(self) -> bool:
        """Whether a message waits for its answer."""
        return bool(self._sent)

    def send(self, statements: Sequence[Statement], asked: int) -> None:
        """Send all of them; `answer` then returns the first row of the one in the place `asked`."""
        pgconn = self.connection.pgconn
        transformer: Transformer = NewTransformer(self.connection)
        # Before anything is sent: what can not be sent leaves nothing half sent.
        values = [_Values.of(statement.values, transformer) for statement in statements]
        if not self._sent:
            pgconn.enter_pipeline_mode()
        try:
            expected: list[tuple[_Key, bytes] | int] = []
            for place, statement in enumerate(statements):
                if new := self._send(pgconn, statement, values[place]):
                    expected.append(new)
                expected.append(place)
            pgconn.pipeline_sync()
        except BaseException:
            self._give_up()
            raise
        self._sent.append(_Sent(expected, asked, transformer))

    def answer(self) -> tuple[Any, ...] | None:
        """Wait for the answer to the message that was sent first of those without one.

        Raises what the server says of the first statement that it refuses; it runs none behind
        that in the message, and to messages behind this one no answer is returned any more.
        """
        if not self._sent:
            raise psycopg.OperationalError("no answer comes any more: the connection was given up")
        try:
            return self._row_of(self._sent[0], self._next_answers())
        except BaseException:
            while self._sent:
                with contextlib.suppress(psycopg.Error):
                    self._next_answers()
            raise

    def _next_answers(self) -> list[PGresult]:
        try:
            answers = self.connection.wait(_answers(self.connection.pgconn))
        except BaseException:
            self._give_up()
            raise
        self._sent.popleft()
        if not self._sent:
            _leave(self.connection)
        return answers

    def _row_of(self, sent: _Sent, answers: Sequence[PGresult]) -> tuple[Any, ...] | None:
        row = None
        for what, answer in zip(sent.expected, answers, strict=False):
            if answer.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
                raise error_from_result(answer, sent.transformer.encoding)
            if not isinstance(what, int):
                self._names[what[0]] = what[1]
            elif what == sent.asked and answer.ntuples:
                sent.transformer.set_pgresult(answer)
                row = sent.transformer.load_row(0, tuple)
        return row

    def _give_up(self) -> None:
        """Expect no more answers; a connection from which some would come is closed."""
        self._sent.clear()
        _leave(self.connection)

    def _send(
        self, pgconn: PGconn, statement: Statement, values: _Values
    ) -> tuple[_Key, bytes] | None:
        """Send a statement; return what it is known by, if the server is to keep it from now on."""
        binary = Format.BINARY
        if not (self.keeps and statement.is_kept):
            pgconn.send_query_params(
                statement.text, values.buffers, values.types, values.formats, binary
            )
            return None
        key = statement.text, tuple(values.types or ())
        name = self._names.get(key)
        new = None
        if name is None:
            name = f"backfill_{next(self._numbers)}".encode()
            pgconn.send_prepare(name, statement.text, values.types)
            new = key, name
        pgconn.send_query_prepared(name, values.buffers, values.formats, binary)
        return new


@dataclass(frozen=True, slots=True)
class _Values:
    """The values of a statement as libpq takes them; all None without any."""

    buffers: Sequence[Buffer | None] | None = None
    types: Sequence[int] | None = None
    formats: Sequence[Format] | None = None

    @classmethod
    def of(cls, values: Sequence[Any], transformer: Transformer) -> _Values:
        if not values:
            return cls()
        buffers = transformer.dump_sequence(values, [PyFormat.AUTO] * len(values))
        return cls(buffers, transformer.types, transformer.formats)


def _answers(pgconn: PGconn) -> Generator[Wait, Ready | int, list[PGresult]]:
    """Send what is left to send; return every answer, and none that is of no statement."""
    while pgconn.flush():
        ready = yield Wait.RW
        if ready & Ready.R:
            pgconn.consume_input()
    answers: list[PGresult] = []
    while True:
        while pgconn.is_busy():
            if (yield Wait.R):
                pgconn.consume_input()
        answer = pgconn.get_result()
        if pgconn.status == ConnStatus.BAD:
            raise psycopg.OperationalError(pgconn.get_error_message())
        if answer is None:  # stands between the answers to two statements
            continue
        if answer.status == ExecStatus.PIPELINE_SYNC:
            return answers
        answers.append(answer)


def _leave(connection: psycopg.Connection[Any]) -> None:
    """Have the connection as it was; one that still works on something is given up."""
    pgconn = connection.pgconn
    if pgconn.status == ConnStatus.BAD or pgconn.pipeline_status == PipelineStatus.OFF:
        return
    if pgconn.transaction_status == TransactionStatus.ACTIVE:
        connection.close()
        return
    try:
        pgconn.exit_pipeline_mode()
    except psycopg.OperationalError:  # answers that nobody took
        connection.close()
