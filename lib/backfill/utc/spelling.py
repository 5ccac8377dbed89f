"""How people spell time zones: other programs' names, abbreviations, fixed offsets, misspellings.

Nothing here is taken for a zone in silence: a vocabulary is named by the table's specification,
an abbreviation is asked about.
"""

from __future__ import annotations

import datetime as dt
import difflib
import importlib.resources
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache

from backfill.utc.zone_names import is_zone, zone_info, zone_names

_NEAR_MISSES = 3
_SIMILARITY = 0.75
_OFFSET = re.compile(r"(?:UTC|UT|GMT|Z)?\s*([+-])(\d{1,2})(?::?(\d{2}))?|Z|UT", re.IGNORECASE)
_LABEL = re.compile(r"^\((?:GMT|UTC)(?:[+-]\d{2}:\d{2})?\)\s*")
_ABBREVIATION = re.compile(r"[A-Z]{2,5}")
_POSIX = re.compile(r"Etc/GMT([+-])(\d{1,2})")
#: Names of the list that are abbreviations: people write them for a zone with summer time, or
#: without.
_ABBREVIATED = frozenset(
    {"EST", "MST", "HST", "GMT", "GMT0", "GMT+0", "GMT-0", "CET", "MET", "EET", "WET"}
)
_SEASONS = (dt.datetime(2026, 1, 15, tzinfo=dt.UTC), dt.datetime(2026, 7, 15, tzinfo=dt.UTC))


class Vocabulary(StrEnum):
    """Whose names of zones a column may hold."""

    IANA = "iana"
    WINDOWS = "windows"
    RAILS = "rails"


@dataclass(frozen=True, slots=True)
class ZoneWords:
    """What names of zones a table may hold: `own` first of all, then each vocabulary."""

    vocabularies: tuple[Vocabulary, ...] = (Vocabulary.IANA,)
    own: tuple[tuple[str, str], ...] = field(default=())

    def zone_of(self, name: str) -> str | None:
        """Return the IANA zone that a name means, None when it means none."""
        for spelt, zone in self.own:
            if spelt == name:
                return zone
        for vocabulary in self.vocabularies:
            if vocabulary is Vocabulary.IANA:
                if is_zone(name):
                    return name
            elif (meant := foreign_zone(vocabulary, name)) is not None:
                return meant
        return None

    def is_own(self, name: str) -> bool:
        return any(spelt == name for spelt, _zone in self.own)


