"""What a person sees of a UTC diff: counts, the telling rows, the skips."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from backfill.display.counting import counted
from backfill.display.pages import NOTHING, Shown, section, table
from backfill.jobs.utc.shown_times import instant_texts, target_texts, wall_texts, why, zone_name
from backfill.plans.staging import Staging
from backfill.rows.values import field_of
from backfill.steps.task_view import skips_table
from backfill.utc.described import Columns
from backfill.utc.doubts import WORDS

SHOWN_COUNTS = 100
TELLING_ROWS = 50
SHOWN_REPAIRS = 10  # of each pattern


def diff_view(staging: Staging, columns: Columns, member: str) -> Shown:
    """Return counts per scope and rule, then folds, gaps, warnings, offsets, skips."""
    shown = _counts(staging, member)
    shown += _repairs(staging, columns)
    for kind in ("fold", "gap"):
        shown += _candidates(staging, columns, kind, member)
    shown += _warnings(staging, columns, member)
    shown += _largest_offsets(staging, columns, member)
    return section("diff", shown) + section("skips", skips_table(staging))


def _counts(staging: Staging, member: str) -> Shown:
    rows = staging.connection.execute(
        "SELECT scope, rule, count(*), count(*) FILTER (WHERE warnings <> '') FROM changes"
        " GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    total = sum(row[2] for row in rows)
    return table(
        f"Rows to update by {member} and rule ({counted(total, 'row')})",
        [member, "rule", "rows", "with a warning"],
        rows,
        rest="All of them: the table changes, by scope and rule"
        if len(rows) > SHOWN_COUNTS
        else "",
        most=SHOWN_COUNTS,
    )


def _candidates(staging: Staging, columns: Columns, kind: str, member: str) -> Shown:
    shown: list[tuple[Any, ...]] = []
    count = 0
    for pair in columns.pairs:
        where = f"{why(pair, 'kind')} = '{kind}'"
        count += staging.scalar(f"SELECT count(*) FROM changes WHERE {where}")
        rows = staging.table(f"FROM changes WHERE {where} ORDER BY position LIMIT {TELLING_ROWS}")
        shown += zip(
            *_plain(rows, "key", "scope"),
            [pair.label] * rows.num_rows,
            wall_texts(rows, pair),
            _why(rows, zone_name(pair, columns)),
            *(instant_texts(rows, f"{pair.label}_{part}") for part in ("first", "second")),
            target_texts(rows, pair.target),
            strict=True,
        )
    if not shown:
        return NOTHING
    says = {"fold": "happened twice", "gap": "never happened"}[kind]
    return table(
        f"Wall times that {says} ({kind}s): {count:,} values, {min(len(shown), count):,} shown",
        ["key", member, "column", "wall time", "zone", *WORDS[kind][:2], "planned (UTC)"],
        shown,
        rest=f"All of them: changes where rule = '{kind}'",
    )


def _plain(rows: pa.Table, *names: str) -> list[list[Any]]:
    return [rows.column(name).to_pylist() for name in names]


def _why(rows: pa.Table, name: str) -> list[Any]:
    values: list[Any] = field_of(rows, "why", name).to_pylist()
    return values


def _hours(seconds: list[float | None], digits: int) -> list[float | None]:
    return [None if value is None else round(value / 3600, digits) for value in seconds]


def _repairs(staging: Staging, columns: Columns) -> Shown:
    """Return what is wrong about filled values: by pattern and scope, then row by row."""
    if not staging.scalar("SELECT count(*) FROM changes WHERE kind = 'changed'"):
        return NOTHING
    rows = staging.connection.execute(
        "SELECT why.pattern, scope, count(*) FROM changes WHERE kind = 'changed'"
        " GROUP BY ALL ORDER BY 1, 3 DESC, 2"
    ).fetchall()
    total = sum(row[2] for row in rows)
    shown = table(
        f"Filled values that differ, by pattern and scope ({counted(total, 'row')})",
        ["pattern", "scope", "rows"],
        rows,
        rest="All of them: changes where kind = 'changed', by why.pattern",
        most=SHOWN_COUNTS,
    )
    repaired: list[tuple[Any, ...]] = []
    for pair in columns.pairs:
        changed = staging.table(
            f"FROM changes WHERE {why(pair, 'moved_s')} IS NOT NULL"
            " QUALIFY row_number() OVER (PARTITION BY why.pattern ORDER BY position)"
            f" <= {SHOWN_REPAIRS} ORDER BY why.pattern, position"
        )
        repaired += zip(
            _why(changed, "pattern"),
            *_plain(changed, "key", "scope"),
            [pair.target.column.name] * changed.num_rows,
            wall_texts(changed, pair),
            _why(changed, zone_name(pair, columns)),
            target_texts(changed, pair.target, "before"),
            target_texts(changed, pair.target),
            _hours(_why(changed, f"{pair.label}_moved_s"), 4),
            strict=True,
        )
    return shown + table(
        f"Before and after, with the distance ({len(repaired):,} rows shown)",
        [
            *("pattern", "key", "scope", "column", "wall time", "zone"),
            *("before (UTC)", "after (UTC)", "moves by (hours)"),
        ],
        repaired,
    )


def _warnings(staging: Staging, columns: Columns, member: str) -> Shown:
    rows = staging.table(
        f"FROM changes WHERE warnings <> '' ORDER BY warnings, position LIMIT {TELLING_ROWS}"
    )
    if not rows.num_rows:
        return NOTHING
    count = staging.scalar("SELECT count(*) FROM changes WHERE warnings <> ''")
    facts = [*_plain(rows, "key", "scope", "warnings"), _why(rows, "zone")]
    return table(
        f"Rows with a warning: {count:,} rows, {rows.num_rows:,} shown",
        ["key", member, "warning", "zone", *_both_names(columns)],
        zip(*facts, *_both(rows, columns), strict=True),
        rest="All of them: changes where warnings <> ''",
    )


def _largest_offsets(staging: Staging, columns: Columns, member: str) -> Shown:
    first = columns.pairs[0]
    offset = why(first, "offset_s")
    rows = staging.table(
        f"FROM changes WHERE {offset} IS NOT NULL ORDER BY abs({offset}) DESC, position LIMIT 5"
    )
    if not rows.num_rows:
        return NOTHING
    facts = [*_plain(rows, "key", "scope"), _why(rows, "zone")]
    hours = _hours(_why(rows, f"{first.label}_offset_s"), 2)
    return table(
        f"The largest offsets from UTC ({rows.num_rows:,} rows shown)",
        ["key", member, "zone", "offset (hours)", *_both_names(columns)],
        zip(*facts, hours, *_both(rows, columns), strict=True),
    )


def _both(rows: pa.Table, columns: Columns) -> list[list[str | None]]:
    pairs = ((wall_texts(rows, p), target_texts(rows, p.target)) for p in columns.pairs)
    return [texts for pair in pairs for texts in pair]


def _both_names(columns: Columns) -> list[str]:
    return [name for pair in columns.pairs for name in (pair.label, pair.target.column.name)]
