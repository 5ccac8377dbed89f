"""What somebody must be allowed to do with tables, and what the present role lacks of it.

Read-only; what is lacking is told as the statements that grant it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from backfill.errors import PreflightError
from backfill.server.catalog_columns import quoted_name
from backfill.server.postgres import Connection, scalar
from backfill.server.table import Relation, Table


@dataclass(frozen=True, slots=True)
class Right:
    """What somebody may do with a table: `what` as in GRANT; without `columns`, with all of it."""

    what: str
    relation: Relation
    columns: tuple[str, ...] = ()


def rights_on(table: Table) -> list[Right]:
    """Return what a job needs that reads and writes columns of a table, and of what it joins."""
    written = Right("UPDATE", table.relation, tuple(column.name for column in table.targets))
    read = columns_read(table).items()
    return [*(Right("SELECT", relation, tuple(columns)) for relation, columns in read), written]


def columns_read(table: Table) -> dict[Relation, list[str]]:
    """Return what a role must be allowed to read, by table: ours first."""
    own = [
        *(part.name for part in table.key.columns),
        *([table.scope.name] if table.scope else []),
        *(column.name for column in (*table.sources, *table.targets)),
        *(part.by[1] for join in table.joins for part in join.parts if not part.by[0]),
        *(value.column for value in table.looked_up if not value.join),
        *(name for want in table.wants for name in want.needs),
        *table.where_columns,
        *([table.deleted] if table.deleted else []),
    ]
    read = {table.relation: list(dict.fromkeys(own))}
    for join in table.joins:
        columns = [*(part.key for part in join.parts), *table.looked_up_columns(join)]
        columns += join.since.columns if join.since else ()
        names = read.setdefault(join.relation, [])
        names += [name for name in dict.fromkeys(columns) if name not in names]
    return read


def check_rights(connection: Connection, rights: Sequence[Right], *, writing: bool) -> list[str]:
    """Return a warning that names what the role will need to apply, empty where it has all.

    Raises `PreflightError` with the GRANTs that it lacks to read, and when `writing` to write.
    """
    lacking = needed = missing_grants(connection, rights)
    if lacking and not writing:
        needed = missing_grants(connection, [right for right in rights if right.what == "SELECT"])
    if needed:
        raise PreflightError(
            "This role lacks rights. Mend, as the table's owner:\n" + "\n".join(needed)
        )
    return [f"To apply, this role will need: {' '.join(lacking)}"] if lacking else []


def missing_grants(connection: Connection, rights: Sequence[Right]) -> list[str]:
    """Return the GRANT statements of what the present role lacks, schemas first."""
    schemas = dict.fromkeys(right.relation.schema for right in rights)
    return [
        *(
            grant(connection, "USAGE", f"SCHEMA {quoted_name(schema)}")
            for schema in schemas
            if not scalar(connection, "SELECT has_schema_privilege(%s, 'USAGE')", schema)
        ),
        *(
            grant(connection, lack.what, lack.relation.spelt, lack.columns)
            for right in rights
            if (lack := _lacking(connection, right))
        ),
    ]


def _lacking(connection: Connection, right: Right) -> Right | None:
    # By oid: the regclass cast of a name would itself fail without USAGE on the schema.
    table = (
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s"
    )
    named = [right.relation.schema, right.relation.name]
    if not right.columns:
        may = "SELECT has_table_privilege(c.oid, %s)" + table
        return None if scalar(connection, may, right.what, *named) else right
    may = "SELECT has_column_privilege(c.oid, %s, %s)" + table
    columns = tuple(
        column
        for column in right.columns
        if not scalar(connection, may, column, right.what, *named)
    )
    return replace(right, columns=columns) if columns else None


def grant(connection: Connection, right: str, on: str, columns: Sequence[str] = ()) -> str:
    """Return the GRANT, to be pasted, of what the present role lacks; `on` is spelt as in SQL."""
    listed = f" ({', '.join(map(quoted_name, columns))})" if columns else ""
    role = quoted_name(str(scalar(connection, "SELECT current_user")))
    return f"GRANT {right}{listed} ON {on} TO {role};"


def may_apply(connection: Connection) -> bool:
    """Tell whether the role may keep an applier's record; who only plans need not write a table."""
    query = "SELECT coalesce(has_table_privilege(to_regclass(%s), 'INSERT'), true)"
    return bool(scalar(connection, query, "backfill.checkpoint"))
