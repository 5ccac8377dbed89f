"""Printed commands: found in what was said, read as a shell reads them, run, and kept count of.

A test that says `@pytest.mark.pastes(SITE, …)` is watched: each of its sites must have rendered a
command that the test then ran, word for word, and that ended as the test expected.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from tests.call_sites import place_of, site_at

#: Names the file in which every process of a test writes the commands that it renders.
RENDERED_ENV = "BACKFILL_TEST_RENDERED"
_WORD = r"""(?:'[^']*'|"[^"]*"|[^\s'"·()`<])+"""
_PRINTED = re.compile(rf"\bbackfill(?: {_WORD})+")
_END = ".,;:"
#: Of the test that runs: the commands that were pasted and ended as expected, in their words.
_pasted: list[list[str]] = []


def commands_in(text: str, *verbs: str) -> list[str]:
    """Return the commands of a text in their order, each once: of some verbs, or all."""
    found: dict[str, None] = {}
    place = 0
    while match := _PRINTED.search(text, place):
        command = _up_to_its_end(match.group())
        place = match.start() + len(command)
        words = shlex.split(command)
        if len(words) > 1 and words[1].islower() and (not verbs or words[1] in verbs):
            found[command] = None
    return list(found)


def _up_to_its_end(text: str) -> str:
    """Cut what follows in the sentence: a word that ends in a full stop is the last one."""
    words = re.findall(_WORD, text)
    for number, word in enumerate(words):
        if word[-1] in _END:
            return " ".join([*words[:number], word.rstrip(_END)]).strip()
    return " ".join(words)


def read_by_a_shell(command: str) -> list[str]:
    """Return the words that /bin/sh makes of a pasted command, behind the program's name."""
    script = f"backfill() {{ printf '%s\\0' \"$@\"; }}\n{command}\n"
    ended = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True)
    assert ended.stderr == b"", ended.stderr
    return ended.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]


def statements_in(text: str) -> list[str]:
    """Return the SQL of a text that is whole: what has a gap to be filled in is none."""
    found = re.findall(r"\b(?:ALTER|GRANT|VACUUM|ANALYZE)\b[^;]*;", text)
    return [statement for statement in found if "…" not in statement]


def filled_in(words: Sequence[str], blanks: Mapping[str, str]) -> list[str]:
    """Put words for the capitals of a command, as a person does: RUN_ID, TABLE, DIR."""
    return [blanks.get(word, word) for word in words]


def note_pasted(words: Sequence[str], code: int, expected: Collection[int], said: str) -> None:
    """Hold a pasted command against the exit codes it may have, and count it as run."""
    assert code in expected, f"backfill {shlex.join(words)} ended with {code}: {said[-2000:]}"
    _pasted.append(["backfill", *words])


def note_run(command: str, code: int) -> None:
    """The same of another program's command, which a shell has run."""
    assert code == 0, f"{command} ended with {code}"
    _pasted.append(shlex.split(command.split(" > ", maxsplit=1)[0]))


# -- what is rendered where -----------------------------------------------------------------------


class _Recording:
    """Stands for the module `shlex` in `backfill.next_command`: keeps who had what joined."""

    def __init__(self, path: Path) -> None:
        self._path = path

    split = staticmethod(shlex.split)
    quote = staticmethod(shlex.quote)

    def join(self, words: Sequence[str]) -> str:
        place = place_of(sys._getframe(1))
        with self._path.open("a") as stream:  # which site it is, the test's own process knows
            stream.write(json.dumps([place, list(words)]) + "\n")
        return shlex.join(words)


def record_here() -> None:
    """Have this process write what it renders, where the test that started it asked for that."""
    if path := os.environ.get(RENDERED_ENV):
        from backfill import next_command

        next_command.shlex = _Recording(Path(path))  # type: ignore[attr-defined,assignment]


@contextlib.contextmanager
def every_site_is_pasted(claimed: Collection[str], path: Path) -> Iterator[None]:
    """Watch a test: fail when a command of one of these sites was not rendered, or not pasted."""
    _pasted.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(RENDERED_ENV, str(path))
        patch.setattr("backfill.next_command.shlex", _Recording(path))
        path.touch()
        yield
    lines = map(json.loads, path.read_text().splitlines())
    rendered = [(site_at(place and tuple(place)), words) for place, words in lines]
    pasted = {site for site, words in rendered if words in _pasted}
    if os.environ.get("BACKFILL_TEST_SHOW_SITES"):
        print("PASTED", json.dumps(sorted(map(str, pasted))))
    missing = set(claimed) - pasted
    assert not missing, {
        site: [shlex.join(words) for other, words in rendered if other == site] or "never rendered"
        for site in missing
    }
