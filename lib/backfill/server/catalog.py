"""Ask PostgreSQL's catalog whether a table is what a job expects. Read-only."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

import psycopg

from backfill.errors import PreflightError
from backfill.rows.keys import Key
from backfill.server.catalog_columns import (
    CatalogColumn,
    UniqueKey,
    adding_key,
    quoted_name,
    unique_keys,
)
from backfill.server.postgres import Connection, scalar
from backfill.server.rights import grant
from backfill.server.session import on_own_path
from backfill.server.table import Relation

_KINDS = {"v": ", but a view", "m": ", but a materialized view", "f": ", but a foreign table"}
#: Schemas whose rows vouch for something, runs or the whole database: no values of a person's.
_OTHERS = {"backfill": "where this tool keeps its runs", "pg_catalog": "the server's own"}
_READABLE_KINDS = ("r", "p", "v", "m", "f")
_WRITABLE_KINDS = {"r": "table", "p": "partitioned table"}
#: The server's own functions that give another value for each row that asks; not `now`.
_OF_CHANCE = (
    "SELECT min(proname) FROM pg_catalog.pg_proc WHERE proname = ANY (%s)"
    " AND pronamespace = 'pg_catalog'::regnamespace AND provolatile = 'v'"
)


def find_relation(connection: Connection, name: str, *, is_read_only: bool = False) -> Relation:
    """Return the table of that name (`schema.table`, or found by the search path).

    With `is_read_only` a view does as well. Raises `PreflightError` that names near misses, or
    the table under a view.
    """
    parts = _parts(name)
    try:
        with connection.transaction(), on_own_path(connection):
            row = connection.execute(
                "SELECT n.nspname, c.relname, c.relkind::text FROM pg_class c"
                " JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE c.oid = to_regclass(%s)",
                [".".join(parts)],
            ).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        usage = grant(connection, "USAGE", f"SCHEMA {parts[0]}")
        raise PreflightError(
            f"This role may not look into schema {parts[0]}. Mend, as its owner: {usage}"
        ) from None
    if row is None:
        raise PreflightError(_no_table(connection, name))
    schema, table, kind = (str(part) for part in row)
    if kind not in (_READABLE_KINDS if is_read_only else _WRITABLE_KINDS):
        raise PreflightError(
            f"{schema}.{table} is not a table{_KINDS.get(kind, '')} (pg_class.relkind = {kind!r}). "
            "Name the table under it: compare-and-set needs the stored rows."
        )
    if schema in _OTHERS and not is_read_only:
        raise PreflightError(
            f"{schema}.{table} is {_OTHERS[schema]}: no run writes to it. Name a table of your own."
        )
    return Relation(schema, table)


def _parts(name: str) -> list[str]:
    """Return a name's parts as SQL has them; quotes are as in SQL, else each letter is meant."""
    if spelt := _SPELT_OUT.fullmatch(name):
        return [
            part if part.startswith('"') else quoted_name(part)
            for part in spelt.groups()
            if part is not None
        ]
    return [quoted_name(part) for part in name.split(".", 1)]


_PART = r'("(?:[^"]|"")+"|[^".]+)'
_SPELT_OUT = re.compile(rf"{_PART}(?:\.{_PART})?")


def _no_table(connection: Connection, name: str) -> str:
    rows = connection.execute(
        "SELECT schemaname, tablename FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'backfill')"
    ).fetchall()
    elsewhere = [str(schema) for schema, table in rows if table == name]
    if elsewhere:
        return (
            f"There is no table {name} where this role looks for tables (its search_path), but "
            f"there is one in {' and in '.join(elsewhere)}. Name it with its schema: "
            f"{Relation(elsewhere[0], name).spelt}, or: ALTER ROLE … SET search_path = "
            f"{scalar(connection, 'SELECT quote_ident(%s)', elsewhere[0])};"
        )
    names = [f"{schema}.{table}" for schema, table in rows]
    close = difflib.get_close_matches(name, [*names, *(str(table) for _schema, table in rows)])
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return (
        f"There is no table {name} in this database.{hint} "
        "Check DATABASE_URL and the role's search_path."
    )


#: Of tables that a specification describes.
_BY_SPEC = " Name one that is there: a table is described with --table spec.toml."


def require_columns(
    relation: Relation,
    columns: Mapping[str, CatalogColumn],
    names: Iterable[str],
    mend: str = _BY_SPEC,
) -> None:
    """Raise `PreflightError` for columns that are not there; `mend` says where they were named."""
    if missing := [name for name in names if name not in columns]:
        hint = did_you_mean(missing[0], columns)
        raise PreflightError(
            f"{relation} has no column {', '.join(missing)}.{hint} It has: {', '.join(columns)}."
            + mend
        )


