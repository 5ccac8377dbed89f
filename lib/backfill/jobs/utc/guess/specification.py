"""Guess a table specification from a table's look: every guess with its reason, none in silence.

What can not be guessed stays empty and is marked FILL IN: `--table` refuses it until it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from backfill.jobs.utc.guess.forms import (
    TEXT_TYPES,
    Guess,
    GuessedPair,
    fold_guess,
    offset_guess,
    with_forms,
)
from backfill.jobs.utc.guess.lookups import COUNTRY, GuessedLookup, guess_lookups, zones_of
from backfill.jobs.utc.guess.pairs import (
    guess_pairs,
    headed,
    is_target,
    void_walls,
    words_of,
)
from backfill.rows.others_texts import dates_in_parts
from backfill.server.catalog_columns import quoted_name
from backfill.server.table import Relation
from backfill.server.table_look import TableLook
from backfill.utc.spelling import Vocabulary, foreign_zone
from backfill.utc.zone_names import is_zone

_ZONE_WORDS = {"tz", "tzid", "timezone", "time", "zone", "iana", "name", "olson"}
_SCOPE_NAMES = re.compile(r"(household|tenant|account|org|organisation|organization|clinic)_?id$")
_NAMED_ZONE = re.compile(r"(?i)(^|_)(tz|tzid|tzname|time_?zone)(_|$)")
_MOST_NAMED = 20
_DELETED_NAMES = ("deleted_at", "removed_at", "archived_at")


@dataclass(frozen=True, slots=True)
class GuessedSpec:
    look: TableLook
    scope: Guess
    zone: Guess
    pairs: tuple[GuessedPair, ...]
    lookups: tuple[GuessedLookup, ...]
    deleted: Guess | None
    vocabularies: tuple[str, ...] = ()
    remarks: tuple[str, ...] = field(default=())
    has_offset: bool = False
    paired: frozenset[str] = frozenset()  # ways to a zone that are of single pairs
    void: tuple[str, ...] = ()  # walls that mean no time
    untold: tuple[str, ...] = ()  # ways to a zone of which nobody knows whose they are

    @property
    def chain(self) -> list[str]:
        """Where zones are looked for: the row's own, then what lookups find."""
        own = [self.zone.value] if self.zone.value else []
        ways = _chosen(self.lookups)
        return own + [way for way in ways if way not in self.paired and way not in self.untold]

    @property
    def needs_zone(self) -> bool:
        has_own = all(any(entry == "zone" for entry, _ in pair.more) for pair in self.pairs)
        return not self.chain and not self.has_offset and not (self.pairs and has_own)

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
        of_table = sum(bool(guess.value) for guess in named) + bool(self.void)
        return of_table + len(self.pairs) + lookups + more


def guess_spec(look: TableLook, others: Mapping[Relation, TableLook]) -> GuessedSpec:
    zones = zones_of(look)
    pairs = with_forms(look, guess_pairs(look))
    lookups = guess_lookups(look, others)
    paired, pairs = _ways_to_pairs(_ways(zones, lookups), pairs)
    own = [zone for zone in zones if zone.value not in paired]
    untold = _untold(lookups, paired) if pairs else ()
    zone = own[0] if own else Guess("", _which_way(lookups, untold) or _no_zone(look))
    has_own = any(entry == "zone" for pair in pairs for entry, _ in pair.more)
    has_zone = bool(own or lookups or has_own)
    offset = None if has_zone else offset_guess(look)
    decides = fold_guess(look) if has_zone and len(pairs) == 1 else offset
    if decides:
        pairs = tuple(replace(p, more=(*p.more, ("offset", decides))) for p in pairs)
    named = [zone.value, *(g.value for p in pairs for entry, g in p.more if entry == "zone")]
    samples = [look.samples.get(name, ()) for name in named if name]
    samples += [others[x.reference.other].samples.get(x.zone.value, ()) for x in lookups if x.zone]
    return GuessedSpec(
        look,
        scope=_scope(look, lookups, {x.by for x in lookups if _is_taken(x, paired)}),
        zone=zone,
        pairs=pairs,
        lookups=lookups,
        deleted=_deleted(look),
        vocabularies=_vocabularies(samples),
        remarks=(
            *_remarks(look, others),
            *_in_parts(look),
            *_alone(look, pairs),
            *_left_out(look, others, {*paired, zone.value, *_chosen(lookups)}, lookups),
        ),
        has_offset=offset is not None,
        paired=frozenset(paired),
        void=void_walls(look, pairs),
        untold=untold,
    )


def _untold(lookups: Sequence[GuessedLookup], paired: set[str]) -> tuple[str, ...]:
    """Ways to zones by two columns into one table: a chain would give one of them to both."""
    ways = [x for x in lookups if x.zone and not _is_taken(x, paired)]
    tables = [x.reference.other for x in ways]
    return tuple(x.way for x in ways if tables.count(x.reference.other) > 1)


def _which_way(lookups: Sequence[GuessedLookup], untold: Sequence[str]) -> str:
    ways = [f'"{x.way}" (by {x.by})' for x in lookups if x.way in untold]
    return f"which is whose? Say in each [[pair]]: zone = {' or '.join(ways)}" if ways else ""


def _chosen(lookups: Sequence[GuessedLookup]) -> list[str]:
    return [x.way for x in lookups if x.way]


