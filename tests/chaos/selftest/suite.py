"""Run cases one after the other, each in a world of its own with a seed of its own."""

from __future__ import annotations

import contextlib
import datetime as dt
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.chaos.selftest import (
    kills,
    lies,
    moving,
    phases,
    poison,
    rights,
    servers,
    sessions,
    shapes,
    sharing,
    tampering,
    writers,
)
from tests.chaos.selftest.case import Case, Cases
from tests.chaos.selftest.server_folder import server_folder
from tests.chaos.selftest.world import Stage

from backfill.errors import UsageError
from backfill.report import Reporter

_GROUPS = (
    *(kills, phases, sessions, writers, sharing, servers),
    *(moving, poison, shapes, tampering, rights, lies),
)
CASES = tuple(
    case
    for group in _GROUPS
    for made in vars(group).values()
    if isinstance(made, Cases)
    for case in made
)
_PREFIX = "backfill-selftest-"
_ROOM_BYTES = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Result:
    """How one case ended; `error` is empty when its promise held."""

    case: Case
    seed: int
    elapsed_ms: int
    error: str = ""

    @property
    def outcome(self) -> str:
        return "failed" if self.error else "passed"


def choose(names: Iterable[str]) -> list[Case]:
    """Return the cases of these names, or whose names begin with them; all when none is given."""
    wanted = list(names)
    chosen = [
        case
        for case in CASES
        if not wanted or any(case.name == n or case.name.startswith(f"{n}.") for n in wanted)
    ]
    for name in wanted:
        if not any(case.name == name or case.name.startswith(f"{name}.") for case in CASES):
            raise UsageError(
                f"There is no case {name!r}. List them with: backfill selftest --chaos --list"
            )
    return chosen


def run_cases(cases: Iterable[Case], seed: int, reporter: Reporter) -> list[Result]:
    """Run cases on a throw-away server; a failed one does not keep the others from running."""
    with temporary_stage() as stage:
        results = []
        for case in cases:
            results.append(run_case(stage, case, seed))
            result = results[-1]
            level = "error" if result.error else "info"
            tail = f": {result.error}" if result.error else ""
            reporter.message(f"{result.outcome} {case.name} ({result.elapsed_ms} ms){tail}", level)
        return results


def run_case(stage: Stage, case: Case, seed: int) -> Result:
    """Run one case; its seed mixes the suite's with its name, so that it can run alone."""
    started = time.monotonic()
    error = ""
    try:
        act(stage, case, seed)
    except Exception as caught:  # whatever it is, the case has failed
        error = f"{type(caught).__name__}: {caught}"
    return Result(case, seed, round((time.monotonic() - started) * 1000), error)


def act(stage: Stage, case: Case, seed: int) -> None:
    """Run one case; raise what it raises."""
    with stage.world(random.Random(f"{seed}:{case.name}")) as world:
        case.act(world)


@contextlib.contextmanager
def temporary_stage() -> Iterator[Stage]:
    """Yield a stage in a folder that goes away, in memory where there is enough."""
    with (
        server_folder(_PREFIX, _ROOM_BYTES) as folder,
        Stage(folder / "server", folder / "worlds") as stage,
    ):
        yield stage


def stamp(now: dt.datetime) -> str:
    """Return the name of a report's folder; `now` is aware."""
    return f"selftest-{now.astimezone(dt.UTC):%Y%m%dT%H%M%SZ}"
