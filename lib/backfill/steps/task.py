"""A backfill in three verbs: which columns, which rows, which values. All else is the engine's.

    names     the table, its key, the columns to write, and those that values are computed from
    extract   read the rows: `plans.keyed_rows` has what reads any table by condition or by key;
              with the part `where` the engine reads them
    compute   row for row: the new values, or why there is none

A task may have more, each with a default of the engine's; see `OPTIONAL`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypedDict

import pyarrow as pa

from backfill.decisions import Answer, Question
from backfill.display.counting import counted
from backfill.display.pages import Shown
from backfill.folder import RunFolder
from backfill.plans.staging import Staging
from backfill.report import Reporter
from backfill.server.postgres import Connection
from backfill.server.table import Table
from backfill.skips import Reason, Skip
from backfill.steps.task_questions import IDLE


@dataclass(frozen=True, slots=True)
class Names:
    """Columns of one table. Without a `key` it is the primary key; `perhaps` are sources where the
    table has them."""

    table: str
    targets: tuple[str, ...]
    sources: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Take one name for a list of one, and lists as they come."""
        for name in ("targets", "sources", "key", "perhaps"):
            value = getattr(self, name)
            listed = (value,) if isinstance(value, str) else tuple(value)
            object.__setattr__(self, name, listed)