def _left_out(
    look: TableLook,
    others: Mapping[Relation, TableLook],
    used: set[str],
    lookups: Sequence[GuessedLookup],
) -> list[str]:
    """Columns that hold zones as well, of the table and of those that it refers to."""
    named = {x.reference.other: x.name for x in lookups}
    lines = []
    for relation, one in ((look.relation, look), *others.items()):
        for zone in zones_of(one):
            way = zone.value if one is look else f"{named.get(relation)}.{zone.value}"
            if way not in used:
                lines.append(f"{relation}.{zone.value} holds time zones, too: is it of the chain?")
    return lines


def _vocabularies(samples: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return whose names the zone columns hold, where IANA's are not all."""
    values = {value.strip() for sample in samples for value in sample}
    foreign = {value for value in values if not is_zone(value)}
    spoken = [
        v.value
        for v in (Vocabulary.WINDOWS, Vocabulary.RAILS)
        if any(foreign_zone(v, value) is not None for value in foreign)
    ]
    return ("iana", *spoken) if spoken else ()


def _no_zone(look: TableLook) -> str:
    texts = ", ".join(n for n in look.samples if look.columns[n].plain_type in TEXT_TYPES)
    named = (f"{table}.{column}" for table, column in look.beside if _NAMED_ZONE.search(column))
    near = ", ".join(islice(named, _MOST_NAMED))
    where = f"Zones stand in {near}, where no foreign key leads: by a [[lookup]]? " if near else ""
    return (
        f"no column holds time zone names; text columns: {texts or 'none'}. {where}Is all of it in "
        'one place? zone = "=Europe/Paris"'
    )


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to a zone: a column of the row, or of a lookup; `named` tells whose it is."""

    value: str
    named: str
    why: str


def _ways(zones: Sequence[Guess], lookups: Sequence[GuessedLookup]) -> list[_Way]:
    own = [_Way(zone.value, zone.value, zone.why) for zone in zones]
    return own + [_Way(x.way, _by(x), x.zone.why) for x in lookups if x.zone]


def _by(lookup: GuessedLookup) -> str:
    return " ".join(own for own, _other in lookup.parts)


def _ways_to_pairs(
    ways: Sequence[_Way], pairs: tuple[GuessedPair, ...]
) -> tuple[set[str], tuple[GuessedPair, ...]]:
    """Give two ways to zones that match two walls by name to their pairs; say which are taken."""
    matched: list[GuessedPair] = []
    paired: set[str] = set()
    common = set.intersection(*(_meant(way) for way in ways)) if ways else set()
    for pair in pairs:
        words = headed(words_of(" ".join((*pair.walls, pair.target))))
        fitting = [way for way in ways if (_meant(way) - common) & words]
        if len(fitting) == 1:
            why = f"its name goes with {pair.walls[-1]}, and {fitting[0].why}"
            guess = Guess(fitting[0].value, why)
            matched.append(replace(pair, more=(*pair.more, ("zone", guess))))
            paired.add(fitting[0].value)
        else:
            matched.append(pair)
    return (paired, tuple(matched)) if len(paired) >= 2 else (set(), pairs)


def _meant(way: _Way) -> set[str]:
    return headed(words_of(way.named) - _ZONE_WORDS)


def _is_taken(lookup: GuessedLookup, paired: set[str]) -> bool:
    return lookup.way in paired


def _scope(look: TableLook, lookups: Sequence[GuessedLookup], paired: set[str]) -> Guess:
    for lookup in lookups:
        if lookup.by in look.columns and lookup.zone and lookup.by not in paired:
            return Guess(lookup.by, f"it refers to {lookup.reference.other}, which has a zone")
    for name in look.columns:
        if _SCOPE_NAMES.search(name.lower()):
            return Guess(name, "its name")
    for reference in look.references:
        if reference.column not in paired:
            return Guess(reference.column, f"it refers to {reference.other}")
    return Guess("", "no column refers to another table or is named like a household")


def _deleted(look: TableLook) -> Guess | None:
    for name in _DELETED_NAMES:
        if name in look.columns:
            return Guess(name, "its name")
    return None


def _alone(look: TableLook, pairs: Sequence[GuessedPair]) -> list[str]:
    """Columns that sound like instants, and have no wall time beside them."""
    paired = {name for pair in pairs for name in (*pair.walls, pair.target)}
    return [
        f"{name} sounds like an instant, and no wall time is named like it: is it a [[pair]]?"
        for name in look.columns
        if name not in paired and pairs and is_target(look, name)
    ]


def _in_parts(look: TableLook) -> list[str]:
    """Dates in three columns: no wall time is read from them, but from what the server makes."""
    return [
        f"{', '.join(parts)} are the parts of a date, and a [[pair]] takes a whole one, beside it "
        f"a time. PostgreSQL makes it: ALTER TABLE {look.relation} ADD COLUMN wall_date date "
        f"GENERATED ALWAYS AS (make_date({made})) STORED; then init-table again"
        for parts in dates_in_parts(look.columns)
        if (made := ", ".join(f"{quoted_name(part)}::int" for part in parts))
    ]


def _remarks(look: TableLook, others: Mapping[Relation, TableLook]) -> list[str]:
    """What looks like a zone and is none."""
    remarks = []
    for one in (look, *others.values()):
        for name in one.columns:
            if COUNTRY.search(name.lower()):
                remarks.append(
                    f"{one.relation}.{name} is no time zone: a country may have several, and "
                    "their rules change."
                )
    return remarks
