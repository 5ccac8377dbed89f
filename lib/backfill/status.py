"""The life of a run: a closed set of statuses and the arrows between them."""

from __future__ import annotations

from enum import StrEnum

from backfill.errors import UsageError
from backfill.next_command import next_command


class RunStatus(StrEnum):
    """What `backfill.run.status` holds, word for word."""

    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    FAILED = "failed"
    SUCCEEDED = "succeeded"
    REVERTED = "reverted"


#: Every arrow, with the reason why it happens. Anything else is refused.
TRANSITIONS: dict[tuple[RunStatus, RunStatus], str] = {
    (RunStatus.PLANNED, RunStatus.RUNNING): "apply takes the lease",
    (RunStatus.PLANNED, RunStatus.CANCELLED): "cancelled before anything was written",
    (RunStatus.RUNNING, RunStatus.RUNNING): "taken over after the lease ran out",
    (RunStatus.RUNNING, RunStatus.PAUSED): "pause took effect, or a part of the plan is applied",
    (RunStatus.RUNNING, RunStatus.CANCELLED): "cancel took effect after a chunk",
    (RunStatus.RUNNING, RunStatus.INTERRUPTED): "a signal took effect, or the writer died",
    (RunStatus.RUNNING, RunStatus.FAILED): "an error ended the run",
    (RunStatus.RUNNING, RunStatus.SUCCEEDED): "every chunk of the plan has its checkpoint",
    (RunStatus.PAUSED, RunStatus.RUNNING): "resume",
    (RunStatus.PAUSED, RunStatus.CANCELLED): "cancelled while paused",
    (RunStatus.INTERRUPTED, RunStatus.RUNNING): "resume",
    (RunStatus.INTERRUPTED, RunStatus.CANCELLED): "cancelled while interrupted",
    (RunStatus.CANCELLED, RunStatus.RUNNING): "resume",
    (RunStatus.FAILED, RunStatus.RUNNING): "resume",
    (RunStatus.SUCCEEDED, RunStatus.REVERTED): "every row it wrote was put back",
    (RunStatus.INTERRUPTED, RunStatus.REVERTED): "every row it wrote was put back",
    (RunStatus.CANCELLED, RunStatus.REVERTED): "every row it wrote was put back",
    (RunStatus.PAUSED, RunStatus.REVERTED): "every row it wrote was put back",
    (RunStatus.FAILED, RunStatus.REVERTED): "every row it wrote was put back",
    (RunStatus.REVERTED, RunStatus.SUCCEEDED): "the revert itself was reverted",
}

#: A run in one of these goes on from its last checkpoint.
RESUMABLE = frozenset(
    {RunStatus.INTERRUPTED, RunStatus.PAUSED, RunStatus.CANCELLED, RunStatus.FAILED}
)


def check_transition(run_id: str, now: RunStatus, then: RunStatus) -> None:
    """Raise `UsageError` unless a run may go from `now` to `then`."""
    if (now, then) not in TRANSITIONS:
        raise UsageError(
            f"Run {run_id} is {now}: it can not become {then}. "
            f"Look at it with: {next_command('status', run_id)}"
        )


def may_start(status: RunStatus) -> bool:
    """Whether apply or resume may take a run that stands at `status`."""
    return (status, RunStatus.RUNNING) in TRANSITIONS
