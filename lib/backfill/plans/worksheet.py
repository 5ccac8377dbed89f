"""The worksheets of a run's folder: questions to answer by hand, and the answers of earlier runs.

    questions.csv        what was asked when the plan was frozen; evidence
    decisions.csv        the same lines to fill in, below those that were answered already
    decisions_used.csv   the answers that the plan took in; evidence

`decisions.csv` is a person's working copy: the folder's sums do not cover it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from backfill.decisions import ANY, Answer, Answers, Question, Words
from backfill.errors import BackfillError, StorageError, UsageError
from backfill.folder import RunFolder
from backfill.next_command import next_command
from backfill.plans.plan import PLAN_FILE
from backfill.plans.sheet_csv import read_sheet, write_sheet
from backfill.plans.staging import Staging, quoted
from backfill.records.parts import user_name
from backfill.regular_file import document_text
from backfill.rows.keys import spellings
from backfill.server.dsn import redact
from backfill.which_folder import LATEST, ambiguous, meant, run_folders

DECISIONS_FILE = "decisions.csv"
QUESTIONS_FILE = "questions.csv"
USED_FILE = "decisions_used.csv"
CORRECTIONS_FILE = "corrections.csv"
CORRECTIONS_USED_FILE = "corrections_used.csv"
HEADER = (
    *("id", "kind", "key", "column", "scope", "zone", "local_date", "read"),
    *("candidates", "applied", "decision", "by", "at", "note"),
)
_NEEDED = ("key", "column", "decision")
_LOOKED_INTO = 10  # sheets of earlier runs; older answers have been taken in, or never will be
_AS_TYPED = ("key", "read", "scope", "note")  # blanks may belong to them


#: Columns of the staging table `questions`.
QUESTIONS_SCHEMA = pa.schema(
    [pa.field(name, pa.string()) for name in ("id", *Question.__dataclass_fields__)]
)


def questions_table(questions: Sequence[Question]) -> pa.Table:
    """Return questions as rows of the staging table `questions`."""
    return pa.table(
        {name: [getattr(q, name) for q in questions] for name in QUESTIONS_SCHEMA.names},
        schema=QUESTIONS_SCHEMA,
    )


def staged_questions(staging: Staging) -> list[Question]:
    """Return the questions that compute left in staging, in their order."""
    names = ", ".join(map(quoted, Question.__dataclass_fields__))
    rows = staging.connection.cursor().execute(f"SELECT {names} FROM questions ORDER BY rowid")
    return [Question(*row) for row in rows.fetchall()]


def named_sheet(option: str, runs: Path, job: str, name: str, flag: str) -> Path:
    """Return the worksheet that an option names: a file, a run (its id or the beginning), `latest`.

    `latest` is the job's newest run whose worksheet holds an answer. Raises `UsageError`.
    """
    path = Path(option).expanduser()
    if path.suffix == ".csv" or len(path.parts) > 1 or path.is_file():
        return path
    folders = run_folders(runs, name, job)
    if option == LATEST:
        if answered := next((f for f in folders if _has_answer(f.file(name))), None):
            return answered.file(name)
        raise UsageError(
            f"{flag} latest: no {job} run in {runs} has an answer in its {name}. Fill one in, "
            "or leave the option out."
        )
    run_ids = meant(option, [folder.run_id for folder in folders])
    if not run_ids:
        raise UsageError(
            f"{flag} {option}: there is no such file, and no {job} run of that id in {runs} with "
            f"a {name}. List runs with: {next_command('runs')}"
        )
    if len(run_ids) > 1:
        raise UsageError(f"{flag}: {ambiguous(option, run_ids)}")
    return RunFolder(runs / run_ids[0]).file(name)


def check_origin(flag: str, sheet: Path, database: str) -> None:
    """Raise `UsageError` when the run that `latest` found was planned on another database.

    `database` is a fingerprint. A run that is named, or a file, may come from anywhere.
    """
    run_id = sheet.parent.name
    if _database_of(sheet) not in ("", database):
        raise UsageError(
            f"{flag} latest is run {run_id}, and that was planned on another database. If it is "
            f"meant all the same, name it: {flag} {run_id}"
        )


def _database_of(sheet: Path) -> str:
    """Return the fingerprint of the database that a sheet's run was planned on, if it tells."""
    try:
        return str(RunFolder(sheet.parent).read_json(PLAN_FILE).get("database_fingerprint", ""))
    except (OSError, ValueError, BackfillError):
        return ""


