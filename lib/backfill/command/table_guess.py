"""Guess a table specification from a table's look: every guess with its reason, none in silence.

What can not be guessed stays empty and is marked FILL IN: `--table` refuses it until it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from backfill.jobs.utc.table_spec import FILL_IN
from backfill.server.table import Relation
from backfill.server.table_look import Reference, TableLook
from backfill.utc.zones import is_zone

_WALL_TYPES = ("timestamp without time zone", "bigint", "integer", "text", "character varying")
_TARGET_TYPES = ("timestamp with time zone", "bigint")
_ZONE_NAMES = ("tz", "tzid", "timezone", "time_zone", "zone", "iana_tz", "tz_name", "olson")
_SCOPE_NAMES = re.compile(r"(household|tenant|account|org|organisation|organization|clinic)_?id$")
_DELETED_NAMES = ("deleted_at", "removed_at", "archived_at")
#: Words of a column's name that tell wall time from instant, and nothing of what is meant.
_SAYS_LOCAL = {"local", "wall", "naive", "lt"}
_SAYS_UTC = {"utc", "instant", "gmt", "z"}
_FILLERS = {"at", "time", "ts", "on"}
#: From this share of known zone names on, a column is taken for one of zones whatever its name.
SURE_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Guess:
    """A value of the specification and why; an empty one must be filled in."""

    value: str
    why: str


@dataclass(frozen=True, slots=True)
class GuessedSpec:
    """A specification as guessed; `pairs` are (wall, target, why)."""

    look: TableLook
    scope: Guess
    zone: Guess
    pairs: tuple[tuple[str, str, str], ...]
    lookup: tuple[Reference, Guess] | None
    deleted: Guess | None

    @property
    def to_fill_in(self) -> list[str]:
        """The entries that nobody could guess."""
        return [
            *([] if self.look.key else ["key"]),
            *([] if self.scope.value else ["scope"]),
            *([] if self.zone.value else ["zone"]),
            *([] if self.pairs else ["pairs"]),
        ]

    @property
    def guesses(self) -> int:
        named = [self.scope, self.zone, *([self.deleted] if self.deleted else [])]
        lookup = 1 if self.lookup else 0
        return sum(bool(guess.value) for guess in named) + len(self.pairs) + lookup


def guess_spec(look: TableLook, others: Mapping[Relation, TableLook]) -> GuessedSpec:
    """Return what the table's specification probably is."""
    lookup = _lookup(look, others)
    return GuessedSpec(
        look,
        scope=_scope(look, lookup),
        zone=_zone(look),
        pairs=_pairs(look),
        lookup=lookup,
        deleted=_deleted(look),
    )


def _zone(look: TableLook) -> Guess:
    """The text column that holds most zone names; a name alone is enough where it is empty."""
    found = []
    for name, sample in look.samples.items():
        known = sum(is_zone(value.strip()) for value in sample)
        share = known / len(sample) if sample else 0.0
        is_named = name.lower() in _ZONE_NAMES
        if share >= SURE_SHARE or (is_named and (known or not sample)):
            seen = f"{known} of {len(sample)} sampled values are zone names"
            why = f"its name, and {seen}" if is_named else seen
            found.append((is_named, share, name, why))
    if not found:
        texts = ", ".join(look.samples) or "none"
        return Guess("", f"no column holds IANA zone names; text columns: {texts}")
    _named, _share, name, why = max(found)
    return Guess(name, why)


def _lookup(
    look: TableLook, others: Mapping[Relation, TableLook]
) -> tuple[Reference, Guess] | None:
    for reference in look.references:
        zone = _zone(others[reference.other])
        if zone.value:
            return reference, zone
    return None


def _scope(look: TableLook, lookup: tuple[Reference, Guess] | None) -> Guess:
    if lookup:
        reference = lookup[0]
        return Guess(reference.column, f"it refers to {reference.other}, which has a zone")
    for name in look.columns:
        if _SCOPE_NAMES.search(name.lower()):
            return Guess(name, "its name")
    if look.references:
        first = look.references[0]
        return Guess(first.column, f"it refers to {first.other}")
    return Guess("", "no column refers to another table or is named like a household")


def _pairs(look: TableLook) -> tuple[tuple[str, str, str], ...]:
    """Pair columns whose names say the same but for words like local, wall and utc."""
    pairs = []
    taken: set[str] = set()
    for target, column in look.columns.items():
        if column.type_name not in _TARGET_TYPES or column.is_generated or target in taken:
            continue
        for wall in look.columns:
            if wall in taken or not _is_pair(look, wall, target):
                continue
            types = f"{look.columns[wall].type_name} and {column.type_name}"
            pairs.append((wall, target, f"their names, and their types: {types}"))
            taken |= {wall, target}
            break
    return tuple(pairs)


def _is_pair(look: TableLook, wall: str, target: str) -> bool:
    wall_words, target_words = _words(wall), _words(target)
    if wall == target or look.columns[wall].type_name not in _WALL_TYPES:
        return False
    if wall_words & _SAYS_UTC or target_words & _SAYS_LOCAL:
        return False
    if not (wall_words & _SAYS_LOCAL or target_words & _SAYS_UTC):
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


def as_toml(guessed: GuessedSpec) -> str:
    """Return the specification as TOML: a comment behind each guess, FILL IN where none was."""
    look = guessed.look
    key = json.dumps(list(look.key), ensure_ascii=False)
    found = "the primary key" if look.is_primary else "a unique index of NOT NULL columns"
    why = f"found: {found}" if look.key else f"{FILL_IN}: no primary key, no unique index"
    lines = [
        f"# Specification of {look.relation} for backfill utc --table, as far as the catalog and",
        "# a sample of the rows tell. Read every line: a guess is no more than that.",
        "",
        f"table = {_text(str(look.relation))}",
        f"key = {key}  # {why}",
        _line("scope", guessed.scope),
        _line("zone", guessed.zone),
        *([_line("deleted", guessed.deleted)] if guessed.deleted else []),
        *_pair_lines(guessed),
        *_lookup_lines(guessed),
    ]
    return "\n".join(lines) + "\n"


def _pair_lines(guessed: GuessedSpec) -> list[str]:
    if not guessed.pairs:
        return [
            f'pairs = [{{ wall = "", target = "" }}]  # {FILL_IN}: no two columns are named '
            "alike but for words like local and utc",
        ]
    lines = [
        f"    {{ wall = {_text(wall)}, target = {_text(target)} }},  # guess: because of {why}"
        for wall, target, why in guessed.pairs
    ]
    return ["pairs = [", *lines, "]"]


def _lookup_lines(guessed: GuessedSpec) -> list[str]:
    if guessed.lookup is None:
        return [
            "",
            "# No table that it refers to has a zone: a row without one is skipped, unless you say",
            "# --default-tz ZONE, or a lookup = { table = …, key = …, zone = … } here.",
        ]
    reference, zone = guessed.lookup
    return [
        "",
        "# Where a row without a zone finds its default.",
        "[lookup]",
        f"table = {_text(str(reference.other))}  # found: {reference.column} refers to it",
        f"key = {_text(reference.other_column)}",
        _line("zone", zone),
    ]


def _line(entry: str, guess: Guess) -> str:
    says = f"guess: because of {guess.why}" if guess.value else f"{FILL_IN}: {guess.why}"
    return f"{entry} = {_text(guess.value)}  # {says}".replace("because of it ", "because it ")


def _text(value: str) -> str:
    """Return a TOML basic string; JSON escapes the same way."""
    return json.dumps(value, ensure_ascii=False)
