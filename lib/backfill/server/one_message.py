"""Several statements as one message to the server, and one answer: libpq's pipeline mode.

The driver's own pipeline makes a cursor for each statement; for the six of a small chunk that took
a quarter as long as the server's whole work. This one knows bytes only.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
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
_CLOSED = -1  # stands for the answer to a name that was given up


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with `$1`, `$2`, … and its values; `is_kept` where it will come again so."""

    text: bytes
    values: Sequence[Any] = ()
    is_kept: bool = False


@dataclass(frozen=True, slots=True)
class Packed:
    """Statements with their values as they are sent; `asked` is the place of the one whose first
    row is the answer.
    """

    statements: Sequence[Statement]
    values: Sequence[_Values]
    asked: int
    transformer: Transformer

    def between(self, first: int, end: Sequence[Statement]) -> Packed:
        """Return it without its `first` statements, and with others without values for its last."""
        statements = [*self.statements[first:-1], *end]
        values = [*self.values[first:-1], *(_Values() for _ in end)]
        return replace(self, statements=statements, values=values, asked=self.asked - first)


def chained(transactions: Sequence[Packed]) -> list[Packed]:
    """Return transactions, each from BEGIN to COMMIT, of which each but the last begins the next.

    So there is no moment without a transaction between them, and what is deferred is done before
    a commit: whatever fails leaves a failed transaction, and no pooler gives that session to others
    before we have ended it.
    """
    goes_on = [Statement(b"SET CONSTRAINTS ALL IMMEDIATE"), Statement(b"COMMIT AND CHAIN")]
    last = transactions[-1]
    return [
        packed.between(
            0 if packed is transactions[0] else 1,
            packed.statements[-1:] if packed is last else goes_on,
        )
        for packed in transactions
    ]


@dataclass(frozen=True, slots=True)
class _Sent:
    """What was sent and has no answer yet; with `is_end` its message ends with it.

    Expected is for each answer: what the server keeps from then on, or the place of the statement.
    """

    packed: Packed
    expected: Sequence[tuple[_Key, bytes] | int]
    is_end: bool