def rows_in(path: Path, needed: Sequence[str], flag: str = "") -> list[tuple[int, dict[str, str]]]:
    """Return a worksheet's rows, each behind its line; raise `UsageError` when it can not be read,
    lacks a column that is `needed`, or holds a secret."""
    what = f"{flag} {path}".lstrip()
    text = document_text(flag, path, "UTF-8 CSV")
    if redact(text) != text:
        raise UsageError(
            f"{what} holds a password. What is decided is kept with the plan: take it out, "
            "and change the password."
        )
    return read_sheet(text, needed, what)


def load_answers(path: Path, words: Words) -> Answers:
    """Read a decisions CSV; raise `UsageError` that names the line.

    Needed columns: key, column, decision. A row without a decision is a question that nobody has
    answered yet. A row must say what it is about: a key, or `*` with some other condition.
    """
    what = f"--decisions {path}"
    answers = []
    for line, cells in rows_in(path, _NEEDED, "--decisions"):
        answer = _answer_of(line, cells)
        if not answer.decision:
            continue
        if not any((answer.key, answer.zone, answer.local_date, answer.scope, answer.kind)):
            raise UsageError(
                f"{what}, line {line}: it answers nothing in particular. Give a key, or {ANY} with "
                "a zone, a local_date or a kind."
            )
        answers.append(answer)
    try:
        return Answers(answers, words)
    except UsageError as error:
        text = str(error)
        raise UsageError(f"{what}, {text[0].lower()}{text[1:]}") from None


def _answer_of(line: int, cells: dict[str, str]) -> Answer:
    plain = {
        name: value if name in _AS_TYPED else value.strip()
        for name, value in cells.items()
        if name in HEADER
    }
    is_bucket = plain["key"].strip() in ("", ANY)
    conditions = ("column", "scope", "zone", "local_date")
    return Answer(
        decision=plain.get("decision", ""),
        kind=plain.get("kind", ""),
        id="" if is_bucket else plain.get("id", ""),
        key="" if is_bucket else plain["key"],
        read="" if is_bucket else plain.get("read", ""),
        **{name: _condition(plain.get(name, "")) for name in conditions},
        **{name: plain.get(name, "") for name in ("by", "at", "note")},
        line=line,
    )


def _condition(text: str) -> str:
    return "" if text.strip() == ANY else text


def _has_answer(sheet: Path) -> bool:
    try:
        rows = rows_in(sheet, ())
    except UsageError:
        return True  # a file that is broken must be told of, not passed over
    return any((cells.get("decision") or cells.get("right") or "").strip() for _, cells in rows)


def write_worksheets(folder: RunFolder, questions: Sequence[Question], answers: Answers) -> None:
    """Write the questions of a plan, the sheet to answer them in, and the answers it took in."""
    asked = [{name: getattr(question, name, "") for name in HEADER} for question in questions]
    used = [_answer_row(answer) for answer in answers.lines]
    folder.write_text(QUESTIONS_FILE, write_sheet(HEADER, asked))
    folder.write_text(DECISIONS_FILE, write_sheet(HEADER, [*used, *asked]))
    if used:
        folder.write_text(USED_FILE, write_sheet(HEADER, used))


def _answer_row(answer: Answer) -> dict[str, str]:
    return {name: getattr(answer, name, "") for name in HEADER} | {"key": answer.key or ANY}


def read_questions(folder: RunFolder) -> list[Question]:
    """Return the questions that a run's plan asked."""
    path = folder.file(QUESTIONS_FILE)
    if not path.is_file():
        raise UsageError(
            f"Run {folder.run_id} has asked nothing yet: its plan is not frozen. Plan first."
        )
    names = Question.__dataclass_fields__
    rows = rows_in(path, ("key", "kind"))
    return [
        Question(**{name: value for name, value in cells.items() if name in names})
        for _line, cells in rows
    ]


def read_used(folder: RunFolder) -> list[dict[str, str]]:
    """Return the answers that a run's plan took in, line by line."""
    path = folder.file(USED_FILE)
    if not path.is_file():
        return []
    return [cells for _line, cells in rows_in(path, _NEEDED)]


def answers_waiting(folder: RunFolder, database: str) -> str:
    """Return the newest earlier run of this job and database that was answered, if there is one."""
    stamp = folder.run_id.split("-")[0]  # of two in one second either may be the first
    earlier = [
        run
        for run in run_folders(folder.path.parent, DECISIONS_FILE, folder.job)
        if run.run_id != folder.run_id and run.run_id.split("-")[0] <= stamp
    ]
    sheets = (run.file(DECISIONS_FILE) for run in earlier[:_LOOKED_INTO])
    return next(
        (s.parent.name for s in sheets if _has_answer(s) and _database_of(s) in ("", database)), ""
    )


