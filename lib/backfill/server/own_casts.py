"""Casts that somebody made between text and a type that we read or write: ours go through them."""

from __future__ import annotations

from collections.abc import Iterable

from backfill.errors import PreflightError
from backfill.server.postgres import Connection
from backfill.server.table import Relation

#: From here on objects are no part of a fresh database.
_FIRST_MADE = 16_384
_CONTEXTS = {"i": " AS IMPLICIT", "a": " AS ASSIGNMENT", "e": ""}


def check_casts(connection: Connection, relations: Iterable[Relation]) -> None:
    """Raise `PreflightError` for a cast that converts otherwise than the types do. Read-only.

    One `WITH INOUT` is what PostgreSQL does without it, so it does no harm; an extension's is what
    its type means. Types are PostgreSQL's own, and those of the tables' columns.
    """
    cast = connection.execute(
        "SELECT format_type(s.oid, NULL), format_type(t.oid, NULL),"
        " CASE WHEN c.castfunc = 0 THEN 'their bytes' ELSE c.castfunc::regprocedure::text END,"
        " c.castcontext::text"
        " FROM pg_cast AS c JOIN pg_type AS s ON s.oid = c.castsource"
        " JOIN pg_type AS t ON t.oid = c.casttarget"
        " JOIN pg_type AS o ON o.oid = CASE WHEN s.typcategory = 'S' THEN t.oid ELSE s.oid END"
        f" WHERE c.oid >= {_FIRST_MADE} AND c.castmethod <> 'i'"
        " AND 'S' IN (s.typcategory, t.typcategory)"
        " AND (o.typnamespace = 'pg_catalog'::regnamespace OR o.oid IN ("
        "  SELECT a.atttypid FROM pg_attribute AS a JOIN pg_class AS r ON r.oid = a.attrelid"
        "  JOIN pg_namespace AS n ON n.oid = r.relnamespace"
        "  WHERE format('%%s.%%s', n.nspname, r.relname) = ANY (%s)))"
        " AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_cast'::regclass"
        "  AND d.objid = c.oid AND d.deptype = 'e') ORDER BY c.oid LIMIT 1",
        [[str(each) for each in relations]],
    ).fetchone()
    if cast is None:
        return
    source, target, by, context = map(str, cast)
    pair = f"({source} AS {target})"
    raise PreflightError(
        f"This database has a cast of its own from {source} to {target}, by {by}: what is compared "
        "and written would be what that makes of it. Nothing was read. A superuser may have it "
        f"convert as PostgreSQL does: DROP CAST {pair}; CREATE CAST {pair} WITH INOUT"
        f"{_CONTEXTS.get(context, '')};"
    )