@cache
def _document(vocabulary: Vocabulary) -> Mapping[str, object]:
    path = importlib.resources.files("backfill.utc").joinpath("zone_names", f"{vocabulary}.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def version_of(vocabulary: Vocabulary) -> str:
    """Return the version of a vocabulary that is kept as data, like `CLDR 47`."""
    return str(_document(vocabulary)["version"])


@cache
def foreign_names(vocabulary: Vocabulary) -> Mapping[str, str]:
    """Return the IANA zones of a vocabulary by name, case folded."""
    names = _document(vocabulary)["names"]
    assert isinstance(names, dict)
    return {name.casefold(): zone for name, zone in names.items()}


def foreign_zone(vocabulary: Vocabulary, name: str) -> str | None:
    """Return what a vocabulary means by a name; Rails shows the offset before it, in brackets."""
    return foreign_names(vocabulary).get(_LABEL.sub("", name).casefold())


@cache
def is_questionable(name: str) -> bool:
    """Tell whether a name is an abbreviation or a fixed offset: no place says its rules."""
    if name in _ABBREVIATED or _POSIX.fullmatch(name):
        return True
    return not is_zone(name) and (_OFFSET.fullmatch(name) is not None or (name in abbreviations()))


@cache
def meanings(name: str) -> tuple[str, ...]:
    """Return zones that an abbreviation or offset may stand for, beside IANA's own meaning."""
    if (posix := _POSIX.fullmatch(name)) is not None:
        sign, hours = posix[1], int(posix[2])
        other = f"Etc/GMT{'-' if sign == '+' else '+'}{hours}"
        return (other,) if is_zone(other) else ()
    if not is_zone(name) and (offset := _OFFSET.fullmatch(name)) is not None:
        sign, hours = offset[1], int(offset[2] or 0)
        # IANA counts west of Greenwich, people count east.
        fixed = f"Etc/GMT{'-' if sign == '+' else '+'}{hours}" if hours else "UTC"
        return (fixed,) if int(offset[3] or 0) == 0 and is_zone(fixed) else ()
    plain = "GMT" if name.startswith("GMT") else name
    return abbreviations().get(plain, ())[:_NEAR_MISSES]


@cache
def says(name: str) -> str:
    """Say what IANA means by an abbreviation or offset, as offsets in winter and in summer."""
    offsets = [_offset(zone_info(name), moment) for moment in _SEASONS]
    if offsets[0] == offsets[1]:
        return f"{name} is always UTC{offsets[0]}, without summer time"
    return f"{name} is UTC{offsets[0]}, in summer UTC{offsets[1]}"


def _offset(zone: dt.tzinfo, moment: dt.datetime) -> str:
    text = moment.astimezone(zone).strftime("%z")
    return f"{text[:3]}:{text[3:]}"


@cache
def abbreviations() -> Mapping[str, tuple[str, ...]]:
    """Return the places that use an abbreviation now, the well-known ones only."""
    places = dict.fromkeys(foreign_names(Vocabulary.WINDOWS).values())
    zones_of: dict[str, list[str]] = {}
    for zone in places:
        if not zone.startswith("Etc/"):
            info = zone_info(zone)
            for moment in _SEASONS:
                short = moment.astimezone(info).tzname() or ""
                if _ABBREVIATION.fullmatch(short):
                    zones_of.setdefault(short, []).append(zone)
    # Places with summer time first: of them people say the winter's name all year.
    return {
        short: tuple(dict.fromkeys(sorted(zones, key=lambda zone: -_moves(zone))))
        for short, zones in zones_of.items()
    }


def _moves(zone: str) -> bool:
    offsets = {moment.astimezone(zone_info(zone)).utcoffset() for moment in _SEASONS}
    return len(offsets) > 1


@cache
def near_misses(name: str) -> list[str]:
    """Return up to three accepted names that may have been meant, likeliest first.

    Of the same kind only: an offset is near the same offset, an abbreviation near the places
    that use it, a place near places.
    """
    plain = name.strip()
    if _OFFSET.fullmatch(plain):
        return list(meanings(plain))
    wanted = "_".join(plain.split()).casefold()
    if not wanted:
        return []
    folded = {zone.casefold(): zone for zone in sorted(zone_names())}
    same = [folded[wanted]] if wanted in folded else []
    same_city = [zone for short, zone in folded.items() if short.endswith(f"/{wanted}")]
    if not same and not same_city and _ABBREVIATION.fullmatch(plain):
        return list(meanings(plain))
    places = {short: zone for short, zone in folded.items() if "/" in zone[1:]}
    places = {short: zone for short, zone in places.items() if not zone.startswith("Etc/")}
    similar = [
        places[short]
        for short in difflib.get_close_matches(wanted, places, n=_NEAR_MISSES, cutoff=_SIMILARITY)
    ]
    return list(dict.fromkeys(same + same_city + similar))[:_NEAR_MISSES]


def names_from(vocabularies: Sequence[str], own: Mapping[str, str]) -> ZoneWords:
    """Return the names that a specification allows; raise `ValueError` for one it can not mean."""
    allowed = tuple(Vocabulary(name) for name in vocabularies)
    for spelt, zone in own.items():
        if not is_zone(zone):
            raise ValueError(
                f"zone_map: {spelt!r} is mapped to {zone!r}, which is no IANA name (an offset of "
                "whole hours is one like Etc/GMT+3, west of Greenwich; of others take a place that "
                "has it all year, like Asia/Kolkata)"
            )
    return ZoneWords(allowed, tuple(sorted(own.items())))
