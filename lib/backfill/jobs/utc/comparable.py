"""What explains that rows of two UTC runs differ."""

from __future__ import annotations

from collections.abc import Iterator

from backfill.archive.run_facts import RunFacts
from backfill.plans.plan import CHANGES_FILE
from backfill.plans.staging import literal, quoted
from backfill.skips import SkipReason
from backfill.steps.laid_out import causes_of_writing
from backfill.steps.task import Cause

#: A setting that bears on rows of one rule, or on those left alone for one reason.
_POLICIES = (
    ("fold", "fold", SkipReason.AMBIGUOUS_LOCAL_TIME),
    ("gap", "gap", SkipReason.NONEXISTENT_LOCAL_TIME),
)
_ZONE_SETTINGS = ("default_tz", "fallback_on_invalid_tz")


def causes(before: RunFacts, after: RunFacts) -> Iterator[Cause]:
    """Yield what may explain a row, the surest first."""
    a, b = (facts.plan.get("settings") or {} for facts in (before, after))

    def change(name: str) -> str:
        return f"{name}: {a.get(name)} → {b.get(name)}"

    yield from _of_scope(before, after)
    yield from causes_of_writing(before, after)
    if a.get("skip_deleted") != b.get("skip_deleted"):
        yield Cause("a.key IS NULL OR b.key IS NULL", change("skip_deleted"))
    yield Cause("a.key IS NULL", "it was not pending before, or not there")
    yield Cause("b.key IS NULL", "it is not pending any more, or gone")
    yield from _edited(before, after)
    if a.get("decisions") != b.get("decisions"):
        yield Cause(
            "a.rule = 'fold' OR a.rule = 'gap' OR b.rule = 'fold' OR b.rule = 'gap' OR a.reason"
            " <> coalesce(b.reason, '') OR b.reason <> coalesce(a.reason, '')",
            "decisions of persons",
        )
    for name, rule, reason in _POLICIES:
        if a.get(name) != b.get(name):
            yield Cause(
                f"a.rule = '{rule}' OR b.rule = '{rule}' OR contains(coalesce(a.reason, ''),"
                f" '{reason}') OR contains(coalesce(b.reason, ''), '{reason}')",
                change(name),
            )
    for name in _ZONE_SETTINGS:
        if a.get(name) != b.get(name):
            yield Cause(
                "a.zone IS DISTINCT FROM b.zone OR a.state <> b.state OR a.zone_source IS DISTINCT"
                " FROM b.zone_source OR a.reason IS DISTINCT FROM b.reason",
                change(name),
            )
    if a.get("strict") != b.get("strict"):
        yield Cause("a.state <> b.state", change("strict"))
    if a.get("encoding") != b.get("encoding"):
        yield Cause("a.key = b.key", change("encoding"))
    old, new = (facts.plan.get("tzdata_version") for facts in (before, after))
    if old != new:
        yield Cause("a.key = b.key", f"tzdata: {old} → {new}")


def _of_scope(before: RunFacts, after: RunFacts) -> Iterator[Cause]:
    """Explain rows of households that the other run did not look at."""
    for mine, its, other in (("b", "a", before), ("a", "b", after)):
        if other.scope is not None:
            members = ", ".join(literal(member) for member in other.scope) or "NULL"
            yield Cause(
                f"{its}.key IS NULL AND {mine}.scope NOT IN ({members})",
                f"out of the scope of run {other.run_id}",
            )


def _edited(before: RunFacts, after: RunFacts) -> Iterator[Cause]:
    """Explain rows whose own wall time, zone or default zone was another when they were read."""
    import pyarrow.parquet as pq

    fields = [
        {
            field.name
            for field in pq.read_schema(facts.folder.file(CHANGES_FILE)).field("source").type
        }
        for facts in (before, after)
    ]
    for name in sorted(fields[0] & fields[1]):
        column = quoted(f"source.{name}")
        yield Cause(
            f"a.state = b.state AND a.{column} IS DISTINCT FROM b.{column}",
            f"the row was edited between the runs: {name}",
        )
