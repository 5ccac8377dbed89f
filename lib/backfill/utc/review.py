"""What looks odd about a batch, what a person is asked about it, and what was answered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

import numpy as np
import pyarrow as pa

from backfill.decisions import Answer, Answers, Question
from backfill.utc.doubts import SKIP, ask_row, show_time
from backfill.utc.pairs import (
    BoolArray,
    Columns,
    PairValues,
    is_duration_changed,
    is_end_before_start,
)
from backfill.utc.reasons import Reasons
from backfill.utc.zone_choice import ZoneChoice


class ChangeWarning(StrEnum):
    """What is odd about a planned change; a warning alone never stops it."""

    END_BEFORE_START = "end_before_start"
    DURATION_CHANGED = "duration_changed"
    FALLBACK_ZONE = "fallback_zone"


#: The rows of a batch that each warning is about.
Warnings = dict[ChangeWarning, BoolArray]


@dataclass(frozen=True, slots=True)
class Review:
    """`questions` wait for an answer; `answered` holds what was, by row, and `rows` counts them."""

    questions: list[Question]
    answered: dict[int, dict[str, Answer]]
    rows: int

    @property
    def used(self) -> frozenset[Answer]:
        return frozenset(chain.from_iterable(found.values() for found in self.answered.values()))

    def decisions(self) -> pa.Array:
        """Return for each row what was decided about it and by whom, NULL for nothing."""
        texts: list[str | None] = [None] * self.rows
        for row, found in self.answered.items():
            texts[row] = "; ".join(f"{what}: {answer}" for what, answer in found.items())
        return pa.array(texts, pa.string())


def find_warnings(
    rows: pa.Table, columns: Columns, pairs: list[PairValues], choice: ZoneChoice
) -> Warnings:
    """Return which rows look implausible, by warning."""
    return {
        ChangeWarning.END_BEFORE_START: is_end_before_start(rows, columns, pairs),
        ChangeWarning.DURATION_CHANGED: is_duration_changed(rows, columns, pairs),
        ChangeWarning.FALLBACK_ZONE: choice.is_fallback,
    }


def review_rows(
    rows: pa.Table,
    columns: Columns,
    pairs: list[PairValues],
    choice: ZoneChoice,
    warnings: Warnings,
    reasons: Reasons,
    answers: Answers,
) -> Review:
    """Ask about each gap, fold and warning, or take the answer; a row may be skipped by one.

    A row that is left alone for a reason of its own is not asked about, unless it was skipped for
    its gap or fold: another answer would fill it.
    """
    review = Review([], {}, rows.num_rows)
    waiting: dict[int, list[Question]] = {}
    for column, pair in zip(columns.walls, pairs, strict=True):
        for row, question in pair.asked.items():
            if row in pair.answered:
                review.answered.setdefault(row, {})[column.name] = pair.answered[row]
            elif not reasons.is_skipped[row] or reasons.is_undecided(row):
                waiting.setdefault(row, []).append(question)
    for row, warning in _rows_to_warn_of(warnings, pairs, reasons):
        question = _ask(rows, row, warning, columns, pairs, choice)
        if found := answers.find(question):
            review.answered.setdefault(row, {})[warning.value] = found
        else:
            waiting.setdefault(row, []).append(question)
    _leave_alone(review, waiting, reasons)
    review.questions.extend(chain.from_iterable(waiting[row] for row in sorted(waiting)))
    return review


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


def _leave_alone(review: Review, waiting: dict[int, list[Question]], reasons: Reasons) -> None:
    """Skip the rows that an answer says to skip, and ask nothing else about them."""
    for row, told in review.answered.items():
        skipping = [f"{what}: {found}" for what, found in told.items() if found.decision == SKIP]
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
    choice: ZoneChoice,
) -> Question:
    read = ", ".join(
        f"{column.name} {show_time(int(pair.wall.us[row]))}"
        for column, pair in zip(columns.walls, pairs, strict=True)
        if not pair.wall.is_null[row]
    )
    zone = choice.zones[int(choice.codes[row])]
    return ask_row(rows, row, warning.value, pairs[0].wall, f"{read}, {zone}", zone)
