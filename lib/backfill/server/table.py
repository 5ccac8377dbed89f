"""A table of the user's as the engine sees it: key, scope, sources, targets, values looked up.

What the columns mean, a job knows: it names them, and says when a target waits for its value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from psycopg import sql

from backfill.rows.columns import Column, ColumnType
from backfill.rows.keys import Key, KeyColumn
from backfill.server.since import Since


@dataclass(frozen=True, slots=True)
class Relation:
    """A table by schema and name, as the catalog knows it."""

    schema: str
    name: str

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def spelt(self) -> str:
        """The name as SQL takes it: in quotes where it needs them."""
        return str(self) if _PLAIN.fullmatch(str(self)) else self.identifier.as_string(None)


_PLAIN = re.compile("[a-z_][a-z0-9_]*[.][a-z_][a-z0-9_]*")


#: In the place of a join's name: the other half of `by` is a text, the same for every row.
CONSTANT = "="


@dataclass(frozen=True, slots=True)
class JoinPart:
    """A column by which a row of another table is found, and what it is to be.

    `by` names a column of ours, or of an earlier join: (join, column); or it is (CONSTANT, text).
    `is_text` compares both sides as text, their types being different; `operators` is the schema of
    the type's own comparison, empty for the server's.
    """

    key: str
    by: tuple[str, str]
    is_text: bool = False
    operators: str = ""

    def matches(self, key: sql.Composable, value: sql.Composable) -> sql.Composable:
        """Return whether a row of the other table is the one that a value of ours names."""
        text = sql.SQL("::text" if self.is_text else "")
        equal: sql.Composable = sql.SQL("=")
        if self.operators:
            equal = sql.SQL("OPERATOR({}.=)").format(sql.Identifier(self.operators))
        return sql.SQL("{}{} {} {}{}").format(key, text, equal, value, text)


@dataclass(frozen=True, slots=True)
class Join:
    """A row of another table, or view, for each row of ours: none or one, by a value or more.

    `parts` are the columns by which it is found; `is_unique`: an index says that there is one.
    """

    name: str
    relation: Relation
    parts: tuple[JoinPart, ...]
    is_unique: bool = True
    since: Since | None = None


@dataclass(frozen=True, slots=True)
class LookedUp:
    """A value that decides and stands in a joined table, or within a column of the row itself
    (`join` empty); it travels as text. `path` leads into JSON, like ->'a'->>'b', or an array, [1].
    """

    join: str
    column: str
    path: str = ""

    @property
    def field(self) -> str:
        """Its name in a change's `source`."""
        owner = f"{self.join}." if self.join else ""
        return f"{owner}{self.column}{self.path}"

    def picked(self, value: sql.Composable) -> sql.Composable:
        """Return the SQL for what the path leads to, as text."""
        if not self.path:
            return sql.SQL("{}::text").format(value)
        if self.path.startswith("["):
            return sql.SQL("({})[{}]::text").format(value, sql.Literal(int(self.path[1:-1])))
        steps = [step.replace("''", "'") for step in re.findall(r"->>?'((?:[^']|'')*)'", self.path)]
        return sql.SQL("(({})::pg_catalog.jsonb OPERATOR(pg_catalog.#>>) {}::text[])").format(
            value, sql.Literal(steps)
        )


@dataclass(frozen=True, slots=True)
class Want:
    """A target that waits for a value as long as it is NULL and all it needs is there.

    `void` are texts of the first column that mean: nothing is there.
    """

    target: str
    needs: tuple[str, ...]
    void: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the user's with the types of every column that we read or write.

    Key, targets and sources are all that most tasks need.
    """

    relation: Relation
    key: Key
    targets: tuple[Column, ...]
    sources: tuple[Column, ...] = ()  # what targets are computed from: a change of theirs is drift
    scope: KeyColumn | None = None  # None: the whole table is one scope
    wants: tuple[Want, ...] = ()
    joins: tuple[Join, ...] = ()
    looked_up: tuple[LookedUp, ...] = ()
    where: str = ""  # SQL over the row: which rows at all
    where_columns: tuple[str, ...] = ()  # that it may read
    deleted: str | None = None

    @property
    def relations(self) -> list[Relation]:
        """Return the tables that are read: ours first."""
        return list(dict.fromkeys([self.relation, *(join.relation for join in self.joins)]))

    def join(self, name: str) -> Join:
        return next(join for join in self.joins if join.name == name)

    def looked_up_columns(self, join: Join) -> Iterator[str]:
        """Yield the columns of a joined table that values or later joins are read from."""
        parts = [part for other in self.joins for part in other.parts]
        later = [part.by[1] for part in parts if part.by[0] == join.name]
        yield from dict.fromkeys(
            [value.column for value in self.looked_up if value.join == join.name] + later
        )

    @property
    def source_fields(self) -> tuple[Column, ...]:
        """What a change's `source` holds: source columns, then values looked up."""
        looked_up = (Column(value.field, ColumnType.TEXT) for value in self.looked_up)
        return (*self.sources, *looked_up)
