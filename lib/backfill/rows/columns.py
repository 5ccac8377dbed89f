"""How a column's value travels: to Arrow, to the plan, to the server and back, of any type.

The one place that knows. A column of a user's table is a `Column`: its name, the way its values
travel (`ColumnType`) and its `SqlType`. What others need of it is SQL:

    column.read(t.c)       the value as text or int64, to be extracted; nothing of it is lost
    column.typed(v.x)      a value that has travelled, in the column's own type, to be assigned
    column.same(t.c, v.x)  whether the stored value is that one to the last bit

Only bigint and both timestamps travel as int64 (see below); every other type travels as its text,
which the server writes and reads itself. So there is no list of types: numeric keeps its scale, a
float its bits, char(n) its blanks, jsonb is compared as the server prints it, json as jsonb. Text
depends on a session's DateStyle, IntervalStyle, TimeZone, bytea_output and extra_float_digits:
sessions of ours pin them.

A cast never carries the column's modifier, since an explicit cast to it truncates (`'AFX'` as
char(2) is `AF`); it names the base type with its schema. The column itself has the last word when
a value is assigned: what is too long is refused, and a number that it rounds is found by `same`.

Timestamps travel as int64 microseconds since 1970 (wall clock for `timestamp`, UTC for
`timestamptz`); PostgreSQL's ±infinity as the int64 limits, since drivers wrap it silently.
What values become here is in `values`: who only asks the server need not load Arrow for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from psycopg import sql

from backfill.errors import PreflightError
from backfill.rows.spelt import Spelt

POSITIVE_INFINITY = 2**63 - 1
NEGATIVE_INFINITY = -(2**63)
#: Stands for the last thirty years that PostgreSQL knows: from 1970 on they leave int64.
BEYOND_INT64 = POSITIVE_INFINITY - 1

_PART = r'("(?:[^"]|"")+"|[A-Za-z_][\w$]*)'
_MODIFIER = r"\((?:-?\w[\w ]*(?:, *-?\w[\w ]*)*)?\)"
_QUALIFIED = re.compile(rf"{_PART}(\.{_PART})?({_MODIFIER})?(\[\])*")
_PLAIN = re.compile(rf"[A-Za-z_][\w $]*({_MODIFIER})?[\w ]*(\[\])*")
#: What a cast names instead. The words that earlier versions stored mean a single sign in SQL; a
#: cast to name cuts off after 63 bytes, and text is compared with it as well.
_UNCUT = {
    "character": 'pg_catalog."bpchar"',
    "bit": 'pg_catalog."bit"',
    'pg_catalog."name"': 'pg_catalog."text"',
}
_TEXT = 'pg_catalog."text"'
_REGCLASS = 'pg_catalog."regclass"'


class ColumnType(StrEnum):
    """The ways in which values travel."""

    BIGINT = "bigint"
    TIMESTAMP = "timestamp"
    TIMESTAMPTZ = "timestamptz"
    TEXT = "text"
    JSONB = "jsonb"

    @property
    def is_number(self) -> bool:
        return self in (ColumnType.BIGINT, ColumnType.TIMESTAMP, ColumnType.TIMESTAMPTZ)


_AS_NUMBERS = {
    'pg_catalog."int2"': ColumnType.BIGINT,
    'pg_catalog."int4"': ColumnType.BIGINT,
    'pg_catalog."int8"': ColumnType.BIGINT,
    'pg_catalog."timestamp"': ColumnType.TIMESTAMP,
    'pg_catalog."timestamptz"': ColumnType.TIMESTAMPTZ,
    'pg_catalog."jsonb"': ColumnType.JSONB,
}


@dataclass(frozen=True, slots=True)
class SqlType:
    """A type as the server knows it; of a domain, the type at its bottom.

    `name` is ready for SQL, with its schema and without a modifier: `pg_catalog."bpchar"`.
    `declared` is the same with the modifier, if the column has one: `pg_catalog."bpchar"(5)`.
    `operators` is the schema of its comparison operators where that is not pg_catalog (citext).
    """

    name: str
    declared: str = ""
    operators: str = ""

    def __post_init__(self) -> None:
        # They are spelt out in casts; a ledger row that somebody edited must not become SQL.
        for spelt in (self.name, self.declared or self.name):
            if not (_QUALIFIED.fullmatch(spelt) or _PLAIN.fullmatch(spelt)):
                raise PreflightError(f"{spelt!r} is not the name of a type.")

    @property
    def travels(self) -> ColumnType:
        """How values of this type travel where a job asks for nothing else."""
        return _AS_NUMBERS.get(self.name, ColumnType.TEXT)

    @property
    def is_bare_char(self) -> bool:
        """Whether it is bpchar of any length: such a value keeps blanks that `::text` drops."""
        return self.name == 'pg_catalog."bpchar"' and self.declared in ("", self.name)

    def cast(self, value: sql.Composable) -> sql.Composed:
        """Return a text, or a number that has travelled, in this type; nothing is cut off."""
        name = _UNCUT.get(self.name, self.name)
        if name == _REGCLASS:  # its cast from text knows no table that is gone
            return sql.SQL("pg_catalog.regclassin(pg_catalog.textout({}))").format(value)
        return sql.SQL("CAST({} AS {})").format(value, Spelt(name))

    def compared(self, left: sql.Composable, operator: str, right: sql.Composable) -> sql.Composed:
        """Return a comparison by the type's own operator (`=`, `<`, …), wherever that lives."""
        how: sql.Composable = sql.SQL(operator)
        if self.operators:
            how = sql.SQL("OPERATOR({}.{})").format(sql.Identifier(self.operators), how)
        return sql.SQL("{} {} {}").format(left, how, right)


