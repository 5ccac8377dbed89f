"""Errors that a person can act on, each with the exit code that tells a script the same."""

from __future__ import annotations

import errno
from enum import IntEnum


class ExitCode(IntEnum):
    """The command line's public exit codes (tabulated in the README)."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    PREFLIGHT = 3
    LEASE_HELD = 4
    STALE = 5
    VERIFY_FAILED = 6
    TOO_MANY_SKIPS = 7
    PENDING = 8
    INTERRUPTED = 130
    TERMINATED = 143


class BackfillError(Exception):
    """Something a person can mend; the message ends with the next command to type."""

    exit_code = ExitCode.UNEXPECTED

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows instead of a traceback: IPython asks for this name."""
        return [f"{type(self).__name__}: {self}"]


class DatabaseUnreachable(BackfillError):
    """The server does not answer, or closed the connection and stays away."""


class NoConnectionLeft(DatabaseUnreachable):
    """The server is there, and lets nobody else in: a limit on connections is reached."""


class ClusterLost(BackfillError):
    """The Dask cluster that computes went away; nothing was written."""


class StorageError(BackfillError):
    """A file of the run could not be written; the database is not affected."""


#: What the system says where there is no room left, or no more may be taken.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or what it came of, is that there is no room."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__context__
    return False


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says; of one that says nothing, its kind."""
    said = str(error).strip()
    return said.splitlines()[0] if said else type(error).__name__


def mend_of(error: BaseException) -> str:
    """Return what to do about a file that could not be written, without a full stop."""
    return "Free some room" if is_full(error) else "Mend that"


class UsageError(BackfillError):
    """An option or parameter that cannot be meant."""

    exit_code = ExitCode.USAGE


class UnreadableAddress(UsageError):
    """A connection string that can not be read. What is said of it holds nothing of it."""


class PreflightError(BackfillError):
    """The database or machine lacks what the job needs; nothing was read in bulk."""

    exit_code = ExitCode.PREFLIGHT


class EveryRowRefused(PreflightError):
    """The server refuses every row for what is wrong with statement, table or role."""


class NamesNotFound(PreflightError):
    """A function of the user's that a read calls looks for names where sessions of ours do not."""


class LeaseHeld(BackfillError):
    """Another run writes to the same rows, or took this run's lease away."""

    exit_code = ExitCode.LEASE_HELD


class StalePlan(BackfillError):
    """Plan, settings, time zone data or database are not those of the run."""

    exit_code = ExitCode.STALE


class RowsDrifted(BackfillError):
    """The run is done; some rows were edited meanwhile and were left alone."""

    exit_code = ExitCode.STALE


class VerifyFailed(BackfillError):
    """Database, plan and record do not agree."""

    exit_code = ExitCode.VERIFY_FAILED


class TooManySkips(BackfillError):
    """More rows or sessions were skipped than allowed."""

    exit_code = ExitCode.TOO_MANY_SKIPS


class TooManyRefused(BackfillError):
    """The database refused more of the planned rows than allowed, or all of them."""

    exit_code = ExitCode.TOO_MANY_SKIPS


class RowsLeft(BackfillError):
    """The run is done; rows that others had locked, or that the database did not change, wait."""

    exit_code = ExitCode.STALE


class SessionsFailed(BackfillError):
    """Not one capture session could be read."""


class Interrupted(BackfillError):
    """SIGINT, pause or cancel took effect; the run can go on."""

    exit_code = ExitCode.INTERRUPTED


class PressureTooHigh(Interrupted):
    """The database told of a load above a critical level; the run can go on when it is below."""


class Terminated(BackfillError):
    """SIGTERM or SIGHUP took effect; the run can go on."""

    exit_code = ExitCode.TERMINATED
