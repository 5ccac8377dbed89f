"""Casts that somebody made between text and a type of PostgreSQL's own: ours go through them."""

from __future__ import annotations

from backfill.errors import PreflightError
from backfill.server.postgres import Connection

#: From here on objects are no part of a fresh database.
_FIRST_MADE = 16_384
_CONTEXTS = {"i": " AS IMPLICIT", "a": " AS ASSIGNMENT", "e": ""}


def check_casts(connection: Connection) -> None:
    """Raise `PreflightError` for a cast that converts otherwise than the types do. Read-only.

    One `WITH INOUT` is what PostgreSQL does without it, so it does no harm.
    """
    found = connection.execute(
        "SELECT format_type(s.oid, NULL), format_type(t.oid, NULL),"
        " CASE WHEN c.castfunc = 0 THEN 'their bytes' ELSE c.castfunc::regprocedure::text END,"
        " c.castcontext::text"
        " FROM pg_cast AS c JOIN pg_type AS s ON s.oid = c.castsource"
        " JOIN pg_type AS t ON t.oid = c.casttarget"
        f" WHERE c.oid >= {_FIRST_MADE} AND c.castmethod <> 'i'"
        " AND s.typnamespace = 'pg_catalog'::regnamespace"
        " AND t.typnamespace = 'pg_catalog'::regnamespace"
        " AND (s.typcategory = 'S' OR t.typcategory = 'S') ORDER BY c.oid LIMIT 1"
    ).fetchone()
    if found is None:
        return
    source, target, by, context = map(str, found)
    pair = f"({source} AS {target})"
    raise PreflightError(
        f"This database has a cast of its own from {source} to {target}, by {by}: what is compared "
        "and written would be what that makes of it. Nothing was read. A superuser may have it "
        f"convert as PostgreSQL does: DROP CAST {pair}; CREATE CAST {pair} WITH INOUT"
        f"{_CONTEXTS.get(context, '')};"
    )
