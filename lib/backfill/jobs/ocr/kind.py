"""What can be done for an OCR run from its ledger row alone: write, revert, look, compute again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import pyarrow as pa

from backfill.archive.trace import Trace
from backfill.decisions import Words
from backfill.display.counting import counted
from backfill.display.explanation import Explanation
from backfill.errors import BackfillError, SessionsFailed, TooManySkips
from backfill.folder import RunFolder
from backfill.jobs.ocr import comparable, output
from backfill.jobs.ocr.day_state import DayState
from backfill.jobs.ocr.tables import Tables
from backfill.jobs.ocr.writer import SessionWriter
from backfill.ocr.identity import customer_fingerprint, fold_place
from backfill.ocr.session import WORDS
from backfill.plans.plan import Plan
from backfill.records.checkpoint import Counts
from backfill.records.ledger import Ledger
from backfill.server.postgres import Connection
from backfill.skips import NOT_WRITTEN
from backfill.steps.task import RunOutcome

_SHIFT_FIELDS = (
    "start", "end", "customer_name", "customer_fingerprint", "street", "street_number",
    "postal_code", "postal_area", "city", "location_fingerprint", "shift_type", "raw_type_label",
)  # fmt: skip


class OcrRuns:
    """The parts that runs of the OCR job have, by the target of one (empty: of any)."""

    scope_name = "user_id"
    uses_calendar = False
    questions: Words = WORDS
    reasons = ()
    chained_by = "concat(scope, ' ', source.schedule_date)"
    lay_out = staticmethod(comparable.lay_out)
    causes = staticmethod(comparable.causes)

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
                f"{counted(held, 'session')} held back for a person; --max-held allows "
                f"{allowed['held']}. Look at them in skips.csv of the run's folder: each reason "
                "names the option that lets it through."
            )
        return None


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
