"""What `backfill` alone says: its commands by what a person wants to do, and its versions."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Mapping

from backfill.jobs.registry import JOBS

#: Every command stands under one of these.
WANTS: Mapping[str, tuple[str, ...]] = {
    "See it work": ("demo", "lab", "doctor"),
    "Plan: a dry run that writes nothing, unless --apply says so": (*JOBS, "task"),
    "Write a plan that was looked at": ("apply", "resume", "pause", "cancel"),
    "Look": ("status", "runs", "compare", "explain", "check"),
    "Undo, and prove": ("revert", "verify", "evidence"),
    "Set up": ("init-table", "grants", "db", "completion", "selftest"),
}
_WIDTH = 80
_INDENT = 14


def overview(parser: argparse.ArgumentParser) -> str:
    """Return the commands of a parser by what one wants to do; no line is longer than 80."""
    helps = _helps(parser)
    lines = ["usage: backfill COMMAND [OPTION]…", "", parser.description or ""]
    for want, names in WANTS.items():
        lines += ["", want]
        for name in names:
            says = textwrap.wrap(helps[name], _WIDTH - _INDENT)
            lines.append(f"  {name:<{_INDENT - 2}}{says[0]}")
            lines += [f"{'':<{_INDENT}}{line}" for line in says[1:]]
    lines += [
        "",
        "backfill COMMAND --help has its options; backfill --version what computes.",
        "",
        *textwrap.wrap(parser.epilog or "", _WIDTH, break_long_words=False),
    ]
    return "\n".join(lines) + "\n"


def _helps(parser: argparse.ArgumentParser) -> dict[str, str]:
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return {choice.dest: choice.help or "" for choice in commands._choices_actions}


def version_text() -> str:
    """Return our version, and those of all that touches a value."""
    from backfill.versions import versions

    numbers = versions()
    ours = numbers.pop("backfill-workbook")
    lines = [f"backfill {ours}", *(f"  {name} {version}" for name, version in numbers.items())]
    return "\n".join(lines)
