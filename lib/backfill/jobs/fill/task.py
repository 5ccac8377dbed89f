"""The fill task: values that somebody has, for rows that their keys name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from backfill.errors import UsageError
from backfill.jobs.fill.values import Values
from backfill.plans.fitting import column_texts
from backfill.plans.keyed_rows import SHOWN_KEYS, KeyedRows, Match, struct_from
from backfill.rows.day_or_month import DATES, are_untold, how_untold
from backfill.rows.texts import texts_of
from backfill.server.catalog_columns import columns_of
from backfill.server.plain_table import PlainTable
from backfill.server.postgres import Connection
from backfill.steps.task import Names
from backfill.steps.task_table import Resolved, meant

JOB_NAME = "fill"


@dataclass(frozen=True, slots=True)
class FillSettings:
    """What decides which values go where. Without `reads` every column of the values that the
    table has as well, and that is neither key nor target, is a source."""

    table: str
    targets: tuple[str, ...]
    key: tuple[str, ...] = ()
    overwrite: bool = False
    allow_null: bool = False
    reads: tuple[str, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "set": list(self.targets),
            "key": list(self.key),
            "overwrite": self.overwrite,
            "allow_null": self.allow_null,
            "reads": None if self.reads is None else list(self.reads),
        }


class FillTask:
    """`Task` of values that were brought."""

    name = JOB_NAME
    what = ("row of values is there", "rows of values are there")
    reasons = ()
    counts_itself = True

    def __init__(
        self,
        settings: FillSettings,
        values: Values | None,
        origin: str,
        extracted: Collection[str] = (),
    ) -> None:
        """`origin` is the file or query that the values came from, as it was named; `extracted` are
        columns that the run has read itself, so that the values need not bring them along."""
        self._extracted = extracted
        self._settings = settings
        self.values = values
        self._origin = origin
        self.overwrite = settings.overwrite
        self.allow_null = settings.allow_null

    @property
    def settings(self) -> Mapping[str, Any]:
        return {
            **self._settings.as_json(),
            "values": self._origin,
            "values_sha256": self.values.sha256 if self.values else None,
        }

    @property
    def facts(self) -> dict[str, str]:
        if self.values is None:
            return {}
        return {"values": self._origin, "their columns": ", ".join(self.values.columns)}

    def names(self) -> Names:
        chosen = self._settings
        others = {*chosen.key, *chosen.targets}
        columns = self.values.columns if self.values else ()
        own = chosen.reads if chosen.reads is not None else columns
        listed = tuple(name for name in own if name not in others)
        if chosen.reads is not None:
            return Names(chosen.table, chosen.targets, listed, chosen.key)
        return Names(chosen.table, chosen.targets, key=chosen.key, perhaps=listed)

    def accept(self, resolved: Resolved) -> None:
        """Raise `UsageError` unless the values have a column for each key and target."""
        if self.values is None:
            return
        for what, names in (
            ("key column", resolved.found_by),
            ("column to write", self._settings.targets),
            ("source", [n for n in self._settings.reads or () if n not in self._extracted]),
        ):
            for name in names:
                if name not in self.values.columns:
                    raise UsageError(
                        f"The values have no {what} {name}.{meant(name, self.values.columns)} "
                        f"They have: {', '.join(self.values.columns) or 'no column at all'}."
                    )

    def pending(self, connection: Connection, resolved: Resolved) -> dict[str, int]:
        rows = self.values.count() if self.values else 0
        return {str(resolved.table.relation): rows}

    def extract(self, connection: Connection, table: PlainTable) -> Iterator[pa.Table]:
        """Yield each row of the values with the row of the table that its key names."""
        assert self.values is not None
        columns = columns_of(connection, table.relation)
        keys = self._settings.key or tuple(column.name for column in table.key.columns)
        brought = {*self.values.columns} - {*keys}
        own = [column.name for column in table.sources if column.name in brought]
        reader = KeyedRows(
            connection,
            table,
            Match(tuple(columns[n] for n in keys), tuple(columns[n] for n in own)),
        )
        named = {*keys, *own, *self._settings.targets}
        notes = [n for n in self.values.columns if n not in named and n not in columns]
        first = 1
        for batch in self.values.batches():
            given = {n: column_texts(batch.column(n), columns[n]) for n in (*keys, *own)}
            _refuse_null_keys({name: given[name] for name in keys}, first)
            _refuse_untold_dates({n: given[n] for n in given if columns[n].kind in DATES}, first)
            rows = reader.read(given)
            values = {n: column_texts(batch.column(n), columns[n]) for n in self._settings.targets}
            noted = {name: texts_of(batch.column(name)) for name in notes}
            count = batch.num_rows
            rows = rows.append_column("given", struct_from(values, count))
            yield rows.append_column("note", struct_from(noted, count))
            first += count

    def compute(self, rows: pa.Table) -> pa.Table:
        return pa.table({"after": rows.column("given")})


def _refuse_untold_dates(dates: Mapping[str, pa.Array], first: int) -> None:
    """Another row would be found, or taken for one that was edited."""
    for name, texts in dates.items():
        if places := are_untold(texts):
            told = how_untold(texts[places[0]].as_py())
            raise UsageError(f"{name} in row {first + places[0]:,} of the values: {told}.")


def _refuse_null_keys(keys: Mapping[str, pa.Array], first: int) -> None:
    for name, texts in keys.items():
        if texts.null_count:
            places = pc.indices_nonzero(texts.is_null()).to_pylist()
            rows = [f"row {first + place:,}" for place in places]
            more = f" and {len(rows) - SHOWN_KEYS:,} more" if len(rows) > SHOWN_KEYS else ""
            raise UsageError(
                f"The key {name} is NULL in {', '.join(rows[:SHOWN_KEYS])}{more} of the values: "
                "which row is meant, nobody can know."
            )
