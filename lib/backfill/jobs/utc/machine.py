"""Whether this machine has the data of time zones that it should, for `backfill doctor`."""

from __future__ import annotations

import importlib.metadata
import re

from backfill.folder import project_root
from backfill.steps.finding import Finding, Unwell, guarded

LOCK_FILE = "requirements.lock"


def examine_machine(anew: str) -> list[Finding]:
    """Return whether the data is the locked one; `anew` is what installs it."""
    return [guarded("time zone data", _tzdata, anew)]


def _tzdata() -> str:
    installed = importlib.metadata.version("tzdata")
    root = project_root()
    lock = root / LOCK_FILE if root else None
    if lock is None or not lock.is_file():
        return f"{installed}; there is no {LOCK_FILE} here to compare it with"
    pin = re.search(r"^tzdata==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    if pin and pin[1] != installed:
        raise Unwell(
            f"{installed} is installed, {LOCK_FILE} names {pin[1]}: the same wall time could "
            "become another instant"
        )
    return f"{installed}, as {LOCK_FILE} says"
