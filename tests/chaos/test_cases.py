"""The cases of `backfill selftest --chaos`, one test each."""

from __future__ import annotations

import pytest
from tests.chaos.selftest.case import Case
from tests.chaos.selftest.suite import CASES, act
from tests.chaos.selftest.world import Stage

SEED = 20_261_122

#: What `make test` asks of the quick ones: one of each kind that no other folder of tests looks at.
ALWAYS = {
    "kill.apply.before_commit",
    "rights.least",
    "rights.paths",
    "tampering.record",
    "writers.stopped.before_commit",
}


@pytest.mark.kill
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=() if case.name in ALWAYS else pytest.mark.chaos)
        for case in CASES
    ],
)
def test_the_promise_holds(stage: Stage, case: Case) -> None:
    act(stage, case, SEED)
