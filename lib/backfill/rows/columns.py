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
    """A column of a user table: its name and the type its values travel as."""

    name: str
    type: ColumnType


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
