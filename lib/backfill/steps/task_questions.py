"""What a task asks of persons, row by row, and what they answered.

A task names in `questions` its kinds of question, each with the words that answer it. `compute`
gets a struct column `answer`: by kind the word that was said of the row, else NULL; it returns a
column `ask` with the kind that the row is in doubt by, NULL for none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from backfill.decisions import Answer, Answers, Question, Words
from backfill.errors import PreflightError
from backfill.report import Reporter

ANSWER, ASK = "answer", "ask"
#: What a decision meets, and what may be misspelt where it meets nothing.
IDLE = ("row", "key, or a value")


class TaskQuestions:
    """The questions of one plan; without `words` nothing is asked."""

    def __init__(self, words: Words, answers: Answers) -> None:
        self._words = words
        self._answers = answers
        self.used: set[Answer] = set()

    def answered(self, rows: pa.Table) -> pa.Table:
        if not self._words:
            return rows
        reads = _reads(rows)
        columns = []
        for kind in self._words:
            answers = [
                self._answers.find(Question(kind, key, scope=scope, read=read))
                for key, scope, read in reads
            ]
            self.used.update(answer for answer in answers if answer)
            columns.append(pa.array([a.decision if a else None for a in answers], pa.string()))
        return rows.append_column(ANSWER, pa.StructArray.from_arrays(columns, list(self._words)))

    def asked(self, rows: pa.Table, computed: pa.Table) -> list[Question]:
        asked: list[Question] = []
        if ASK not in computed.column_names:
            return asked
        kinds = computed.column(ASK).to_pylist()
        if unknown := sorted({str(kind) for kind in kinds if kind} - {*self._words}):
            kinds_named = ", ".join(self._words) or "none"
            raise PreflightError(
                f"The task asks {unknown[0]!r}, and nobody could answer: name it among its "
                f"questions (there: {kinds_named}), with the words that answer it."
            )
        for (key, scope, read), kind, applied in zip(
            _reads(rows), kinds, _applied(computed), strict=True
        ):
            if not kind:
                continue
            words = " | ".join(self._words[kind])
            question = Question(
                kind, key, scope=scope, read=read, candidates=words, applied=applied
            )
            if self._answers.find(question) is None:
                asked.append(question)
        return asked


def tell_idle(
    answers: Answers, used: Iterable[Answer], words: tuple[str, str], reporter: Reporter
) -> None:
    """Say which decisions met nothing: a misspelt key must not pass unseen."""
    met, misspelt = words
    for answer in answers.idle(used):
        reporter.message(
            f"The decision for {answer.what} (line {answer.line}) meets no {met}: it has no "
            f"effect. Look for a misspelt {misspelt} that has changed since.",
            "warning",
        )


def _reads(rows: pa.Table) -> list[tuple[str, str, str]]:
    """Return key, scope, and what was read of each row: its sources as text."""
    sources = rows.column("source").to_pylist()
    texts = ["; ".join(f"{n}: {v}" for n, v in (source or {}).items()) for source in sources]
    scopes = (scope or "" for scope in rows.column("scope").to_pylist())
    return list(zip(rows.column("key").to_pylist(), scopes, texts, strict=True))


def _applied(computed: pa.Table) -> Sequence[str]:
    """Return what counts while nobody answers: the reason for a skip, or the rule."""
    rows = computed.num_rows
    skip, rule = (
        computed.column(n).to_pylist() if n in computed.column_names else [None] * rows
        for n in ("skip", "rule")
    )
    return [str(s or r or "") for s, r in zip(skip, rule, strict=True)]