def did_you_mean(name: str, columns: Iterable[str]) -> str:
    """Return the sentence that asks for the column that was probably meant, or nothing."""
    names = {column.casefold(): column for column in columns}
    close = difflib.get_close_matches(name.casefold(), list(names), 2)
    return f" Did you mean {' or '.join(names[folded] for folded in close)}?" if close else ""


def unique_key(
    connection: Connection,
    relation: Relation,
    names: tuple[str, ...],
    columns: dict[str, CatalogColumn],
) -> Key:
    """The key must be the whole of a valid unique index: it serves the walk and the update."""
    keys = unique_keys(connection, relation)
    if not any(key.columns == names and key.is_not_null for key in keys):
        raise no_key(connection, relation, names)
    return Key(tuple(columns[name].as_key() for name in names))


def no_key(connection: Connection, relation: Relation, names: Sequence[str] = ()) -> PreflightError:
    """Return the error of a table whose rows no index tells apart: by these columns, or by any."""
    over = f"on exactly ({', '.join(names)}) with" if names else "of"
    return PreflightError(
        f"{relation} has no primary key or unique index {over} NOT NULL columns: a row could "
        "not be told from another, nor put back. Mend, as the table's owner: "
        f"{adding_key(connection, relation, names)}"
    )


def best_key(connection: Connection, relation: Relation) -> UniqueKey:
    """Return the primary key, else the shortest unique one whose columns are NOT NULL; empty
    without."""
    keys = (key for key in unique_keys(connection, relation) if key.is_not_null)
    return next(keys, UniqueKey((), is_primary=False, is_not_null=False))


NOT_REACHED = (
    "rows that this role may not see are neither counted nor backfilled. Use a role with BYPASSRLS "
    "to reach all."
)


def hidden_rows(
    connection: Connection, relations: Iterable[Relation], then: str = NOT_REACHED
) -> list[str]:
    """Return a sentence for each table of which row-level security may hide rows from this role.

    `then` says what becomes of such rows. Read-only.
    """
    return [
        f"Row-level security is active on {relation}: {then}"
        for relation in dict.fromkeys(relations)
        if is_row_security_active(connection, relation)
    ]


def has_heirs(connection: Connection, relation: Relation) -> bool:
    """Return whether other tables inherit from this one: no index makes a key unique over all."""
    return bool(
        scalar(
            connection,
            "SELECT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s AND c.relname = %s AND c.relkind = 'r')",
            relation.schema,
            relation.name,
        )
    )


def is_row_security_active(connection: Connection, relation: Relation) -> bool:
    """Return whether row-level security hides rows from the current role: of the table, or of one
    that a view reads, as the role whose rights count there."""
    name = relation.identifier.as_string(connection)
    return bool(scalar(connection, _HIDES_ROWS, name))


#: Down through views over views; `reader` is whose rights a view reads with, NULL for ours.
_HIDES_ROWS = """
    WITH RECURSIVE under AS (
      SELECT c.oid, c.relkind, c.relowner, c.reloptions, NULL::oid AS reader
      FROM pg_class c WHERE c.oid = %s::regclass
      UNION
      SELECT c.oid, c.relkind, c.relowner, c.reloptions, CASE WHEN EXISTS (
          SELECT FROM pg_options_to_table(under.reloptions)
          WHERE option_name = 'security_invoker' AND option_value::boolean)
        THEN under.reader ELSE under.relowner END
      FROM under JOIN pg_rewrite r ON r.ev_class = under.oid AND under.relkind = 'v'
      JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
        AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> under.oid
      JOIN pg_class c ON c.oid = d.refobjid)
    SELECT EXISTS (SELECT FROM under JOIN pg_class c ON c.oid = under.oid
      LEFT JOIN pg_roles a ON a.oid = under.reader
      WHERE c.relkind IN ('r', 'p') AND CASE WHEN under.reader IS NULL
        THEN row_security_active(c.oid)
        ELSE c.relrowsecurity AND NOT coalesce(a.rolsuper OR a.rolbypassrls, false)
          AND (c.relforcerowsecurity OR NOT pg_has_role(under.reader, c.relowner, 'USAGE')) END)
"""


def refuse_chance(connection: Connection, said: str, where: str) -> None:
    """Raise `PreflightError` for a condition, named as it was said, that answers as it likes."""
    plain = re.sub(r"'[^']*'", "''", where.lower())
    chance = scalar(connection, _OF_CHANCE, re.findall(r"(\w+)\s*\(", plain))
    if chance:
        raise PreflightError(
            f"{said} calls {chance}(), which answers otherwise each time: rows could neither be "
            "counted nor found again. Write a condition on the columns of a row."
        )
