"""Where the streams of a process that is to be forked lead to, as `subprocess` is told it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from typing import IO, Any

#: A number, what `subprocess` has constants for, or a file.
Stream = int | IO[Any] | None


@dataclass
class Ends:
    """Where one of a process's three streams leads to, and the end of a pipe that is ours."""

    theirs: int
    ours: int | None = None
    made: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, number: int, how: Stream) -> Ends:
        if how == subprocess.PIPE:
            reader, writer = os.pipe()
            theirs, ours = (reader, writer) if number == 0 else (writer, reader)
            return cls(theirs, ours, [theirs])
        if how == subprocess.DEVNULL:
            null = os.open(os.devnull, os.O_RDWR)
            return cls(null, None, [null])
        if how is None or how == subprocess.STDOUT:
            return cls(number)
        return cls(how if isinstance(how, int) else how.fileno())

    def close_theirs(self) -> None:
        while self.made:
            os.close(self.made.pop())
