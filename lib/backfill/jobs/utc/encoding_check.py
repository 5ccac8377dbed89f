"""Does the wall-clock column really hold wall-clock time? Asked before anything is planned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from psycopg import sql

from backfill.errors import PreflightError
from backfill.rows.columns import Column, ColumnType, read_expression
from backfill.server.postgres import Connection
from backfill.server.table import Table
from backfill.utc.convert import classify, in_range
from backfill.utc.wall import Encoding
from backfill.utc.zones import is_zone

SAMPLE_ROWS = 1_000
SECONDS_CHECK_ROWS = 100_000
#: A time of this century in seconds, read as milliseconds, falls between 1970 and 1975.
EARLY_1975_MS = 157_766_400_000


def check_encodings(
    connection: Connection,
    table: Table,
    encodings: Sequence[Encoding],
    members: Sequence[str] | None,
) -> None:
    """Raise `PreflightError` when a wall column holds true instants, or seconds. Read-only."""
    for wall, target, encoding in zip(table.walls, table.targets, encodings, strict=True):
        if encoding is Encoding.EPOCH_MS:
            _check_seconds(connection, table, wall, members)
        if encoding is not Encoding.ISO_TEXT:
            _check_instants(connection, table, wall, target, encoding, members)


def scope_condition(table: Table, members: Sequence[str] | None) -> sql.Composable:
    """Return the SQL that keeps to a scope's members, given as the parameter `members`."""
    if members is None:
        return sql.SQL("true")
    return sql.SQL("t.{}::text = ANY (%(members)s)").format(sql.Identifier(table.scope.name))


def _check_seconds(
    connection: Connection, table: Table, wall: Column, members: Sequence[str] | None
) -> None:
    row = connection.execute(
        sql.SQL(
            "SELECT count(*) FILTER (WHERE w >= 0 AND w < {limit}), count(*)"
            " FROM (SELECT t.{wall} AS w FROM {relation} AS t"
            " WHERE t.{wall} IS NOT NULL AND {scope} LIMIT {rows}) AS sample"
        ).format(
            limit=sql.Literal(EARLY_1975_MS),
            wall=sql.Identifier(wall.name),
            relation=table.relation.identifier,
            scope=scope_condition(table, members),
            rows=sql.Literal(SECONDS_CHECK_ROWS),
        ),
        {"members": list(members or [])},
    ).fetchone()
    early, total = row or (0, 0)
    if early * 2 > total:
        raise PreflightError(
            f"{table.relation}.{wall.name} looks like seconds, not milliseconds: {early:,} of "
            f"{total:,} values would lie before 1975. If it is in seconds, say so: "
            "--encoding epoch_s"
        )


def _check_instants(
    connection: Connection,
    table: Table,
    wall: Column,
    target: Column,
    encoding: Encoding,
    members: Sequence[str] | None,
) -> None:
    wall_us = _micros(sql.Identifier("t", wall.name), wall.type, encoding)
    target_us = _micros(sql.Identifier("t", target.name), target.type, Encoding.EPOCH_MS)
    equal, different = (
        _informative(_sample(connection, table, wall_us, target_us, target.name, operator, members))
        for operator in ("=", "<>")
    )
    if equal and equal >= different:
        raise PreflightError(
            f"{table.relation}.{wall.name} already holds true instants, not wall-clock times: on "
            f"{equal:,} filled rows of zones that are not at offset 0 it equals {target.name} "
            f"(on {different:,} it differs). Converting it again would move every event. Nothing "
            "was planned. Compare some rows by hand before you go on."
        )


def wall_micros(column: Column, encoding: Encoding) -> sql.Composable:
    """Return the SQL for a wall column in microseconds; NULL for text, which SQL need not read."""
    if encoding is Encoding.ISO_TEXT:
        return sql.SQL("NULL::numeric")
    return _micros(sql.Identifier("t", column.name), column.type, encoding)


def _micros(column: sql.Composable, column_type: ColumnType, encoding: Encoding) -> sql.Composable:
    expression = read_expression(column, column_type)
    if column_type is not ColumnType.BIGINT:
        return sql.SQL("({})").format(expression)
    factor = 1_000_000 if encoding is Encoding.EPOCH_S else 1_000
    # numeric: a value far beyond any date must not overflow here.
    return sql.SQL("({}::numeric * {})").format(expression, sql.Literal(factor))


def _sample(
    connection: Connection,
    table: Table,
    wall_us: sql.Composable,
    target_us: sql.Composable,
    filled: str,
    operator: str,
    members: Sequence[str] | None,
) -> list[tuple[Any, ...]]:
    """Return (wall in µs, zone) of filled rows whose two columns are equal, or differ."""
    return connection.execute(
        sql.SQL(
            # NULL first: on a table that nobody filled yet nothing is computed.
            "SELECT {wall}, btrim(t.{zone}) FROM {relation} AS t WHERE t.{filled} IS NOT NULL"
            " AND btrim(t.{zone}) <> '' AND {wall} {operator} {target} AND {scope} LIMIT {rows}"
        ).format(
            filled=sql.Identifier(filled),
            wall=wall_us,
            zone=sql.Identifier(table.zone),
            relation=table.relation.identifier,
            operator=sql.SQL("=" if operator == "=" else "<>"),
            target=target_us,
            scope=scope_condition(table, members),
            rows=sql.Literal(SAMPLE_ROWS),
        ),
        {"members": list(members or [])},
    ).fetchall()


def _informative(rows: list[tuple[Any, ...]]) -> int:
    """Count the rows whose zone was not at offset 0 then: only they can tell the two apart."""
    usable = [(int(wall), str(zone)) for wall, zone in rows if is_zone(str(zone))]
    usable = [(wall, zone) for wall, zone in usable if abs(wall) < 2**62]
    if not usable:
        return 0
    zones = sorted({zone for _wall, zone in usable})
    walls = np.array([wall for wall, _zone in usable], dtype=np.int64)
    codes = np.array([zones.index(zone) for _wall, zone in usable])
    codes = np.where(in_range(walls), codes, -1)
    return int(np.count_nonzero(classify(walls, codes, zones).offset_us))
