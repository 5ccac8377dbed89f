"""Which table a job fills: its key, scope, wall-clock columns, zone and default zone.

`TableSpec` is what a person writes (TOML); `Table` is the same after the catalog was asked for
the types.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import sql

from backfill.errors import UsageError
from backfill.regular_file import read_document
from backfill.rows.columns import Column, ColumnType
from backfill.rows.keys import Key, KeyColumn

#: How a first specification marks what a person must say.
FILL_IN = "FILL IN"


@dataclass(frozen=True, slots=True)
class Pair:
    """A wall-clock column and the column that its UTC value goes to."""

    wall: str
    target: str


@dataclass(frozen=True, slots=True)
class ZoneLookup:
    """Where a row without a zone of its own finds its default: another table, by the scope."""

    table: str
    key: str
    zone: str


@dataclass(frozen=True, slots=True)
class TableSpec:
    """Names only, as a person declares them."""

    table: str
    key: tuple[str, ...]
    scope: str
    zone: str
    pairs: tuple[Pair, ...]
    lookup: ZoneLookup | None = None
    deleted: str | None = None

    def __post_init__(self) -> None:
        if not self.key or not self.pairs:
            raise UsageError(
                f"The table specification of {self.table} needs at least one key column and one "
                "pair of wall and target columns."
            )
        names = [self.table, *self.key, self.scope, self.zone, str(self.deleted)]
        names += [name for pair in self.pairs for name in (pair.wall, pair.target)]
        names += [self.lookup.table, self.lookup.key, self.lookup.zone] if self.lookup else []
        if not all(names):
            raise UsageError(
                f"The table specification of {self.table} has an empty name. Fill it in, where it "
                f"says {FILL_IN}; the columns of the table: psql -c '\\d {self.table}'"
            )
        if odd := [name for name in names if "%" in name or "\0" in name]:
            raise UsageError(
                f"In the table specification of {self.table} the name {odd[0]!r} holds a percent "
                "sign, which the database driver takes for a place of a value, or a NUL. Rename "
                "it: ALTER TABLE … RENAME …"
            )
        targets = [pair.target for pair in self.pairs]
        if len(set(targets)) < len(targets) or set(targets) & {pair.wall for pair in self.pairs}:
            raise UsageError(
                f"In the table specification of {self.table} a target column appears twice, or is "
                "a wall column as well."
            )

    def as_json(self) -> dict[str, Any]:
        """Return what goes into settings and fingerprints."""
        return {
            "table": self.table,
            "key": list(self.key),
            "scope": self.scope,
            "zone": self.zone,
            "pairs": [[pair.wall, pair.target] for pair in self.pairs],
            "lookup": [self.lookup.table, self.lookup.key, self.lookup.zone]
            if self.lookup
            else None,
            "deleted": self.deleted,
        }


#: The table that ships: calendar events and their households.
EVENTS = TableSpec(
    table="events",
    key=("id",),
    scope="household_id",
    zone="tz",
    pairs=(Pair("start_at", "start_at_utc"), Pair("end_at", "end_at_utc")),
    lookup=ZoneLookup("household", "id", "tz"),
    deleted="deleted_at",
)

_KNOWN = {"table", "key", "scope", "zone", "pairs", "lookup", "deleted"}


def load_spec(path: Path) -> TableSpec:
    """Read a table specification from TOML; raise `UsageError` for anything it can not mean."""
    try:
        document = tomllib.loads(read_document(path).decode("utf-8"))
        return spec_from_json(document)
    except OSError as error:
        raise UsageError(f"--table {path}: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"--table {path} is not TOML: {error}.") from None
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"--table {path}: {error}. It needs table, key, scope, zone, pairs "
            '(a list of { wall = "…", target = "…" }) and may have lookup and deleted.'
        ) from None


def spec_from_json(document: dict[str, Any]) -> TableSpec:
    """Return the specification that TOML, or a run's settings, describe."""
    unknown = sorted(set(document) - _KNOWN)
    if unknown:
        raise ValueError(f"unknown entries {', '.join(unknown)}")
    key = document["key"]
    lookup = document.get("lookup")
    return TableSpec(
        table=str(document["table"]),
        key=(key,) if isinstance(key, str) else tuple(str(column) for column in key),
        scope=str(document["scope"]),
        zone=str(document["zone"]),
        pairs=tuple(_pair(entry) for entry in document["pairs"]),
        lookup=_lookup(lookup) if lookup else None,
        deleted=str(document["deleted"]) if document.get("deleted") else None,
    )


def _pair(entry: Any) -> Pair:
    if isinstance(entry, dict):
        return Pair(str(entry["wall"]), str(entry["target"]))
    wall, target = entry
    return Pair(str(wall), str(target))


def _lookup(entry: Any) -> ZoneLookup:
    if isinstance(entry, dict):
        return ZoneLookup(str(entry["table"]), str(entry["key"]), str(entry["zone"]))
    table, key, zone = entry
    return ZoneLookup(str(table), str(key), str(zone))


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


@dataclass(frozen=True, slots=True)
class Lookup:
    """`ZoneLookup` with its table found."""

    relation: Relation
    key: str
    zone: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the user's with the types of every column that we read or write."""

    relation: Relation
    key: Key
    scope: KeyColumn
    zone: str
    walls: tuple[Column, ...]
    targets: tuple[Column, ...]
    lookup: Lookup | None
    deleted: str | None

    @property
    def sources(self) -> tuple[Column, ...]:
        """The columns that targets are computed from: a change of theirs is drift."""
        return (*self.walls, Column(self.zone, ColumnType.TEXT))
