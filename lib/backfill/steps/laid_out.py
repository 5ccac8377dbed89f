"""A run's changes and skips as one DuckDB table of texts, a row for each row: to be compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from backfill.folder import RunFolder
from backfill.plans.plan import CHANGES_FILE, SKIPS_FILE
from backfill.plans.staging import field_of, literal, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def lay_out_rows(
    connection: DuckDBPyConnection, folder: RunFolder, name: str, notes: Sequence[str]
) -> None:
    """Make the table `name`: state, rule, reason, each source and planned value, and those `notes`
    of a change that its job compares by; NULL where an earlier version had none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    changes, skips = (literal(folder.file(file)) for file in (CHANGES_FILE, SKIPS_FILE))
    schema = pq.read_schema(folder.file(CHANGES_FILE))
    values = []
    for struct in ("after", "source"):
        kind = schema.field(struct).type
        names = [field.name for field in kind] if pa.types.is_struct(kind) else []
        for place, field in enumerate(names):
            cases = [other.casefold() for other in names[:place]].count(field.casefold())
            column = f"{struct}.{field}" + (f" ({cases + 1})" if cases else "")
            path = field_of(struct, names, field)
            values.append(f"CAST({path} AS VARCHAR) AS {quoted(column)}")
    known = {field.name for field in schema.field("why").type} if "why" in schema.names else set()
    values += [
        f"CAST({f'why.{quoted(note)}' if note in known else 'NULL'} AS VARCHAR) AS {quoted(note)}"
        for note in notes
    ]
    connection.execute(
        f"CREATE TABLE {name} AS SELECT 'row' AS what, key, scope,"
        " CASE kind WHEN 'unchanged' THEN 'unchanged' ELSE 'planned' END AS state, rule, warnings,"
        f" NULL::VARCHAR AS reason, NULL::VARCHAR AS detail, {', '.join(values)}"
        f" FROM read_parquet({changes})"
    )
    connection.execute(
        f"INSERT INTO {name} (what, key, scope, state, reason, detail)"
        " SELECT 'row', key, any_value(scope), 'skipped', string_agg(reason, ', ' ORDER BY reason),"
        " string_agg(detail, ', ' ORDER BY \"column\")"
        f" FROM read_csv({skips}, all_varchar = true, header = true, delim = ',', quote = '\"',"
        " escape = '\"', max_line_size = 100000000)"
        f" WHERE key NOT IN (SELECT key FROM {name}) GROUP BY key"
    )
