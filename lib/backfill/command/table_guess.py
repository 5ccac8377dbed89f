"""Guess a table specification from a table's look: every guess with its reason, none in silence.

What can not be guessed stays empty and is marked FILL IN: `--table` refuses it until it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from backfill.command.guess_forms import (
    NUMBER_TYPES,
    TEXT_TYPES,
    Guess,
    GuessedPair,
    offset_guess,
    with_forms,
)
from backfill.server.table import Relation
from backfill.server.table_look import Reference, TableLook
from backfill.utc.spelling import Vocabulary, foreign_names
from backfill.utc.zone_names import is_zone

_WALL_TYPES = ("timestamp without time zone", "date", *NUMBER_TYPES, *TEXT_TYPES)
_TARGET_TYPES = (
    *("timestamp with time zone", "timestamp without time zone", *NUMBER_TYPES),
    *("text", "character varying"),
)
_CLOCK_TYPES = ("time without time zone", "interval")
_NO_ZONE_TYPES = (*NUMBER_TYPES, "smallint", "interval", "date", "uuid")
_ZONE_NAMES = ("tz", "tzid", "timezone", "time_zone", "zone", "iana_tz", "tz_name", "olson")
_ZONE_WORDS = {"tz", "tzid", "timezone", "time", "zone", "iana", "name", "olson"}
_COUNTRY = re.compile(r"(^|_)(country|land|nation)(_|$)")
_SCOPE_NAMES = re.compile(r"(household|tenant|account|org|organisation|organization|clinic)_?id$")
_DELETED_NAMES = ("deleted_at", "removed_at", "archived_at")
#: Words of a column's name that tell wall time from instant, and nothing of what is meant.
_SAYS_LOCAL = {"local", "wall", "naive", "lt"}
_SAYS_UTC = {"utc", "instant", "gmt", "z"}
_FILLERS = {"at", "time", "ts", "on", "ms", "s", "us"}
#: From this share of known zone names on, a column is taken for one of zones whatever its name.
SURE_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class GuessedLookup:
    """A table that a chain goes through: by which column it is found, and its zone column."""

    name: str
    by: str
    reference: Reference
    zone: Guess | None


@dataclass(frozen=True, slots=True)
class GuessedSpec:
    """A specification as guessed."""

    look: TableLook
    scope: Guess
    zone: Guess
    pairs: tuple[GuessedPair, ...]
    lookups: tuple[GuessedLookup, ...]
    deleted: Guess | None
    vocabularies: tuple[str, ...] = ()
    remarks: tuple[str, ...] = field(default=())
    has_offset: bool = False

    @property
    def chain(self) -> list[str]:
        """Where zones are looked for: the row's own, then what lookups find."""
        own = [self.zone.value] if self.zone.value else []
        return own + [f"{x.name}.{x.zone.value}" for x in self.lookups if x.zone]

    @property
    def needs_zone(self) -> bool:
        has_own = all(any(entry == "zone" for entry, _ in pair.more) for pair in self.pairs)
        return not self.chain and not self.has_offset and not (self.pairs and has_own)

    @property
    def is_first_edition(self) -> bool:
        """Whether the plain form says it all: own zone, a lookup by the scope, plain pairs."""
        return (
            bool(self.zone.value and self.scope.value)
            and all(pair.is_plain for pair in self.pairs)
            and len(self.lookups) <= 1
            and all(lookup.by == self.scope.value for lookup in self.lookups)
            and not self.vocabularies
        )

    @property
    def to_fill_in(self) -> list[str]:
        """The entries that nobody could guess."""
        return [
            *([] if self.look.key else ["key"]),
            *(["zone"] if self.needs_zone else []),
            *([] if self.pairs else ["pairs"]),
        ]

    @property
    def guesses(self) -> int:
        named = [self.scope, self.zone, *([self.deleted] if self.deleted else [])]
        lookups = sum(lookup.zone is not None for lookup in self.lookups)
        more = sum(len(pair.more) for pair in self.pairs)
        return sum(bool(guess.value) for guess in named) + len(self.pairs) + lookups + more


