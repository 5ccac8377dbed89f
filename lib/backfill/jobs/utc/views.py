"""What a person sees of a UTC diff: counts, the telling rows, the skips."""

from __future__ import annotations

from typing import Any

from backfill.display.pages import NOTHING, Shown, section, table
from backfill.jobs.utc.staged_sql import instant_text, iso, wall_text, why
from backfill.plans.staging import Staging, literal
from backfill.steps.task_view import skips_table
from backfill.utc.described import Columns, Pair
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
        f"Rows to update by {member} and rule ({total:,} rows)",
        [member, "rule", "rows", "with a warning"],
        rows,
        rest="All of them: the table changes, by scope and rule"
        if len(rows) > SHOWN_COUNTS
        else "",
        most=SHOWN_COUNTS,
    )


def _candidates(staging: Staging, columns: Columns, kind: str, member: str) -> Shown:
    rows: list[tuple[Any, ...]] = []
    count = 0
    for pair in columns.pairs:
        where = f"{why(pair, 'kind')} = '{kind}'"
        count += staging.scalar(f"SELECT count(*) FROM changes WHERE {where}")
        rows += staging.connection.execute(
            f"SELECT key, scope, {literal(pair.label)}, {wall_text(pair)},"
            f" {zone_of(pair, columns)}, {iso(why(pair, 'first'))}, {iso(why(pair, 'second'))},"
            f" {instant_text(pair.target)}"
            f" FROM changes WHERE {where} ORDER BY position LIMIT {TELLING_ROWS}"
        ).fetchall()
    if not rows:
        return NOTHING
    says = {"fold": "happened twice", "gap": "never happened"}[kind]
    return table(
        f"Wall times that {says} ({kind}s): {count:,} values, {min(len(rows), count):,} shown",
        ["key", member, "column", "wall time", "zone", *WORDS[kind][:2], "planned (UTC)"],
        rows,
        rest=f"All of them: changes where rule = '{kind}'",
    )


def zone_of(pair: Pair, columns: Columns) -> str:
    """Return the SQL of the zone that a pair was read in."""
    is_own = columns.own_chains[columns.pairs.index(pair)]
    return why(pair, "zone") if is_own else "why.zone"


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
        f"Filled values that differ, by pattern and scope ({total:,} rows)",
        ["pattern", "scope", "rows"],
        rows,
        rest="All of them: changes where kind = 'changed', by why.pattern",
        most=SHOWN_COUNTS,
    )
    repaired: list[tuple[Any, ...]] = []
    for pair in columns.pairs:
        repaired += staging.connection.execute(
            f"SELECT why.pattern, key, scope, {literal(pair.target.column.name)},"
            f" {wall_text(pair)}, {zone_of(pair, columns)}, {instant_text(pair.target, 'before')},"
            f" {instant_text(pair.target)}, round({why(pair, 'moved_s')} / 3600.0, 4)"
            f" FROM changes WHERE {why(pair, 'moved_s')} IS NOT NULL"
            " QUALIFY row_number() OVER (PARTITION BY why.pattern ORDER BY position)"
            f" <= {SHOWN_REPAIRS} ORDER BY why.pattern, position"
        ).fetchall()
    return shown + table(
        f"Before and after, with the distance ({len(repaired):,} rows shown)",
        [
            *("pattern", "key", "scope", "column", "wall time", "zone"),
            *("before (UTC)", "after (UTC)", "moves by (hours)"),
        ],
        repaired,
    )


def _warnings(staging: Staging, columns: Columns, member: str) -> Shown:
    rows = staging.connection.execute(
        f"SELECT key, scope, warnings, why.zone, {_both(columns)} FROM changes"
        f" WHERE warnings <> '' ORDER BY warnings, position LIMIT {TELLING_ROWS}"
    ).fetchall()
    if not rows:
        return NOTHING
    count = staging.scalar("SELECT count(*) FROM changes WHERE warnings <> ''")
    return table(
        f"Rows with a warning: {count:,} rows, {len(rows):,} shown",
        ["key", member, "warning", "zone", *_both_names(columns)],
        rows,
        rest="All of them: changes where warnings <> ''",
    )


def _largest_offsets(staging: Staging, columns: Columns, member: str) -> Shown:
    offset = why(columns.pairs[0], "offset_s")
    rows = staging.connection.execute(
        f"SELECT key, scope, why.zone, round({offset} / 3600.0, 2), {_both(columns)}"
        f" FROM changes WHERE {offset} IS NOT NULL"
        f" ORDER BY abs({offset}) DESC, position LIMIT 5"
    ).fetchall()
    if not rows:
        return NOTHING
    return table(
        f"The largest offsets from UTC ({len(rows)} rows shown)",
        ["key", member, "zone", "offset (hours)", *_both_names(columns)],
        rows,
    )


def _both(columns: Columns) -> str:
    return ", ".join(f"{wall_text(pair)}, {instant_text(pair.target)}" for pair in columns.pairs)


def _both_names(columns: Columns) -> list[str]:
    return [name for pair in columns.pairs for name in (pair.label, pair.target.column.name)]
