"""Why a UTC value is what it is: wall time, zone, rule, both candidates, the clock change."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import Any

import pyarrow as pa

from backfill.archive.trace import Trace
from backfill.display.explanation import Explanation, facts, remarks
from backfill.display.pages import Shown
from backfill.errors import UsageError
from backfill.jobs.utc.settings import zone_policy
from backfill.jobs.utc.table_json import zoned_from_json
from backfill.jobs.utc.wall_value import local_time
from backfill.utc.convert import Conversion, LocalKind, explain_one
from backfill.utc.described import Pair, Reading, Target
from backfill.utc.doubts import WORDS
from backfill.utc.instants import read_target
from backfill.utc.row_offset import offset_text
from backfill.utc.zone_choice import ZoneSource, choose_zones
from backfill.utc.zone_names import is_zone

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_SAYS = {
    LocalKind.NORMAL: "normal: this wall time happened once",
    LocalKind.FOLD: "fold: the clock was set back, this wall time happened twice",
    LocalKind.GAP: "gap: the clock was set forward, this wall time never happened",
}


def explain_utc(trace: Trace) -> Explanation:
    """Return why a row's values are what they are, from what was traced. Read-only."""
    target = trace.source.facts.target
    zoned = zoned_from_json(target["table"], target.get("encodings"))
    source = trace.change["source"] if trace.change else _staged_source(trace)
    zones = [
        _zone(trace, pair, source, is_first=not index)
        for index, pair in enumerate(zoned.columns.pairs)
    ]
    zone = zones[0]
    columns = [
        _column(trace, pair, source, found)
        for pair, found in zip(zoned.columns.pairs, zones, strict=True)
    ]
    change = trace.change or {}
    why = change.get("why") or {}
    scope = change.get("scope") or (trace.skip.scope if trace.skip else None)
    document = trace.document(
        {
            zoned.scope_name or "scope": scope,
            "zone": zone[0] if zone else None,
            "zone_from": zone[1] if zone else None,
            "decision": why.get("decision"),
            "columns": columns,
        }
    )
    return Explanation(document, _view(document))


def _staged_source(trace: Trace) -> dict[str, Any]:
    """Return a skipped row as it was read, from the run's working copy if that is there."""
    rows = trace.staged("SELECT source FROM extracted WHERE key = ?")
    return dict(rows[0][0]) if rows else {}


def _zone(
    trace: Trace, pair: Pair, source: dict[str, Any], *, is_first: bool
) -> tuple[str, str] | None:
    """Return the zone that was used and where it came from; None when there was none."""
    settings = trace.source.facts.settings
    policy = zone_policy(settings)
    fields = [link.field for link in pair.chain if link.field]
    values = [pa.array([source.get(name)], pa.string()) for name in fields]
    choice = choose_zones(values, pair.chain, policy, rows=1)
    why = (trace.change or {}).get("why") or {}
    zone = why.get(f"{pair.label}_zone") or (why.get("zone") if is_first else None)
    zone = zone or choice.names()[0].as_py() or why.get("zone")
    if zone is None:
        return None
    recorded = why.get("zone_source") if is_first else None
    origin = ZoneSource(recorded or choice.source_names()[0].as_py() or ZoneSource.EVENT)
    own = next((link.field for link in pair.chain if link.field and not link.is_looked_up), "")
    looked_up = [link.field for link in pair.chain if link.is_looked_up]
    spelt = next((str(source[name]) for name in fields if source.get(name)), None)
    says = {
        ZoneSource.EVENT: f"the row's own {own or 'column'}",
        ZoneSource.DEFAULT: "--default-tz",
        ZoneSource.LOOKUP: f"{', '.join(looked_up)}, since the row has no {own}"
        if own
        else ", ".join(looked_up),
        ZoneSource.FALLBACK: f"the default, since {spelt!r} is no IANA name",
        ZoneSource.CONSTANT: "the specification: one zone for the whole table",
        ZoneSource.OFFSET: f"the row's own {pair.offset.column if pair.offset else 'text'}",
    }
    return zone, says[origin]


