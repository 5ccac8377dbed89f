"""What a run asks of a person, and how a person answers it: in a notebook, or by hand in a file."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from backfill.archive.trace import find_source, trace_row
from backfill.decisions import ANY, Question
from backfill.display.counting import counted
from backfill.display.explanation import Explanation, unexplained
from backfill.display.eye import NotShown, attempt, shown, watching
from backfill.display.pages import NOTHING, Shown, note, section, table
from backfill.errors import BackfillError, DatabaseUnreachable
from backfill.folder import RunFolder
from backfill.jobs.registry import kind_of
from backfill.notebook.review import Review
from backfill.plans import worksheet
from backfill.plans.plan import planned_again
from backfill.server.database import Database
from backfill.steps.kind import JobKind

SHOWN_QUESTIONS = 100


class Asking:
    """The part of a run that asks and is answered: `questions`, `decide`, `explain`."""

    run_id: str
    folder: RunFolder
    kind: JobKind
    database: Database
    _not_shown: list[NotShown]

    def questions(self) -> Shown:
        """Show what waits for a person, one line to decide with, and what was decided before."""
        if not self.folder.file(worksheet.QUESTIONS_FILE).is_file():
            return note("The plan is not frozen yet: what it asks is known then.")
        folder = self.folder
        with watching(self._not_shown):
            asked = shown(
                "What was asked", lambda: questions_view(folder, worksheet.read_questions(folder))
            )
            used = shown("What was decided", lambda: used_view(worksheet.read_used(folder)))
        return section("decisions", asked) + used

    def decide(
        self,
        key: str,
        decision: str,
        *,
        kind: str = "",
        column: str = "",
        zone: str = "",
        local_date: str = "",
        scope: str = "",
        by: str = "",
        note: str = "",
    ) -> Shown:
        """Answer the questions about a row (or the question of an id, or of a bucket with `*`).

        The answers go into the run's `decisions.csv`; the plan of this run stays as it is, the
        next one takes them in. `by` is who decides, by default the name of this user.
        """
        details = {
            **{"kind": kind, "column": column, "zone": zone, "local_date": local_date},
            **{"scope": scope, "by": by, "note": note},
        }
        return decide_in(self.folder, self.kind, key, decision, details)

    def review(self, *, by: str = "") -> Review:
        """Show all that waits for a person, to be settled by clicking; `by` is who does.

        A click writes what `decide` and an editor would: a line of the run's `decisions.csv` or
        `corrections.csv`. The record keeps a table of what was asked and answered.
        """
        return Review(self.folder, self.kind.words, by=by)

    def explain(self, key: object) -> Explanation:
        """Return why a row's values are what they are: from folder, ledger and table. Read-only."""
        return explain_row(self.database, self.run_id, self.folder.path.parent, key)


def explain_row(database: Database | None, run_id: str, runs: Path, key: object) -> Explanation:
    """Return why a row of a run is what it is; an unreachable database is told, and done without.

    Raises `UsageError` that names near keys when the run knows no such row.
    """
    with contextlib.ExitStack() as stack:
        connection, problem = None, "none was opened"
        try:
            if database is not None:
                connection = stack.enter_context(database.connect(read_only=True))
                problem = ""
        except DatabaseUnreachable as error:
            problem = str(error).split(". ")[0]
        source = find_source(run_id, runs, connection, problem)
        kind = kind_of(source.facts.job)
        parts = [str(part) for part in key] if isinstance(key, tuple | list) else [str(key)]
        key = json.dumps(parts, ensure_ascii=False) if len(parts) > 1 else parts[0]
        trace = trace_row(source, kind, key)
        return attempt(
            "The explanation",
            lambda: kind.explain(trace),
            lambda missed: unexplained(run_id, key, missed),
            but=(BackfillError,),
        )


def decide_in(
    folder: RunFolder, kind: JobKind, key: str, decision: str, details: dict[str, str]
) -> Shown:
    """Write an answer into a run's `decisions.csv`; return what it answers, and how to go on."""
    questions = worksheet.read_questions(folder)
    answers = worksheet.make_answers(questions, kind.words, key, decision, **details)
    count = worksheet.write_answers(folder, answers, kind.words)
    return note(
        f"{answers[0].what if key == ANY else key} ({counted(count, 'question')}): {decision}, by "
        f"{answers[0].by}. The next plan takes it in:\n"
        f"{planned_again(folder, '--decisions', folder.run_id)}"
    )


def questions_view(folder: RunFolder, questions: Sequence[Question]) -> Shown:
    """Return the questions as a table, the first of them at least."""
    if not questions:
        return note("Nothing of this run waits for a person.")
    first = questions[0]
    shown = table(
        f"Questions ({len(questions):,}, {min(len(questions), SHOWN_QUESTIONS):,} shown); what is "
        "applied now counts while nobody answers",
        ["id", "kind", "key", "column", "zone", "date", "read", "answers", "applied now"],
        [
            (q.id, q.kind, q.key, q.column, q.zone, q.local_date, q.read, q.candidates, q.applied)
            for q in questions[:SHOWN_QUESTIONS]
        ],
        rest=f"All of them: {worksheet.DECISIONS_FILE} in the run's folder, to fill in",
    )
    word = first.candidates.split(" | ")[0].split(":")[0]
    bucket = f'zone="{first.zone}", ' if first.zone else ""
    return shown + note(
        "By clicking: run.review()\n"
        f'One line decides one: run.decide("{_named(first)}", "{word}")\n'
        f'… or all alike: run.decide("*", "{word}", kind="{first.kind}", {bucket}'
        f'local_date="{first.local_date}")\n'
        f'The next plan takes them in: decisions = "{folder.run_id}"'
    )


def _named(question: Question) -> str:
    """Return what names a question in a call: its row's key, or its id where it is of many."""
    return question.id if question.key == ANY else question.key


def used_view(used: Sequence[Mapping[str, str]]) -> Shown:
    """Return the decisions that the plan took in: what, which word, who and when."""
    if not used:
        return NOTHING
    names = ("kind", "key", "column", "zone", "local_date", "decision", "by", "at", "note")
    return table(
        f"Decisions that this plan took in ({len(used):,}, "
        f"{min(len(used), SHOWN_QUESTIONS):,} shown)",
        ["kind", "key", "column", "zone", "date", "decision", "by", "at", "note"],
        [[line.get(name, "") for name in names] for line in used[:SHOWN_QUESTIONS]],
        rest=f"All of them: {worksheet.USED_FILE} in the run's folder",
    )
