"""What a person sees of a UTC diff: counts, the telling rows, the skips."""

from __future__ import annotations

from typing import Any

from backfill.display.pages import NOTHING, Shown, part, table
from backfill.plans.staging import Staging, literal
from backfill.utc.pairs import Columns

SHOWN_COUNTS = 100
TELLING_ROWS = 50


def diff_view(staging: Staging, columns: Columns) -> Shown:
    """Return counts per household and rule, then folds, gaps, warnings, offsets, skips."""
    shown = _counts(staging)
    for kind in ("fold", "gap"):
        shown += _candidates(staging, columns, kind)
    shown += _warnings(staging, columns)
    shown += _largest_offsets(staging, columns)
    return part("diff", shown) + part("skips", skips_view(staging))


def _counts(staging: Staging) -> Shown:
    rows = staging.connection.execute(
        "SELECT scope, rule, count(*), count(*) FILTER (WHERE warnings <> '') FROM changes"
        " GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    total = sum(row[2] for row in rows)
    return table(
        f"Rows to update by household and rule ({total:,} rows)",
        ["household", "rule", "rows", "with a warning"],
        rows,
        rest="All of them: the table changes, by scope and rule"
        if len(rows) > SHOWN_COUNTS
        else "",
        most=SHOWN_COUNTS,
    )


def _candidates(staging: Staging, columns: Columns, kind: str) -> Shown:
    names = {"fold": ("earlier", "later"), "gap": ("shift_forward", "first_valid")}[kind]
    rows: list[tuple[Any, ...]] = []
    count = 0
    for wall, target in zip(columns.walls, columns.targets, strict=True):
        where = f"{field_path('why', wall.name + '_kind')} = '{kind}'"
        count += staging.scalar(f"SELECT count(*) FROM changes WHERE {where}")
        rows += staging.connection.execute(
            f"SELECT key, scope, {literal(wall.name)}, {_wall(wall.name, columns)}, why.zone,"
            f" {_iso(field_path('why', wall.name + '_first'))},"
            f" {_iso(field_path('why', wall.name + '_second'))},"
            f" {_instant(target.name, columns)}"
            f" FROM changes WHERE {where} ORDER BY position LIMIT {TELLING_ROWS}"
        ).fetchall()
    if not rows:
        return NOTHING
    says = {"fold": "happened twice", "gap": "never happened"}[kind]
    return table(
        f"Wall times that {says} ({kind}s): {count:,} values, {min(len(rows), count):,} shown",
        ["key", "household", "column", "wall time", "zone", *names, "planned (UTC)"],
        rows,
        rest=f"All of them: changes where rule = '{kind}'",
    )


def _warnings(staging: Staging, columns: Columns) -> Shown:
    rows = staging.connection.execute(
        f"SELECT key, scope, warnings, why.zone, {_both(columns)} FROM changes"
        f" WHERE warnings <> '' ORDER BY warnings, position LIMIT {TELLING_ROWS}"
    ).fetchall()
    if not rows:
        return NOTHING
    count = staging.scalar("SELECT count(*) FROM changes WHERE warnings <> ''")
    return table(
        f"Rows with a warning: {count:,} rows, {len(rows):,} shown",
        ["key", "household", "warning", "zone", *_both_names(columns)],
        rows,
        rest="All of them: changes where warnings <> ''",
    )


def _largest_offsets(staging: Staging, columns: Columns) -> Shown:
    offset = field_path("why", f"{columns.walls[0].name}_offset_s")
    rows = staging.connection.execute(
        f"SELECT key, scope, why.zone, round({offset} / 3600.0, 2), {_both(columns)}"
        f" FROM changes WHERE {offset} IS NOT NULL"
        f" ORDER BY abs({offset}) DESC, position LIMIT 5"
    ).fetchall()
    if not rows:
        return NOTHING
    return table(
        f"The largest offsets from UTC ({len(rows)} rows shown)",
        ["key", "household", "zone", "offset (hours)", *_both_names(columns)],
        rows,
    )


def skips_view(staging: Staging) -> Shown:
    """Return skips by reason, and the first of each."""
    rows = staging.connection.execute(
        "SELECT reason, count(*), any_value(key), any_value(detail) FROM skips"
        " GROUP BY reason ORDER BY reason"
    ).fetchall()
    total = sum(row[1] for row in rows)
    return table(
        f"Rows left alone, by reason ({total:,} rows)",
        ["reason", "rows", "for example", "detail"],
        rows,
        rest="Every one of them: skips.csv, or the table skips",
    )


def field_path(struct: str, field: str) -> str:
    """Return the SQL that names a field of a struct column."""
    return f'{struct}."{field.replace(chr(34), chr(34) * 2)}"'


def local_time(wall: str, columns: Columns) -> str:
    """Return the SQL for a wall time as a timestamp without zone."""
    column = next(c for c in columns.walls if c.name == wall)
    encoding = columns.encodings[columns.walls.index(column)]
    path = field_path("source", wall)
    if encoding == "epoch_ms":
        return _from_epoch(path, 1_000)
    if encoding == "epoch_s":
        return _from_epoch(path, 1_000_000)
    return _within_calendar(f"TRY_CAST({path} AS TIMESTAMP)")


def _wall(wall: str, columns: Columns) -> str:
    return f"strftime({local_time(wall, columns)}, '%Y-%m-%d %H:%M:%S')"


def _instant(target: str, columns: Columns) -> str:
    column = next(c for c in columns.targets if c.name == target)
    path = field_path("after", target)
    if column.type == "bigint":
        return _iso(_from_epoch(path, 1_000))
    return _iso(path)


def _within_calendar(moment: str) -> str:
    """Return the SQL for a timestamp; NULL for infinity and beyond years 1..9999."""
    first, last = "TIMESTAMP '0001-01-01'", "TIMESTAMP '9999-12-31 23:59:59.999999'"
    return f"CASE WHEN {moment} BETWEEN {first} AND {last} THEN {moment} END"


def _from_epoch(path: str, factor: int) -> str:
    """Return the SQL for a number as a timestamp; NULL beyond years 1..9999."""
    low, high = -62_135_596_800_000_000 // factor, 253_402_300_799_999_999 // factor
    return f"make_timestamp(CASE WHEN {path} BETWEEN {low} AND {high} THEN {path} * {factor} END)"


def _iso(expression: str) -> str:
    return f"strftime(CAST({expression} AS TIMESTAMP), '%Y-%m-%d %H:%M:%SZ')"


def _both(columns: Columns) -> str:
    return ", ".join(
        f"{_wall(wall.name, columns)}, {_instant(target.name, columns)}"
        for wall, target in zip(columns.walls, columns.targets, strict=True)
    )


def _both_names(columns: Columns) -> list[str]:
    return [
        name
        for wall, target in zip(columns.walls, columns.targets, strict=True)
        for name in (wall.name, target.name)
    ]
