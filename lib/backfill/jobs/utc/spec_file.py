"""A table's specification read from TOML, or from a run's settings: both editions of the format."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backfill.errors import UsageError
from backfill.jobs.utc.table_spec import (
    OFFSET_UNITS,
    LookupSpec,
    OffsetSpec,
    PairSpec,
    TableSpec,
    UntilDay,
)
from backfill.next_command import next_command
from backfill.regular_file import document_text
from backfill.utc.described import TARGET_UNITS, OffsetUse, Unit
from backfill.utc.month_names import LANGUAGES
from backfill.utc.spelling import Vocabulary, names_from
from backfill.utc.wall_format import check_halves, pattern_of
from backfill.utc.zone_names import is_zone

_FIRST = {"table", "key", "scope", "zone", "pairs", "lookup", "deleted"}
_KNOWN = {
    *_FIRST,
    *("pair", "where", "unset", "missing", "zone_names", "zone_map"),
}
_PAIR = {
    *("wall", "target", "zone", "format", "unit", "target_unit", "offset", "offset_in_text"),
    *("fold_by", "series", "months", "after"),
}
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?")


def load_spec(path: Path) -> TableSpec:
    """Read a table specification from TOML; raise `UsageError` for anything it can not mean."""
    try:
        return spec_from_json(tomllib.loads(document_text("--table", path, "TOML")))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"--table {path} is not TOML: {error}.") from None
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"--table {path}: {error}. It needs table, zone and at least one [[pair]] of wall and "
            f"target; see docs/other-tables.md. A first one: {next_command('init-table', 'TABLE')}"
        ) from None


def spec_from_json(document: Mapping[str, Any]) -> TableSpec:
    """Return the specification that TOML, or a run's settings, describe."""
    _check_known(document, _KNOWN, "entries")
    return _specification(document, edition=1 if _is_first(document) else 2)


def _is_first(document: Mapping[str, Any]) -> bool:
    """The first edition has these entries and no others, in their plain forms: it is written down
    as it was, so that what it fingerprinted stays the same."""
    lookup = document.get("lookup")
    pairs = document.get("pairs")
    return (
        set(document) <= _FIRST
        and {"key", "scope", "pairs"} <= set(document)
        and isinstance(document.get("zone"), str)
        and (not lookup or (isinstance(lookup, list | tuple | Mapping) and len(lookup) == 3))
        and not (lookup and isinstance(lookup, list | tuple) and isinstance(lookup[0], Mapping))
        and isinstance(pairs, list | tuple)
        and all(not isinstance(e, Mapping) or set(e) == {"wall", "target"} for e in pairs)
        and all(isinstance(e["wall"], str) for e in pairs if isinstance(e, Mapping))
    )


def _plain_lookup(entry: Any) -> tuple[str, str, str]:
    if isinstance(entry, dict):
        return str(entry["table"]), str(entry["key"]), str(entry["zone"])
    table, key, zone = entry
    return str(table), str(key), str(zone)


def _specification(document: Mapping[str, Any], edition: int) -> TableSpec:
    zone_map = document.get("zone_map") or {}
    if not isinstance(zone_map, Mapping):
        raise TypeError('zone_map is a table, like { "CEST" = "Europe/Stockholm" }')
    own = {str(name): str(zone) for name, zone in zone_map.items()}
    vocabularies = _names(document.get("zone_names") or ["iana"], "zone_names")
    if wrong := [name for name in vocabularies if name not in list(Vocabulary)]:
        raise ValueError(f"zone_names: {wrong[0]!r} is none of {', '.join(Vocabulary)}")
    names_from(vocabularies, own)
    is_span = "pairs" in document
    if is_span and "pair" in document:
        raise ValueError("pairs and [[pair]] say the same: keep one of them")
    scope = _name(document.get("scope") or "", "scope")
    zone = _names(document["zone"] if edition == 1 else document.get("zone") or (), "zone")
    entries = document.get("lookup") or ()
    if entries and (edition == 1 or (isinstance(entries, Mapping) and "zone" in entries)):
        if not scope and edition == 2:
            raise ValueError("lookup = { table, key, zone } finds its row by the scope: name one")
        table, key, column = _plain_lookup(entries)
        name = table.split(".")[-1]
        entries = ({"name": name, "table": table, "by": scope, "key": key},)
        zone = (*zone, f"{name}.{column}")
    return TableSpec(
        table=_name(document["table"], "table"),
        key=_names(document.get("key") or (), "key"),
        scope=scope,
        zone=zone,
        pairs=tuple(_pair(_as_table(entry)) for entry in document["pairs" if is_span else "pair"]),
        lookups=_lookups(entries),
        deleted=_name(document["deleted"], "deleted") if document.get("deleted") else None,
        where=_name(document.get("where") or "", "where"),
        unset=_names(document.get("unset") or (), "unset"),
        missing=_names(document.get("missing") or (), "missing"),
        zone_names=vocabularies,
        zone_map=tuple(sorted(own.items())),
        edition=edition,
        is_span=is_span,
    )


def _as_table(entry: Any) -> Mapping[str, Any]:
    if isinstance(entry, Mapping):
        return entry
    wall, target = entry
    return {"wall": wall, "target": target}


