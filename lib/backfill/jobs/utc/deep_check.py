"""Look at every row, filled ones as well: what waits, and what stands there but should not.

Read-only, and nothing is stored: rows come page by page, those that are as they should be go at
once. A newer release of the time zone rules shows itself here: the rows that it moves differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from backfill.decisions import Answers
from backfill.errors import UsageError
from backfill.jobs.utc.job import UtcTask
from backfill.jobs.utc.wanted import Unjudged, fold_order
from backfill.plans.sheet_csv import read_sheet, write_sheet
from backfill.regular_file import document_text, whole
from backfill.rows.texts import texts_of
from backfill.server.catalog import hidden_rows
from backfill.server.database import Database
from backfill.skips import Skip
from backfill.utc.compute import Computed, compute_utc
from backfill.utc.zone_names import tzdata_version

SHOWN_ROWS = 100
_NEEDED = ("key", "reason")
_HEADER = ("key", "scope", "pattern", "column", "before", "after", "moves_by_s")

#: A row that is known not to be mended: its key, column and reason.
Known = frozenset[tuple[str, str, str]]


@dataclass(slots=True)
class DeepFound:
    """What was found: pending rows by scope, known ones, and values that differ."""

    rows: int = 0
    pending: Counter[str] = field(default_factory=Counter)
    known: int = 0
    patterns: Counter[str] = field(default_factory=Counter)
    differing: list[dict[str, str]] = field(default_factory=list)
    unjudged: Unjudged = field(default_factory=Unjudged)
    hidden: Sequence[str] = ()  # sentences: of which rows nothing is known

    @property
    def is_clean(self) -> bool:
        return not self.pending.total() and not self.patterns.total()

    def lines(self) -> Iterator[str]:
        """Yield a line for each value that differs, of the first hundred."""
        for row in self.differing[:SHOWN_ROWS]:
            yield (
                f"{row['key']}: {row['column']} is {row['before']}, should be {row['after']} "
                f"({row['pattern']}, {row['moves_by_s']} s)"
            )
        if len(self.differing) > SHOWN_ROWS:
            yield f"… {len(self.differing):,} values differ in all."
        if sentence := self.unjudged.says():
            yield sentence

    def summary(self) -> dict[str, Any]:
        """Return what the command's last line tells, the first hundred rows of each kind."""
        return {
            "rows_read": self.rows,
            "total_pending": self.pending.total(),
            "pending": dict(self.pending.most_common(SHOWN_ROWS)),
            "known": self.known,
            "total_differing": self.patterns.total(),
            "total_unjudged": self.unjudged.rows,
            "patterns": dict(sorted(self.patterns.items())),
            "differing": self.differing[:SHOWN_ROWS],
            "tzdata": tzdata_version(),
        }

    def write(self, path: Path) -> None:
        """Write every value that differs as CSV; raise `UsageError` where that can not be."""
        try:
            with whole(path) as partial:
                partial.write_text(write_sheet(_HEADER, self.differing), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--output {path} can not be written: {error.strerror}.") from None


def load_known(path: Path) -> Known:
    """Return the rows that an accepted run left alone, from its `skips.csv`; raise `UsageError`."""
    text = document_text("--allow-known", path, "UTF-8 CSV")
    rows = read_sheet(text, _NEEDED, f"--allow-known {path}")
    return frozenset((r["key"], r.get("column", ""), r["reason"]) for _line, r in rows)


def check_rows(task: UtcTask, database: Database, accepted: str, *, has_filled: bool) -> DeepFound:
    """Return what waits and, with `has_filled`, what differs. Read-only.

    `accepted` is a run's `skips.csv`: what is listed there is known; empty for none.
    """
    known = load_known(Path(accepted)) if accepted else frozenset()
    with database.connect(read_only=True) as connection:
        looked_up = task.look_up(connection, writing=False)
        hidden = hidden_rows(connection, looked_up.table.relations)
    chosen = replace(task.chosen, repair=has_filled, answers=Answers())
    rows = replace(looked_up, chosen=chosen)
    pending = rows.pending_rows(database.dsn)
    order = fold_order(pending.pages(), rows.columns, chosen.policy)
    result = DeepFound(hidden=hidden)
    for page in pending.pages():
        result.rows += page.num_rows
        wanted = rows.wanted(page, result.unjudged)
        _take(result, compute_utc(wanted, rows.columns, chosen.policy, order), known)
    return result


def _take(result: DeepFound, computed: Computed, known: Known) -> None:
    for _position, skip in computed.skips:
        if _is_known(skip, known):
            result.known += 1
        else:
            result.pending[skip.scope] += 1
    for change in _rows(computed.changes):
        if change["kind"] == "added":
            result.pending[change["scope"]] += 1
            continue
        pattern = change["why"]["pattern"]
        result.patterns[pattern] += 1
        result.differing += _differing(change, pattern)


def _is_known(skip: Skip, known: Known) -> bool:
    return (skip.key, skip.column, skip.reason.value) in known


def _rows(changes: pa.Table) -> Iterator[dict[str, Any]]:
    """Yield changes as Python has them; what stood there and is to stand there, as texts."""
    for name in ("before", "after"):
        place = changes.column_names.index(name)
        column = changes.column(name).combine_chunks()
        texts = [texts_of(pc.struct_field(column, [field.name])) for field in column.type]
        fields = [field.name for field in column.type]
        changes = changes.set_column(place, name, pa.StructArray.from_arrays(texts, fields))
    # Sources may be beyond any date: they are not asked for.
    for batch in changes.drop_columns(["source"]).to_batches(max_chunksize=4096):
        yield from batch.to_pylist()


def _differing(change: dict[str, Any], pattern: str) -> Iterator[dict[str, str]]:
    moves = [value for name, value in change["why"].items() if name.endswith("_moved_s")]
    for (name, before), moved in zip(change["before"].items(), moves, strict=True):
        if moved is None:
            continue
        yield {
            "key": change["key"],
            "scope": change["scope"],
            "pattern": pattern,
            "column": name,
            "before": str(before),
            "after": str(change["after"][name]),
            "moves_by_s": f"{moved:g}",
        }
