"""The workers of one process: each an applier on a connection of its own, all under one lease."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from backfill.chunks.apply import Applier
from backfill.stop import Halted, StopSignals

#: A signal that comes in the moment in which a thread begins to wait does not wake it: Python tells
#: of it when the wait is over.
_HEARD_SECONDS = 0.1


@dataclass
class Crew:
    """Runs workers until all ranges have ended, or one of them stops; then all do.

    The work is the server's, so threads are enough. A single worker runs in the calling thread.
    """

    hire: Callable[[], Applier]
    workers: int
    stop: StopSignals
    _appliers: list[Applier] = field(default_factory=list)

    def run(self) -> None:
        """Write; raise what the first worker that stopped had to say."""
        if self.workers == 1:
            self._work()
            return
        # A signal is heeded by each worker after its chunk; this thread only waits for them.
        with self.stop.shielded(), ThreadPoolExecutor(self.workers, "applier") as pool:
            futures = [pool.submit(self._work) for _ in range(self.workers)]
            while wait(futures, _HEARD_SECONDS).not_done:
                pass
        if error := first_error(futures):
            raise error

    @property
    def held(self) -> dict[int, int]:
        """The ranges that the workers still hold: tokens by number."""
        return {number: token for one in self._appliers for number, token in one.held.items()}

    def _work(self) -> None:
        try:
            applier = self.hire()
            self._appliers.append(applier)
            with contextlib.closing(applier):
                applier.run()
        except BaseException:
            self.stop.halt()
            raise


def first_error(futures: list[Future[None]]) -> BaseException | None:
    """Return the error to tell: not that of a worker that stopped because another did."""
    errors = [error for future in futures if (error := future.exception())]
    return next((error for error in errors if not isinstance(error, Halted)), None) or next(
        iter(errors), None
    )
