"""What commands print to be typed next: found in their messages, and pasted as a person would."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from tests.engine.workshop import Bench
from tests.jobs.command_line import Said, run_here

#: Up to where a sentence goes on, or ends.
PRINTED = re.compile(r"\bbackfill (?=[a-z-]+\b)(?!is\b)[^·\n]*?(?= ·|[.,)]*(?:\n|$)| \(|\. |\))")


def printed(said: Said, verb: str) -> str:
    """Return the one command of a verb that was printed."""
    (found,) = {text for text in PRINTED.findall(said.err) if text.split()[1] == verb}
    return str(found)


def words_of(command: str) -> list[str]:
    """Return what a shell reads of a printed command, behind the program's name."""
    program, *words = shlex.split(command)
    assert program == "backfill"
    return words


@dataclass(frozen=True)
class Typed:
    """A database at which commands are typed, and printed ones pasted."""

    bench: Bench

    def type(self, *arguments: str) -> Said:
        return run_here(self.bench.dsn, self.bench.runs, *arguments)

    def paste(self, command: str) -> Said:
        return self.type(*words_of(command))
