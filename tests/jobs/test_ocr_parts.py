"""Sessions approved in parts: by user, date, event type or confidence, and never out of order."""

from __future__ import annotations

import pytest
from tests.jobs.ocr_bench import (
    FIRST,
    LONG,
    OTHER,
    SECOND,
    OcrBench,
    essentials,
    session_id,
    take,
    truth,
)
from tests.longer import longer

from backfill.errors import UsageError

pytestmark = pytest.mark.ocr


def written(bench: OcrBench, run_id: str) -> list[str]:
    """Return the first keys of the run's chunks, one for each session."""
    return [low for _, low, *_ in bench.checkpoints(run_id)]


@pytest.mark.parametrize(
    "only",
    [
        f"list_contains(event_types, 'shift_added') AND key = '{session_id(LONG)}'",
        *longer(
            f"user_id = '{OTHER}'",
            "schedule_date = (SELECT max(schedule_date) FROM changes WHERE user_id <> '501')"
            f" AND user_id = '{OTHER}'",
            f"confidence BETWEEN 0 AND 100 AND scope = '{OTHER}'",
        ),
    ],
)
def test_sessions_are_chosen_by_what_is_known_of_them(three: OcrBench, only: str) -> None:
    run_id = take(three).run_id

    three.apply(run_id, only=only)

    assert written(three, run_id) == [str(session_id(LONG))]
    assert three.status(run_id) == "paused"
    assert three.verify(run_id).is_proven
    three.apply(run_id)
    for name, user in ((FIRST, 501), (SECOND, 501), (LONG, OTHER)):
        assert essentials(three.payload(name, user)) == truth(name)
    assert three.verify(run_id).is_proven


def test_a_session_brings_the_earlier_ones_of_its_day_along(chain: OcrBench) -> None:
    run_id = take(chain, accept_review=True).run_id

    chain.apply(run_id, only=f"key = '{session_id(LONG)}'")

    assert written(chain, run_id) == [str(session_id("half")), str(session_id(LONG))]
    assert "1 of them were not chosen, but others of the part build on them" in chain.messages()
    assert chain.verify(run_id).is_proven
    assert chain.status(run_id) == "succeeded"


def test_the_first_session_of_a_day_may_be_written_alone(chain: OcrBench) -> None:
    run_id = take(chain, accept_review=True).run_id

    chain.apply(run_id, only=f"key = '{session_id('half')}'")
    assert written(chain, run_id) == [str(session_id("half"))]
    chain.apply(run_id)

    assert essentials(chain.payload(LONG, OTHER)) == truth(LONG)
    assert chain.verify(run_id).is_proven


def test_parts_of_sessions_are_reverted_the_last_one_first(chain: OcrBench) -> None:
    before = chain.stored()
    run_id = take(chain, accept_review=True).run_id
    chain.apply(run_id, only=f"key = '{session_id('half')}'")
    chain.apply(run_id)

    chain.revert(run_id)

    assert chain.stored() == before


def test_sessions_are_written_by_one_worker(three: OcrBench) -> None:
    run_id = take(three).run_id

    with pytest.raises(UsageError, match=r"writes its rows one after the other"):
        three.apply(run_id, workers=2)

    three.apply_with(run_id, join=True)
    assert three.status(run_id) == "succeeded"
    assert three.scalar("SELECT count(*) FROM backfill.range") == 1
