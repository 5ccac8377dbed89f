"""A resolved table as JSON, so that a run can be verified and reverted from its ledger row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from backfill.jobs.utc.zoned_table import ZonedTable
from backfill.rows.columns import TEXT, Column, ColumnType, SqlType
from backfill.rows.keys import Key, KeyColumn
from backfill.server.since import Moment, Since
from backfill.server.table import Join, JoinPart, LookedUp, Relation, Table, Want
from backfill.utc.described import (
    Columns,
    Encoding,
    Offset,
    OffsetUse,
    Pair,
    Reading,
    Target,
    Unit,
    WallKind,
    ZoneLink,
    reading_of,
    resolve_encoding,
)


def table_to_json(zoned: ZonedTable) -> dict[str, Any]:
    """Return names, types and meaning of a table's columns."""
    table, columns = zoned.table, zoned.columns
    return {
        "schema": table.relation.schema,
        "name": table.relation.name,
        "key": [_key_json(column) for column in table.key.columns],
        "scope": _key_json(table.scope) if table.scope else None,
        "sources": [_column_json(column) for column in table.sources],
        "pairs": [_pair_json(pair) for pair in columns.pairs],
        "wants": [[want.target, list(want.needs), list(want.void)] for want in table.wants],
        "joins": [_join_json(join) for join in table.joins],
        "looked_up": [
            [value.join, value.column, *([value.path] if value.path else [])]
            for value in table.looked_up
        ],
        "where": table.where,
        "where_columns": list(table.where_columns),
        "deleted": table.deleted,
        "is_span": columns.is_span,
    }


def zoned_from_json(
    document: Mapping[str, Any], encodings: Mapping[str, str] | None = None
) -> ZonedTable:
    """Return the table that `table_to_json` described, or that an earlier version did."""
    if "walls" in document:
        return _of_first_edition(document, encodings or {})
    pairs = tuple(_pair(entry) for entry in document["pairs"])
    sources = tuple(_column(entry) for entry in document["sources"])
    table = Table(
        relation=Relation(document["schema"], document["name"]),
        key=Key(tuple(KeyColumn(*entry) for entry in document["key"])),
        scope=KeyColumn(*document["scope"]) if document["scope"] else None,
        sources=sources,
        targets=tuple(pair.target.column for pair in pairs),
        wants=tuple(Want(t, tuple(needs), tuple(void)) for t, needs, void in document["wants"]),
        joins=tuple(_join(entry) for entry in document["joins"]),
        looked_up=tuple(LookedUp(*entry) for entry in document["looked_up"]),
        where=document["where"],
        where_columns=tuple(document["where_columns"]),
        deleted=document["deleted"],
    )
    fields = tuple(value.field for value in table.looked_up)
    return ZonedTable(table, Columns(pairs, sources, fields, document["is_span"]))


def table_from_json(document: Mapping[str, Any]) -> Table:
    """Return what the engine reads and writes of a described table."""
    return zoned_from_json(document).table


def _of_first_edition(document: Mapping[str, Any], encodings: Mapping[str, str]) -> ZonedTable:
    """Return a table as versions before chains of zones described it."""
    walls = tuple(_column(entry) for entry in document["walls"])
    targets = tuple(_column(entry) for entry in document["targets"])
    zone = document["zone"]
    chain = [ZoneLink(field=zone)]
    joins: tuple[Join, ...] = ()
    looked_up: tuple[LookedUp, ...] = ()
    if document["lookup"]:
        schema, name, key, column = document["lookup"]
        by_scope = JoinPart(key, ("", document["scope"][0]))
        joins = (Join(name, Relation(schema, name), (by_scope,)),)
        looked_up = (LookedUp(name, column),)
        chain.append(ZoneLink(field=looked_up[0].field, is_looked_up=True))
    pairs = tuple(
        Pair(wall.name, (wall,), _reading_of(wall, encodings), Target(target), tuple(chain))
        for wall, target in zip(walls, targets, strict=True)
    )
    sources = (*dict.fromkeys(walls), Column(zone, ColumnType.TEXT))
    table = Table(
        relation=Relation(document["schema"], document["name"]),
        key=Key(tuple(KeyColumn(*entry) for entry in document["key"])),
        scope=KeyColumn(*document["scope"]),
        sources=sources,
        targets=targets,
        wants=tuple(
            Want(target.name, (wall.name,)) for wall, target in zip(walls, targets, strict=True)
        ),
        joins=joins,
        looked_up=looked_up,
        deleted=document["deleted"],
    )
    fields = tuple(value.field for value in looked_up)
    return ZonedTable(table, Columns(pairs, sources, fields, is_span=True))


