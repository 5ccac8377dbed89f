"""The specification of a table: where wall times, zones and targets stand, as a person writes it.

Two editions of the file format mean what they meant: the first has `pairs`, `zone` and `lookup`
of one table; the second has `[[pair]]`, chains of zones and `[[lookup]]`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from backfill.errors import UsageError
from backfill.utc.described import HHMM_SECONDS, OffsetUse, Unit
from backfill.utc.spelling import Vocabulary
from backfill.utc.zone_names import is_zone

#: How a first specification marks what a person must say.
FILL_IN = "FILL IN"
#: Seconds of each unit that an offset may be in; browsers count minutes west of Greenwich.
OFFSET_UNITS = {
    **{"seconds": 1, "minutes": 60, "hours": 3600, "s": 1, "min": 60, "h": 3600},
    **{"seconds_west": -1, "minutes_west": -60, "hours_west": -3600},
    "hhmm": HHMM_SECONDS,
}


@dataclass(frozen=True, slots=True)
class OffsetSpec:
    """A column of the row that holds its offset from UTC, and what it decides."""

    column: str
    use: OffsetUse
    unit: str = ""


@dataclass(frozen=True, slots=True)
class PairSpec:
    """A wall-clock column, or date and time, and the column that its UTC value goes to."""

    walls: tuple[str, ...]
    target: str
    zone: tuple[str, ...] | None = None  # its own chain; None: the table's
    form: str = ""
    unit: Unit | None = None
    target_unit: Unit | None = None
    read_in: str = ""
    offset: OffsetSpec | None = None
    offset_in_text: bool = False
    fold_by: str = ""
    series: str = ""
    months: str = ""
    follows: bool = False  # the third wall column is the time of day that this one comes after
    begins: str = ""  # when the days of a date and a time begin, like 06:00

    @property
    def label(self) -> str:
        """How the plan names it."""
        return "+".join(self.walls[:2] if self.follows else self.walls)


class UntilDay(StrEnum):
    """Whether a row of a lookup still counts on the date in `until`."""

    INCLUDED = "included"
    EXCLUDED = "excluded"


@dataclass(frozen=True, slots=True)
class LookupSpec:
    """Another table, or view, in which rows find values: by a column, or an earlier lookup's."""

    name: str
    table: str
    parts: tuple[tuple[str, str], ...]  # (by, key): what of the row is which of its columns
    since: str = ""  # from which wall date a row counts
    until: str = ""  # and up to which
    until_day: UntilDay | None = None  # of a date there; None: nobody said


