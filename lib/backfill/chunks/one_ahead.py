"""Chunks that go as planned, one statement each: the next are ready before the last is answered.

Only once several went well: what stops or fails early, or is over soon, does so chunk by chunk.

Over a session of our own the next chunk is sent ahead: the server begins it the moment the one
before it is committed, and the client's work on both falls into that time. Never are more than two
under way. The order holds by itself: a chunk that fails leaves its transaction failed, in which the
server refuses whatever comes behind; one whose commit fails leaves no checkpoint, without which the
next one has no hash to be chained to.

Behind a pooler nothing is sent ahead: PgBouncer 1.18 gives a server's session to others at the
first answer, also where half of what comes next has gone there. There several chunks go as one
message, which has one end and one answer and so is to the pooler what one chunk is, however many
transactions it is to the server: that refuses all that comes behind a chunk that fails, up to the
message's end. The next message is made while the server works on this one, and sent when it has
been answered: whoever is stopped or killed has sent all of a message, or has not begun. Where
`lending` finds it safe, their statement is planned once a message, and has a name until then.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psycopg

from backfill.chunks.chunk_commit import Committed, ReadyChunk
from backfill.chunks.chunk_statement import PackedChunk, Statements, answered, packed, send_together
from backfill.chunks.writing import ChunkWriter
from backfill.records.ranges import RangeClaim
from backfill.server.session import Session

#: The run's lease is renewed by the first chunk after so much of it has passed.
RENEWED_AFTER = 1 / 50
#: So many chunks in a row went as planned before anything is made ready or sent ahead.
WENT_WELL = 8
#: Larger chunks are sent one by one.
ROWS_AHEAD = 2_000
#: A message of several has no more rows and chunks than this,
_ROWS_TOGETHER, _TOGETHER = 4_000, 8
#: and as many as the server writes in this time: others wait for the pooler's session so long.
_SECONDS_TOGETHER = 0.05
#: Returns the chunk behind those that are under way, if it may be sent before these are answered.
Following = Callable[[Sequence[ReadyChunk]], ReadyChunk | None]


def alone(_under_way: Sequence[ReadyChunk]) -> None:
    """Return what follows a chunk that nothing is sent behind."""


@dataclass
class OneAhead:
    """Commits chunks over a connection, in order; `following` is what may be sent ahead."""

    writer: ChunkWriter
    _statements: Statements = field(default_factory=Statements)
    _renewed_at: float = -math.inf  # when the run's lease was, on a monotonic clock
    _went_well: int = 0  # so many chunks in a row; only then the next ones are made ready
    _seconds: float = math.inf  # that the server worked on the last chunk
    _sent: deque[Sequence[PackedChunk]] = field(default_factory=deque)  # messages without an answer
    #: What became of chunks that were sent, before it is their turn to be told.
    _answers: deque[tuple[PackedChunk, Committed | Exception]] = field(default_factory=deque)

    @property
    def is_under_way(self) -> bool:
        """Whether the next chunk was sent already."""
        return bool(self._sent or self._answers)

    def commit(
        self,
        connection: Session,
        claim: RangeClaim,
        ready: ReadyChunk,
        chain: str,
        following: Following = alone,
    ) -> Committed | None:
        """Commit a chunk, sent already or not; None when there is no single statement for it.

        Raises `NotAsPlanned` and whatever the server says: then nothing behind it was written.
        """
        went_well, self._went_well = self._went_well, 0
        follows = following if went_well >= WENT_WELL else alone
        if not self.is_under_way:
            first = self._packed(connection, claim, ready, chain)
            if first is None:
                return None
            self._send(connection, self._filled(connection, claim, [first], follows))
        if not self._answers:
            self._hear(connection, claim, follows)
        sent, outcome = self._answers.popleft()
        assert sent.ready.wanted is ready.wanted
        if isinstance(outcome, Exception):
            self._renewed_at = -math.inf
            raise outcome
        self._went_well = went_well + 1
        return outcome

    def look(self, connection: Session) -> None:
        """Wait for the answers to chunks that were sent ahead, to be told when it is their turn.

        From then on the connection is good for other questions.
        """
        while self._sent:
            self._take_answers(connection)

    def _hear(self, connection: Session, claim: RangeClaim, follows: Following) -> None:
        """Wait for an answer; the next message is made meanwhile, and sent before or after it."""
        next_ones: list[PackedChunk] = []
        if len(self._sent) == 1:
            next_ones = self._filled(connection, claim, [], follows)
        if connection.is_own:
            self._send(connection, next_ones)
        self._take_answers(connection)
        if next_ones and not connection.is_own and self._may_go_on(follows):
            self._send(connection, next_ones)

    def _may_go_on(self, follows: Following) -> bool:
        """Whether all went well, and nobody wants to stop since the next message was made."""
        went_well = not isinstance(self._answers[-1][1], Exception)
        return went_well and follows(self._under_way()) is not None

    def _under_way(self, more: Sequence[PackedChunk] = ()) -> list[ReadyChunk]:
        answered_ones = [sent for sent, _outcome in self._answers]
        return [sent.ready for sent in (*answered_ones, *(s for m in self._sent for s in m), *more)]

    def _filled(
        self,
        connection: Session,
        claim: RangeClaim,
        message: list[PackedChunk],
        follows: Following,
    ) -> list[PackedChunk]:
        """Return a message with all that may follow in it, as long as it can be made."""
        with contextlib.suppress(psycopg.DataError):  # told when it is that chunk's turn
            while not message or self._takes_more(connection, message):
                ready = follows(self._under_way(message))
                one = self._packed(connection, claim, ready, None) if ready else None
                if one is None:
                    break
                message.append(one)
        return message

    def _takes_more(self, connection: Session, message: Sequence[PackedChunk]) -> bool:
        if connection.is_own:
            return False
        rows, count = sum(chunk.ready.chunk.rows for chunk in message), len(message)
        most = min(_TOGETHER, _SECONDS_TOGETHER / max(self._seconds, 0.001))
        return count + 1 <= most and rows * (count + 1) <= _ROWS_TOGETHER * count

    def _packed(
        self, connection: Session, claim: RangeClaim, ready: ReadyChunk, chain: str | None
    ) -> PackedChunk | None:
        now = time.monotonic()
        renews = now - self._renewed_at >= claim.lease.seconds * RENEWED_AFTER
        if renews:
            self._renewed_at = now
        return packed(connection, claim, ready, chain, self.writer, self._statements, renews=renews)

    def _send(self, connection: Session, message: Sequence[PackedChunk]) -> None:
        if message:
            send_together(connection, message)
            self._sent.append(message)

    def _take_answers(self, connection: Session) -> None:
        """Wait for the answer to the message that was sent first; one that fails is the last."""
        for chunk in self._sent.popleft():
            try:
                committed = answered(connection, chunk)
            except Exception as error:  # raised again when it is that chunk's turn
                self._sent.clear()
                self._answers.append((chunk, error))
                return
            self._answers.append((chunk, committed))
            if committed.checkpoint:
                self._seconds = committed.checkpoint.elapsed_ms / 1000
