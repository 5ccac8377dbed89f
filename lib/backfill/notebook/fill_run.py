"""A fill from any script: planned when it is made, then looked at, applied, proven, undone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from backfill.archive.evidence import DRIFTED_FILE, SKIPS_FILE
from backfill.display.explanation import Explanation
from backfill.display.pages import Shown, note
from backfill.errors import RowsDrifted, RowsLeft
from backfill.folder import RunFolder
from backfill.notebook.run_book import RunBook

#: Opens the run that puts back what another wrote, from its parameters.
OpenRevert = Callable[[dict[str, Any]], RunBook]


class FillRun:
    """One run: `run.diff()`, `run.apply()`, `run.verify()`, `run.undo()`; each shows itself.

    `run.changes` and `run.skips` are dataframes; `run.folder` holds the evidence.
    """

    def __init__(self, book: RunBook, diff: Shown, open_revert: OpenRevert) -> None:
        self._book = book
        self._diff = diff
        self._open_revert = open_revert
        self._close(book)

    @property
    def run_id(self) -> str:
        return self._book.run_id

    @property
    def folder(self) -> RunFolder:
        return self._book.folder

    @property
    def changes(self) -> Any:
        return self._book.changes

    @property
    def skips(self) -> Any:
        """Rows left alone: as planned, and what writing them met; drifted ones last."""
        import pandas as pd

        files = [self.folder.file(name) for name in (SKIPS_FILE, DRIFTED_FILE)]
        parts = [
            pd.read_csv(file, dtype=str, keep_default_na=False) for file in files if file.is_file()
        ]
        left = pd.concat(parts, ignore_index=True).rename(
            columns={self._book.kind.scope_name: "scope"}
        )
        return left.drop_duplicates(["key", "column", "reason"], ignore_index=True)

    @property
    def summary(self) -> dict[str, Any]:
        """How the run stands, as `summary.json` has it."""
        return self.folder.read_json("summary.json")

    def diff(self) -> Shown:
        """Show what would change, and the rows left alone."""
        return self._diff

    def apply(self) -> Shown:
        """Write exactly what was planned; edited rows are left alone and listed in `skips`."""
        self._book.values["apply"] = True
        shown = self._book.apply()
        return shown + self._close(self._book)

    def verify(self) -> Shown:
        """Prove from the database that what was planned is there; raise `VerifyFailed`."""
        return self._book.verify()

    def explain(self, key: object) -> Explanation:
        """Return why a row is as it is; a key of several columns as JSON, or as `a,b`."""
        return self._book.explain(key)

    def undo(self) -> Shown:
        """Put back what the run wrote, by a run of its own; rows edited since are left alone."""
        values = {name: value for name, value in self._book.values.items() if name in _KEPT}
        book = self._open_revert({**values, "run_id": self.run_id, "apply": True})
        shown = book.apply()
        return shown + self._close(book)

    def _close(self, book: RunBook) -> Shown:
        try:
            return book.summary()
        except (RowsDrifted, RowsLeft) as error:  # shown, not raised: a script looks at `skips`
            return note(str(error), "warning")

    def _repr_html_(self) -> str:
        return self._diff._repr_html_()

    def __repr__(self) -> str:
        return f"Run {self.run_id}\n{self._diff.text}"


_KEPT = ("runs_dir", "dsn_env")


def in_quotes(names: Sequence[str]) -> list[str]:
    """Return columns' names as `--set` takes them: one with a comma stands in quotes."""
    is_plain = {name: name.strip('" ') == name and "," not in name for name in names}
    return [n if is_plain[n] else '"' + n.replace('"', '""') + '"' for n in names]
