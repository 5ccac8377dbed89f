"""What a run's page answers first, in six lines: what, where, who, when, proven or not, what next.

Made from the folder's files alone. Each line is true however the run stands: planned, applied in
part or whole, put back, stopped, failed, or a folder that can not be read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backfill.archive import evidence
from backfill.archive.run_facts import NOT_CLOSED, RunFacts, read_checkpoints, read_rows
from backfill.display.counting import counted
from backfill.errors import ExitCode
from backfill.next_command import next_command
from backfill.plans.plan import CHANGES_FILE
from backfill.plans.worksheet import DECISIONS_FILE, QUESTIONS_FILE
from backfill.records.parts import Selection
from backfill.status import RESUMABLE, RunStatus

_SHOWN_MEMBERS = 5
_BROKEN = "broken"
_OVER_A_LIMIT = int(ExitCode.TOO_MANY_SKIPS)
_ALLOW = (
    "mend what is left alone, more than this run's limits allow; or raise them with --max-skips, "
    "--max-held or --max-failed:",
    "apply",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the six; `command` is what it ends in, to be typed."""

    label: str
    text: str
    command: str = ""
    is_name: bool = False  # begins with a name: written as it is

    def __str__(self) -> str:
        return f"{self.label}: {self.text} {self.command}".rstrip()


def headline(facts: RunFacts) -> list[Line]:
    changed = (_changed(facts), _already(facts), _left_alone(facts))
    return [
        Line("Changed", " ".join(filter(None, changed))),
        Line("Table", _table(facts), is_name=True),
        Line("By", _by(facts)),
        Line("When", _approved(facts)),
        Line("Verified", _verified(facts)),
        _next(facts),
    ]


def _changed(facts: RunFacts) -> str:
    if facts.status == _BROKEN:
        return "not known: a file of this folder can not be read."
    if not facts.plan:
        return "nothing: the run ended before its plan was frozen."
    updated, scanned = _written(facts), facts.counts.get("total_scanned", 0)
    planned = int(facts.plan.get("rows") or scanned)
    verb = f"changed{_columns(facts)}"
    if facts.reverts:
        verb = f"put back to what they were before run {facts.reverts}"
    if facts.is_dry_run and not updated:
        changes = int(facts.plan.get("changes") or 0)
        return f"nothing yet; {changes:,} of {_unit(facts, planned)} would be {verb}."
    return _done(facts, updated, planned, max(planned - scanned, 0), verb)


def _done(facts: RunFacts, updated: int, planned: int, rest: int, verb: str) -> str:
    if not updated and not rest:
        return "nothing: no row had to be."
    done = f"{_unit(facts, updated)} {'was' if updated == 1 else 'were'} {verb}"
    if facts.status == RunStatus.REVERTED:
        return f"{done}, and put back since."
    return f"{done}, of {planned:,} planned; {rest:,} are still to do." if rest else f"{done}."


def _written(facts: RunFacts) -> int:
    """Return how many rows were written, as the checkpoints say where there are any."""
    checkpoints = read_checkpoints(facts.folder)
    if checkpoints:
        return sum(checkpoint.updated for checkpoint in checkpoints)
    return 0 if facts.is_dry_run else facts.counts.get("total_updated", 0)


def _unit(facts: RunFacts, count: int) -> str:
    return counted(count, "session" if "sessions_total" in facts.summary else "row")


