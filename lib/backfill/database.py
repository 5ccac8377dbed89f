"""Which database: the one that `DATABASE_URL` names, or the embedded one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from backfill import embedded
from backfill.postgres import (
    DSN_ENV,
    Connection,
    SessionLimits,
    check_dsn,
    connect,
    describe,
)

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

    def connect(
        self, *, read_only: bool = False, limits: SessionLimits | None = None
    ) -> Connection:
        return connect(self.dsn, read_only=read_only, limits=limits)

    @contextlib.contextmanager
    def lookers(self) -> Iterator[list[Connection]]:
        """Yield connections that read back at once: two keep one server process at work."""
        with contextlib.ExitStack() as opened:
            yield [opened.enter_context(self.connect(read_only=True)) for _ in range(LOOKERS)]


def open_database(
    say: Callable[[str], None], dsn_env: str = DSN_ENV, *, seed_demo: bool = True
) -> Database:
    """Return the database to work on; start and fill the embedded one where none is named."""
    dsn = os.environ.get(dsn_env, "").strip()
    if dsn:
        check_dsn(dsn)
        return Database(dsn, is_embedded=False)
    dsn = embedded.ensure_running()
    say(
        f"{dsn_env} is not set: using the embedded PostgreSQL with invented demo data "
        "(stop it with: backfill db stop)."
    )
    database = Database(dsn, is_embedded=True)
    if seed_demo:
        from backfill.demo.seed import seed_if_empty

        with database.connect() as connection:
            seed_if_empty(connection, say)
    return database