def write_answers(folder: RunFolder, answers: Iterable[Answer], words: Words) -> int:
    """Write answers into the run's `decisions.csv`; return how many questions they answer.

    An answer to a question that is on the sheet fills its line; any other becomes a line of its
    own. Raises `UsageError` for a word that answers nothing, and changes nothing then.
    """
    new = list(answers)
    given = Answers(new, words)
    questions = read_questions(folder)
    count = sum(given.find(question) is not None for question in questions)
    rows = [_replaced(cells, new) for _line, cells in _sheet_rows(folder)]
    places = {_place_of(row) for row in rows}
    rows += [row for row in map(_answer_row, new) if _place_of(row) not in places]
    write_private(folder, DECISIONS_FILE, HEADER, rows, "decision")
    return count


def write_private(
    folder: RunFolder, name: str, header: Sequence[str], rows: list[dict[str, str]], what: str
) -> None:
    """Write a sheet that a person filled in; raise `UsageError` for one that holds a secret."""
    text = write_sheet(header, rows)
    if redact(text) != text:
        raise UsageError(f"A {what} holds a password. Nothing was written.")
    folder.write_text(name, text)


def _sheet_rows(folder: RunFolder) -> list[tuple[int, dict[str, str]]]:
    path = folder.file(DECISIONS_FILE)
    if not path.is_file():
        raise StorageError(f"{path} is not there: plan again, and decide in that run.")
    return rows_in(path, _NEEDED)


def _replaced(cells: dict[str, str], new: Sequence[Answer]) -> dict[str, str]:
    for answer in new:
        row = _answer_row(answer)
        if _place_of(row) == _place_of(cells):
            columns = ("decision", "by", "at", "note")
            return cells | {name: row[name] for name in columns}
    return cells


def _place_of(row: dict[str, str]) -> tuple[str, ...]:
    """What a line is about: its question's id, else its conditions."""
    if row.get("id") and row.get("key") not in ("", ANY):
        return (row["id"],)
    names = ["kind", "key", "column", "scope", "zone", "local_date", "read"]
    if row.get("key") in ("", ANY):  # what was read is an example then
        names.remove("read")
    return tuple(row.get(name, "") for name in names)


def make_answers(
    questions: Sequence[Question], words: Words, key: str, decision: str, **given: Any
) -> list[Answer]:
    """Return what `decide(key, decision, …)` means: answers to questions, or one for a bucket.

    `key` is a row's key, a question's id, or `*`; `given` are conditions, `by` and `note`.
    Raises `UsageError` when the key names no question of the run, or the word answers none.
    """
    conditions: dict[str, Any] = {
        "by": given.pop("by", "") or user_name(),
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "note": given.pop("note", ""),
    }
    if key == ANY:
        if not any(given.values()):
            raise UsageError("decide('*', …) needs a kind, a zone, a local_date or a scope.")
        return [Answer(decision, **conditions, **given)]
    meant = set(spellings(key))
    asked = [
        question
        for question in questions
        if {question.key, question.id} & meant
        and all(getattr(question, name) == value for name, value in given.items() if value)
    ]
    if not asked and any(_is_of_rows(question, decision, words) for question in questions):
        # Many rows were asked about together: one of them is meant.
        return [Answer(decision, **conditions, **{**given, "key": key})]
    if not asked:
        near = ", ".join(dict.fromkeys(question.key for question in questions[:3]))
        raise UsageError(
            f"No question of this run is about {key!r}."
            + (f" There is one about {near}." if near else " It asked nothing.")
            + " See: run.questions()"
        )
    fitting = [question for question in asked if decision in words[question.kind]]
    if not fitting:
        said = ", ".join(dict.fromkeys(word for q in asked for word in words[q.kind]))
        raise UsageError(f"{decision!r} does not answer what is asked of {key}; say {said}.")
    return [answer_to(question, decision, conditions) for question in fitting]


def _is_of_rows(question: Question, decision: str, words: Words) -> bool:
    """Whether a question stands for those of many rows, each of which may be answered apart."""
    is_together = question.key == ANY and bool(question.zone and question.local_date)
    return is_together and decision in words[question.kind]


def answer_to(question: Question, decision: str, conditions: Mapping[str, Any]) -> Answer:
    """Return the answer to one question: about its row, or about all that it is about."""
    names = ["scope", "zone", "local_date"] if question.key == ANY else ["id", "key", "read"]
    said = {name: getattr(question, name) for name in ("kind", "column", *names)}
    return Answer(decision, **said, **conditions)