class Task(Protocol):
    """What somebody writes to have a backfill of their own."""

    @property
    def name(self) -> str:
        """Small letters, digits, underscores: it is part of the run's id."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """Whatever decides a value, as JSON: it is fingerprinted."""
        ...

    def names(self) -> Names: ...

    def extract(self, connection: Connection, table: Table) -> Iterator[pa.Table]:
        """Yield the rows to look at, in any order: key, scope, source, before. Read-only.

        Columns `skip` and `detail` say why a row gets no value; more columns go to `compute`.
        """
        ...

    def compute(self, rows: pa.Table) -> pa.Table:
        """Return, row for row, a column for each target, or one struct `after`.

        Columns `rule`, `skip` and `detail` (texts) may be added: how a value came about, why there
        is none, what a person should know of it; `ask`: which of its `questions` a row asks;
        and a struct `note` for more.
        """
        ...


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
class Decided:
    """A block of rows: those to write or found as planned, and those left alone, each with its
    place in the order of the plan; what is asked of persons, and the answers that had a say."""

    changes: pa.Table  # in the columns of `rows.values.schema_of_changes`
    skips: Sequence[tuple[int, Skip]] = ()
    questions: Sequence[Question] = ()
    used: Collection[Answer] = ()


@dataclass(slots=True)
class Work:
    """What is computed with, and what the task says of all the rows."""

    staging: Staging
    folder: RunFolder
    reporter: Reporter
    counts: dict[str, Any] = field(default_factory=dict)  # what the summary shows of its own
    used: set[Answer] = field(default_factory=set)  # answers that had a say, of all rows
    refusal: str = ""  # why no plan may be made of it, though the diff is shown


class Rows(Protocol):
    """A task upon its tables, as the preflight found them."""

    @property
    def plan_scope(self) -> dict[str, Any]:
        """`table`: what is written to; `members`: of the scope, None for all."""
        ...

    def plan_target(self) -> dict[str, Any]:
        """Return what the writer needs, as JSON; known once all is computed."""
        ...

    def stage_rows(self, dsn: str, staging: Staging, reporter: Reporter) -> int:
        """Read into staging; return the number of rows. Read-only."""
        ...

    def plan_schema(self, staging: Staging) -> pa.Schema:
        """Return the columns of what `plan_rows` decides: `rows.values.schema_of_changes`."""
        ...

    def plan_rows(self, work: Work) -> Iterator[Decided]:
        """Yield what is decided of the staged rows, block after block; fill tables for views."""
        ...

    def diff_view(self, staging: Staging) -> Shown:
        """Return what a person reads before approving."""
        ...


class RunOutcome(TypedDict):
    """How a run stands whose every step did its work."""

    is_applied: bool
    #: How many rows may have `failed` or be `held`, None for any number: where that was said anew
    #: since the plan was made.
    allowed: Mapping[str, int | None]
    left: Mapping[Reason, int]  # rows that were left alone


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


#: The field of a change's notes that says which rows build on one another.
CHAIN = "chain"
#: Parts that a task may have, and what the engine does where it has not.
OPTIONAL: Mapping[str, Any] = {
    "overwrite": False,  # also rows whose target holds something else
    "allow_null": False,  # a new value may be NULL
    "accept": None,  # (resolved table): raises what is wrong with it
    "facts": {},  # what the preflight shows beside the engine's
    "pending": None,  # (connection, resolved table): rows that wait, by scope; else a NULL target
    "what": None,  # what one such row is called, and several
    "views": None,  # (staging): shown above the diff
    "picture": None,  # (staging, database): shown below it
    "chain": None,  # (row): equal text for rows that build on one another; they go one by one
    "questions": {},  # kinds of question that its rows may ask, each with the words that answer
    "idle_words": IDLE,  # what a decision meets, and what may be misspelt where it meets nothing
    "reasons": None,  # why it skips rows, beside the engine's reasons: all of them
    "check": None,  # (rows): written rows that another computation finds wrong
    "remarks": None,  # (connection, rows): what an undo of each leaves behind
    "finish": None,  # (folder): writes files, returns keys of the summary
    "writer": None,  # (target): writes something else than one row of one table
    "reverter": None,  # (target): writes that back
    "notebook": None,  # path of one of its own
    "has_values": True,  # else the shipped notebook is for a person to compute in
    "keep_files": None,  # (folder): keeps files with the run; parameters that change by that
    "counts_itself": False,  # it sees to it that all rows are read that should be
    "where": None,  # SQL: the rows that are to be read; the engine counts them, and reads them too
    # -- of a task that knows more of its tables than names ----------------------------------
    "parts_of_runs": None,  # (target): what has the parts for a run that only the ledger tells of
    "preflight": None,  # (connection, writing=…): its `Rows`, and what was found
    "needed_rights": None,  # (connect): what roles need
    "plan_scope": None,  # its table, and the members of its scope
    "scope_name": None,  # what such a member is called
    "plan_target": None,  # what its writer needs, as JSON
    "stage_rows": None,  # (database's URL, staging, reporter): reads into staging by itself
    "plan_rows": None,  # (work): yields what it decided, block after block
    "plan_schema": None,  # (staging): the columns of those
    "counted_kinds": None,  # what is counted by scope; else all kinds of rows, and rules
    "listed_scopes": None,  # members that are listed even where none of their rows is
    "diff_view": None,  # (staging): shown in place of the engine's diff
    "staged": {},  # tables of its own for analysts, each with the columns that order it
    # -- of its runs, later -------------------------------------------------------------------
    "chained_by": None,  # DuckDB's expression over a change, as `chain`
    "change_columns": None,  # (schema): columns by which people choose changes, as expressions
    "compared_by": (),  # notes of a change by which runs are compared
    "lay_out": None,  # (connection, folder, name): a run as a table of texts, to be compared
    "causes": None,  # (run, run): what explains that they differ
    "explain_row": None,  # (trace): why a row is as it is
    "doubts": None,  # (facts of a run): what was doubtful about it, in a sentence
    "computed_by": None,  # (target): what computed beside the engine, by name
    "set_on_writing": {},  # columns whose value writing makes, each with one that is never NULL
    "uses_calendar": True,  # else a plan stays good when the rules of local time are updated
    "count_pending": None,  # (connection, plan): rows of its scope that wait now
    "summary_keys": None,  # (plan, counts, counts by scope): its keys of the summary
    "conclude": None,  # (folder, plan, ledger): as `finish`, of how the run stands
    "verdict": None,  # (plan, is_applied=…, allowed=…, left=…): the error that the run ends with
}
#: Parts that a run's row tells of: whoever goes on with it must have them as well.
TOLD = ("chain", "writer", "reverter")


def part(task: object, name: str) -> Any:
    """Return an optional part of a task, or the engine's default where it has none, or None."""
    own = getattr(task, name, None)
    return OPTIONAL[name] if own is None else own


def where_of(task: object) -> str:
    """Return the condition of the rows that a task is to read, empty where it says none.

    Something else of that name is the task's own business.
    """
    where = part(task, "where")
    return where if isinstance(where, str) else ""
