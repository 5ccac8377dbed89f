"""What an analyst goes on from: dataframes and DuckDB tables of a run, from its frozen plan."""

from __future__ import annotations

from typing import Any

from backfill.display.inline import inlined
from backfill.display.pages import Shown, table
from backfill.errors import UsageError
from backfill.folder import RunFolder
from backfill.plans.plan import CHANGES_FILE, SKIPS_FILE
from backfill.plans.staging import named_file, parquet_rows
from backfill.rows.values import to_dataframe

TABLES = ("changes", "skips", "extracted", "shifts")
FROZEN = ("changes", "skips")
STAGED_ONLY = (
    "It goes on with a frozen plan, or its job stages no such table. Use run.changes and "
    "run.skips, or plan anew."
)


class Frames:
    """The part of a run that hands out its rows; the columns stand in docs/reference.md."""

    run_id: str
    folder: RunFolder
    _duckdb: Any = None

    @property
    def changes(self) -> Any:
        """The changes as a dataframe, in key order; struct columns spread as `after.…`."""
        return self._frame("changes")

    @property
    def skips(self) -> Any:
        """The rows that the plan leaves alone, as a dataframe."""
        return self._frame("skips")

    @property
    def extracted(self) -> Any:
        """The extracted rows as a dataframe; only where the run was planned."""
        return self._frame("extracted")

    @property
    def shifts(self) -> Any:
        """What the OCR job read, as a dataframe; only where the run was planned."""
        return self._frame("shifts")

    def _frame(self, name: str) -> Any:
        """Return a table of the run out of its frozen plan."""
        if name not in FROZEN:  # in staging only, which who only applies a plan does not make
            raise UsageError(f"Run {self.run_id} has no {name} here. {STAGED_ONLY}")
        if name == "changes":
            import pyarrow.parquet as pq

            return to_dataframe(pq.read_table(self._file(CHANGES_FILE), partitioning=None))
        import pandas as pd

        texts = pd.read_csv(self._file(SKIPS_FILE), dtype=str, keep_default_na=False)
        return texts.astype({"position": "Int64"})

    def table(self, name: str = "changes") -> TableView:
        """Show all rows of one of the run's tables, to sort, search and page through."""
        if name not in TABLES:
            raise UsageError(f"There is no table {name!r} of a run; say {', '.join(TABLES)}.")
        return TableView(name, getattr(self, name))

    @property
    def duckdb(self) -> Any:
        """A DuckDB connection with the tables `changes` and `skips`: run.duckdb.sql("FROM skips").

        It holds views over the plan's files: nothing that is done there can change the plan.
        """
        if self._duckdb is None:
            import duckdb

            connection = duckdb.connect()
            connection.execute("SET TimeZone = 'UTC'")
            changes, skips = self._file(CHANGES_FILE), named_file(self._file(SKIPS_FILE))
            told = f"read_csv({skips}, all_varchar = true, hive_partitioning = false)"
            connection.sql(f"FROM {parquet_rows(changes)}").create_view("changes")
            connection.sql(f"FROM {told}").create_view("skips")
            self._duckdb = connection
        return self._duckdb

    def _file(self, name: str) -> Any:
        path = self.folder.file(name)
        if not path.is_file():
            raise UsageError(
                f"Run {self.run_id} has no {name} in {self.folder.path}: the plan is not frozen "
                "yet, or its folder is elsewhere (--runs-dir)."
            )
        return path


RECORD_ROWS = 20


def with_record(widget: Any, record: Shown, given: dict[str, Any]) -> Any:
    """Return what IPython asks for: a widget for the browser, its static record for the archive."""
    shown = widget._repr_mimebundle_(**given) if widget else {}
    data, metadata = shown if isinstance(shown, tuple) else (shown, {})
    return {
        **(data or {}),
        "text/plain": record.text,
        "text/html": inlined(record.markup),
    }, metadata


class TableView:
    """A dataframe to look at; `frame` is the dataframe itself."""

    def __init__(self, name: str, frame: Any) -> None:
        self.name = name
        self.frame = frame
        self._widget: Any = None

    def record(self) -> Shown:
        """Return the first rows as a static table."""
        first = self.frame.head(RECORD_ROWS)
        texts = first.astype(object).where(first.notna(), "").astype(str)
        return table(
            f"{self.name}: {min(len(self.frame), RECORD_ROWS):,} of {len(self.frame):,} rows",
            [str(column) for column in self.frame.columns],
            texts.itertuples(index=False),
        )

    def _repr_mimebundle_(self, **given: Any) -> Any:
        from itables.widget import ITable

        if self._widget is None:
            # No limit of bytes: every row can be found, not only the first thousand.
            self._widget = ITable(self.frame, maxBytes=0, maxRows=0, maxColumns=0)
        return with_record(self._widget, self.record(), given)