def _column(
    trace: Trace, pair: Pair, source: dict[str, Any], zone: tuple[str, str] | None
) -> dict[str, Any]:
    target = pair.target.column
    change = trace.change or {"before": {}, "after": {}}
    before, after = change["before"].get(target.name), change["after"].get(target.name)
    stored = [source.get(wall.name) for wall in pair.walls]
    document: dict[str, Any] = {
        "column": pair.label,
        "target": target.name,
        "stored": stored[0] if len(stored) == 1 else " ".join(str(part) for part in stored),
        "encoding": pair.reading.name,
        "before": _value(before),
        "after": _value(after),
        "after_utc": _utc(after, pair.target),
        "is_filled_by_run": before != after and after is not None,
    }
    local = _local(stored, pair.reading)
    if local is None or zone is None:
        return document
    document["wall_time"] = local.replace(tzinfo=None).isoformat(sep=" ")
    try:
        conversion = explain_one(local.replace(tzinfo=None), zone[0])
    except UsageError as error:
        return document | {"rule": str(error) if is_zone(zone[0]) else f"at the offset {zone[0]}"}
    return document | _conversion(conversion, trace.source.facts.settings)


def _local(values: list[Any], reading: Reading) -> dt.datetime | None:
    with contextlib.suppress(ValueError, OverflowError):
        return local_time(values, reading)
    return None


def _conversion(conversion: Conversion, settings: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "kind": conversion.kind.value,
        "rule": _SAYS[conversion.kind],
        "offset": _offset(conversion.offset_before),
    }
    if conversion.kind is LocalKind.NORMAL or conversion.transition is None:
        return document | {"instant": _instant(conversion.first)}
    first, second = WORDS[conversion.kind.value][:2]
    instant = conversion.transition
    return document | {
        "policy": settings.get(conversion.kind.value),
        "candidates": {first: _instant(conversion.first), second: _instant(conversion.second)},
        "transition": {
            "instant": _instant(instant),
            "local_before": _wall(instant, conversion.offset_before),
            "local_after": _wall(instant, conversion.offset_after),
            "offset_before": _offset(conversion.offset_before),
            "offset_after": _offset(conversion.offset_after),
        },
    }


def _instant(value: dt.datetime) -> str:
    return value.astimezone(dt.UTC).isoformat(sep=" ").replace("+00:00", "Z")


def _wall(instant: dt.datetime, offset: dt.timedelta) -> str:
    return (instant.replace(tzinfo=None) + offset).isoformat(sep=" ")


def _offset(value: dt.timedelta) -> str:
    return offset_text(value // dt.timedelta(microseconds=1))


def _utc(value: Any, target: Target) -> str | None:
    """Return a planned target as an instant, however the column holds it."""
    if value is None or isinstance(value, dt.datetime):
        return _instant(value) if value is not None else None
    stored = read_target(pa.array([value]), target)
    return _instant(_EPOCH + int(stored.us[0]) * dt.timedelta(microseconds=1))


def _planned(column: dict[str, Any]) -> str | None:
    if column["after"] is None:
        return None
    what = column["after_utc"]
    return what if what == column["after"] else f"{what} ({column['after']})"


def _value(value: Any) -> Any:
    return _instant(value) if isinstance(value, dt.datetime) else value


def _view(document: dict[str, Any]) -> Shown:
    shown = facts(
        f"Row {document['key']} of run {document['run_id']}",
        [
            ("what became of it", document["outcome"]),
            ("in the database now", document["now"]),
            ("time zone", _zone_text(document)),
            ("warnings", document["warnings"]),
            ("decided by a person", document["decision"]),
        ],
    )
    for column in document["columns"]:
        shown += _column_view(column)
    return shown + remarks(document["notes"])


def _zone_text(document: dict[str, Any]) -> str:
    if document["zone"] is None:
        return "none that can be used"
    return f"{document['zone']}, from {document['zone_from']}"


def _column_view(column: dict[str, Any]) -> Shown:
    transition = column.get("transition")
    return facts(
        f"{column['column']} → {column['target']}",
        [
            ("stored", f"{column['stored']} ({column['encoding']})"),
            ("wall time", column.get("wall_time")),
            ("rule", column.get("rule")),
            ("offset from UTC", None if transition else column.get("offset")),
            ("instant (UTC)", column.get("instant")),
            *(
                (f"candidate {word} (UTC)", instant)
                for word, instant in column.get("candidates", {}).items()
            ),
            ("policy", column.get("policy")),
            *(_transition_facts(transition) if transition else ()),
            ("before the run", "NULL" if column["before"] is None else str(column["before"])),
            ("planned", _planned(column)),
        ],
    )


def _transition_facts(transition: dict[str, str]) -> list[tuple[str, str]]:
    return [
        ("clock change (UTC)", transition["instant"]),
        (
            "clock change (local)",
            f"{transition['local_before']} became {transition['local_after']}",
        ),
        (
            "offset before and after",
            f"{transition['offset_before']} → {transition['offset_after']}",
        ),
    ]
