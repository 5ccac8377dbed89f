"""What commands print to be typed next: found in their messages, and pasted as a person would."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from tests.engine.workshop import Bench
from tests.jobs.command_line import Said, run_here
from tests.pasted import commands_in, filled_in, note_pasted, read_by_a_shell


def printed(said: Said, verb: str) -> str:
    """Return the one command of a verb that was printed."""
    (found,) = commands_in(said.err, verb)
    return found


@dataclass(frozen=True)
class Typed:
    """A database at which commands are typed, and printed ones pasted."""

    bench: Bench

    def type(self, *arguments: str) -> Said:
        return run_here(self.bench.dsn, self.bench.runs, *arguments)

    def paste(self, printed: str | Collection[str], *codes: int, **blanks: str) -> Said:
        """Run the one printed command, its capitals filled in; it ends as said, or with 0."""
        (command,) = [printed] if isinstance(printed, str) else printed
        words = read_by_a_shell(command)
        said = self.type(*filled_in(words, blanks))
        note_pasted(words, said.code, codes or {0}, said.err)
        return said
