"""Column types of the tables we meet, and how their values are read.

Timestamps travel as int64 microseconds since 1970 (wall clock for `timestamp`, UTC for
`timestamptz`); PostgreSQL's ±infinity as the int64 limits, since drivers wrap it silently.
What values become here is in `values`: who only asks the server need not load Arrow for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from psycopg import sql

POSITIVE_INFINITY = 2**63 - 1
NEGATIVE_INFINITY = -(2**63)
#: Stands for the last thirty years that PostgreSQL knows: from 1970 on they leave int64.
BEYOND_INT64 = POSITIVE_INFINITY - 1


class ColumnType(StrEnum):
    """The types that keys, sources and targets may have."""

    BIGINT = "bigint"
    TIMESTAMP = "timestamp"
    TIMESTAMPTZ = "timestamptz"
    TEXT = "text"
    JSONB = "jsonb"

    @property
    def is_number(self) -> bool:
        """Whether values travel as int64."""
        return self in (ColumnType.BIGINT, ColumnType.TIMESTAMP, ColumnType.TIMESTAMPTZ)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a user table: its name and the type its values travel as.

    `type_name` is the server's own type where values travel as its text; else empty. `compared_as`
    is then what both sides are compared as: text to the last sign, or jsonb; else their own type.
    """

    name: str
    type: ColumnType
    type_name: str = ""
    compared_as: str = ""

    @property
    def cast(self) -> sql.SQL:
        """Return the cast from how values travel to the server's own type."""
        return sql.SQL(f"::{self.type_name}" if self.type_name else "")

    def equals(self, alias: str, value: sql.Composable) -> sql.Composable:
        """Return the SQL that tells whether a row holds a value, as it travels."""
        column = sql.Identifier(alias, self.name)
        if not self.compared_as:
            return sql.SQL("{} IS NOT DISTINCT FROM {}{}").format(column, value, self.cast)
        if self.compared_as == "text":
            # Whatever the column's collation calls equal, an image holds what stood there.
            return sql.SQL('{}::text COLLATE "C" IS NOT DISTINCT FROM {}').format(column, value)
        how = sql.SQL(f"::{self.compared_as}")
        return sql.SQL("{}{} IS NOT DISTINCT FROM {}{}").format(column, how, value, how)


def read_expression(column: sql.Composable, column_type: ColumnType) -> sql.Composed:
    """Return the SQL that reads a column as text or int64 without losing a microsecond.

    `extract(epoch …)` is a float before PostgreSQL 14: whole minutes and the microseconds
    within the minute are exact in a float, their sum is exact in bigint.
    """
    if column_type in (ColumnType.TEXT, ColumnType.JSONB):
        return sql.SQL("{}::text").format(column)
    if column_type is ColumnType.BIGINT:
        return sql.SQL("{}::bigint").format(column)
    return sql.SQL(
        "CASE WHEN {c} = 'infinity' THEN 9223372036854775807"
        " WHEN {c} = '-infinity' THEN (-9223372036854775808)::bigint"
        " WHEN {c}{zone} >= '294247-01-01'::timestamp THEN 9223372036854775806"
        " ELSE extract(epoch FROM date_trunc('minute', {c}{zone}))::bigint * 1000000"
        " + extract(microseconds FROM {c}{zone})::bigint END"
    ).format(
        c=column,
        zone=sql.SQL(" AT TIME ZONE 'UTC'" if column_type is ColumnType.TIMESTAMPTZ else ""),
    )


def array_cast(column_type: ColumnType) -> sql.SQL:
    """Return the cast that names a parameter's array type in SQL."""
    return sql.SQL(f"::{column_type.value}[]")
