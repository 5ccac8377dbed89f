"""What a person sees of a task's plan: counts by rule, telling rows, and the rows left alone."""

from __future__ import annotations

from backfill.display.counting import counted
from backfill.display.pages import Shown, section, table
from backfill.plans.staging import Staging, field_of
from backfill.server.table import Table

SHOWN_ROWS = 50


def task_diff(staging: Staging, described: Table) -> Shown:
    """Return counts by rule, the first rows of each rule, rows with a warning, and the skips."""
    shown = _counts(staging)
    rules = [
        str(row[0])
        for row in staging.connection.execute(
            "SELECT DISTINCT rule FROM changes WHERE kind <> 'unchanged' ORDER BY rule"
        ).fetchall()
    ]
    for rule in rules:
        shown += _rows(staging, described, rule)
    return section("diff", shown) + section("skips", skips_table(staging))


def _counts(staging: Staging) -> Shown:
    rows = staging.connection.execute(
        "SELECT rule, kind, count(*), count(*) FILTER (WHERE warnings <> '') FROM changes"
        " GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    total = sum(row[2] for row in rows if row[1] != "unchanged")
    return table(
        f"Rows to write, by rule ({counted(total, 'row')})",
        ["rule", "kind", "rows", "with a warning"],
        rows,
    )


def _rows(staging: Staging, described: Table, rule: str) -> Shown:
    names = [column.name for column in described.targets]
    sources = [column.name for column in described.sources]
    notes = _notes(staging)
    values = [
        *(field_of("source", sources, name) for name in sources),
        *(field_of(side, names, name) for name in names for side in ("before", "after")),
        *(field_of("why", notes, name) for name in notes),
    ]
    rows = staging.connection.execute(
        f"SELECT key, {', '.join(values)}, warnings FROM changes"
        f" WHERE rule = ? AND kind <> 'unchanged'"
        f" ORDER BY warnings = '', position LIMIT {SHOWN_ROWS}",
        [rule],
    ).fetchall()
    header = [f"{name} {when}" for name in names for when in ("now", "new")]
    return table(
        f"{rule}: {counted(len(rows), 'row')} shown",
        ["key", *sources, *header, *notes, "warning"],
        rows,
        rest="All of them: run.changes, or changes.parquet",
    )


def _notes(staging: Staging) -> list[str]:
    empty = staging.table("SELECT why FROM changes LIMIT 0")
    return [field.name for field in empty.schema.field("why").type]


def skips_table(staging: Staging) -> Shown:
    """Return how many rows were left alone for each reason, and the first of them."""
    rows = staging.connection.execute(
        'SELECT reason, count(*), any_value(key), any_value("column"), any_value(detail)'
        " FROM skips GROUP BY reason ORDER BY reason"
    ).fetchall()
    total = sum(row[1] for row in rows)
    return table(
        f"Rows left alone, by reason ({counted(total, 'row')})",
        ["reason", "rows", "for example", "column", "detail"],
        rows,
        rest="Every one of them: skips.csv, or the table skips",
    )
