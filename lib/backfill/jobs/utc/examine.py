"""What is wrong with a table's specification, for `backfill doctor --table`. Read-only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg

from backfill.display.counting import counted
from backfill.errors import BackfillError
from backfill.jobs.utc.checks import check_columns
from backfill.jobs.utc.job import UtcTask
from backfill.jobs.utc.pending import count_pending
from backfill.jobs.utc.settings import UtcSettings
from backfill.jobs.utc.spec_file import load_spec
from backfill.jobs.utc.zoned_table import ZonedTable
from backfill.next_command import next_command
from backfill.server.catalog import hidden_rows
from backfill.server.dsn import said_of
from backfill.server.postgres import Connection
from backfill.server.rights import may_apply, missing_grants, rights_on
from backfill.steps.finding import Finding


def examine_table(connection: Connection, path: Path) -> list[Finding]:
    """Return what was found about a specification, in the order in which things depend."""
    try:
        spec = load_spec(path)
    except BackfillError as error:
        first = next_command("init-table", "TABLE")
        return [Finding("specification", False, str(error), first)]
    findings = [Finding("specification", True, f"{path}: {spec.table}")]
    settings = UtcSettings(table=spec)
    try:
        zoned = UtcTask(settings).look_up(connection, writing=False).zoned
        findings.append(Finding("table", True, f"{zoned.table.relation} is as {path} says"))
        findings += _of_table(connection, zoned, settings)
    except (BackfillError, psycopg.Error) as error:
        text = said_of(error).strip()
        findings.append(Finding("table", False, text, f"mend {path}, or what it names"))
    return findings


def _of_table(
    connection: Connection, zoned: ZonedTable, settings: UtcSettings
) -> Iterator[Finding]:
    table = zoned.table
    yield Finding("key", True, ", ".join(column.name for column in table.key.columns))
    for pair in zoned.columns.pairs:
        chain = ", then ".join(link.field or link.constant for link in pair.chain)
        detail = f"{pair.reading.name} → {pair.target.column.name}; zone: {chain or 'its offset'}"
        yield Finding(f"pair {pair.label}", True, detail)
    for join in table.joins:
        keys = ", ".join(part.key for part in join.parts)
        yield Finding(f"lookup {join.name}", True, f"{join.relation} by {keys}")
    grants = missing_grants(connection, rights_on(table))
    if grants and not may_apply(connection):
        yield Finding("rights to apply", True, "none, as a role has that only plans")
    else:
        missing = f"{counted(len(grants), 'right is', 'rights are')} missing"
        told = missing if grants else "this role has them"
        yield Finding("rights to apply", not grants, told, " ".join(grants))
    for text in hidden_rows(connection, table.relations):
        yield Finding("row-level security", False, text, "use a role with BYPASSRLS")
    said = settings.table.units_said
    for warning in check_columns(connection, zoned, None, settings.policy, units_said=said):
        yield Finding("columns", False, warning)
    pending = sum(count_pending(connection, table, None, skip_deleted=False).values())
    yield Finding("pending rows", True, f"{pending:,}")
