"""What a look at the machine, the database or a table found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backfill.display.on_terminal import console_of, print_grid
from backfill.display.pages import Grid

_WORDS = {True: "ok", False: "BAD"}
_TONES = {"ok": "green", "BAD": "bold red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `mend` is the command to type, empty when all is well."""

    what: str
    is_well: bool
    detail: str
    mend: str = ""


def print_findings(findings: Sequence[Finding]) -> None:
    """Print findings as a table for a person, then what mends them: each to be copied whole."""
    console = console_of()
    rows = [(_WORDS[finding.is_well], finding.what, finding.detail) for finding in findings]
    print_grid(console, Grid("", ("", "looked at", "found"), rows), _TONES)
    for finding in findings:
        if not finding.is_well and finding.mend:
            console.print(f"\n{finding.what}, its mend:", style="bold")
            console.print(finding.mend, soft_wrap=True)
    console.print()
