"""What looks odd about a batch, what a person is asked about it, and what was answered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from backfill.decisions import Answer, Answers, Question
from backfill.rows.values import BoolArray
from backfill.utc.described import Columns
from backfill.utc.doubts import ACCEPT, SKIP, local_date, show_time, zone_at
from backfill.utc.pairs import PairValues, is_duration_changed, is_end_before_start
from backfill.utc.reasons import Reasons
from backfill.utc.repair import pattern_names
from backfill.utc.years import answered_years


class ChangeWarning(StrEnum):
    """What is odd about a planned change; a warning alone never stops it."""

    END_BEFORE_START = "end_before_start"
    DURATION_CHANGED = "duration_changed"
    FALLBACK_ZONE = "fallback_zone"


#: The rows of a batch that each warning is about.
Warnings = dict[ChangeWarning, BoolArray]


@dataclass(frozen=True, slots=True)
class ReviewedRows:
    """`questions` wait for an answer; `answered` holds what was, by row, and `rows` counts them."""

    questions: list[Question]
    answered: dict[int, dict[str, Answer]]
    rows: int

    more: set[Answer]  # answers about more than one row

    @property
    def used(self) -> frozenset[Answer]:
        of_rows = chain.from_iterable(answers.values() for answers in self.answered.values())
        return frozenset(of_rows) | self.more

    def decisions(self) -> pa.Array:
        """Return for each row what was decided about it and by whom, NULL for nothing."""
        texts: list[str | None] = [None] * self.rows
        for row, answers in self.answered.items():
            texts[row] = "; ".join(f"{what}: {answer}" for what, answer in answers.items())
        return pa.array(texts, pa.string())


def find_warnings(columns: Columns, pairs: list[PairValues]) -> Warnings:
    """Return which rows look implausible, by warning."""
    others = [pair.choice.is_fallback & pair.is_pending for pair in pairs[1:]]
    is_fallback = np.logical_or.reduce([pairs[0].choice.is_fallback, *others])
    return {
        ChangeWarning.END_BEFORE_START: is_end_before_start(columns, pairs),
        ChangeWarning.DURATION_CHANGED: is_duration_changed(columns, pairs),
        ChangeWarning.FALLBACK_ZONE: is_fallback,
    }


def review_rows(
    rows: pa.Table,
    columns: Columns,
    pairs: list[PairValues],
    warnings: Warnings,
    reasons: Reasons,
    answers: Answers,
    patterns: NDArray[np.int8],
) -> ReviewedRows:
    """Ask about each gap, fold and warning, or take the answer; a row may be skipped by one.

    A row that is left alone for a reason of its own is not asked about, unless it was skipped for
    its gap or fold: another answer would fill it.
    """
    review = ReviewedRows([], {}, rows.num_rows, set())
    for pair in pairs:
        review.more.update(pair.choice.used)
    _take_years(review, columns, pairs, reasons, answers)
    _take_patterns(review, rows, patterns, reasons, answers)
    waiting: dict[int, list[Question]] = {}
    for column, pair in zip(columns.pairs, pairs, strict=True):
        for row, question in pair.asked.items():
            if row in pair.answered:
                review.answered.setdefault(row, {})[column.label] = pair.answered[row]
            elif not reasons.is_skipped[row] or reasons.is_undecided(row):
                waiting.setdefault(row, []).append(question)
    for row, warning in _rows_to_warn_of(warnings, pairs, reasons):
        question = _ask(rows, row, warning, columns, pairs)
        if answer := answers.find(question):
            review.answered.setdefault(row, {})[warning.value] = answer
        else:
            waiting.setdefault(row, []).append(question)
    _leave_alone(review, waiting, reasons)
    for question in dict.fromkeys(q for pair in pairs for q in pair.choice.questions):
        review.questions.append(question)
    review.questions.extend(chain.from_iterable(waiting[row] for row in sorted(waiting)))
    return review


def _take_years(
    review: ReviewedRows,
    columns: Columns,
    pairs: list[PairValues],
    reasons: Reasons,
    answers: Answers,
) -> None:
    for label, year, mask, question in answered_years(columns, pairs, answers):
        if answer := answers.find(question):
            review.more.add(answer)
            if answer.decision == SKIP:
                reasons.leave_alone(mask, f"{label} in the year {year}: {answer}")


def _take_patterns(
    review: ReviewedRows,
    rows: pa.Table,
    patterns: NDArray[np.int8],
    reasons: Reasons,
    answers: Answers,
) -> None:
    """Ask once for each pattern of each scope whether its rows are to be mended."""
    planned = np.flatnonzero((patterns > 0) & ~reasons.is_skipped)
    if not len(planned):
        return
    names = pattern_names(patterns[planned]).to_pylist()
    scopes = rows.column("scope").take(pa.array(planned)).to_pylist()
    places: dict[tuple[str, str], list[int]] = {}
    for row, name, scope in zip(planned.tolist(), names, scopes, strict=True):
        places.setdefault((name, scope or ""), []).append(row)
    for (name, scope), rows_of in places.items():
        question = Question(
            kind=name,
            key="*",
            scope=scope,
            read=f"filled values of {scope or 'the table'} that differ: {name}",
            candidates=f"{ACCEPT} | {SKIP}",
            applied=ACCEPT,
        )
        answer = answers.find(question)
        if answer is None:
            review.questions.append(question)
            continue
        review.more.add(answer)
        if answer.decision == SKIP:
            mask = np.zeros(rows.num_rows, dtype=bool)
            mask[rows_of] = True
            reasons.leave_alone(mask, f"{name}: {answer}")


def _rows_to_warn_of(
    warnings: Warnings, pairs: list[PairValues], reasons: Reasons
) -> Iterator[tuple[int, ChangeWarning]]:
    for warning, mask in warnings.items():
        is_idle = reasons.is_skipped.copy()
        if warning is ChangeWarning.DURATION_CHANGED:
            for pair in pairs:  # a gap or fold changes it: asked about already
                is_idle[list(pair.asked)] = True
        for row in np.flatnonzero(mask & ~is_idle):
            yield int(row), warning


def _leave_alone(
    review: ReviewedRows, waiting: dict[int, list[Question]], reasons: Reasons
) -> None:
    """Skip the rows that an answer says to skip, and ask nothing else about them."""
    for row, answers in review.answered.items():
        skipping = [
            f"{what}: {answer}" for what, answer in answers.items() if answer.decision == SKIP
        ]
        if skipping:
            waiting.pop(row, None)
        if skipping and not reasons.is_skipped[row]:
            reasons.skip_by_decision(row, "; ".join(skipping))


def _ask(
    rows: pa.Table,
    row: int,
    warning: ChangeWarning,
    columns: Columns,
    pairs: list[PairValues],
) -> Question:
    read = ", ".join(
        f"{column.label} {show_time(int(pair.wall.us[row]))}"
        for column, pair in zip(columns.pairs, pairs, strict=True)
        if not pair.wall.is_null[row]
    )
    zone = zone_at(pairs[0].choice, row)
    return Question(
        kind=warning.value,
        key=rows.column("key")[row].as_py(),
        scope=rows.column("scope")[row].as_py() or "",
        zone=zone,
        local_date=local_date(int(pairs[0].wall.us[row])),
        read=f"{read}, {zone}",
        candidates=f"{ACCEPT} | {SKIP}",
        applied=ACCEPT,
    )
