"""The UTC task before its table is known: what must hold of that, and what waits there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from backfill.errors import PreflightError
from backfill.jobs.utc.checks import check_columns, check_deleted, read_oddly
from backfill.jobs.utc.kind import UtcRuns
from backfill.jobs.utc.lookup_checks import check_lookups, lookup_warnings
from backfill.jobs.utc.members import members_asked
from backfill.jobs.utc.pending import count_by_household
from backfill.jobs.utc.resolve import resolve_table
from backfill.jobs.utc.rows import UtcRows
from backfill.jobs.utc.settings import UtcSettings
from backfill.jobs.utc.table_spec import LookupSpec
from backfill.jobs.utc.zoned_table import ZonedTable
from backfill.rows.columns import ColumnType
from backfill.server.catalog import has_heirs, hidden_rows
from backfill.server.odd_text import check_text
from backfill.server.own_casts import check_casts
from backfill.server.postgres import Connection
from backfill.server.rights import Right, check_rights, rights_on
from backfill.server.session import Session
from backfill.server.table import Table
from backfill.server.update_cost import cost_warnings
from backfill.steps.task import Preflight
from backfill.utc.described import OffsetUse
from backfill.versions import computing_versions
from backfill.workers.cluster import check_executor

JOB_NAME = "utc"
MOST_VALUES = 1_664  # of one row, as PostgreSQL is built
MAX_LISTED_HOUSEHOLDS = 1_000


class UtcTask:
    """One run's UTC backfill, before its table is known."""

    name = JOB_NAME
    parts_of_runs = UtcRuns

    def __init__(self, chosen: UtcSettings) -> None:
        self.chosen = chosen

    @property
    def settings(self) -> dict[str, Any]:
        return self.chosen.as_json()

    def needed_rights(self, connect: Callable[[], Session]) -> Sequence[Right]:
        with connect() as connection:
            return rights_on(resolve_table(connection, self.chosen.table).table)

    def preflight(self, connection: Connection, *, writing: bool) -> tuple[UtcRows, Preflight]:
        """Return the task upon its table, sampled, and what waits there."""
        rows = self.look_up(connection, writing=writing)
        zoned, table = rows.zoned, rows.zoned.table
        check_casts(connection, table.relations)
        check_text(connection, table)
        warnings = [
            *rows.warnings,
            *check_columns(
                connection,
                zoned,
                rows.members,
                self.chosen.policy,
                units_said=self.chosen.table.units_said,
            ),
        ]
        counts = count_by_household(
            connection,
            table,
            rows.households[:MAX_LISTED_HOUSEHOLDS],
            rows.members,
            skip_deleted=self.chosen.skip_deleted,
        )
        pending = sum(counts.values())
        warnings += _warnings(connection, zoned, self.chosen.table.lookups, pending, rows.members)
        hidden = hidden_rows(connection, table.relations)
        found = Preflight(
            counts,
            (*warnings, *hidden),
            {
                **self._place(),
                "table": str(table.relation),
                "key": ", ".join(column.name for column in table.key.columns),
                "encoding": ", ".join(
                    f"{pair.label}: {pair.reading.name}" for pair in zoned.columns.pairs
                ),
            },
            hidden=tuple(hidden),
        )
        return replace(rows, pending=pending), found

    def look_up(self, connection: Connection, *, writing: bool) -> UtcRows:
        """Find the table and what it looks up, check rights and the scope; samples nothing."""
        chosen = self.chosen
        zoned = resolve_table(connection, chosen.table, chosen.encoding)
        warnings = check_rights(connection, rights_on(zoned.table), writing=writing)
        check_lookups(connection, zoned.table)
        if chosen.skip_deleted and zoned.table.deleted is None:
            raise PreflightError(
                f"--skip-deleted: {zoned.table.relation} has no column "
                f"{chosen.table.deleted or 'for deleted rows in its specification'}. Leave "
                "the option out, or name the column with --table spec.toml."
            )
        if chosen.skip_deleted:
            check_deleted(connection, zoned.table)
        heirs = has_heirs(connection, zoned.table.relation)
        _check_width(zoned.table)
        _check_zones(zoned, chosen)
        households = members_asked(connection, zoned, chosen.households)
        return UtcRows(chosen, zoned, households, tuple(warnings), heirs)

    def _place(self) -> dict[str, str]:
        """Return which cluster computes, if one does; refuse one that can not."""
        scheduler = self.chosen.scheduler
        if not scheduler:
            return {}
        return {"computed by": check_executor(scheduler, 1, computing_versions)}


def _check_zones(zoned: ZonedTable, settings: UtcSettings) -> None:
    for pair in zoned.columns.pairs:
        is_offset = pair.offset is not None and pair.offset.use is OffsetUse.ZONE
        if not pair.chain and not is_offset and not settings.default_tz:
            if pair.reading.uses_offset:
                continue
            raise PreflightError(
                f"The specification of {zoned.table.relation} names no zone for {pair.label}. Is "
                'all of it in one place? zone = ["=Europe/Paris"]. Else name a column, or a column '
                'of a [[lookup]]: zone = ["event.tz"]'
            )


def _check_width(table: Table) -> None:
    """Refuse more columns than one statement of the server's can hold of a chunk's rows."""
    values = len(table.key.columns) + len(table.sources) + len(table.looked_up)
    values += 2 * len(table.targets) + 1  # as it was and as it is to be; and the row's number
    if values > MOST_VALUES:
        raise PreflightError(
            f"The pairs of {table.relation} make {values:,} values a row; PostgreSQL takes "
            f"{MOST_VALUES:,} in one statement. Split them over several specifications."
        )


def _warnings(
    connection: Connection,
    zoned: ZonedTable,
    lookups: Iterable[LookupSpec],
    pending: int,
    members: Sequence[str] | None,
) -> list[str]:
    table = zoned.table
    columns = [column.name for column in table.targets]
    warnings = cost_warnings(connection, table.relation, columns, pending)
    warnings += lookup_warnings(connection, table, lookups, members)
    warnings += [
        f"{table.relation}.{wall.name} is real, which keeps about seven digits: a time of day in "
        "it may be minutes off. It is taken as it stands."
        for pair in zoned.columns.pairs
        for wall in pair.walls
        if wall.sql_type.name == 'pg_catalog."float4"'
    ]
    warnings += [sentence for pair in zoned.columns.pairs for sentence in read_oddly(zoned, pair)]
    naive = [c.name for c in table.targets if c.type is ColumnType.TIMESTAMP]
    if naive:
        warnings.append(
            f"{', '.join(naive)} of {table.relation} is timestamp without time zone: what is "
            "written there means UTC."
        )
    return warnings
