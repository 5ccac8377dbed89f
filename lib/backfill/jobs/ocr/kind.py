"""What can be done for an OCR run from its ledger row alone: write, revert, look, compute again,
compare."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

import pyarrow as pa

from backfill.archive.run_facts import RunFacts
from backfill.archive.trace import Trace
from backfill.decisions import Words
from backfill.display.counting import counted
from backfill.display.explanation import Explanation
from backfill.errors import BackfillError, SessionsFailed, TooManySkips
from backfill.folder import RunFolder
from backfill.jobs.ocr import output
from backfill.jobs.ocr.day_state import DayState
from backfill.jobs.ocr.tables import Tables
from backfill.jobs.ocr.writer import SessionWriter
from backfill.ocr.day.session import FAILED, WORDS, HeldReason
from backfill.ocr.identity import customer_fingerprint, fold_place
from backfill.plans.plan import Plan
from backfill.records.checkpoint import Counts
from backfill.records.ledger import Ledger
from backfill.server.postgres import Connection
from backfill.skips import NOT_WRITTEN
from backfill.steps.laid_out import causes_of_writing, changed
from backfill.steps.task import Cause, RunOutcome

if TYPE_CHECKING:
    import duckdb

_SHIFT_FIELDS = (
    "start", "end", "customer_name", "customer_fingerprint", "street", "street_number",
    "postal_code", "postal_area", "city", "location_fingerprint", "shift_type", "raw_type_label",
)  # fmt: skip
_FINGERPRINTS = ("customer_fingerprint", "location_fingerprint")
_COMPARED_FIELDS = tuple(name for name in _SHIFT_FIELDS if name not in _FINGERPRINTS)
_SESSION_FIELDS = ("schedule_date", "status", "outcome", "held_reason", "error_stage", "error_type")
_NAMES = (
    *("what", "key", "scope", "images", "doubts", "old", "new"),
    *_SESSION_FIELDS,
    *_COMPARED_FIELDS,
)
_SCHEMA = pa.schema([pa.field(name, pa.string()) for name in _NAMES])
_BATCH_SESSIONS = 500


class OcrRuns:
    """The parts that runs of the OCR job have, by the target of one (empty: of any)."""

    scope_name = "user_id"
    uses_calendar = False
    set_on_writing: ClassVar = {"updated_at": "payload"}
    questions: Words = WORDS
    reasons = (FAILED, *HeldReason)
    chained_by = "concat(scope, ' ', source.schedule_date)"

    def __init__(self, target: Mapping[str, Any]) -> None:
        self._target = target

    def change_columns(self, schema: pa.Schema) -> dict[str, str]:
        side = "before" if _has_field(schema, "reverts") else "after"
        events = f"list_distinct(json_extract_string({side}.events, '$[*].event_type'))"
        has_confidence = _has_field(schema, "confidence")
        return {
            "schedule_date": "CAST(source.schedule_date AS DATE)",
            "event_types": events,
            **({"confidence": "why.confidence"} if has_confidence else {}),
        }

    def writer(self, target: Mapping[str, Any]) -> SessionWriter:
        return SessionWriter(
            Tables(target["schema"]), notify_past=target["notify_past"], chains=target["chains"]
        )

    reverter = writer

    def remarks(self, connection: Connection, rows: pa.Table) -> Sequence[str]:
        """Name the messages that were sent already: nothing takes those back."""
        writer = self.writer(self._target)
        sent = [writer.sent_notifications(connection, row) for row in rows.to_pylist()]
        return [f"sent already, left: {', '.join(ids)}" if ids else "" for ids in sent]

    def check(self, rows: pa.Table) -> Sequence[tuple[int, str]]:
        """Compute every hash of the written events and shifts again from their plain values."""
        wrong = []
        for index, row in enumerate(rows.to_pylist()):
            after = DayState.of(row["after"])
            for shift in json.loads(after.payload or "[]"):
                if fault := _wrong_shift(shift):
                    wrong.append((index, fault))
            for event in after.events:
                for side in ("old", "new"):
                    value = getattr(event, f"{side}_value")
                    if _hash(value) != getattr(event, f"{side}_value_hash"):
                        wrong.append((index, f"event {event.event_id}: {side}_value_hash differs"))
        return wrong

    def explain_row(self, trace: Trace) -> Explanation:
        from backfill.jobs.ocr.explain import explain_session  # what few commands need

        return explain_session(trace)

    def summary_keys(
        self, plan: Plan, counts: Counts, _by_scope: Mapping[str, Counts]
    ) -> dict[str, Any]:
        """Return sessions by outcome and events by type; `total_*` are sessions as well."""
        own = {} if plan.reverts else {**plan.counts["sessions"], **plan.counts["events"]}
        return {**own, **counts.totals()}

    def conclude(self, folder: RunFolder, plan: Plan, ledger: Ledger | None) -> dict[str, Any]:
        """Write the sessions' JSON files and the report."""
        return {} if plan.reverts else output.write_output(folder, plan, ledger)

    def verdict(self, plan: Plan, **outcome: Unpack[RunOutcome]) -> BackfillError | None:
        """Return what a run with failed or held sessions ends with."""
        if plan.reverts:
            return None
        counts = plan.counts["sessions"]
        allowed = {**plan.counts["allowed"], **outcome["allowed"]}
        failed, held = counts["sessions_failed"], counts["sessions_held"]
        if failed and failed == counts["sessions_total"]:
            return SessionsFailed(
                f"Every session failed ({failed}). Their stages and reasons are in skips.csv of "
                f"the run's folder; nothing was written for them."
            )
        refused = sum(outcome["left"].get(reason, 0) for reason in NOT_WRITTEN)
        if allowed["failed"] is not None and failed + refused > allowed["failed"]:
            late = f", {refused} of them when they were written" if refused else ""
            return TooManySkips(
                f"{counted(failed + refused, 'session')} failed{late}; --max-failed allows "
                f"{allowed['failed']}. Stages and reasons are in skips.csv of the run's folder; "
                "the others are not affected."
            )
        if outcome["is_applied"] and allowed["held"] is not None and held > allowed["held"]:
            return TooManySkips(
                f"The run itself is done. {counted(held, 'session')} held back for a person; "
                f"--max-held allows {allowed['held']}. Look at them in skips.csv of the run's "
                "folder: each reason names the option that lets it through."
            )
        return None

    @staticmethod
    def computed_by(target: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what read the images."""
        return {"reader": target["reader"]} if target.get("reader") else {}

    @staticmethod
    def doubts(facts: RunFacts) -> str:
        summary = facts.summary
        if "sessions_total" not in summary:  # it ended before any was counted
            return ""
        events = summary.get("planned_event_types") or {}
        listed = ", ".join(f"{name} {count:,}" for name, count in events.items()) or "none"
        return (
            f"Doubtful: {summary.get('sessions_failed', 0):,} sessions failed, "
            f"{summary.get('sessions_held', 0):,} are held back for a person, "
            f"{summary.get('sessions_needing_review', 0):,} need a review. Events: {listed}."
        )

    @staticmethod
    def lay_out(connection: duckdb.DuckDBPyConnection, folder: RunFolder, name: str) -> None:
        """Make the table `name`: a row for each session, each shift and each event of it."""
        connection.register("incoming", _SCHEMA.empty_table())
        connection.execute(f"CREATE TABLE {name} AS FROM incoming")
        batch: list[dict[str, Any]] = []
        paths = sorted(folder.file(output.SESSIONS_FOLDER).glob("*.json"))
        for place, path in enumerate(paths, start=1):
            batch += _rows(json.loads(path.read_text(encoding="utf-8")))
            if place % _BATCH_SESSIONS == 0 or place == len(paths):
                connection.register("incoming", pa.Table.from_pylist(batch, schema=_SCHEMA))
                connection.execute(f"INSERT INTO {name} FROM incoming")
                batch = []
        connection.unregister("incoming")

    @staticmethod
    def causes(before: RunFacts, after: RunFacts) -> Iterator[Cause]:
        """Yield what may explain a difference, the surest first."""
        a, b = (facts.planned("settings") for facts in (before, after))
        if a.get("selection") != b.get("selection"):
            yield Cause(
                "(a.key IS NULL OR b.key IS NULL) AND split_part(coalesce(a.key, b.key), ' ', 1)"
                " NOT IN (SELECT x.key FROM a AS x JOIN b AS y USING (key)"
                " WHERE x.what = 'session')",
                "selection of the sessions",
            )
        yield from causes_of_writing(before, after)
        yield Cause(
            "a.images IS DISTINCT FROM b.images AND a.key = b.key", "the image files differ"
        )
        readers = [facts.planned("target").get("reader") or {} for facts in (before, after)]
        read = changed(*readers).values()
        otherwise = changed(a, b)
        settings = ["decisions of persons"] if otherwise.pop("decisions", "") else []
        settings += [
            text for name, text in otherwise.items() if name not in ("selection", "local_root")
        ]
        if read:
            yield Cause("coalesce(a.what, b.what) = 'shift'", "; ".join(read))
        if read or settings:
            yield Cause("coalesce(a.what, b.what) <> ''", "; ".join([*settings, *read]))
        yield Cause(
            "coalesce(a.what, b.what) IN ('event', 'session')",
            "the stored days are others than before: something wrote them between the runs",
        )


def _has_field(schema: pa.Schema, name: str) -> bool:
    return bool(schema.field("why").type.get_field_index(name) >= 0)


def _hash(value: object) -> str:
    # Spelt out again on purpose: not the function that made the stored hash.
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _wrong_shift(shift: Mapping[str, str]) -> str:
    """Return what is wrong with a stored shift: its fields, or a fingerprint."""
    if tuple(shift) != _SHIFT_FIELDS:
        return f"a shift holds {', '.join(shift)}"
    area = shift["postal_area"] or shift["city"]
    place = "|".join(fold_place(p) for p in (shift["street"], shift["street_number"], area))
    if hashlib.sha256(place.encode()).hexdigest() != shift["location_fingerprint"]:
        return f"the location_fingerprint of the shift at {shift['start']} differs"
    named = (shift[name] for name in ("customer_name", "raw_type_label", "shift_type"))
    if customer_fingerprint(*named) != shift["customer_fingerprint"]:
        return f"the customer_fingerprint of the shift at {shift['start']} differs"
    return ""


def _rows(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    session = str(document["session_id"])
    images = ", ".join(str(image.get("sha256"))[:12] for image in document.get("image_details", ()))
    shared = {"scope": str(document["user_id"]), "images": images}
    yield {
        **shared,
        "what": "session",
        "key": session,
        **{name: document[name] for name in _SESSION_FIELDS if document.get(name)},
    }
    seen: Counter[str] = Counter()

    def numbered(key: str) -> str:
        """Two shifts of one day may begin together: the second one is numbered."""
        seen[key] += 1
        return key if seen[key] == 1 else f"{key} ({seen[key]})"

    for shift in document.get("shifts", ()):
        yield {
            **shared,
            "what": "shift",
            "key": numbered(f"{session} {document.get('schedule_date', '')} {shift['start']}"),
            "doubts": ", ".join(shift.get("review_reasons", ())),
            **{name: shift.get(name, "") for name in _COMPARED_FIELDS},
        }
    for event in document.get("preview_events", ()):
        old, new = event.get("old") or {}, event.get("new") or {}
        start = (new or old).get("start", "")
        key = f"{session} {document.get('schedule_date', '')} {event['event_type']} {start}"
        yield {
            **shared,
            "what": "event",
            "key": numbered(key),
            "old": _line(old),
            "new": _line(new),
        }


def _line(shift: Mapping[str, Any]) -> str:
    return " ".join(str(shift[name]) for name in _COMPARED_FIELDS if shift.get(name))
