"""What a look at the machine, the database or a table found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `mend` is the command to type, empty when all is well."""

    what: str
    is_well: bool
    detail: str
    mend: str = ""