@dataclass
class OneMessage:
    """Sends statements over one connection; `keeps` those by name that will come again.

    A connection that a pooler gives to others may keep none beyond a message: see `send`. A message
    may be sent before the one ahead of it is answered; until all are, the connection is good for
    nothing else.
    """

    connection: psycopg.Connection[Any]
    keeps: bool
    _names: dict[_Key, bytes] = field(default_factory=dict)  # that the server has
    _lent: dict[_Key, bytes] = field(default_factory=dict)  # that it has until a message's end
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _sent: deque[_Sent] = field(default_factory=deque)

    @property
    def is_under_way(self) -> bool:
        """Whether something that was sent waits for its answer."""
        return bool(self._sent)

    @property
    def has_lent(self) -> bool:
        """Whether the server may have names still, of a message that did not come to its end."""
        return bool(self._lent)

    def pack(self, statements: Sequence[Statement], asked: int) -> Packed:
        """Do all that can be done before they are sent; what can not be sent is told here."""
        transformer: Transformer = NewTransformer(self.connection)
        values = [_Values.of(statement.values, transformer) for statement in statements]
        return Packed(statements, values, asked, transformer)

    def send(self, parts: Sequence[Packed], *, lends: bool = False) -> None:
        """Send them as one message, each to be answered for itself, in their order.

        The server runs nothing that comes behind a statement which it refuses. It answers when it
        is through with all of them. With `lends` it has what is kept by name before the message's
        last statement is run, and no longer; unless it never comes so far: then `roll_back`.
        """
        pgconn = self.connection.pgconn
        if not self._sent:
            pgconn.enter_pipeline_mode()
        try:
            sent = []
            for packed in parts:
                is_end = packed is parts[-1]
                sent.append(_Sent(packed, self._send_part(packed, lends, is_end), is_end))
            pgconn.pipeline_sync()
        except BaseException:
            self._give_up()
            raise
        self._sent.extend(sent)

    def answer(self, within: float = math.inf) -> tuple[Any, ...] | None:
        """Wait for the answer to what was sent first of all that has none: its row.

        Raises what the server says of the first statement that it refuses; to all that was sent
        behind no answer is returned any more. What does not come `within` so many seconds is waited
        for no longer, and the connection closed.
        """
        if not self._sent:
            raise psycopg.OperationalError("no answer comes any more: the connection was given up")
        try:
            return self._row_of(self._sent[0], self._next_answers(time.monotonic() + within))
        except BaseException:
            while self._sent:
                with contextlib.suppress(psycopg.Error):
                    self._next_answers()
            raise

    def roll_back(self) -> None:
        """End a transaction that failed, and with it all names that the server still has.

        In one message: whoever a pooler gives the session to next finds none of them.
        """
        self.send([self.pack([Statement(b"ROLLBACK")], asked=0)])
        self.answer()

    def _next_answers(self, end: float = math.inf) -> list[PGresult]:
        first = self._sent[0]
        count = None if first.is_end else len(first.expected)
        try:
            answers = self.connection.wait(_answers(self.connection.pgconn, count, end))
        except BaseException:
            self._give_up()
            raise
        self._sent.popleft()
        if not self._sent:
            _leave(self.connection)
        return answers

    def _row_of(self, sent: _Sent, answers: Sequence[PGresult]) -> tuple[Any, ...] | None:
        row, transformer = None, sent.packed.transformer
        for what, answer in zip(sent.expected, answers, strict=False):
            if answer.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
                raise error_from_result(answer, transformer.encoding)
            if not isinstance(what, int):
                self._names[what[0]] = what[1]
            elif what == sent.packed.asked and answer.ntuples:
                transformer.set_pgresult(answer)
                row = transformer.load_row(0, tuple)
        if sent.is_end:
            self._lent.clear()
        return row

    def _give_up(self) -> None:
        """Expect no more answers; a connection from which some would come is closed."""
        self._sent.clear()
        self._lent.clear()
        _leave(self.connection)

    def _send_part(
        self, packed: Packed, lends: bool, is_end: bool
    ) -> list[tuple[_Key, bytes] | int]:
        """Send the statements of a part; at the message's end names are closed before the last."""
        expected: list[tuple[_Key, bytes] | int] = []
        for place, statement in enumerate(packed.statements):
            if is_end and place == len(packed.statements) - 1:
                expected += [self._close(name) for name in self._lent.values()]
            expected += self._send(statement, packed.values[place], lends)
            expected.append(place)
        return expected

    def _send(
        self, statement: Statement, values: _Values, lends: bool
    ) -> list[tuple[_Key, bytes] | int]:
        """Send a statement; return which answers come before its own."""
        pgconn, binary = self.connection.pgconn, Format.BINARY
        if not (statement.is_kept and (self.keeps or lends)):
            pgconn.send_query_params(
                statement.text, values.buffers, values.types, values.formats, binary
            )
            return []
        key = statement.text, tuple(values.types or ())
        name = (self._lent if lends else self._names).get(key)
        before: list[tuple[_Key, bytes] | int] = []
        if name is None and lends:
            # The same few names each time: should one have been left in spite of all, it goes now.
            name = self._lent[key] = f"backfill_{len(self._lent)}".encode()
            before = [self._close(name), _CLOSED]
            pgconn.send_prepare(name, statement.text, values.types)
        elif name is None:
            name = f"backfill_{next(self._numbers)}".encode()
            before = [(key, name)]
            pgconn.send_prepare(name, statement.text, values.types)
        pgconn.send_query_prepared(name, values.buffers, values.formats, binary)
        return before

    def _close(self, name: bytes) -> int:
        self.connection.pgconn.send_close_prepared(name)
        return _CLOSED


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


def _answers(
    pgconn: PGconn, count: int | None, end: float
) -> Generator[Wait, Ready | int, list[PGresult]]:
    """Send what is left to send; return so many answers, or all up to the message's end.

    Raises after `end`, a monotonic time; it is asked to look every moment.
    """
    while pgconn.flush():
        ready = yield Wait.RW
        if ready & Ready.R:
            pgconn.consume_input()
    answers: list[PGresult] = []
    while len(answers) != count:
        while pgconn.is_busy():
            if (yield Wait.R):
                pgconn.consume_input()
            elif time.monotonic() > end:
                raise psycopg.OperationalError("no answer came in time")
        answer = pgconn.get_result()
        if pgconn.status == ConnStatus.BAD:
            raise psycopg.OperationalError(pgconn.get_error_message())
        if answer is None:  # stands between the answers to two statements
            continue
        if answer.status == ExecStatus.PIPELINE_SYNC:
            break
        answers.append(answer)
    return answers


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
