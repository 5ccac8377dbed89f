"""The other tables that a specification looks values up in, found. Read-only."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from backfill.errors import PreflightError
from backfill.jobs.utc.table_spec import LookupSpec, UntilDay
from backfill.rows.columns import Column, ColumnType
from backfill.server.catalog import find_relation, require_columns
from backfill.server.catalog_columns import CatalogColumn, columns_of, unique_keys
from backfill.server.postgres import Connection
from backfill.server.since import Moment, Since
from backfill.server.table import CONSTANT, Join, JoinPart, LookedUp, Relation
from backfill.utc.described import Reading, WallKind
from backfill.utc.wall_format import BLANKS, pattern_of

_TEXT_NAMES = ('pg_catalog."text"', 'pg_catalog."varchar"', 'pg_catalog."bpchar"')
#: Dates and times of day that the server adds up as we do, days of an interval included.
_TYPED = tuple(f'pg_catalog."{name}"' for name in ("date", "timestamp", "time", "interval"))
MOMENTS = ("date", "timestamp without time zone", "timestamp with time zone")
RANGES = ("daterange", "tsrange", "tstzrange")
_FAMILIES = (
    {"bigint", "integer", "smallint", "numeric"},
    {"text", "character varying", "name"},
)
#: How SQL has the moment of a wall time, where its type does not say it.
_MOMENTS = {
    WallKind.DATE_AND_TIME: Moment.DATE_AND_TIME,
    WallKind.NUMBER: Moment.SECONDS,
    WallKind.TEXT: Moment.TEXT,
}


class Lookups:
    """The lookups of a specification; those that a chain uses become joins."""

    def __init__(
        self,
        connection: Connection,
        relation: Relation,
        columns: Mapping[str, CatalogColumn],
        specs: Sequence[LookupSpec],
    ) -> None:
        self._connection = connection
        self._own = columns
        self._relation = relation
        self._specs = {spec.name: spec for spec in specs}
        self._relations: dict[str, Relation] = {}
        self._columns: dict[str, dict[str, CatalogColumn]] = {}
        for spec in specs:
            other = find_relation(connection, spec.table, is_read_only=True)
            self._relations[spec.name] = other
            self._columns[spec.name] = columns_of(connection, other)
            bounds = [name for name in (spec.since, spec.until) if name]
            needed = [*(key for _by, key in spec.parts), *bounds]
            require_columns(other, self._columns[spec.name], needed)
        self._joins: dict[str, Join] = {}
        self._values: dict[str, LookedUp] = {}
        self._label, self._is_only = "", True
        self._walls: tuple[Column, ...] = ()
        self._reading = Reading(WallKind.TIMESTAMP)

    def begin(
        self, label: str, walls: tuple[Column, ...], reading: Reading, *, is_only: bool
    ) -> None:
        """Say which pair's chain comes next: its wall time decides which row counts."""
        self._label, self._walls, self._reading, self._is_only = label, walls, reading, is_only

    def relation_of(self, name: str) -> Relation:
        return self._relations[name]

    def own_value(self, column: str, path: str) -> LookedUp:
        """Return a value within a column of the row itself."""
        value = LookedUp("", column, path)
        return self._values.setdefault(value.field, value)

    def value(self, name: str, column: str, link: str, path: str) -> tuple[LookedUp, CatalogColumn]:
        """Return a value of a lookup, and its column."""
        if name not in self._specs:
            names = ", ".join(self._specs) or "none"
            raise PreflightError(
                f"zone {link!r}: {self._relation} has no such column, and there is no [[lookup]] "
                f'named {name}. Lookups: {names}. A constant is written like "=Europe/Paris".'
            )
        require_columns(self._relations[name], self._columns[name], [column])
        join = self._join(name)
        looked_up = LookedUp(join.name, column, path)
        self._values.setdefault(looked_up.field, looked_up)
        return looked_up, self._columns[name][column]

    def used(self) -> tuple[tuple[Join, ...], tuple[LookedUp, ...]]:
        """Return the joins that chains use, each after those it needs, and the values."""
        return tuple(self._joins.values()), tuple(self._values.values())

    def _join(self, name: str) -> Join:
        spec = self._specs[name]
        label = name if self._is_only or not self._depends_on_wall(spec) else self._named(name)
        if label in self._joins:
            return self._joins[label]
        keys = sorted(key for _by, key in spec.parts)
        uniques = unique_keys(self._connection, self._relations[name])
        join = Join(
            name=label,
            relation=self._relations[name],
            parts=tuple(self._part(spec, by, key) for by, key in spec.parts),
            is_unique=any(sorted(unique.columns) == keys for unique in uniques),
            since=self._since(spec),
        )
        self._joins[label] = join
        return join

    def _part(self, spec: LookupSpec, by: str, key: str) -> JoinPart:
        other = self._columns[spec.name][key]
        if by.startswith("="):
            return JoinPart(key, (CONSTANT, by[1:]), other.plain_type != "text")
        owner, column = self._by(spec, by)
        is_alike = _is_alike(column, other)
        operators = other.sql_type.operators if is_alike else ""
        return JoinPart(key, owner, not is_alike, operators)

    def _named(self, name: str) -> str:
        return f"{name}@{self._label}"

    def _depends_on_wall(self, spec: LookupSpec) -> bool:
        if spec.since:
            return True
        owners = {by.partition(".")[0] for by, _key in spec.parts if by not in self._own}
        owners &= set(self._specs) - {spec.name}
        return any(self._depends_on_wall(self._specs[owner]) for owner in owners)

    def _by(self, spec: LookupSpec, by: str) -> tuple[tuple[str, str], CatalogColumn]:
        if by in self._own:
            return ("", by), self._own[by]
        owner, dot, column = by.partition(".")
        earlier = list(self._specs)[: list(self._specs).index(spec.name)]
        if not dot or owner not in earlier:
            hint = f" Earlier lookups: {', '.join(earlier)}." if earlier else ""
            raise PreflightError(
                f"The lookup {spec.name} goes by {by!r}: {self._relation} has no such column, "
                f"and it names no column of an earlier lookup.{hint}"
            )
        require_columns(self._relations[owner], self._columns[owner], [column])
        return (self._join(owner).name, column), self._columns[owner][column]

    def _since(self, spec: LookupSpec) -> Since | None:
        if not spec.since:
            return None
        column = self._columns[spec.name][spec.since]
        until, is_whole_day = self._until(spec, column)
        names = tuple(wall.name for wall in self._walls)
        reading = self._reading
        moment = _MOMENTS.get(reading.kind, Moment.TYPED)
        is_text = any(wall.sql_type.name not in _TYPED for wall in self._walls)
        if reading.form or (reading.kind is WallKind.DATE_AND_TIME and is_text):
            moment = Moment.TEXT
        if why := self._beyond_sql():
            raise PreflightError(
                f"The lookup {spec.name} counts from {column.name}, but {self._label} {why}, "
                "which SQL does not do as we do. Use a view with one row for each key."
            )
        pattern = _pattern_of(reading.form) if reading.form else None
        per_second = reading.unit.per_second
        return Since(column.name, moment, names, per_second, pattern, until, is_whole_day)

    def _until(self, spec: LookupSpec, begins: CatalogColumn) -> tuple[str, bool]:
        """Return the column up to which a row counts, and whether that day counts as a whole."""
        if begins.plain_type in RANGES and not spec.until:
            return begins.name, False
        ends = self._columns[spec.name][spec.until] if spec.until else begins
        for column, word in ((begins, "from"), (ends, "until")):
            if column.plain_type not in MOMENTS:
                raise PreflightError(
                    f"The lookup {spec.name} counts {word} {column.name}, which is "
                    f"{column.type_name}: name a date or a timestamp, or a range of them as from "
                    "alone."
                )
        is_date = ends.plain_type == "date"
        if spec.until_day and not is_date:
            raise PreflightError(
                f"The lookup {spec.name} says until_day, and {ends.name} is {ends.type_name}: a "
                "moment needs no such word. Leave it out."
            )
        return spec.until, is_date and spec.until_day is not UntilDay.EXCLUDED

    def _beyond_sql(self) -> str:
        """Say why SQL can not tell the moment of the pair's wall time; empty where it can."""
        reading = self._reading
        unit = reading.unit
        if reading.kind is WallKind.INSTANT and reading.read_in != "UTC":
            return f"is read in {reading.read_in}"
        is_text = self._walls[0].sql_type.name in _TEXT_NAMES
        if reading.kind is WallKind.NUMBER and (is_text or unit.is_coarse or unit.zero_us):
            return f"counts {unit}{' in text' if is_text else ''}"
        if reading.follows or reading.begins_us:
            return "may be of the day after"
        if reading.kind is WallKind.DATE_AND_TIME and (
            len(self._walls) > 2 or any(wall.type is ColumnType.BIGINT for wall in self._walls)
        ):
            return "is made of numbers"
        if "%C" in reading.form:
            return "counts centuries since 1900"
        return "has names of months in another language" if reading.months else ""


def _pattern_of(form: str) -> tuple[str, str]:
    """Return a format as the server's own expressions have it, and the letters of its groups."""
    pattern = pattern_of(form).replace(BLANKS, r"\s*")  # in letters that any database has
    letters = re.findall(r"\(\?P<(\w)>", pattern)
    return re.sub(r"\(\?P<\w>", "(", pattern), "".join(letters)


def _is_alike(one: CatalogColumn, other: CatalogColumn) -> bool:
    """Tell whether values of two columns compare as they are."""
    if one.type_name == other.type_name:
        return True
    if one.sql_type.operators or other.sql_type.operators:
        return False
    return any({one.plain_type, other.plain_type} <= family for family in _FAMILIES)
