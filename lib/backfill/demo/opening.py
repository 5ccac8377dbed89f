"""Which database: the one that `DATABASE_URL` names, or the embedded one with the demo in it."""

from __future__ import annotations

import os
from collections.abc import Callable

from backfill.server import embedded
from backfill.server.database import Database
from backfill.server.postgres import DSN_ENV, check_dsn


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
        from backfill_lab.demo.seed import seed_if_empty  # what `status` on a server need not load

        with database.connect() as connection:
            seed_if_empty(connection, say)
    return database
