"""What can be done for a UTC run from its ledger row alone: write, revert, look, compute again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from backfill.archive.run_facts import RunFacts
from backfill.archive.trace import Trace
from backfill.chunks.compare_and_set import TableWriter
from backfill.chunks.writing import ChunkWriter
from backfill.decisions import Words
from backfill.display.explanation import Explanation
from backfill.errors import BackfillError
from backfill.folder import RunFolder
from backfill.jobs.utc import comparable
from backfill.jobs.utc.pending import count_pending
from backfill.jobs.utc.table_json import table_from_json
from backfill.jobs.utc.wall_value import local_time
from backfill.plans.plan import Plan
from backfill.records.ledger import Counts, Ledger
from backfill.server.postgres import Connection
from backfill.server.row_types import lookup_field
from backfill.server.table import Table
from backfill.steps.job import Cause, Recomputed
from backfill.utc.convert import LocalKind
from backfill.utc.doubts import WORDS
from backfill.utc.oracle import judge, offset_at, to_us
from backfill.utc.zones import is_zone, zone_info

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MILLISECOND = dt.timedelta(milliseconds=1)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=None)  # noqa: DTZ001  a wall time has no zone


class UtcKind:
    """`JobKind` of the UTC job."""

    name = "utc"
    scope_name = "household_id"
    is_sequential = False
    words: Words = WORDS
    builds_on = ""

    def change_columns(self, schema: pa.Schema) -> Mapping[str, str]:
        has_zone = schema.field("why").type.get_field_index("zone") >= 0  # a revert's plan has none
        return {"household_id": "scope", **({"zone": "why.zone"} if has_zone else {})}

    def writer(self, target: Mapping[str, Any]) -> ChunkWriter:
        return TableWriter(table_from_json(target["table"]))

    def reverter(self, target: Mapping[str, Any]) -> ChunkWriter:
        return TableWriter(_row_only(target))

    def look(
        self, connection: Connection, target: Mapping[str, Any], rows: pa.Table, side: str
    ) -> Mapping[int, str | None]:
        return TableWriter(_row_only(target)).look(connection, rows, side)

    def remarks(
        self, connection: Connection, target: Mapping[str, Any], rows: pa.Table
    ) -> Sequence[str]:
        return [""] * rows.num_rows

    def explain(self, trace: Trace) -> Explanation:
        from backfill.jobs.utc.explain import explain_utc  # what few commands need

        return explain_utc(trace)

    def lay_out(self, connection: DuckDBPyConnection, folder: RunFolder, name: str) -> None:
        comparable.lay_out(connection, folder, name)

    def causes(self, before: RunFacts, after: RunFacts) -> Iterable[Cause]:
        return comparable.causes(before, after)

    def count_pending(self, connection: Connection, plan: Plan) -> int | None:
        pending = count_pending(
            connection,
            table_from_json(plan.target["table"]),
            plan.scope.get("members"),
            skip_deleted=plan.settings.get("skip_deleted", False),
        )
        return sum(pending.values())

    def conclude(self, folder: RunFolder, plan: Plan, ledger: Ledger | None) -> dict[str, Any]:
        return {}

    def verdict(
        self, plan: Plan, *, is_applied: bool, allowed: Mapping[str, int | None]
    ) -> BackfillError | None:
        return None

    def summary(self, plan: Plan, counts: Counts, by_scope: Mapping[str, Counts]) -> dict[str, Any]:
        """Return the demand's keys first; one object per household when there are several."""
        members = plan.scope.get("members")
        document: dict[str, Any] = {
            "household_id": members[0] if members and len(members) == 1 else None,
            **_totals(counts),
            "folds": plan.counts.get("folds", 0),
            "gaps": plan.counts.get("gaps", 0),
        }
        if not members or len(members) > 1:
            document["households"] = [
                {"household_id": scope, **_totals(part)} for scope, part in sorted(by_scope.items())
            ]
        return document

    def recompute(self, target: Mapping[str, Any], rows: pa.Table) -> Recomputed:
        """Compute every filled value again, row by row, with Python's own `zoneinfo`.

        Another road to the same rules: datetime objects and PEP 495 instead of segments. A value
        of a gap or fold may be either candidate, as policy or decision had it.
        """
        table = table_from_json(target["table"])
        encodings = dict(target.get("encodings", {}))
        zones = _zones_of(rows, table, target.get("default_tz"))
        wrong: list[tuple[int, str]] = []
        computed: set[int] = set()
        for wall, column in zip(table.walls, table.targets, strict=True):
            encoding = encodings.get(wall.name, "")
            columns = (
                pc.struct_field(rows.column(side), name).to_pylist()
                for side, name in (
                    ("source", wall.name), ("before", column.name), ("after", column.name)
                )
            )  # fmt: skip
            for index, (zone, value, before, after) in enumerate(zip(zones, *columns, strict=True)):
                if after is None or before is not None or zone is None:
                    continue
                computed.add(index)
                local = local_time(value, encoding)
                if local is None or not _is_possible(after, local, zone):
                    wrong.append((index, f"{column.name} is {after}, not {local} in {zone}"))
        return Recomputed(len(computed), wrong)


def _totals(counts: Counts) -> dict[str, int]:
    return {
        "total_scanned": counts.scanned,
        "total_updated": counts.updated,
        "total_skipped": counts.skipped,
        "total_unchanged": counts.unchanged,
        "total_drifted": counts.drifted,
    }


def _row_only(target: Mapping[str, Any]) -> Table:
    """Return the table without its lookup: what a run wrote stays what it wrote when, later, a
    household moves to another zone."""
    return replace(table_from_json(target["table"]), lookup=None)


def _zones_of(rows: pa.Table, table: Table, default: str | None) -> list[ZoneInfo | None]:
    """Return the rules that each row was read by: its own zone's, else the looked-up one's."""
    source = rows.column("source")
    own = pc.struct_field(source, table.zone).to_pylist()
    lookup = lookup_field(table)
    looked_up = pc.struct_field(source, lookup).to_pylist() if lookup else [None] * len(own)
    known = {pair: _zone_of(*pair, default) for pair in set(zip(own, looked_up, strict=True))}
    return [known[pair] for pair in zip(own, looked_up, strict=True)]


def _zone_of(own: str | None, looked_up: str | None, default: str | None) -> ZoneInfo | None:
    name = (own or "").strip()
    if not is_zone(name):
        name = (looked_up or default or "").strip()
    return zone_info(name) if is_zone(name) else None


def _instant_us(value: Any) -> int:
    """Return an instant in microseconds; epoch-milliseconds stand for their first microsecond."""
    return value * 1000 if isinstance(value, int) else to_us(value.replace(tzinfo=None))


def _is_possible(after: Any, local: dt.datetime, zone: ZoneInfo) -> bool:
    """Whether an instant is a reading of the wall time: of a gap or fold, either candidate."""
    plain = local.replace(tzinfo=zone).utcoffset()
    if plain is not None:  # all that most rows need
        utc = local - plain
        if isinstance(after, int):
            if (utc - _EPOCH) // _MILLISECOND == after:
                return True
        elif utc == after.replace(tzinfo=None):
            return True
    unit_us = 1000 if isinstance(after, int) else 1
    instant = _instant_us(after)
    verdict = judge(local, zone)
    if instant in {us // unit_us * unit_us for us in (verdict.fold0_us, verdict.fold1_us)}:
        return True
    # The first instant after a gap is the clock change itself: the offset differs just before it.
    return verdict.kind is LocalKind.GAP and offset_at(instant - 1, zone) != offset_at(
        instant, zone
    )
