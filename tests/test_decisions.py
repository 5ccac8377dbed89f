"""Questions and answers: which answer counts, and when two contradict each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backfill.decisions import Answer, Answers, Question
from backfill.errors import UsageError

WORDS = {"fold": ("earlier", "later", "skip"), "gap": ("shift_forward", "skip")}
FOLD = Question(
    kind="fold",
    key="e-1",
    column="start_at",
    scope="hh_1",
    zone="Europe/Stockholm",
    local_date="2025-10-26",
    read="2025-10-26 02:30:00",
)


def decide(*answers: Answer) -> str:
    found = Answers(answers, WORDS).find(FOLD)
    return found.decision if found else "nobody"


def test_an_answer_for_the_row_beats_one_for_its_bucket() -> None:
    bucket = Answer("earlier", kind="fold", zone="Europe/Stockholm", local_date="2025-10-26")
    row = Answer("later", key="e-1", column="start_at")

    assert decide(bucket) == "earlier"
    assert decide(bucket, row) == decide(row, bucket) == "later"


def test_a_bucket_with_more_said_beats_one_with_less() -> None:
    zone = Answer("earlier", zone="Europe/Stockholm")
    day = Answer("later", zone="Europe/Stockholm", local_date="2025-10-26")
    household = Answer("skip", zone="Europe/Stockholm", local_date="2025-10-26", scope="hh_1")

    assert decide(day, zone) == "later"
    assert decide(household, day, zone) == "skip"


def test_an_answer_for_another_zone_day_row_or_kind_answers_nothing() -> None:
    for other in (
        Answer("later", zone="Europe/London"),
        Answer("later", local_date="2024-10-27"),
        Answer("later", key="e-2"),
        Answer("shift_forward", key="e-1"),
        Answer("later", key="e-1", column="end_at"),
    ):
        assert decide(other) == "nobody"


def test_a_line_with_the_id_of_a_question_answers_only_that_question() -> None:
    answers = Answers([Answer("later", kind="fold", id=FOLD.id, key="e-1", read="26/10/25")], WORDS)

    assert answers.find(FOLD) is not None
    assert answers.find(replace(FOLD, read="2024-10-27 02:30:00")) is None


def test_lines_that_contradict_each_other_are_both_named() -> None:
    with pytest.raises(UsageError, match=r"Lines 3 and 7 contradict each other: e-1, start_at is"):
        Answers(
            [
                Answer("later", key="e-1", column="start_at", line=3),
                Answer("earlier", key="e-1", column="start_at", line=7),
            ],
            WORDS,
        )


def test_the_same_answer_twice_is_no_contradiction() -> None:
    twice = [Answer("later", key="e-1", line=3), Answer("later", key="e-1", line=4)]

    assert decide(*twice) == "later"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer("perhaps", key="e-1", line=2), "line 2: 'perhaps' is not one of earlier, later"),
        (Answer("later", kind="gap", line=2), "line 2: 'later' does not answer a gap"),
        (Answer("later", kind="hole", line=2), "line 2: 'hole' is no kind of question"),
    ],
)
def test_an_answer_that_can_not_be_meant_is_refused(answer: Answer, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Answers([answer], WORDS)


def test_an_answer_that_met_nothing_is_idle() -> None:
    used, idle = Answer("later", key="e-1"), Answer("later", key="e-9")
    answers = Answers([used, idle], WORDS)

    found = answers.find(FOLD)

    assert found is not None
    assert answers.idle([found]) == [idle]
