"""What lies within values of a type: elements of arrays, ends of ranges, fields of composites, each
with the type that the catalog says it has. Read-only."""

from __future__ import annotations

from backfill.rows.columns import SqlType
from backfill.rows.within import Elements, Ends, Fields, Leaf, Shape
from backfill.server.catalog_columns import CatalogColumn, declared_type, spelt_type
from backfill.server.postgres import Connection
from backfill.server.table import Relation


def has_parts(column: CatalogColumn) -> bool:
    """Whether something may lie within a column's values: what the server brings along tells so by
    its name."""
    is_own = column.sql_type.name.startswith("pg_catalog.")
    return not is_own or column.kind.startswith("_") or "range" in column.kind


def shape_of(connection: Connection, relation: Relation, name: str) -> Shape[CatalogColumn]:
    """Return what lies within a column's values; each leaf is a column of the same name."""
    row = connection.execute(
        "SELECT a.atttypid::int8, a.atttypmod FROM pg_attribute a"
        " JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s AND a.attname = %s",
        [relation.schema, relation.name, name],
    ).fetchone()
    assert row is not None  # the table was resolved with this column
    return _shape(connection, name, row[0], row[1])


def _shape(
    connection: Connection, name: str, oid: int, modifier: int, declared: str = ""
) -> Shape[CatalogColumn]:
    found = connection.execute(_TYPE, {"oid": oid, "modifier": modifier}).fetchone()
    assert found is not None
    full, plain, kind, schema, typtype, base, own_modifier, element, delimiter, end, fields = found
    if typtype == "d":
        below = own_modifier if modifier < 0 else modifier
        return _shape(connection, name, base, below, declared or full)
    if element:
        return Elements(_shape(connection, name, element, modifier), delimiter)
    if end:
        return Ends(_shape(connection, name, end, -1))
    if typtype == "c":
        return Fields(tuple(_shape(connection, name, *field) for field in fields or ()))
    return Leaf(
        CatalogColumn(
            name,
            declared or full,
            plain,
            kind,
            is_generated=False,
            is_not_null=False,
            is_always_identity=False,
            is_readable=True,
            has_modifier=modifier >= 0 or bool(declared),
            sql_type=SqlType(spelt_type(schema, kind), declared_type(schema, kind, full), ""),
        )
    )


_TYPE = """
    SELECT pg_catalog.format_type(t.oid, %(modifier)s), pg_catalog.format_type(t.oid, NULL),
      t.typname::text, n.nspname::text, t.typtype::text, t.typbasetype::int8, t.typtypmod,
      CASE WHEN t.typcategory = 'A' THEN t.typelem::int8 ELSE 0 END,
      (SELECT e.typdelim::text FROM pg_type e WHERE e.oid = t.typelem),
      coalesce(
        (SELECT r.rngsubtype::int8 FROM pg_range r WHERE r.rngtypid = t.oid),
        (SELECT r.rngsubtype::int8 FROM pg_range r
         WHERE pg_catalog.to_jsonb(r) ->> 'rngmultitypid' = t.oid::text)),
      (SELECT pg_catalog.array_agg(ARRAY[a.atttypid::int8, a.atttypmod::int8] ORDER BY a.attnum)
       FROM pg_attribute a WHERE a.attrelid = t.typrelid AND t.typrelid <> 0
         AND a.attnum > 0 AND NOT a.attisdropped)
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = %(oid)s
"""
