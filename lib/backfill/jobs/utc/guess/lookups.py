"""Guess where zones stand: in columns of the table, in tables that it refers to, and in those that
refer to the same rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backfill.jobs.utc.guess.forms import NUMBER_TYPES, Guess
from backfill.jobs.utc.guess.pairs import words_of
from backfill.jobs.utc.lookup_checks import is_end
from backfill.jobs.utc.lookups import MOMENTS, RANGES
from backfill.server.table import Relation
from backfill.server.table_look import Reference, TableLook
from backfill.utc.spelling import Vocabulary, foreign_zone
from backfill.utc.zone_names import is_zone

_NO_ZONE_TYPES = (*NUMBER_TYPES, "smallint", "interval", "date", "uuid")
_ZONE_NAMES = ("tz", "tzid", "timezone", "time_zone", "zone", "iana_tz", "tz_name", "olson")
_ZONE_ALIKE = {"tz", "tzid", "timezone", "olson", "zeitzone", "tidszon", "fuseau", "huso"}
COUNTRY = re.compile(r"(^|_)(country|land|nation)(_|$)")
_BEGINS = {"from", "since", "start", "starts", "begin", "begins", "effective", "valid", "begun"}
#: From this share of known zone names on, a column is taken for one of zones whatever its name.
SURE_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class GuessedLookup:
    """A table that a chain goes through: by which column it is found, and its zone column."""

    name: str
    by: str
    reference: Reference
    zone: Guess | None
    bounds: tuple[tuple[str, Guess], ...] = ()  # from when its rows count, and until when
    is_sibling: bool = False  # it refers to the same rows as our table

    @property
    def why(self) -> str:
        if self.is_sibling:
            return f"guess: it refers to the same row as {self.by}"
        return f"found: {self.by} refers to it"

    @property
    def way(self) -> str:
        """How a chain of zones names its zone; empty where it has none."""
        return f"{self.name}.{self.zone.value}" if self.zone else ""

    @property
    def parts(self) -> list[tuple[str, str]]:
        """The columns that find its row: of ours, or of the lookup before it, and its own."""
        owner, dot, _column = self.by.rpartition(".")
        return [(f"{owner}{dot}{own}", other) for own, other in self.reference.parts]


def zones_of(look: TableLook) -> list[Guess]:
    """The columns that hold zones, the likeliest first; a name is enough where one is empty."""
    guesses = []
    for name, sample in look.samples.items():
        column = look.columns[name]
        if column.plain_type in _NO_ZONE_TYPES or column.plain_type.startswith("time"):
            continue
        if COUNTRY.search(name.lower()):
            continue
        zone_names = sum(_is_known(value.strip()) for value in sample)
        share = zone_names / len(sample) if sample else 0.0
        is_named = name.lower() in _ZONE_NAMES
        words = words_of(name)
        is_alike = bool(words & _ZONE_ALIKE) or {"time", "zone"} <= words
        is_near = "zone" in words and zone_names > 0
        if (
            share >= SURE_SHARE
            or is_near
            or ((is_named or is_alike) and (zone_names or not sample))
        ):
            seen = f"{zone_names} of {len(sample)} sampled values are zone names"
            why = f"its name, and {seen}" if is_named or is_alike or is_near else seen
            guesses.append((is_named, share, name, why))
    for path, sample in look.within.items():
        zone_names = sum(_is_known(value.strip()) for value in sample)
        if zone_names >= SURE_SHARE * len(sample):
            why = f"{zone_names} of {len(sample)} sampled values are zone names"
            guesses.append((False, zone_names / len(sample), path, why))
    return [Guess(name, why) for _named, _share, name, why in sorted(guesses, reverse=True)]


def _is_known(name: str) -> bool:
    return is_zone(name) or any(
        foreign_zone(v, name) is not None for v in (Vocabulary.WINDOWS, Vocabulary.RAILS)
    )


def guess_lookups(
    look: TableLook, others: Mapping[Relation, TableLook]
) -> tuple[GuessedLookup, ...]:
    """The tables behind foreign keys that have a zone, and those on the way to one."""
    lookups: list[GuessedLookup] = []
    for reference in look.references:
        other = others[reference.other]
        zone = next(iter(zones_of(other)), None)
        name = _free_name(reference.other.name, lookups)
        further = [
            (onward, next(iter(zones_of(others[onward.other])), None))
            for onward in other.references
            if onward.other in others and onward.other != look.relation
        ]
        onward_found = [(onward, its) for onward, its in further if its]
        if zone or onward_found:
            lookups.append(GuessedLookup(name, reference.column, reference, zone))
        for onward, its in onward_found[:1]:
            by = f"{name}.{onward.column}"
            lookups.append(GuessedLookup(_free_name(onward.other.name, lookups), by, onward, its))
    return (*lookups, *_of_siblings(look, others, lookups))


def _of_siblings(
    look: TableLook, others: Mapping[Relation, TableLook], lookups: Sequence[GuessedLookup]
) -> list[GuessedLookup]:
    """Zones in tables that refer to the same row as ours, where that row itself has none: one for
    each, or those of several times."""
    siblings: list[GuessedLookup] = []
    for sibling in look.siblings:
        zone = next(iter(zones_of(others[sibling.other])), None)
        columns = frozenset(theirs for _own, theirs in sibling.parts)
        bounds = () if columns in others[sibling.other].uniques else _bounds(others[sibling.other])
        has_way = any(x.reference.column == sibling.column for x in (*lookups, *siblings))
        if zone and bounds is not None and not has_way:
            name = _free_name(sibling.other.name, (*lookups, *siblings))
            siblings.append(GuessedLookup(name, sibling.column, sibling, zone, bounds, True))
    return siblings


def _bounds(look: TableLook) -> tuple[tuple[str, Guess], ...] | None:
    """Return from when rows of a table count, and until when; None where nothing tells."""
    for name, column in look.columns.items():
        if column.plain_type in RANGES:
            return (("from", Guess(name, f"its type, {column.plain_type}")),)
    moments = [name for name, column in look.columns.items() if column.plain_type in MOMENTS]
    begins = [name for name in moments if words_of(name) & _BEGINS and not is_end(name)]
    ends = [name for name in moments if is_end(name)]
    if len(begins) != 1:
        return None
    until = (("until", Guess(ends[0], "its name")),) if len(ends) == 1 else ()
    return (("from", Guess(begins[0], "its name")), *until)


def _free_name(name: str, lookups: Sequence[GuessedLookup]) -> str:
    plain = name.replace(".", "_")
    names = {lookup.name for lookup in lookups}
    return plain if plain not in names else f"{plain}_{len(lookups) + 1}"
