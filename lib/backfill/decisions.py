"""Questions about doubtful rows, and a person's answers to them. Pure.

An answer names what it is about by conditions: key, local date, zone, scope, column, the value that
was read. Empty (or `*`) conditions hold for any. Of two answers that fit one question, the one
with more said counts, a key above all; two of equal conditions and different words contradict
each other. A line that kept the id of its question answers that question and no other: a value
that has changed since is another question. (The id alone tells, with the key: a spreadsheet may
have written dates in its own way.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from backfill.errors import UsageError

ANY = "*"
#: Conditions in the order of their weight: an answer with a heavier one is the more specific.
CONDITIONS = ("id", "key", "local_date", "zone", "scope", "column", "read")
_BY_ID = ("id", "key")
#: Words a kind of question can be answered with, by kind.
Words = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Question:
    """One doubtful value or row.

    `key`, `scope`: of the row; `column`: empty when the whole row is meant; `zone`, `local_date`
    (YYYY-MM-DD): empty where there is none; `read`: what stood there; `candidates`: words to
    answer with, each with what it gives; `applied`: the word that counts while nobody answers.
    """

    kind: str
    key: str
    column: str = ""
    scope: str = ""
    zone: str = ""
    local_date: str = ""
    read: str = ""
    candidates: str = ""
    applied: str = ""

    @property
    def id(self) -> str:
        """Twelve hex digits that stay the same as long as the same is asked."""
        identity = "\0".join((self.kind, self.key, self.column, self.read))
        return hashlib.sha256(identity.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Answer:
    """One line of decisions; an empty condition holds for any, an empty kind for each that fits.

    `at` is when it was decided, as text; `line` is where it stood, and no part of what it says.
    """

    decision: str
    kind: str = ""
    id: str = ""
    key: str = ""
    column: str = ""
    scope: str = ""
    zone: str = ""
    local_date: str = ""
    read: str = ""
    by: str = ""
    at: str = ""
    note: str = ""
    line: int = field(default=0, compare=False)

    def as_json(self) -> dict[str, str]:
        """Return what a plan records of it: all but empty fields and the line."""
        values = {f.name: str(getattr(self, f.name)) for f in fields(self) if f.name != "line"}
        return {name: value for name, value in values.items() if value}

    def __str__(self) -> str:
        who = ", ".join(part for part in (self.by, self.at) if part)
        return f"{self.decision} ({who})" if who else self.decision

    @property
    def what(self) -> str:
        """What it is about, in a few words."""
        parts = [self.kind, self.key or ANY, self.column]
        if not self.key:
            parts += [self.scope, self.zone, self.local_date]
        return ", ".join(part for part in parts if part)


class Answers:
    """All answers of one run, found by what is asked."""

    def __init__(self, answers: Iterable[Answer] = (), words: Words | None = None) -> None:
        """Raises UsageError for a word that answers nothing, or two lines that contradict."""
        self.lines: tuple[Answer, ...] = tuple(answers)
        words = words or {}
        self._by_place: dict[tuple[str, ...], dict[tuple[str, ...], Answer]] = {}
        for answer in self.lines:
            pattern = _conditions_of(answer)
            for kind in _kinds_of(answer, words):
                place = (kind, *(getattr(answer, name) for name in pattern))
                earlier = self._by_place.setdefault(pattern, {}).setdefault(place, answer)
                if earlier.decision != answer.decision:
                    raise UsageError(
                        f"Lines {earlier.line} and {answer.line} contradict each other: "
                        f"{earlier.what} is {earlier.decision!r} in one and {answer.decision!r} in "
                        "the other. Leave one of them."
                    )
        self._patterns = sorted(self._by_place, key=_weight, reverse=True)

    def __bool__(self) -> bool:
        return bool(self.lines)

    def find(self, question: Question) -> Answer | None:
        """Return the most specific answer to a question, None when nobody gave one."""
        for pattern in self._patterns:
            place = (question.kind, *(getattr(question, name) for name in pattern))
            if answer := self._by_place[pattern].get(place):
                return answer
        return None

    def idle(self, used: Iterable[Answer]) -> list[Answer]:
        """Return the answers that met no question, in the order of their lines."""
        met = set(used)
        return [answer for answer in self.lines if answer not in met]

    def as_json(self) -> list[dict[str, str]]:
        """Return the answers as a plan records them; their order does not matter."""
        answers = (answer.as_json() for answer in self.lines)
        return sorted(answers, key=lambda a: (a.get("key", ""), a.get("column", ""), str(a)))


def _conditions_of(answer: Answer) -> tuple[str, ...]:
    given = tuple(name for name in CONDITIONS if getattr(answer, name))
    if answer.key and answer.id:
        return _BY_ID
    return tuple(name for name in given if name != "id")


def _kinds_of(answer: Answer, words: Words) -> list[str]:
    if answer.kind:
        if answer.kind not in words:
            raise UsageError(
                f"line {answer.line}: {answer.kind!r} is no kind of question; "
                f"use one of {', '.join(words)}, or leave it empty."
            )
        if answer.decision not in words[answer.kind]:
            raise UsageError(
                f"line {answer.line}: {answer.decision!r} does not answer a {answer.kind}; "
                f"use one of {', '.join(words[answer.kind])}."
            )
        return [answer.kind]
    kinds = [kind for kind, all_words in words.items() if answer.decision in all_words]
    if not kinds:
        all_words = dict.fromkeys(word for group in words.values() for word in group)
        raise UsageError(
            f"line {answer.line}: {answer.decision!r} is not one of {', '.join(all_words)}."
        )
    return kinds


def _weight(pattern: tuple[str, ...]) -> int:
    """A set of conditions always weighs more than a part of it, and no two sets weigh the same."""
    return sum(1 << len(CONDITIONS) - CONDITIONS.index(name) for name in pattern)
