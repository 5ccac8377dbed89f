"""The members of a table's scope: those that are known, those asked for, and how they are spelt.
Read-only."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import psycopg
from psycopg import sql

from backfill.errors import UsageError
from backfill.jobs.utc.zoned_table import ZonedTable
from backfill.next_command import next_command
from backfill.server.postgres import Connection
from backfill.server.table import Table


def members_asked(
    connection: Connection, zoned: ZonedTable, asked: Sequence[str]
) -> tuple[str, ...]:
    """Return members of the scope: those asked for, as the server spells them, else those known.

    Raises `UsageError` for one that no table knows.
    """
    table = zoned.table
    if asked and table.scope is None:
        raise UsageError(
            f"--household-id: the specification of {table.relation} names no scope, the "
            'whole table is one. Leave the option out, or add scope = "…" to the file.'
        )
    members = known_households(connection, table)
    spelt = []
    for household in asked:
        stored = household if household in members else None
        stored = stored or _stored(connection, table, household, members)
        spelt.append(stored or household)
        if stored is None:
            close = difflib.get_close_matches(household, members, 3) or sorted(members)[:3]
            hint = f" Near: {', '.join(close)}." if close else ""
            raise UsageError(
                f"There is no {zoned.member} {household!r} in this database.{hint} "
                f"List what is pending: {next_command('status')}"
            )
    return tuple(dict.fromkeys(spelt or members))


def _stored(connection: Connection, table: Table, member: str, listed: Sequence[str]) -> str | None:
    """Return how the server spells a member that rows have, or that is `known`; else None.

    `007` is the number 7, and letters of a uuid have no case. Read-only.
    """
    scope = table.scope
    assert scope is not None
    text = sql.SQL("{}::pg_catalog.text").format(sql.Placeholder("member"))
    try:
        with connection.transaction():
            row = connection.execute(
                sql.SQL(
                    "SELECT {typed}::text, (SELECT t.{name}::text FROM {table} AS t WHERE {equal}"
                    " LIMIT 1)"
                ).format(
                    typed=scope.typed(text),
                    name=sql.Identifier(scope.name),
                    table=table.relation.identifier,
                    equal=scope.equals("t", text),
                ),
                {"member": member},
            ).fetchone()
    except psycopg.DataError:  # no value of the type
        return None
    assert row is not None
    spelt, stored = row
    if scope.type_name == 'pg_catalog."char"' and spelt != member:  # the one type that cuts off
        return None
    if stored is not None:
        return str(stored)
    return str(spelt) if spelt in listed else None


def known_households(connection: Connection, table: Table) -> list[str]:
    """Return the members of the scope that a lookup by the scope lists, sorted. Read-only."""
    if table.scope is None:
        return []
    own = ("", table.scope.name)
    by_scope = [j for j in table.joins if j.parts[0].by == own]
    if not by_scope or len(by_scope[0].parts) > 1 or by_scope[0].since is not None:
        return []
    rows = connection.execute(
        sql.SQL(
            "SELECT DISTINCT {key}::text FROM {table} WHERE {key} IS NOT NULL ORDER BY 1"
        ).format(
            key=sql.Identifier(by_scope[0].parts[0].key), table=by_scope[0].relation.identifier
        )
    ).fetchall()
    return [str(row[0]) for row in rows]