def _reading_of(wall: Column, encodings: Mapping[str, str]) -> Reading:
    declared = Encoding(encodings.get(wall.name, Encoding.AUTO))
    return reading_of(resolve_encoding(declared, wall.name, wall.type))


def _key_json(column: KeyColumn) -> list[str]:
    return [column.name, column.type_name, *([column.operators] if column.operators else [])]


def _column_json(column: Column) -> list[str]:
    kind = column.sql_type
    return [column.name, column.type.value, kind.name, kind.declared, kind.operators]


def _column(entry: Sequence[str]) -> Column:
    """Return a column; earlier versions stored its name and how it travels."""
    name, travels, *kind = entry
    return Column(name, ColumnType(travels), sql_type=SqlType(*kind) if kind else TEXT)


def _pair_json(pair: Pair) -> dict[str, Any]:
    reading, target = pair.reading, pair.target
    return {
        "label": pair.label,
        "walls": [_column_json(wall) for wall in pair.walls],
        "reading": _reading_json(reading),
        "target": _column_json(target.column),
        "target_unit": target.unit.value,
        "chain": [[link.field, link.constant, link.is_looked_up] for link in pair.chain],
        "offset": _offset_json(pair.offset) if pair.offset else None,
        "fold_by": pair.fold_by,
        "series": pair.series,
    }


def _offset_json(offset: Offset) -> list[Any]:
    entry = [offset.column, offset.use.value, offset.unit_seconds]
    return [*entry, True] if offset.is_flag else entry


def _reading_json(reading: Reading) -> dict[str, Any]:
    values = {"format" if name == "form" else name: v for name, v in asdict(reading).items()}
    values |= {"kind": reading.kind.value, "unit": reading.unit.value}
    values["missing"] = list(reading.missing)
    return {name: value for name, value in values.items() if value or name not in _LATER}


#: Entries of a reading that are left out where they say nothing: earlier versions had none.
_LATER = ("months", "follows", "begins_us", "is_counted")


def _reading(entry: Mapping[str, Any]) -> Reading:
    values = {"form" if name == "format" else name: value for name, value in entry.items()}
    values |= {"kind": WallKind(entry["kind"]), "unit": Unit(entry["unit"])}
    return Reading(**values | {"missing": tuple(entry["missing"])})


def _pair(entry: Mapping[str, Any]) -> Pair:
    offset = entry["offset"]
    return Pair(
        label=entry["label"],
        walls=tuple(_column(wall) for wall in entry["walls"]),
        reading=_reading({"is_counted": _was_counted(entry), **entry["reading"]}),
        target=Target(_column(entry["target"]), Unit(entry["target_unit"])),
        chain=tuple(ZoneLink(*link) for link in entry["chain"]),
        offset=Offset(offset[0], OffsetUse(offset[1]), *offset[2:]) if offset else None,
        fold_by=entry["fold_by"],
        series=entry["series"],
    )


def _was_counted(entry: Mapping[str, Any]) -> bool:
    """Tell it of a plan from before there was a word for it: whole numbers without a format."""
    reading, walls = entry["reading"], [_column(wall) for wall in entry["walls"]]
    is_dated = WallKind(reading["kind"]) is WallKind.DATE_AND_TIME and not reading["format"]
    return is_dated and walls[1].type is ColumnType.BIGINT


def _join_json(join: Join) -> dict[str, Any]:
    since = join.since
    first, *more = join.parts  # one, when this was written down first
    return {
        "name": join.name,
        "relation": [join.relation.schema, join.relation.name],
        "key": first.key,
        "by": list(first.by),
        "is_text": first.is_text,
        "operators": first.operators,
        "is_unique": join.is_unique,
        **({"more": [[p.key, *p.by, p.is_text, p.operators] for p in more]} if more else {}),
        **({"until": [since.until, since.is_whole_day]} if since and since.until else {}),
        "since": [
            since.column,
            since.moment.value,
            list(since.of),
            since.per_second,
            *([list(since.pattern)] if since.pattern else []),
        ]
        if since
        else None,
    }


def _join(entry: Mapping[str, Any]) -> Join:
    since = entry["since"]
    first = [entry["key"], *entry["by"], entry["is_text"], entry["operators"]]
    return Join(
        name=entry["name"],
        relation=Relation(*entry["relation"]),
        parts=tuple(
            JoinPart(key, (owner, by), is_text, operators)
            for key, owner, by, is_text, operators in (first, *entry.get("more", ()))
        ),
        is_unique=entry["is_unique"],
        since=_since(since, entry.get("until") or ()) if since else None,
    )


def _since(entry: Sequence[Any], until: Sequence[Any]) -> Since:
    column, moment, of, per_second, *rest = entry
    pattern = (str(rest[0][0]), str(rest[0][1])) if rest else None
    return Since(column, Moment(moment), tuple(of), per_second, pattern, *until)
