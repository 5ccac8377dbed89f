"""Runs to be compared: changes and skips of each as one DuckDB table of texts, and what explains
that a row of it differs, whatever the task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backfill.archive.run_facts import RunFacts
from backfill.folder import RunFolder
from backfill.plans.plan import CHANGES_FILE, SKIPS_FILE
from backfill.plans.staging import field_of, named_file, parquet_rows, quoted
from backfill.steps.task import Cause

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def lay_out_rows(
    connection: DuckDBPyConnection, folder: RunFolder, name: str, notes: Sequence[str]
) -> None:
    """Make the table `name`: state, rule, reason, each source and planned value, and those `notes`
    of a change that its job compares by; NULL where an earlier version had none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    changes, skips = (folder.file(file) for file in (CHANGES_FILE, SKIPS_FILE))
    schema = pq.read_schema(changes)
    values = []
    for struct in ("after", "source"):
        kind = schema.field(struct).type
        names = [field.name for field in kind] if pa.types.is_struct(kind) else []
        for place, field in enumerate(names):
            cases = [other.casefold() for other in names[:place]].count(field.casefold())
            column = f"{struct}.{field}" + (f" ({cases + 1})" if cases else "")
            path = field_of(struct, names, field)
            values.append(f"CAST({path} AS VARCHAR) AS {quoted(column)}")
    own = {field.name for field in schema.field("why").type} if "why" in schema.names else set()
    values += [
        f"CAST({f'why.{quoted(note)}' if note in own else 'NULL'} AS VARCHAR) AS {quoted(note)}"
        for note in notes
    ]
    connection.execute(
        f"CREATE TABLE {name} AS SELECT 'row' AS what, key, scope,"
        " CASE kind WHEN 'unchanged' THEN 'unchanged' ELSE 'planned' END AS state, rule, warnings,"
        f" NULL::VARCHAR AS reason, NULL::VARCHAR AS detail, {', '.join(values)}"
        f" FROM {parquet_rows(changes)}"
    )
    connection.execute(
        f"INSERT INTO {name} (what, key, scope, state, reason, detail)"
        " SELECT 'row', key, any_value(scope), 'skipped', string_agg(reason, ', ' ORDER BY reason),"
        " string_agg(detail, ', ' ORDER BY \"column\")"
        f" FROM read_csv({named_file(skips)}, all_varchar = true, header = true, delim = ',',"
        " quote = '\"', escape = '\"', max_line_size = 100000000, hive_partitioning = false)"
        f" WHERE key NOT IN (SELECT key FROM {name}) GROUP BY key"
    )


def causes_of_writing(before: RunFacts, after: RunFacts) -> Iterator[Cause]:
    """Explain rows that are gone because the first run wrote them before the second one looked."""
    if not before.is_dry_run and before.opened_at <= after.opened_at:
        yield Cause("b.key IS NULL", f"run {before.run_id} wrote it, or dealt with it")


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """Return by name what two runs were told otherwise, as `name: before → after`."""
    return {
        name: f"{name}: {str(before.get(name))[:80]} → {str(after.get(name))[:80]}"
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    }


def causes_of_any(before: RunFacts, after: RunFacts) -> Iterator[Cause]:
    """Yield what may explain a row of any task, the surest first."""
    a, b = (facts.planned("settings") for facts in (before, after))
    yield from causes_of_writing(before, after)
    yield Cause("a.key IS NULL", "it was not among the rows before")
    yield Cause("b.key IS NULL", "it is not among the rows any more")
    yield Cause("a.state <> b.state AND a.state = 'planned'", "it was written since, or edited")
    for _name, text in sorted(changed(a, b).items()):
        yield Cause("a.key = b.key", text)
