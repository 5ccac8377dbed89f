"""Which database: the one that `DATABASE_URL` names, or the embedded one.

Opening changes nothing: what is in a database, or that nothing is, stays so.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from backfill.errors import UsageError
from backfill.next_command import next_command
from backfill.server import embedded
from backfill.server.database import Database
from backfill.server.dsn import DSN_ENV, check_dsn


def open_database(say: Callable[[str], None], dsn_env: str = DSN_ENV) -> Database:
    """Return the database to work on; start the embedded server where none is named."""
    dsn = os.environ.get(dsn_env, "").strip()
    if dsn:
        check_dsn(dsn)
        return Database(dsn, is_embedded=False)
    if dsn_env != DSN_ENV:  # somebody means a database: another one will not do
        raise UsageError(
            f"The environment variable {dsn_env}, which dsn_env names, is not set. Put the "
            f"connection string there, or leave dsn_env out: then it is {DSN_ENV}."
        )
    dsn = embedded.ensure_running()
    say(
        f"{dsn_env} is not set: using the embedded PostgreSQL. Fill it with invented demo data: "
        f"{next_command('db', 'seed')} · stop it: {next_command('db', 'stop')}"
    )
    return Database(dsn, is_embedded=True)
