"""What the engine needs to know of a job: a value with a name, a scope, and a way to compute.

The engine never imports a job; a third backfill is one more value of this shape.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from backfill.archive.run_facts import RunFacts
from backfill.archive.trace import Trace
from backfill.chunks.writing import ChunkWriter
from backfill.decisions import Answers, Words
from backfill.display.counting import counted
from backfill.display.explanation import Explanation
from backfill.display.pages import NOTHING, Shown
from backfill.errors import BackfillError
from backfill.folder import RunFolder
from backfill.plans.plan import Plan
from backfill.plans.staging import Staging
from backfill.records.checkpoint import Counts
from backfill.records.ledger import Ledger
from backfill.report import Reporter
from backfill.server.database import Database
from backfill.server.grants import Right
from backfill.server.postgres import Connection
from backfill.server.session import Session
from backfill.skips import Reason
from backfill.steps.laid_out import lay_out_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Preflight:
    """What was found before anything is read in bulk: pending rows by scope, and warnings."""

    pending: dict[str, int]  # by member of the scope
    warnings: tuple[str, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)
    what: tuple[str, str] = ("row is pending", "rows are pending")  # of one, and of more
    hidden: tuple[str, ...] = ()  # those of the warnings that say that a count may be too low

    @property
    def total(self) -> str:
        """How many in all, as a sentence begins: `14,122 rows are pending`."""
        return counted(sum(self.pending.values()), *self.what)


@dataclass(frozen=True, slots=True)
class Computation:
    """What compute left behind: rows looked at, and counts that the summary shows."""

    rows: int
    changes: int
    skips: int
    counts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Recomputed:
    """How many rows were computed again by another way, and (row, what is wrong) of them."""

    rows: int = 0
    wrong: Sequence[tuple[int, str]] = ()


@dataclass(frozen=True, slots=True)
class Cause:
    """What explains that a row of two compared runs differs, where `condition` holds.

    The condition is DuckDB SQL over the rows `a` and `b` of the two runs, of which one may miss.
    """

    condition: str
    text: str


class Job(ABC):
    """One kind of backfill, with the settings of one run. What has a body is optional."""

    @property
    @abstractmethod
    def name(self) -> str: ...

    @property
    @abstractmethod
    def scope(self) -> dict[str, Any]:
        """`table`: what is written to; `members`: of the scope, None for all."""
        ...

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Everything that decides a value, as JSON: it is fingerprinted."""
        ...

    @property
    @abstractmethod
    def kind(self) -> JobKind:
        """What can be done for its runs later on."""
        ...

    @property
    def answers(self) -> Answers:
        """What persons decided, as this run takes it in."""
        return Answers()

    @abstractmethod
    def rights(self, connect: Callable[[], Session]) -> Sequence[Right]:
        """Return what roles need on tables, read from the catalog where that is asked."""
        ...

    @abstractmethod
    def preflight(self, connection: Connection, *, writing: bool) -> Preflight:
        """Check tables, rights and encodings; raise `PreflightError` or `UsageError`."""
        ...

    @abstractmethod
    def target(self) -> dict[str, Any]:
        """Return what `writer` needs, as JSON; known after the preflight."""
        ...

    @abstractmethod
    def extract(self, dsn: str, staging: Staging, reporter: Reporter) -> int:
        """Read into staging; return the number of rows."""
        ...

    @abstractmethod
    def compute(self, staging: Staging, folder: RunFolder, reporter: Reporter) -> Computation:
        """Write the plan's `changes.parquet`; fill `skips` and `questions` of staging."""
        ...

    @abstractmethod
    def changes_schema(self) -> pa.Schema: ...

    @abstractmethod
    def diff_view(self, staging: Staging) -> Shown:
        """Return what a person reads before approving."""
        ...

    def picture(self, staging: Staging, database: Database) -> Shown:
        """Return the picture that belongs to the diff."""
        return NOTHING


class JobKind(ABC):
    """What can be done for a run whose settings are not at hand: from its ledger row alone.

    What has a body here is optional: that is what the engine does where a job says nothing.
    """

    name: str
    scope_name = "table"  # what a member of the scope is called
    #: Notes of a change that explain how it differs from that of another run.
    compared_by: tuple[str, ...] = ()
    #: What answers a question of this job, by kind of question.
    words: Words = MappingProxyType({})

    def chain(self, target: Mapping[str, Any], schema: pa.Schema | None = None) -> str:
        """Return a DuckDB expression over a change, equal for rows that build on one another.

        Such rows are written one to a transaction, in order, and reverted the last one first.
        Empty: every row stands for itself. `schema` is that of the plan, where it is at hand.
        """
        return ""

    def reasons(self, target: Mapping[str, Any]) -> Collection[str] | None:
        """Return its own reasons for a skip, beside the engine's; None where it tells none."""
        return ()

    def change_columns(self, schema: pa.Schema) -> Mapping[str, str]:
        """Return columns by which people choose changes: DuckDB expressions by name."""
        return {self.scope_name: "scope"}

    @abstractmethod
    def writer(self, target: Mapping[str, Any]) -> ChunkWriter: ...

    def reverter(self, target: Mapping[str, Any]) -> ChunkWriter:
        """Return what writes before-images back."""
        return self.writer(target)

    @abstractmethod
    def look(
        self, connection: Connection, target: Mapping[str, Any], rows: pa.Table, side: str
    ) -> Mapping[int, str | None]:
        """Return present values by row, of the image rows that the database holds not at `side`.

        None stands for a row that is gone.
        """
        ...

    def recompute(self, target: Mapping[str, Any], rows: pa.Table) -> Recomputed:
        """Compute image rows again by another way, those for which there is one."""
        return Recomputed()

    def remarks(
        self, connection: Connection, target: Mapping[str, Any], rows: pa.Table
    ) -> Sequence[str]:
        """Return for each image row what reverting it leaves behind; empty for nothing."""
        return [""] * rows.num_rows

    @abstractmethod
    def explain(self, trace: Trace) -> Explanation:
        """Return why a row's values are what they are. Read-only."""
        ...

    def lay_out(self, connection: DuckDBPyConnection, folder: RunFolder, name: str) -> None:
        """Make the DuckDB table `name` of a run's folder, all text: what, key, scope, values."""
        lay_out_rows(connection, folder, name, self.compared_by)

    @abstractmethod
    def causes(self, before: RunFacts, after: RunFacts) -> Iterable[Cause]:
        """Return what may explain differences between two runs, the surest first."""
        ...

    def count_pending(self, connection: Connection, plan: Plan) -> int | None:
        """Return how many rows of the plan's scope are pending now, None where nobody counts."""
        return None

    @abstractmethod
    def summary(self, plan: Plan, counts: Counts, by_scope: Mapping[str, Counts]) -> dict[str, Any]:
        """Return the job's own keys of the summary."""
        ...

    def conclude(self, folder: RunFolder, plan: Plan, ledger: Ledger | None) -> dict[str, Any]:
        """Write the job's own files as the run stands; return what they add to the summary.

        `ledger` is None for a plan that nobody applied.
        """
        return {}

    def verdict(
        self,
        plan: Plan,
        *,
        is_applied: bool,
        allowed: Mapping[str, int | None],
        left: Mapping[Reason, int],
    ) -> BackfillError | None:
        """Return the error that a run ends with although every step did its work, if any.

        `allowed` holds how many rows may have `failed` or be `held`, where that was said anew
        since the plan was made; None means any number. `left` are the rows that were left
        alone, by reason.
        """
        return None
