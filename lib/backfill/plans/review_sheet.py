"""What a run waits for, as rows that a person settles one by one or many at once.

The rows are those of `decisions.csv` (questions) and `corrections.csv` (doubtful fields, each with
its cut-out), and settling one fills in its line of that file, as a person with an editor would.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from backfill.decisions import Words
from backfill.errors import UsageError
from backfill.folder import RunFolder
from backfill.plans import worksheet
from backfill.plans.worksheet import CORRECTIONS_FILE, DECISIONS_FILE, rows_in
from backfill.records.parts import user_name

QUESTION = "question"
DOUBT = "doubt"
_RIGHT = ("field", "right")


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """One thing to settle.

    Attributes:
        place: `question:<id>` or `doubt:<line of the file>`; names the row to `settle`.
        kind: what is asked; of a doubt, its field.
        about: the key and column, or the session and shift.
        read: what stands there now.
        candidates: words to answer with, each with what it gives; empty: any text.
        why: what makes it doubtful; of a question, what counts while nobody answers.
        crop: file of the cut-out below the run's folder; empty for none.
        answer, by, at: what was settled, by whom and when (UTC); empty while it waits.
    """

    place: str
    kind: str
    about: str
    read: str
    candidates: tuple[tuple[str, str], ...]
    why: str
    crop: str = ""
    answer: str = ""
    by: str = ""
    at: str = ""


def review_rows(folder: RunFolder) -> list[ReviewRow]:
    """Return all that waits or was settled in this run: doubts with their crops first."""
    return [*_doubts(folder), *_questions(folder)]


def settle(
    folder: RunFolder, words: Words, places: Sequence[str], answer: str, *, by: str = ""
) -> int:
    """Write one answer into the lines of several rows; return how many there were.

    Raises:
        UsageError: a row is not there any more, or the word does not answer it; nothing is
            written then.
    """
    who = by or user_name()
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    ids = {place.removeprefix(f"{QUESTION}:") for place in places if place.startswith(QUESTION)}
    lines = {int(place.split(":")[1]) for place in places if place.startswith(DOUBT)}
    if ids:
        asked = [question for question in worksheet.read_questions(folder) if question.id in ids]
        _must_be_there(len(ids) - len({question.id for question in asked}))
        if other := next((q for q in asked if answer not in words[q.kind]), None):
            raise UsageError(
                f"{answer!r} does not answer a {other.kind}; say {', '.join(words[other.kind])}."
            )
        given = {"by": who, "at": now}
        answers = [worksheet.answer_to(question, answer, given) for question in asked]
        worksheet.write_answers(folder, answers, words)
    if lines:
        _correct(folder, lines, answer.strip(), who, now)
    return len(ids) + len(lines)


def _correct(folder: RunFolder, lines: set[int], right: str, who: str, now: str) -> None:
    rows = _correction_rows(folder)
    _must_be_there(len(lines - {line for line, _cells in rows}))
    answer = {"right": right, "by": who if right else "", "at": now if right else ""}
    filled = [cells | answer if line in lines else cells for line, cells in rows]
    header = list(dict.fromkeys(name for cells in filled for name in cells))
    worksheet.write_private(folder, CORRECTIONS_FILE, header, filled, "correction")


def _must_be_there(missing: int) -> None:
    if missing:
        raise UsageError("The file has changed since it was shown: call run.review() again.")


def _questions(folder: RunFolder) -> Iterable[ReviewRow]:
    path = folder.file(DECISIONS_FILE)
    if not path.is_file():
        return
    for _line, cells in rows_in(path, ("key",)):
        if not cells.get("id"):
            continue  # a bucket, or a line of a person's own: nothing that was asked
        yield ReviewRow(
            f"{QUESTION}:{cells['id']}",
            cells.get("kind", ""),
            _joined(cells, "key", "column", "scope", "zone"),
            cells.get("read", ""),
            _candidates(cells),
            f"now: {cells['applied']}" if cells.get("applied") else "",
            answer=cells.get("decision", ""),
            by=cells.get("by", ""),
            at=cells.get("at", ""),
        )


def _doubts(folder: RunFolder) -> Iterable[ReviewRow]:
    for line, cells in _correction_rows(folder):
        yield ReviewRow(
            f"{DOUBT}:{line}",
            cells.get("field", ""),
            _joined(cells, "schedule_date", "shift", "session_id"),
            cells.get("read", ""),
            _candidates(cells),
            cells.get("why", ""),
            crop=cells.get("crop", ""),
            answer=cells.get("right", ""),
            by=cells.get("by", ""),
            at=cells.get("at", ""),
        )


def _correction_rows(folder: RunFolder) -> list[tuple[int, dict[str, str]]]:
    path = folder.file(CORRECTIONS_FILE)
    if not path.is_file():
        return []
    return rows_in(path, _RIGHT)


def _candidates(cells: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the words to answer with, each with what it gives."""
    pairs = (text.partition(":") for text in cells.get("candidates", "").split(" | ") if text)
    return tuple((word.strip(), gives.strip()) for word, _, gives in pairs)


def _joined(cells: dict[str, Any], *names: str) -> str:
    return " · ".join(cells[name] for name in names if cells.get(name))
