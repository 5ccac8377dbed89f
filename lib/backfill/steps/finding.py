"""One thing that `backfill doctor` looked at: well, or what mends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from backfill.errors import BackfillError
from backfill.server.dsn import said_of


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `mend` is the command to type, empty when all is well."""

    what: str
    is_well: bool
    detail: str
    mend: str = ""


class Unwell(Exception):
    """What a check found that is to be mended; without a `mend` of its own by the usual one."""

    def __init__(self, detail: str, mend: str = "") -> None:
        super().__init__(detail)
        self.mend = mend


def guarded(what: str, check: Callable[[], str], mend: str) -> Finding:
    """Return what `check` found: the detail it returns, or the error it raised as a bad finding.

    An error of ours carries its own mend in its text; `mend` is for all others.
    """
    try:
        return Finding(what, True, check())
    except Unwell as error:
        return Finding(what, False, str(error), error.mend or mend)
    except Exception as error:  # whatever it is, it is the answer to this question
        text = said_of(error).strip()
        is_ours = isinstance(error, BackfillError)
        return Finding(what, False, text if is_ours else f"{type(error).__name__}: {text}", mend)
