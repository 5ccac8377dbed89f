"""A database to work on, and the connections to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from backfill.errors import NoConnectionLeft
from backfill.server.dsn import describe
from backfill.server.postgres import Connection, connect
from backfill.server.session import Session, SessionLimits

LOOKERS = 2


@dataclass(frozen=True, slots=True)
class Database:
    """A connection string and how to say it aloud."""

    dsn: str
    is_embedded: bool

    @property
    def name(self) -> str:
        """Host and database for messages: no secrets."""
        return "the embedded PostgreSQL" if self.is_embedded else describe(self.dsn)

    def connect(self, *, read_only: bool = False, limits: SessionLimits | None = None) -> Session:
        return connect(self.dsn, read_only=read_only, limits=limits)

    @contextlib.contextmanager
    def lookers(self) -> Iterator[list[Connection]]:
        """Yield connections that read back at once: two keep one server process at work.

        Fewer, or none, where no more may be had.
        """
        with contextlib.ExitStack() as opened:
            lookers: list[Connection] = []
            with contextlib.suppress(NoConnectionLeft):
                while len(lookers) < LOOKERS:
                    lookers.append(opened.enter_context(self.connect(read_only=True)))
            yield lookers