TEXT = SqlType(_TEXT)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a user table: its name, how its values travel, and its type at the server."""

    name: str
    type: ColumnType
    sql_type: SqlType = field(default=TEXT)

    def read(self, column: sql.Composable) -> sql.Composable:
        """Return the SQL that reads the column as text or int64 without losing anything."""
        if self.sql_type.is_bare_char and not self.type.is_number:
            return sql.SQL("pg_catalog.textin(pg_catalog.bpcharout({}))").format(column)
        return read_expression(column, self.type)

    def typed(self, value: sql.Composable) -> sql.Composable:
        """Return the SQL for a value that has travelled, to be assigned to the column."""
        if self.type.is_number or (self.sql_type == TEXT and self.type is ColumnType.TEXT):
            return value
        return self._own_type.cast(value)

    def same(self, column: sql.Composable, value: sql.Composable) -> sql.Composable:
        """Return whether the column holds a value that has travelled: NULLs too, to the last bit.

        Not the type's equality, by which -0 is 0, 1.0 is 1.00 and citext `a` is `A`.
        """
        typed = self.typed(value)
        if not self.type.is_number:
            column, typed = (self._exact(side) for side in (column, typed))
        return sql.SQL("{} IS NOT DISTINCT FROM {}").format(column, typed)

    @property
    def _own_type(self) -> SqlType:
        if self.type is ColumnType.JSONB and self.sql_type == TEXT:  # as earlier versions stored
            return SqlType('pg_catalog."jsonb"')
        return self.sql_type

    def _exact(self, value: sql.Composable) -> sql.Composable:
        if self.sql_type.name == 'pg_catalog."json"':
            value = sql.SQL("{}::pg_catalog.jsonb").format(value)
        return sql.SQL('({}) COLLATE pg_catalog."C"').format(self.read(value))


def read_expression(column: sql.Composable, column_type: ColumnType) -> sql.Composed:
    """Return the SQL that reads a value as text or int64 without losing a microsecond.

    `extract(epoch …)` is a float before PostgreSQL 14: whole minutes and the microseconds
    within the minute are exact in a float, their sum is exact in bigint.
    """
    if column_type in (ColumnType.TEXT, ColumnType.JSONB):
        return sql.SQL("{}::pg_catalog.text").format(column)
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
    """Return the cast that names the array type in which a chunk's values travel."""
    return sql.SQL(f"::{column_type.value if column_type.is_number else 'text'}[]")
