"""Which database: the one that `DATABASE_URL` names, or the embedded one; and connections to it.

Opening changes nothing: what is in a database, or that nothing is, stays so.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from backfill.errors import NoConnectionLeft, UsageError
from backfill.next_command import (
    DATABASE_URL,
    DSN_ENV_OPTION,
    next_command,
    remember_option,
    remember_variable,
)
from backfill.server.dsn import DSN_ENV, check_dsn, describe, without_password
from backfill.server.postgres import Connection, connect
from backfill.server.session import Session, SessionLimits

LOOKERS = 2
#: By which the runs of the tour find their database; where it is not set, it is known all the same.
TOUR_ENV = "BACKFILL_TOUR_URL"
#: By which other programs on libpq find a server.
_LIBPQ = ("PGSERVICE", "PGHOST", "PGHOSTADDR", "PGDATABASE")


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
    def lookers(self, wanted: int = LOOKERS) -> Iterator[list[Connection]]:
        """Yield connections that read back at once: two keep one server process at work.

        Fewer, or none, where no more may be had.
        """
        with contextlib.ExitStack() as opened:
            lookers: list[Connection] = []
            with contextlib.suppress(NoConnectionLeft):
                while len(lookers) < wanted:
                    lookers.append(opened.enter_context(self.connect(read_only=True)))
            yield lookers


def dsn_of(dsn_env: str) -> str:
    """Return the connection string that the variable of this name holds.

    Raises `UsageError` where it is not set: somebody means a database, another one will not do.
    """
    dsn = os.environ.get(dsn_env, "").strip()
    if not dsn and dsn_env == TOUR_ENV:
        from backfill.server import embedded  # only then, as below

        dsn = embedded.tour_dsn()
    if not dsn:
        raise UsageError(
            f"The environment variable {dsn_env}, which dsn_env names, is not set. Put the "
            f"connection string there, or leave dsn_env out: then it is {DSN_ENV}."
        )
    return dsn


def take_database(address: str | None, variable: str | None) -> str:
    """Have this process, and all it starts and prints, go by an address or a variable.

    Returns the name of the variable to go by. Raises `UsageError` for both, for a variable that
    is not set, and for what can not be read.
    """
    if address and variable:
        raise UsageError(f"{DATABASE_URL} and {DSN_ENV_OPTION} both say which database: give one.")
    if address:
        check_dsn(address, DATABASE_URL)
        os.environ[DSN_ENV] = address
        remember_option(DATABASE_URL, without_password(address))
        return DSN_ENV
    name = variable or DSN_ENV
    os.environ[DSN_ENV] = dsn = dsn_of(name)
    check_dsn(dsn, name)
    remember_variable(name)
    return name


def is_any_there() -> bool:
    """Return whether a database is named, or an embedded one was made before: none is started."""
    from backfill.server import embedded  # as below

    return bool(os.environ.get(DSN_ENV, "").strip()) or embedded.is_made()


def open_database(say: Callable[[str], None], dsn_env: str = DSN_ENV) -> Database:
    """Return the database to work on; start the embedded server where none is named."""
    dsn = os.environ.get(dsn_env, "").strip() if dsn_env == DSN_ENV else dsn_of(dsn_env)
    if dsn:
        check_dsn(dsn, dsn_env)
        return Database(dsn, is_embedded=False)
    from backfill.server import embedded  # only then: it brings much along

    dsn = embedded.ensure_running()
    if named := [name for name in _LIBPQ if os.environ.get(name)]:
        say(
            f"{' and '.join(named)} alone name no database to this tool. For the one that psql "
            f"would take: {dsn_env}=postgresql://"
        )
    say(
        f"{dsn_env} is not set: using the embedded PostgreSQL, which goes on until "
        f"{next_command('db', 'stop')}"
    )
    return Database(dsn, is_embedded=True)