@dataclass(frozen=True, slots=True)
class TableSpec:
    """Names only, as a person declares them."""

    table: str
    pairs: tuple[PairSpec, ...]
    zone: tuple[str, ...] = ()
    key: tuple[str, ...] = ()  # empty: the primary key
    scope: str = ""  # empty: the whole table is one scope
    lookups: tuple[LookupSpec, ...] = ()
    deleted: str | None = None
    where: str = ""
    unset: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    zone_names: tuple[str, ...] = (Vocabulary.IANA.value,)
    zone_map: tuple[tuple[str, str], ...] = ()
    edition: int = 2
    is_span: bool = False  # the first pair is a start, the second its end

    def __post_init__(self) -> None:
        if not self.pairs or (self.edition == 1 and not self.key):
            raise UsageError(
                f"The table specification of {self.table} needs at least one key column and one "
                "pair of wall and target columns."
            )
        for fault in (*self._faults_of_names(), *self._faults_of_pairs()):
            raise UsageError(f"In the table specification of {self.table} {fault}")

    def _faults_of_pairs(self) -> Iterator[str]:
        targets = [pair.target for pair in self.pairs]
        walls = {name for pair in self.pairs for name in pair.walls}
        labels = [pair.label for pair in self.pairs]
        if len(set(targets)) < len(targets):
            yield "a target column appears twice."
        for both in sorted(set(targets) & walls):
            yield (
                f"{both} is a wall column and a target column as well: afterwards nobody could "
                "tell the mended rows from the others. Name another target: ALTER TABLE … ADD "
                "COLUMN … timestamptz"
            )
        for double in (label for label in labels if labels.count(label) > 1):
            yield (
                f"the wall column {double} is in two pairs. One wall time has one instant: leave "
                "one pair out."
            )

    def _faults_of_names(self) -> Iterator[str]:
        names = [self.table, *self.key, str(self.deleted)]
        names += [self.scope] if self.scope or self.edition == 1 else []
        names += [name for pair in self.pairs for name in (*pair.walls, pair.target)]
        names += [lookup.table for lookup in self.lookups]
        names += [name for lookup in self.lookups for part in lookup.parts for name in part]
        links = [*self.zone, *(link for pair in self.pairs for link in pair.zone or ())]
        if not all((*names, *links)):
            yield (
                f"a name is empty. Fill it in, where it says {FILL_IN}; the columns of the table: "
                f"psql -c '\\d {self.table}'"
            )
        for odd in (name for name in (*names, *links) if "\0" in name):
            yield f"the name {odd!r} holds a NUL, which no name of PostgreSQL's does."
        for link in links:
            if link.startswith("=") and not is_zone(link[1:]):
                yield (
                    f'{link!r} is no IANA time zone name. A constant is written like "=Europe/'
                    'Paris".'
                )

    @property
    def units_said(self) -> tuple[str, ...]:
        """The targets whose unit is written down."""
        return tuple(pair.target for pair in self.pairs if pair.target_unit)

    def chain_of(self, pair: PairSpec) -> tuple[str, ...]:
        """Return where the pair's zone is looked for, in order."""
        return self.zone if pair.zone is None else pair.zone

    def as_json(self) -> dict[str, Any]:
        """Return what goes into settings and fingerprints, in the words of its edition."""
        if self.edition == 1:
            lookup = self.lookups[0] if self.lookups else None
            own, *rest = self.zone
            column = rest[0].removeprefix(f"{lookup.name}.") if lookup else ""
            return {
                "table": self.table,
                "key": list(self.key),
                "scope": self.scope,
                "zone": own,
                "pairs": [[pair.walls[0], pair.target] for pair in self.pairs],
                "lookup": [lookup.table, lookup.parts[0][1], column] if lookup else None,
                "deleted": self.deleted,
            }
        document: dict[str, Any] = {
            "table": self.table,
            "key": list(self.key),
            "scope": self.scope,
            "zone": list(self.zone),
            "deleted": self.deleted,
            "where": self.where,
            "unset": list(self.unset),
            "missing": list(self.missing),
            "zone_names": list(self.zone_names),
            "zone_map": dict(self.zone_map),
            "pairs" if self.is_span else "pair": [_pair_json(pair) for pair in self.pairs],
            "lookup": [_lookup_json(lookup) for lookup in self.lookups],
        }
        return {name: value for name, value in document.items() if value not in ("", [], {}, None)}


def _pair_json(pair: PairSpec) -> dict[str, Any]:
    walls = list(pair.walls[:2] if pair.follows else pair.walls)
    wall: Any = walls[0] if len(walls) == 1 else walls
    document: dict[str, Any] = {
        "wall": {"column": wall, "read_in": pair.read_in} if pair.read_in else wall,
        "target": pair.target,
        "after": pair.walls[2] if pair.follows else f"={pair.begins}" if pair.begins else None,
        "zone": list(pair.zone) if pair.zone is not None else None,
        "format": pair.form,
        "unit": pair.unit.value if pair.unit else None,
        "target_unit": pair.target_unit.value if pair.target_unit else None,
        "offset_in_text": "use" if pair.offset_in_text else None,
        "fold_by": pair.fold_by,
        "series": pair.series,
        "months": pair.months,
    }
    if pair.offset:
        document["offset"] = {"column": pair.offset.column, "as": pair.offset.use.value}
        document["offset"] |= {"unit": pair.offset.unit} if pair.offset.unit else {}
    return {name: value for name, value in document.items() if value not in ("", None)}


def _lookup_json(lookup: LookupSpec) -> dict[str, Any]:
    document: dict[str, Any] = {"name": lookup.name, "table": lookup.table}
    for place, name in enumerate(("by", "key")):
        listed = [part[place] for part in lookup.parts]
        document[name] = listed if len(listed) > 1 else listed[0]
    bounds = {"from": lookup.since, "until": lookup.until}
    if lookup.until_day:
        bounds["until_day"] = lookup.until_day.value
    return document | {name: column for name, column in bounds.items() if column}


#: The table that ships: calendar events and their households.
EVENTS = TableSpec(
    table="events",
    key=("id",),
    scope="household_id",
    zone=("tz", "household.tz"),
    pairs=(PairSpec(("start_at",), "start_at_utc"), PairSpec(("end_at",), "end_at_utc")),
    lookups=(LookupSpec("household", "household", (("household_id", "id"),)),),
    deleted="deleted_at",
    edition=1,
    is_span=True,
)
