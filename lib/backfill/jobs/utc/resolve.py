"""From a specification to the table as the catalog knows it: every column found, and its type
fit for what it is to be. Read-only."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import psycopg
from psycopg import sql

from backfill.errors import PreflightError, UsageError, first_line
from backfill.jobs.utc.lookups import Lookups
from backfill.jobs.utc.resolve_columns import (
    check_order,
    missing_values,
    offset_of,
    reading_of_pair,
    target_of,
)
from backfill.jobs.utc.table_spec import EVENTS, PairSpec, TableSpec
from backfill.jobs.utc.zoned_table import ZonedTable
from backfill.next_command import next_command
from backfill.rows.columns import Column
from backfill.rows.spelt import Spelt, condition
from backfill.server.catalog import (
    best_key,
    find_relation,
    no_key,
    refuse_chance,
    require_columns,
    unique_key,
)
from backfill.server.catalog_columns import CatalogColumn, columns_of, quoted_name
from backfill.server.postgres import Connection
from backfill.server.table import Relation, Table, Want
from backfill.utc.described import Columns, Encoding, OffsetUse, Pair, ZoneLink

#: A value within a column: settings->>'tz', place->'clock'->>'zone', zones[1].
_PATH = re.compile(r"(.+?)((?:\s*->>?\s*'(?:[^']|'')*')+|\[\d{1,4}\])")
_OFFSET_TYPES = ("integer", "bigint", "smallint", "interval", "numeric", "real", "double precision")


def resolve_table(
    connection: Connection, spec: TableSpec, encoding: Encoding = Encoding.AUTO
) -> ZonedTable:
    """Return the table with its types, or raise `PreflightError` that names the mend."""
    try:
        relation = find_relation(connection, spec.table)
    except PreflightError as error:
        if spec is not EVENTS:
            raise
        first = next_command("init-table", "TABLE")
        raise PreflightError(
            f"{error} A table of another name is described by --table FILE. A first one: {first}"
        ) from None
    columns = columns_of(connection, relation)
    resolver = _Resolver(connection, spec, relation, columns, encoding)
    return resolver.table()


@dataclass
class _Resolver:
    connection: Connection
    spec: TableSpec
    relation: Relation
    columns: dict[str, CatalogColumn]
    encoding: Encoding
    stored: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def table(self) -> ZonedTable:
        spec, columns = self.spec, self.columns
        require_columns(self.relation, columns, self._named())
        key = spec.key or best_key(self.connection, self.relation).columns
        if not key:
            raise no_key(self.connection, self.relation)
        lookups = Lookups(self.connection, self.relation, columns, spec.lookups)
        pairs = tuple(self._pair(pair, lookups) for pair in spec.pairs)
        self._check_missing(pairs)
        sources = tuple(self._sources(pairs))
        joins, looked_up = lookups.used()
        fields = [value.field for value in looked_up]
        if double := set(fields) & {column.name for column in sources}:
            raise PreflightError(
                f"{self.relation} has a column named {sorted(double)[0]}, as a looked-up value is "
                "called. Give the lookup another name."
            )
        scope = columns[spec.scope].as_key() if spec.scope else None
        table = Table(
            relation=self.relation,
            key=unique_key(self.connection, self.relation, key, columns),
            scope=scope,
            sources=sources,
            targets=tuple(pair.target.column for pair in pairs),
            wants=tuple(self._want(pair) for pair in pairs),
            joins=joins,
            looked_up=looked_up,
            where=spec.where,
            where_columns=self._where_columns(),
            deleted=spec.deleted if spec.deleted in columns else None,
        )
        self._check_where(table)
        return ZonedTable(table, Columns(pairs, sources, tuple(fields), spec.is_span))

    def _named(self) -> list[str]:
        """Return every column of the table that the specification names."""
        spec = self.spec
        named = [*spec.key, *([spec.scope] if spec.scope else [])]
        for link in self._links():
            base = self._parted(link)[0]
            if not link.startswith("=") and (base in self.columns or "." not in base):
                named.append(base)
        for pair in spec.pairs:
            named += [*pair.walls, pair.target]
            named += [name for name in (pair.fold_by, pair.series) if name]
            named += [pair.offset.column] if pair.offset else []
        if spec.edition == 2 and spec.deleted:
            named.append(spec.deleted)
        return list(dict.fromkeys(named))

    def _links(self) -> list[str]:
        return [link for pair in self.spec.pairs for link in self.spec.chain_of(pair)]

    def _pair(self, spec: PairSpec, lookups: Lookups) -> Pair:
        walls = tuple(self.columns[name].as_column() for name in spec.walls)
        reading = reading_of_pair(
            self.relation, [self.columns[name] for name in spec.walls], spec, self.encoding
        )
        reading = replace(reading, missing=missing_values(self.spec.missing, reading))
        target = target_of(self.relation, self.columns[spec.target], spec)
        lookups.begin(spec.label, walls, reading, is_only=len(self.spec.pairs) == 1)
        chain = tuple(self._link(link, lookups) for link in self.spec.chain_of(spec))
        offset = offset_of(self.relation, self.columns, spec)
        if spec.fold_by:
            check_order(self.relation, self.columns[spec.fold_by])
        if not chain and not (offset and offset.use is OffsetUse.ZONE) and spec.zone is not None:
            raise UsageError(f"The pair {spec.label} has an empty chain of zones.")
        return Pair(
            label=spec.label,
            walls=walls,
            reading=reading,
            target=target,
            chain=chain,
            offset=offset,
            fold_by=spec.fold_by,
            series=spec.series or (self.spec.scope if spec.fold_by else ""),
        )

    def _link(self, link: str, lookups: Lookups) -> ZoneLink:
        if link.startswith("="):
            return ZoneLink(constant=link[1:])
        if link in self.columns:
            self._check_zone_type(self.relation, self.columns[link])
            return ZoneLink(field=link)
        base, path = self._parted(link)
        if base in self.columns:
            self._check_zone_type(self.relation, self.columns[base], path)
            return ZoneLink(field=lookups.own_value(base, path).field)
        name, _dot, column = base.partition(".")
        value, looked_up = lookups.value(name, column, link, path)
        self._check_zone_type(lookups.relation_of(name), looked_up, path)
        return ZoneLink(field=value.field, is_looked_up=True)

    def _parted(self, link: str) -> tuple[str, str]:
        """Return a link's column, and the path within its JSON or array, if it names one."""
        match = _PATH.fullmatch(link) if link not in self.columns else None
        return (match[1].strip(), re.sub(r"\s*(->>?)\s*", r"\1", match[2])) if match else (link, "")

    def _check_zone_type(self, relation: Relation, column: CatalogColumn, path: str = "") -> None:
        is_json, is_array = column.plain_type in ("json", "jsonb"), column.type_name.endswith("[]")
        meant = f"{column.name}->>'tz'" if is_json else f"{column.name}[1]"
        is_fit = (is_array and path.startswith("[")) or (is_json and path.startswith("-"))
        if (path or is_json or is_array) and not is_fit:
            mend = f"{path} leads into json, jsonb or an array only. Take it out."
            if is_json or is_array:
                mend = f'say which of its values is the zone, like zone = "{meant}"'
            raise PreflightError(f"{relation}.{column.name} is {column.type_name}: {mend}")
        if column.type_name in _OFFSET_TYPES:
            raise PreflightError(
                f"{relation}.{column.name} is {column.type_name}: that is an offset from UTC, no "
                "time zone, and has no summer time. If it is meant, say so in the [[pair]]: "
                f'offset = {{ column = "{column.name}", unit = "minutes", as = "zone" }}'
            )

    def _sources(self, pairs: Sequence[Pair]) -> list[Column]:
        """Return the columns that decide, each once: walls first, then zones and the rest."""
        names = [wall.name for pair in pairs for wall in pair.walls]
        for pair in pairs:
            names += [link.field for link in pair.chain if link.field in self.columns]
        for pair in pairs:
            names += [pair.offset.column] if pair.offset else []
            names += [name for name in (pair.fold_by, pair.series) if name]
        return [self.columns[name].as_column() for name in dict.fromkeys(names)]

    def _want(self, pair: Pair) -> Want:
        needs = tuple(wall.name for wall in pair.walls)
        wall_type = self.columns[needs[0]].sql_type.name
        void = [
            text
            for missing in pair.reading.missing
            if (text := self._as_stored(missing, wall_type)) is not None
        ]
        return Want(pair.target.column.name, needs, tuple(dict.fromkeys(void)))

    def _check_missing(self, pairs: Sequence[Pair]) -> None:
        """Refuse a value that no wall column can hold: it would never mean anything."""
        walls = [self.columns[pair.walls[0].name] for pair in pairs]
        for place, text in enumerate(self.spec.missing):
            spelt = [pair.reading.missing[place] for pair in pairs]
            tried = dict.fromkeys(zip(spelt, (w.sql_type.name for w in walls), strict=True))
            if all(self._as_stored(each, kind) is None for each, kind in tried):
                types = ", ".join(f"{wall.name} is {wall.type_name}" for wall in walls[:12])
                raise PreflightError(
                    f"missing = {text!r}: no wall column of {self.relation} can hold it ({types}). "
                    'Write it as the column shows it, like missing = ["0"] of numbers.'
                )

    def _as_stored(self, text: str, type_name: str) -> str | None:
        """Return how the server writes a value of a type, None where it is none."""
        if (text, type_name) not in self.stored:
            self.stored[text, type_name] = self._asked(text, type_name)
        return self.stored[text, type_name]

    def _asked(self, text: str, type_name: str) -> str | None:
        query = sql.SQL("SELECT ({}::{})::text").format(sql.Literal(text), sql.SQL(type_name))
        try:
            with self.connection.transaction():
                row = self.connection.execute(query).fetchone()
        except psycopg.DataError:
            return None
        return str(row[0]) if row else None

    def _where_columns(self) -> tuple[str, ...]:
        """Return the columns that the condition may name, as SQL spells them: in any case, or in
        quotes with anything in them."""
        where = self.spec.where
        words = set(re.findall(r"\w+", where))
        words |= {word.lower() for word in words}
        return tuple(n for n in self.columns if n in words or quoted_name(n) in where)

    def _check_where(self, table: Table) -> None:
        """Let the server read the condition, alone: no second statement can hide in it."""
        if not table.where:
            return
        # Once more where a bracket too many would be seen.
        query = sql.SQL(
            "SELECT %s FROM {} AS t WHERE {} AND CASE WHEN {}\n THEN true END LIMIT 0"
        ).format(table.relation.identifier, condition(table.where), Spelt(table.where))
        refuse_chance(self.connection, f"where = {self.spec.where!r}", table.where)
        try:
            with self.connection.transaction():
                self.connection.execute(query, [1])
        except psycopg.Error as error:
            words = first_line(error)
            close = difflib.get_close_matches(self.spec.where, list(self.columns), 1)
            hint = f" Its columns: {', '.join(close or list(self.columns)[:12])}."
            if isinstance(error, psycopg.errors.UndefinedFunction | psycopg.errors.UndefinedObject):
                hint = (
                    " The search path is pinned while it is read: write functions and types of "
                    "your own with their schema, like app.is_live(kind)."
                )
            raise PreflightError(
                f"where = {self.spec.where!r} is no condition on a row of {self.relation}: {words}."
                f"{hint}"
            ) from None
