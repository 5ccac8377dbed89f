"""`run.table(name)`: all rows of one of a run's tables, to sort, search and page through.

In JupyterLab a widget shows them, whatever their number and without a network; the record keeps
the first rows.
"""

from __future__ import annotations

from typing import Any

from backfill.display.pages import Shown, table

RECORD_ROWS = 20


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
        shown = self._widget._repr_mimebundle_(**given)
        data, metadata = shown if isinstance(shown, tuple) else (shown, {})
        record = self.record()
        return {**(data or {}), "text/plain": record.text, "text/html": record.markup}, metadata
