"""What becomes of decided rows, whatever the task: numbered, counted, staged, told and written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from backfill.decisions import Answer
from backfill.loading import give_back
from backfill.plans import plan
from backfill.plans.worksheet import QUESTIONS_SCHEMA, questions_table
from backfill.records.checkpoint import COUNTED
from backfill.skips import SKIP_FIELDS, Skip, SkipReason
from backfill.steps.task import Decided, Work

Places = NDArray[np.int64]
SKIPS_SCHEMA = pa.schema(
    [
        pa.field("position", pa.int64()),
        *(pa.field(name, pa.string()) for name in SKIP_FIELDS),
    ]
)


@dataclass
class Counted:
    """Rows by scope and what became of them, those to write by rule; answers that had a say."""

    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    used: set[Answer] = field(default_factory=set)

    def add(self, decided: Decided) -> None:
        groups = decided.changes.select(["scope", "kind", "rule"]).group_by(
            ["scope", "kind", "rule"], use_threads=False
        )
        for row in groups.aggregate([([], "count_all")]).to_pylist():
            is_unchanged = row["kind"] == "unchanged"
            kind = "unchanged" if is_unchanged else "updated"
            self.kinds[row["scope"] or "", kind] += row["count_all"]
            if not is_unchanged:
                self.rules[row["rule"]] += row["count_all"]
        self.used.update(decided.used)
        for _place, skip in decided.skips:
            kind = "drifted" if skip.reason == SkipReason.DRIFTED else "skipped"
            self.kinds[skip.scope, kind] += 1

    def total(self, kind: str) -> int:
        return sum(rows for (_scope, counted), rows in self.kinds.items() if counted == kind)

    def by_scope(self, scopes: Iterable[str], kinds: Sequence[str]) -> dict[str, dict[str, int]]:
        """Return the counts of each of `scopes`, and of each other one that has a row."""
        named = sorted({*scopes, *(scope for scope, _kind in self.kinds)})
        return {scope: {kind: self.kinds[scope, kind] for kind in kinds} for scope in named}


#: What is counted of a scope, where a task says nothing else.
KINDS = COUNTED


def write(blocks: Iterable[Decided], schema: pa.Schema, work: Work) -> tuple[int, Counted]:
    """Write the plan's changes, stage and tell the rest; return rows written, and the counts."""
    counted = Counted()
    work.staging.create("skips", SKIPS_SCHEMA)
    work.staging.create("questions", QUESTIONS_SCHEMA)

    def changes() -> Iterator[pa.Table]:
        for decided in numbered(blocks):
            counted.add(decided)
            work.staging.append("skips", skips_table(decided.skips))
            work.staging.append("questions", questions_table(decided.questions))
            work.reporter.skips(skip for _place, skip in decided.skips)
            give_back()  # what computing took is needed no more
            yield decided.changes
            del decided  # while the next block is computed, nobody holds this one but its writer

    return plan.write_changes(work.folder, changes(), schema), counted


def numbered(blocks: Iterable[Decided]) -> Iterator[Decided]:
    """Give changes and skips positions that count on from block to block, without holes: rows that
    need nothing hold none."""
    position = 0
    for decided in blocks:
        changed = decided.changes.column("position").to_numpy()
        skipped = np.array([place for place, _skip in decided.skips], dtype=np.int64)
        places = np.sort(np.concatenate((changed, skipped)))
        end = position + len(places)
        is_whole = np.array_equal(places, np.arange(position, end))
        yield decided if is_whole else _moved(decided, places, changed, skipped, position)
        del decided, changed  # before the next one is computed
        position = end


def _moved(
    decided: Decided, places: Places, changed: Places, skipped: Places, position: int
) -> Decided:
    """Return rows with their ranks among `places` for positions, from `position` on."""
    numbers = pa.array(np.searchsorted(places, changed) + position, pa.int64())
    field_of = decided.changes.schema.field("position")
    ranks = (np.searchsorted(places, skipped) + position).tolist()
    skips = [(rank, skip) for rank, (_place, skip) in zip(ranks, decided.skips, strict=True)]
    return replace(decided, changes=decided.changes.set_column(0, field_of, numbers), skips=skips)


def skips_table(skips: Sequence[tuple[int, Skip]]) -> pa.Table:
    rows = [dict(zip(SKIP_FIELDS, skip.texts(), strict=True)) for _position, skip in skips]
    places = [position for position, _skip in skips]
    columns = {name: [row[name] for row in rows] for name in SKIP_FIELDS}
    return pa.table({"position": places, **columns}, schema=SKIPS_SCHEMA)
