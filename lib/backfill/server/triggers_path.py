"""Where names are looked for by what a statement of ours sets off: triggers, rules, checks."""

from __future__ import annotations

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from backfill.server.session import Session


def use_our_path(connection: psycopg.Connection[TupleRow]) -> None:
    """Look for names on our path again, for the rest of a transaction that is open."""
    if isinstance(connection, Session) and connection.triggers_path is not None:
        connection.use_our_path()


def own_path_for_triggers(connection: psycopg.Connection[TupleRow]) -> sql.Composable:
    """Return a condition that is always true, and from which on names are the role's own.

    The statement that it is part of has been understood by then, and only what it sets off, like
    a trigger that names a table without its schema, looks for names again.
    """
    path = connection.triggers_path if isinstance(connection, Session) else None
    if path is None:
        return sql.SQL("true")
    return sql.SQL("(SELECT pg_catalog.set_config('search_path', {}, true)) IS NOT NULL").format(
        sql.Literal(path)
    )