def _columns(facts: RunFacts) -> str:
    """Return the target columns in brackets, where the plan's file tells them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        after = pq.read_schema(facts.folder.file(CHANGES_FILE)).field("after").type
        names = [field.name for field in after]
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return ""
    return f" ({', '.join(names)})" if names else ""


def _already(facts: RunFacts) -> str:
    """Return how many rows were as planned before the run wrote."""
    count = facts.counts.get("total_unchanged", 0) if facts.plan else 0
    if not count:
        return ""
    return f"{count:,} {'was' if count == 1 else 'were'} so already."


def _left_alone(facts: RunFacts) -> str:
    reasons: Counter[str] = Counter()
    for name in (evidence.SKIPS_FILE, evidence.DRIFTED_FILE):
        reasons.update(row.get("reason") or "no reason" for row in read_rows(facts.folder, name))
    if not reasons:
        return ""
    listed = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))
    verb = "was" if reasons.total() == 1 else "were"
    return f"{reasons.total():,} {verb} left alone ({listed})."


def _table(facts: RunFacts) -> str:
    scope = facts.planned("scope")
    table = str(scope.get("table") or "not known: there is no plan")
    database = facts.run.get("database") or "a database that the folder does not name"
    return f"{table}, {_members(facts.scope)}in {database}."


def _members(members: Sequence[str] | None) -> str:
    if not members:
        return ""
    listed = ", ".join(members[:_SHOWN_MEMBERS])
    more = f" and {len(members) - _SHOWN_MEMBERS:,} more" if len(members) > _SHOWN_MEMBERS else ""
    return f"of {listed}{more}, "


def _by(facts: RunFacts) -> str:
    planned = str(facts.run.get("planned_by") or "somebody whom an earlier version did not record")
    opened = facts.opened_at.replace("T", " ").removesuffix("Z")
    approvers = dict.fromkeys(str(part["approved_by"]) for part in _parts(facts))
    wrote = f"; applied by {', '.join(approvers)}" if approvers else ""
    return f"planned by {planned}, {opened} UTC{wrote}."


def _parts(facts: RunFacts) -> list[dict[str, str]]:
    rows = read_rows(facts.folder, evidence.PARTS_FILE)
    return [row for row in rows if row.get("approved_by") and row.get("approved_at")]


def _approved(facts: RunFacts) -> str:
    checkpoints, parts = read_checkpoints(facts.folder), _parts(facts)
    if not parts and not checkpoints:
        return "not approved: nothing was written."
    approval = "approval not recorded"
    if parts:
        whens = [_moment(part["approved_at"]) + _which(part) for part in parts]
        approval = f"approved {'; '.join(whens)}"
    if not checkpoints:
        return f"{approval}; nothing was committed."
    moments = sorted(checkpoint.committed_at for checkpoint in checkpoints)
    first, last = (_moment(str(moment)) for moment in (moments[0], moments[-1]))
    span = first if first == last else f"{first} to {last.removeprefix(first[:11])}"
    return f"{approval}; applied {span} UTC in {counted(len(checkpoints), 'chunk')}."


def _which(part: dict[str, str]) -> str:
    import json

    try:
        selection = Selection.from_json(json.loads(part.get("selection") or "{}"))
    except (ValueError, AttributeError):
        return ""
    return "" if selection.is_all else f" ({selection}: {int(part['rows']):,} rows)"


def _moment(text: str) -> str:
    """Return an instant without its fraction; all of them are in UTC."""
    return text[:19].replace("T", " ")


def _verified(facts: RunFacts) -> str:
    verification: dict[str, Any] = facts.summary.get("verification") or {}
    if not _written(facts) and not verification.get("disagreements"):
        return "nothing to verify: nothing was written."
    if not verification:
        return "not recorded in this folder."
    read = f"{counted(int(verification['rows']), 'row')} read back"
    again = int(verification["recomputed"])
    values = f", {counted(again, 'value')} computed again" if again else ""
    wrong = int(verification["disagreements"])
    if wrong:
        first = f" The first: {verification['first']}" if verification.get("first") else ""
        return f"no: {counted(wrong, 'disagreement')} ({read}{values}).{first}"
    return f"yes: {read}{values}, no disagreement."


def _next(facts: RunFacts) -> Line:
    text, *verb = _way_on(facts)
    return Line("Next", text, next_command(*verb, facts.run_id) if verb else "")


def _way_on(facts: RunFacts) -> tuple[str, ...]:
    """Return what to do, and the command for it where there is one."""
    verification = facts.summary.get("verification") or {}
    is_unknown = not facts.plan or facts.status in (_BROKEN, NOT_CLOSED)
    is_planned = facts.status == RunStatus.PLANNED
    ways: list[tuple[bool, tuple[str, ...]]] = [
        (is_unknown, ("look how it stands:", "status")),
        (is_planned and not facts.plan.get("changes"), (_nothing_to_write(facts),)),
        (is_planned and facts.summary.get("exit_code") == _OVER_A_LIMIT, _ALLOW),
        (is_planned, ("write exactly this plan:", "apply")),
        (facts.status in RESUMABLE, ("go on after the last checkpoint:", "resume")),
        (facts.status == RunStatus.REVERTED, ("nothing: its rows are as they were before it.",)),
        (bool(verification.get("disagreements")), ("see every disagreement:", "verify")),
        (not _written(facts), (f"{_open_questions(facts)}.",)),
        (not verification, ("prove what it wrote:", "verify")),
        (True, (f"{_open_questions(facts)}. To undo it, unless that was done since:", "revert")),
    ]
    return next(way for holds, way in ways if holds)


def _nothing_to_write(facts: RunFacts) -> str:
    if any(True for _row in read_rows(facts.folder, QUESTIONS_FILE)):
        return f"{_open_questions(facts)}; there is nothing to write."
    return "nothing: there is nothing to write."


def _open_questions(facts: RunFacts) -> str:
    asked = sum(1 for _row in read_rows(facts.folder, QUESTIONS_FILE))
    if not asked:
        return "nothing has to be done"
    questions = counted(asked, "open question")
    return f"answer the {questions} in {DECISIONS_FILE}, where the policies are not what you want"
