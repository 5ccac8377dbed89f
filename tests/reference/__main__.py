"""Writes docs/reference.md from the code: python -m tests.reference docs/reference.md."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.reference.command_pages import commands_section, notebooks_section
from tests.reference.records import (
    environment_section,
    exit_codes_section,
    files_section,
    frames_section,
    ledger_section,
    skip_reasons_section,
)

_HEAD = """# Reference

Made from the code by `make reference`; a test compares. Do not edit it here."""


def reference() -> str:
    """Return the whole document, Markdown; the same on every machine."""
    sections = (
        commands_section(),
        exit_codes_section(),
        environment_section(),
        notebooks_section(),
        files_section(),
        frames_section(),
        skip_reasons_section(),
        ledger_section(),
    )
    return "\n".join((_HEAD, *sections))


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(), encoding="utf-8")
