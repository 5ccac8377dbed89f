"""`run.review()`: what waits for a person, to settle by clicking, and as a table in the record.

The rows and what a click writes are `plans.review_sheet`'s; here is only how they reach a browser.
"""

from __future__ import annotations

import base64
from importlib import resources
from pathlib import Path
from typing import Any

from backfill.decisions import Words
from backfill.display.counting import counted
from backfill.display.pages import Shown, note, table
from backfill.errors import BackfillError
from backfill.folder import RunFolder
from backfill.notebook.frames import with_record
from backfill.plans.plan import planned_again
from backfill.plans.review_sheet import ReviewRow, review_rows, settle
from backfill.plans.worksheet import CORRECTIONS_FILE, DECISIONS_FILE

_HEADER = ("what", "about", "read", "answers", "why", "answer", "by", "at")
_PICTURES = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}


class Review:
    """Rows to settle; shown by a notebook as a widget, kept in its record as a table."""

    def __init__(self, folder: RunFolder, words: Words, *, by: str = "") -> None:
        self.folder = folder
        self._words = words
        self._by = by
        self._widget: Any = None

    @property
    def rows(self) -> list[ReviewRow]:
        """Everything that waits or was settled, as the files hold it now."""
        return review_rows(self.folder)

    def settle(self, places: list[str], answer: str) -> str:
        """Write an answer to some rows into their file; return what to do next."""
        count = settle(self.folder, self._words, places, answer, by=self._by)
        option = "--decisions" if places[0].startswith("question") else "--corrections"
        return (
            f"{counted(count, 'row')} settled. The next plan takes it in: "
            f"{planned_again(self.folder, option, self.folder.run_id)}"
        )

    def record(self) -> Shown:
        """Return the static table: what was asked, the answer, who gave it and when."""
        rows = self.rows
        if not rows:
            return note("Nothing of this run waits for a person.")
        waiting = sum(not row.answer for row in rows)
        return table(
            f"For a person: {counted(len(rows), 'row')}, {waiting:,} still to settle",
            _HEADER,
            [
                (
                    *(row.kind, row.about, row.read),
                    " | ".join(word for word, _gives in row.candidates),
                    *(row.why, row.answer, row.by, row.at),
                )
                for row in rows
            ],
            rest=f"All of them: {DECISIONS_FILE}, {CORRECTIONS_FILE} in the run's folder",
        )

    def _repr_mimebundle_(self, **given: Any) -> Any:
        if self.rows and self._widget is None:
            self._widget = _widget(self)
        return with_record(self._widget, self.record(), given)


def _widget(review: Review) -> Any:
    """Return the widget; what the browser sends is a request, what it gets is the rows anew."""
    import anywidget
    import traitlets

    files = resources.files("backfill.notebook")

    class ReviewWidget(anywidget.AnyWidget):
        _esm = files.joinpath("review.js").read_text("utf-8")
        _css = files.joinpath("review.css").read_text("utf-8")
        rows: Any = traitlets.List().tag(sync=True)
        said: Any = traitlets.Unicode("").tag(sync=True)

    widget = ReviewWidget(rows=[_as_json(row) for row in review.rows])

    def answer(_widget: Any, message: dict[str, Any], _buffers: Any) -> None:
        if "crop" in message:
            widget.send({"crop": message["crop"], "data": _picture(review.folder, message["crop"])})
            return
        try:
            widget.said = review.settle(list(message["places"]), str(message["answer"]))
        except BackfillError as error:
            widget.said = str(error)
        widget.rows = [_as_json(row) for row in review.rows]

    widget.on_msg(answer)
    return widget


def _as_json(row: ReviewRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ReviewRow.__dataclass_fields__}


def _picture(folder: RunFolder, name: str) -> str:
    """Return a cut-out of the run's folder as a data URL, empty where it is gone or no picture."""
    root = folder.path.resolve()
    path = (root / name).resolve()
    kind = _PICTURES.get(Path(name).suffix.lower())
    if kind is None or root not in path.parents or not path.is_file():
        return ""
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