def guess_spec(look: TableLook, others: Mapping[Relation, TableLook]) -> GuessedSpec:
    """Return what the table's specification probably is."""
    zones = _zones(look)
    pairs = with_forms(look, _pairs(look))
    own, pairs = _zones_to_pairs(zones, pairs)
    lookups = _lookups(look, others)
    zone = own[0] if own else Guess("", _no_zone(look))
    offset = None if own or lookups or _has_zones(pairs) else offset_guess(look)
    if offset:
        pairs = tuple(replace(p, more=(*p.more, ("offset", offset))) for p in pairs)
    named = [zone.value, *(g.value for p in pairs for entry, g in p.more if entry == "zone")]
    samples = [look.samples.get(name, ()) for name in named if name]
    samples += [others[x.reference.other].samples.get(x.zone.value, ()) for x in lookups if x.zone]
    return GuessedSpec(
        look,
        scope=_scope(look, lookups),
        zone=zone,
        pairs=pairs,
        lookups=lookups,
        deleted=_deleted(look),
        vocabularies=_vocabularies(samples),
        remarks=tuple(_remarks(look, others)),
        has_offset=offset is not None,
    )


def _has_zones(pairs: Sequence[GuessedPair]) -> bool:
    return any(entry == "zone" for pair in pairs for entry, _ in pair.more)


def _zones(look: TableLook) -> list[Guess]:
    """The columns that hold zones, the likeliest first; a name is enough where one is empty."""
    found = []
    for name, sample in look.samples.items():
        column = look.columns[name]
        if column.plain_type in _NO_ZONE_TYPES or column.plain_type.startswith("time"):
            continue
        if _COUNTRY.search(name.lower()):
            continue
        known = sum(_is_known(value.strip()) for value in sample)
        share = known / len(sample) if sample else 0.0
        is_named = name.lower() in _ZONE_NAMES
        is_alike = bool(_words(name) & {"tz", "tzid", "timezone", "olson"})
        if share >= SURE_SHARE or ((is_named or is_alike) and (known or not sample)):
            seen = f"{known} of {len(sample)} sampled values are zone names"
            why = f"its name, and {seen}" if is_named or is_alike else seen
            found.append((is_named, share, name, why))
    return [Guess(name, why) for _named, _share, name, why in sorted(found, reverse=True)]


def _is_known(name: str) -> bool:
    return is_zone(name) or any(
        name.casefold() in foreign_names(v) for v in (Vocabulary.WINDOWS, Vocabulary.RAILS)
    )


