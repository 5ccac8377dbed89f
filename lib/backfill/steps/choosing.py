"""The rows of a plan that a selection covers.

The condition is evaluated by DuckDB over the plan's own file, in a database of its own that can
reach no other file and no network. Equal plan and selection give equal rows, today and on resume.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backfill.errors import StalePlan, UsageError, first_line
from backfill.folder import RunFolder
from backfill.next_command import next_command
from backfill.plans.plan import CHANGES_FILE, Plan
from backfill.records.parts import Part, Selection, sample_rows
from backfill.records.positions import Places, Positions
from backfill.steps.kind import JobKind

_SHARED_COLUMNS = ("key", "scope", "kind", "rule", "warnings")
_STRUCTS = ("source", "before", "after", "why")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Places of the chosen rows; `pulled_in` more came along that others of them build on."""

    positions: Positions
    pulled_in: int = 0


@dataclass(frozen=True, slots=True)
class Choosing:
    """A frozen plan to choose rows from, its run's folder, and the kind of its job."""

    folder: RunFolder
    kind: JobKind
    plan: Plan

    def rows_of(self, parts: Sequence[Part]) -> Positions:
        """Return the rows of the last of some parts, found again by what each of them chose.

        Raises `StalePlan` when they are not the rows that were approved.
        """
        return self._again(parts)[0]

    def behind(self, parts: Sequence[Part], selection: Selection) -> Chosen:
        """Return the rows of a new part behind some others."""
        return self._choose(selection, self._again(parts)[1])

    def _again(self, parts: Sequence[Part]) -> tuple[Positions, NDArray[np.bool_]]:
        """Return the rows of the last part, and a mark for each row of any."""
        run_id, rows = self.plan.run_id, self.plan.rows
        covered = np.zeros(rows, dtype=bool)
        positions = Positions.every(0)
        for part in parts:
            positions = self._choose(part.chosen_by, covered).positions
            if positions.sha256 != part.positions_sha256 or positions.rows != part.rows:
                raise StalePlan(
                    f"Part {part.part_no} of run {run_id} ({part.chosen_by}) does not choose "
                    f"the rows that were approved: {part.rows:,} then, {positions.rows:,} now. "
                    f"Nothing was written. See: {next_command('verify', run_id)}"
                )
            covered |= positions.marked(rows)
        return positions, covered

    def _choose(self, selection: Selection, covered: NDArray[np.bool_]) -> Chosen:
        """Return the rows that the selection covers; `covered` marks those of earlier parts.

        A selection chooses among the changes that are to be written; rows that the plan skips or
        leaves unchanged go with whatever is left at the end. Raises `UsageError` for a bad
        condition.
        """
        if selection.is_all:
            if not covered.any():
                return Chosen(Positions.every(len(covered)))
            return Chosen(Positions.of(np.flatnonzero(~covered)))
        with _Changes(self.folder, self.kind, self.plan) as changes:
            places = changes.where(selection.only, in_sample_order=bool(selection.canary))
            places = places[~covered[places]]
            if selection.canary:
                places = places[: sample_rows(selection.canary, len(places))]
            if not changes.chain:
                return Chosen(Positions.of(places))
            whole = changes.with_what_they_build_on(places, covered)
        return Chosen(Positions.of(whole), len(whole) - len(places))


class _Changes:
    """The plan's changes as the view `changes` of a closed DuckDB database."""

    def __init__(self, folder: RunFolder, kind: JobKind, frozen: Plan) -> None:
        import duckdb
        import pyarrow.dataset as ds

        rows = ds.dataset(folder.file(CHANGES_FILE))
        self._errors = duckdb.Error
        self._own = dict(kind.change_columns(rows.schema))
        self.chain = kind.chain(frozen.target, rows.schema)
        self._connection = duckdb.connect(
            config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
        )
        self._connection.register("plan_rows", rows)
        own = "".join(f', {expression} AS "{name}"' for name, expression in self._own.items())
        shared = ", ".join((*_SHARED_COLUMNS, *_STRUCTS))
        self._connection.execute(
            f"CREATE VIEW changes AS SELECT position, {shared}{own} FROM plan_rows"
        )
        for setting in ("python_enable_replacements", "enable_external_access"):
            self._connection.execute(f"SET {setting} = false")
        self._connection.execute("SET lock_configuration = true")

    def __enter__(self) -> _Changes:
        return self

    def __exit__(self, *_error: object) -> None:
        self._connection.close()

    def where(self, condition: str, *, in_sample_order: bool) -> Places:
        """Return places of the changes to write that fulfil a condition (empty: all of them)."""
        places = self._places(condition, in_sample_order=in_sample_order)
        if condition and not np.array_equal(
            places, self._places(condition, in_sample_order=in_sample_order)
        ):
            raise UsageError(
                f"--only {condition!r} does not choose the same rows each time. Leave out random() "
                "and what depends on the clock: a part must be found again on resume."
            )
        return places

    def _places(self, condition: str, *, in_sample_order: bool) -> Places:
        # md5 of the key spreads a sample over the plan, and is the same in every version.
        order = "md5(key), position" if in_sample_order else "position"
        rows = self._connection.table("changes").filter("kind <> 'unchanged'")
        try:
            if condition:
                rows = rows.filter(condition)
            columns = self._fetched(rows.order(order).project("position"))
            return np.asarray(columns["position"], dtype=np.int64)
        except self._errors as error:
            raise UsageError(self._refusal(condition, error)) from None

    def with_what_they_build_on(self, places: Places, covered: NDArray[np.bool_]) -> Places:
        """Add the earlier changes that some of these rows build on, like sessions of a day."""
        rows = self._connection.table("changes").filter("kind <> 'unchanged'")
        columns = self._fetched(rows.order("position").project(f"position, {self.chain} AS chain"))
        positions, chains = columns["position"], columns["chain"].astype(str)
        is_chosen = np.isin(positions, places)
        last = dict(zip(chains[is_chosen], positions[is_chosen], strict=True))  # rising: the last
        needed = [p <= last.get(c, -1) for p, c in zip(positions, chains, strict=True)]
        whole: Places = positions[np.asarray(needed, dtype=bool)]
        return np.asarray(whole[~covered[whole]])

    @staticmethod
    def _fetched(rows: Any) -> dict[str, Any]:
        return dict(rows.fetchnumpy())

    def _refusal(self, condition: str, error: Exception) -> str:
        columns = ", ".join((*_SHARED_COLUMNS, *self._own))
        return (
            f"--only {condition!r} is no condition on this plan's changes: {first_line(error)} "
            f"Columns: {columns}; and {', '.join(_STRUCTS)}, whose fields follow a dot "
            f"(why.detail). Example: --only \"warnings = ''\""
        )