def _pair(entry: Mapping[str, Any]) -> PairSpec:
    _check_known(entry, _PAIR, "entries of a pair")
    wall, read_in = entry["wall"], ""
    if isinstance(wall, Mapping):
        _check_known(wall, {"column", "read_in"}, "entries of wall")
        wall, read_in = wall["column"], _name(wall.get("read_in") or "", "read_in")
        if read_in and not is_zone(read_in):
            raise ValueError(f"read_in: {read_in!r} is no IANA time zone name")
    walls = _names(wall, "wall")
    if not 1 <= len(walls) <= 3:
        raise ValueError(
            'wall is one column, or a date and a time: ["day", "starts"], and days to add to them: '
            '["day", "arrives", "day_offset"]'
        )
    after = _after(entry, walls)
    form = _name(entry.get("format") or "", "format")
    if form:
        pattern_of(form)
        check_halves(form)
    in_text = entry.get("offset_in_text") or "skip"
    if in_text not in ("skip", "use"):
        raise ValueError(f'offset_in_text is "skip" or "use", not {in_text!r}')
    months = _name(entry.get("months") or "", "months")
    if months and months not in LANGUAGES:
        raise ValueError(f"months is one of {', '.join(LANGUAGES)}, not {months!r}")
    follows = after and not after.startswith("=")
    return PairSpec(
        walls=(*walls, after) if follows else walls,
        follows=bool(follows),
        begins="" if follows else after[1:],
        target=_name(entry["target"], "target"),
        zone=_names(entry["zone"], "zone") if entry.get("zone") else None,
        form=form,
        unit=_unit(entry, "unit", tuple(Unit)),
        target_unit=_unit(entry, "target_unit", TARGET_UNITS),
        read_in=read_in,
        offset=_offset(entry["offset"]) if entry.get("offset") else None,
        offset_in_text=in_text == "use",
        fold_by=_name(entry.get("fold_by") or "", "fold_by"),
        series=_name(entry.get("series") or "", "series"),
        months=months,
    )


def _after(entry: Mapping[str, Any], walls: tuple[str, ...]) -> str:
    after = _name(entry.get("after") or "", "after")
    if after and len(walls) != 2:
        raise ValueError(
            'after is of a date and a time, like wall = ["day", "ends"] and after = "starts": '
            "the day after, where the one is earlier than the other"
        )
    if after.startswith("=") and not _CLOCK.fullmatch(after[1:]):
        raise ValueError(
            f'after is a column, or the time at which days begin, like "=06:00", not {after!r}'
        )
    return after


def _offset(entry: Any) -> OffsetSpec:
    if not isinstance(entry, Mapping):
        raise TypeError('offset is a table, like { column = "utc_offset", unit = "minutes" }')
    _check_known(entry, {"column", "unit", "as"}, "entries of offset")
    use, unit = entry.get("as") or "zone", str(entry.get("unit") or "")
    if use not in list(OffsetUse):
        raise ValueError(f'offset: as is "zone" or "fold", not {use!r}')
    if unit and unit not in OFFSET_UNITS:
        raise ValueError(f"offset: unit is one of {', '.join(OFFSET_UNITS)}, not {unit!r}")
    return OffsetSpec(_name(entry["column"], "column"), OffsetUse(use), unit)


_OF_LOOKUP = {"name", "table", "by", "key", "from", "until", "until_day"}


def _lookups(entries: Any) -> tuple[LookupSpec, ...]:
    lookups: list[LookupSpec] = []
    for entry in _tables(entries, "lookup"):
        _check_known(entry, _OF_LOOKUP, "entries of a lookup")
        table = _name(entry["table"], "table")
        name = _name(entry.get("name") or table.split(".")[-1], "name")
        if name in {other.name for other in lookups}:
            raise ValueError(f"two lookups are named {name}: give one of them another name")
        if "." in name:
            raise ValueError(f"the lookup's name {name!r} holds a dot: give it another name")
        by, key = _names(entry["by"], "by"), _names(entry["key"], "key")
        if not by or len(by) != len(key):
            raise ValueError(f"lookup {name}: by and key name as many columns, one or more")
        since, until = (_name(entry.get(bound) or "", bound) for bound in ("from", "until"))
        if until and not since:
            raise ValueError(f"lookup {name}: until goes with from, the column where it begins")
        day = entry.get("until_day")
        if day is not None and (day not in list(UntilDay) or not until):
            raise ValueError(
                f'lookup {name}: until_day is "included" or "excluded", and goes with until'
            )
        parts = tuple(zip(by, key, strict=True))
        lookups.append(LookupSpec(name, table, parts, since, until, UntilDay(day) if day else None))
    return tuple(lookups)


def _tables(entries: Any, name: str) -> list[Mapping[str, Any]]:
    listed = [entries] if isinstance(entries, Mapping) else entries
    if not isinstance(listed, list | tuple) or not all(isinstance(e, Mapping) for e in listed):
        raise TypeError(f"{name} is a list of tables: [[{name}]]")
    return list(listed)


def _unit(entry: Mapping[str, Any], name: str, units: Sequence[Unit]) -> Unit | None:
    value = entry.get(name)
    if value is None:
        return None
    if value not in units:
        raise ValueError(f"{name} is one of {', '.join(units)}, not {value!r}")
    return Unit(value)


def _names(value: Any, entry: str) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not all(isinstance(name, str) for name in listed):
        raise TypeError(f"{entry} is a text, or a list of texts")
    return tuple(listed)


def _name(value: Any, entry: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{entry} is a text, not {value!r}")
    return value


def _check_known(document: Mapping[str, Any], allowed: set[str], what: str) -> None:
    if unknown := sorted(set(document) - allowed):
        raise ValueError(
            f"unknown {what} {', '.join(unknown)}; known are {', '.join(sorted(allowed))}"
        )