def _vocabularies(samples: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return whose names the zone columns hold, where IANA's are not all."""
    values = {value.strip() for sample in samples for value in sample}
    foreign = {value for value in values if not is_zone(value)}
    found = [
        v.value
        for v in (Vocabulary.WINDOWS, Vocabulary.RAILS)
        if any(value.casefold() in foreign_names(v) for value in foreign)
    ]
    return ("iana", *found) if found else ()


def _no_zone(look: TableLook) -> str:
    texts = ", ".join(n for n in look.samples if look.columns[n].plain_type in TEXT_TYPES)
    return (
        f"no column holds time zone names; text columns: {texts or 'none'}. Is all of it in one "
        'place? zone = "=Europe/Paris"'
    )


def _zones_to_pairs(
    zones: list[Guess], pairs: tuple[GuessedPair, ...]
) -> tuple[list[Guess], tuple[GuessedPair, ...]]:
    """Give two zone columns that match two walls by name to their pairs."""
    matched: list[GuessedPair] = []
    taken: set[str] = set()
    for pair in pairs:
        words = _words(" ".join((*pair.walls, pair.target)))
        fitting = [z for z in zones if (_words(z.value) - _ZONE_WORDS) & words]
        if len(fitting) == 1:
            why = f"its name goes with {pair.walls[-1]}, and {fitting[0].why}"
            guess = Guess(fitting[0].value, why)
            matched.append(replace(pair, more=(*pair.more, ("zone", guess))))
            taken.add(fitting[0].value)
        else:
            matched.append(pair)
    if len(taken) < 2:
        return zones, pairs
    return [zone for zone in zones if zone.value not in taken], tuple(matched)


def _lookups(look: TableLook, others: Mapping[Relation, TableLook]) -> tuple[GuessedLookup, ...]:
    """The tables behind foreign keys that have a zone, and those on the way to one."""
    found: list[GuessedLookup] = []
    for reference in look.references:
        other = others[reference.other]
        zone = next(iter(_zones(other)), None)
        name = _free_name(reference.other.name, found)
        further = [
            (onward, next(iter(_zones(others[onward.other])), None))
            for onward in other.references
            if onward.other in others and onward.other != look.relation
        ]
        onward_found = [(onward, its) for onward, its in further if its]
        if zone or onward_found:
            found.append(GuessedLookup(name, reference.column, reference, zone))
        for onward, its in onward_found[:1]:
            by = f"{name}.{onward.column}"
            found.append(GuessedLookup(_free_name(onward.other.name, found), by, onward, its))
    return tuple(found)


def _free_name(name: str, found: Sequence[GuessedLookup]) -> str:
    plain = name.replace(".", "_")
    taken = {lookup.name for lookup in found}
    return plain if plain not in taken else f"{plain}_{len(found) + 1}"


def _scope(look: TableLook, lookups: Sequence[GuessedLookup]) -> Guess:
    for lookup in lookups:
        if lookup.by in look.columns and lookup.zone:
            return Guess(lookup.by, f"it refers to {lookup.reference.other}, which has a zone")
    for name in look.columns:
        if _SCOPE_NAMES.search(name.lower()):
            return Guess(name, "its name")
    if look.references:
        first = look.references[0]
        return Guess(first.column, f"it refers to {first.other}")
    return Guess("", "no column refers to another table or is named like a household")


def _pairs(look: TableLook) -> tuple[GuessedPair, ...]:
    """Pair columns whose names say the same but for words like local, wall and utc."""
    pairs = []
    taken: set[str] = set()
    for target, column in look.columns.items():
        if column.plain_type not in _TARGET_TYPES or column.is_generated or target in taken:
            continue
        wall = next((w for w in look.columns if w not in taken and _is_pair(look, w, target)), None)
        walls = (wall,) if wall else _date_and_time(look, target, taken)
        if not walls or target in walls:
            continue
        kinds = " and ".join(look.columns[name].type_name for name in (*walls, target))
        pairs.append(GuessedPair(walls, target, f"their names, and their types: {kinds}"))
        taken |= {*walls[-1:], target}
    return tuple(pairs)


def _date_and_time(look: TableLook, target: str, taken: set[str]) -> tuple[str, ...]:
    """A date and a time of day whose name goes with the target's."""
    target_words = _words(target)
    if not target_words & _SAYS_UTC:
        return ()
    silent = _SAYS_LOCAL | _SAYS_UTC | _FILLERS
    dates = [n for n, c in look.columns.items() if c.plain_type == "date"]
    clocks = [
        name
        for name, column in look.columns.items()
        if column.plain_type in _CLOCK_TYPES and name not in taken
    ]
    fitting = [c for c in clocks if _words(c) - silent == target_words - silent]
    if not fitting and len(clocks) == 1:
        fitting = clocks
    if not fitting or not dates:
        return ()
    near = [d for d in dates if (_words(d) - {"date", "day"}) & _words(fitting[0])]
    return (near or dates)[0], fitting[0]


def _is_pair(look: TableLook, wall: str, target: str) -> bool:
    wall_words, target_words = _words(wall), _words(target)
    if wall == target or look.columns[wall].plain_type not in _WALL_TYPES:
        return False
    if wall_words & _SAYS_UTC or target_words & _SAYS_LOCAL:
        return False
    if not (wall_words & _SAYS_LOCAL or target_words & _SAYS_UTC):
        return False
    if look.columns[target].plain_type in TEXT_TYPES and not target_words & _SAYS_UTC:
        return False
    silent = _SAYS_LOCAL | _SAYS_UTC | _FILLERS
    return wall_words - silent == target_words - silent


def _words(name: str) -> set[str]:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return {word for word in re.split(r"[^a-z0-9]+", spaced.lower()) if word}


def _deleted(look: TableLook) -> Guess | None:
    for name in _DELETED_NAMES:
        if name in look.columns:
            return Guess(name, "its name")
    return None


def _remarks(look: TableLook, others: Mapping[Relation, TableLook]) -> list[str]:
    """What looks like a zone and is none."""
    found = []
    for one in (look, *others.values()):
        for name in one.columns:
            if _COUNTRY.search(name.lower()):
                found.append(
                    f"{one.relation}.{name} is no time zone: a country may have several, and "
                    "their rules change."
                )
    return found
