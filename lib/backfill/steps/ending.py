"""However writing ends, leave the run at the status that it means, and name the way on.

While other appliers work on the same run it keeps running: then only this process ends.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from backfill.chunks.chunk_commit import StopRequested
from backfill.chunks.crew import Crew
from backfill.chunks.patience import Connect
from backfill.chunks.refusals import is_of_class_42
from backfill.display.counting import counted
from backfill.errors import (
    BackfillError,
    DatabaseUnreachable,
    EveryRowRefused,
    Interrupted,
    LeaseHeld,
    PreflightError,
    Terminated,
    TooManyRefused,
    TooManySkips,
    first_line,
)
from backfill.folder import RunFolder, runs_dir
from backfill.next_command import next_command
from backfill.parameters import CHUNK_ROWS_BOUNDS
from backfill.plans.plan import Plan, new_plan, planned_again
from backfill.records import lease
from backfill.records.lease import Lease, Left
from backfill.records.ledger import Ledger
from backfill.records.parts import parts_of
from backfill.report import Reporter
from backfill.server.postgres import Connection
from backfill.server.standby_wait import StandbyMissing
from backfill.skips import NOT_WRITTEN
from backfill.status import RunStatus
from backfill.steps.approval import is_open
from backfill.steps.left_alone import nothing_written
from backfill.steps.refused_by import ways_on
from backfill.steps.standing import Applied, standing


@dataclass
class Ending:
    """The end of this process's part in a run."""

    connect: Connect
    claim: Lease
    plan: Plan
    folder: RunFolder
    reporter: Reporter
    crew: Crew | None = None
    _standing: Applied | None = None

    @contextlib.contextmanager
    def recorded(self) -> Iterator[None]:
        """Run the block; record how it ended, and raise what the operator is to be told."""
        try:
            yield
        except LeaseHeld:
            self._leave(RunStatus.INTERRUPTED, "one of its appliers lost a range to another")
            raise
        except StopRequested as stop:
            raise Interrupted(self._stopped(f"was {stop.status}", stop.status)) from None
        except (Interrupted, Terminated) as stop:
            what = str(stop).rstrip(".").removeprefix(f"Run {self.plan.run_id} ")
            raise type(stop)(self._stopped(what, RunStatus.INTERRUPTED)) from None
        except TooManySkips as error:
            self._leave(RunStatus.INTERRUPTED, str(error))
            raise
        except (TooManyRefused, EveryRowRefused) as error:
            raise type(error)(self._failed(str(error))) from None
        except psycopg.Error as error:
            if is_of_class_42(error):
                said = f"the server refused: {first_line(error)}"
                raise PreflightError(self._failed(said)) from None
            text = first_line(error)
            self._leave(RunStatus.FAILED, text)
            raise DatabaseUnreachable(
                f"Run {self.plan.run_id} stopped {self._place()}: {text}. Committed chunks stay "
                f"committed. When it is mended: {resume_command(self.folder)}"
            ) from None
        except BaseException as error:  # whatever ends a run, its row says so
            self._leave(RunStatus.FAILED, f"{type(error).__name__}: {error}")
            raise
        else:
            if nothing := self._complete():
                raise nothing

    def standing(self) -> Applied:
        """Return how the run stood when it was `recorded` to have ended well."""
        assert self._standing is not None
        return self._standing

    def _stopped(self, what: str, status: RunStatus) -> str:
        """Leave the run; return the message of a stop that was asked for."""
        run_id = self.plan.run_id
        text = f"Run {run_id} {what} {self._place()}."
        if self._leave(status, text) is Left.OTHERS_WORK_ON:
            return (
                f"{text}\nOther appliers go on with it. Watch it: {next_command('status', run_id)}"
            )
        return f"{text}\nGo on with: {resume_command(self.folder)}"

    def _failed(self, said: str) -> str:
        """Leave the run as failed; return the message of a plan that does not fit its table."""
        text = f"Run {self.plan.run_id} stopped {self._place()}: {said}."
        self._leave(RunStatus.FAILED, text)
        return (
            f"{text} What was committed before stays. Grant the right, or mend what the server "
            f"names, then: {resume_command(self.folder)}\n"
            f"Or plan anew, for the table as it is now. {new_plan(self.folder)}"
        )

    def _leave(self, status: RunStatus, message: str) -> Left:
        """Leave the run; when the server is away the leases run out by themselves."""
        try:
            with contextlib.closing(self.connect()) as connection:
                held = self.crew.held if self.crew else {}
                return lease.leave(connection, self.claim, held, status, message[:2000])
        except StandbyMissing as missing:  # the run's row says so all the same
            self.reporter.message(f"While the run ended, {missing}.", "warning")
            return Left.LOST
        except (BackfillError, psycopg.Error) as error:
            self.reporter.message(f"The run's end could not be recorded now: {error}", "warning")
            return Left.LOST

    def _complete(self) -> BackfillError | None:
        """Every range of the part has ended: so has the run, or it waits for its next part.

        Returns the error of a run that wrote nothing of what it was to write.
        """
        error = None
        with contextlib.closing(self.connect()) as connection:
            status, message = self._outcome(connection)
            ways: list[str] = []
            if error := nothing_written(
                Ledger(connection), self.folder, lambda: self._ways_on(connection)
            ):
                status, message = RunStatus.FAILED, str(error)
            left = lease.leave(connection, self.claim, {}, status, message)
            if left is Left.LOST and not self._has_ended(connection):
                raise LeaseHeld(
                    f"Run {self.plan.run_id} lost its lease before it could end. See: "
                    f"{next_command('status', self.plan.run_id)}"
                )
            if error is None:
                ledger = Ledger(connection)
                status = ledger.get(self.plan.run_id).status
                self._standing = standing(ledger, self.plan, status)
                if NOT_WRITTEN & self._standing.left.keys():
                    ways = self._ways_on(connection)
        for text in ways:
            self.reporter.message(text, "warning")
        if message and error is None:
            self.reporter.advise(message)
        return error

    def _ways_on(self, connection: Connection) -> list[str]:
        """Return what lets the rows be written that the database refused."""
        is_cut = len(Ledger(connection).checkpoints(self.plan.run_id)) > 1
        whole = min(self.plan.rows, CHUNK_ROWS_BOUNDS[1])
        again = planned_again(self.folder, "--chunk-size", str(whole)) if is_cut else ""
        with contextlib.suppress(psycopg.Error):  # a role that may not look; the run has ended well
            return list(ways_on(connection, self.plan.run_id, self.plan.scope["table"], again))
        return []

    def _outcome(self, connection: Connection) -> tuple[RunStatus, str]:
        parts = parts_of(connection, self.plan.run_id)
        left = self.plan.rows - sum(part.rows for part in parts)
        if not left:
            return RunStatus.SUCCEEDED, ""
        part = parts[-1]
        return RunStatus.PAUSED, (
            f"Part {part.part_no} ({part.chosen_by}) is applied: {counted(part.rows, 'row')}; "
            f"{left:,} left: {apply_command(self.folder)}"
        )

    def _has_ended(self, connection: Connection) -> bool:
        """Whether another applier ended the run as this one would have."""
        run = Ledger(connection).find(self.plan.run_id)
        ends = (RunStatus.SUCCEEDED, RunStatus.PAUSED, RunStatus.FAILED)
        has_ended = run is not None and run.status in ends
        return has_ended and not is_open(connection, parts_of(connection, self.plan.run_id))

    def _place(self) -> str:
        """Say how far the run came, if the server answers."""
        try:
            with contextlib.closing(self.connect()) as connection:
                done = Ledger(connection).checkpoints(self.plan.run_id)
        except (BackfillError, psycopg.Error):
            return "after its last checkpoint"
        if not done:
            return "before its first chunk was written"
        scanned = sum(checkpoint.scanned for checkpoint in done)
        return f"after chunk {len(done)} ({scanned:,} of {self.plan.rows:,} rows)"


def resume_command(folder: RunFolder) -> str:
    """Return the exact command that goes on with a run, wherever its folder lies."""
    return command_for("resume", folder)


def apply_command(folder: RunFolder) -> str:
    """Return the exact command that applies a run's plan, or what is left of it."""
    return command_for("apply", folder)


def command_for(verb: str, folder: RunFolder) -> str:
    runs = folder.path.parent
    return next_command(verb, folder.run_id, runs=None if runs == runs_dir() else runs)
