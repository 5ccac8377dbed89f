"""What a notebook shows of a run whatever its job: its head, plan, verification and summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backfill.display.pages import Shown, note, section, table
from backfill.folder import RunFolder
from backfill.plans.plan import Plan
from backfill.steps.standing import planned_counts
from backfill.steps.task import Preflight
from backfill.steps.verify import Verification

SHOWN_MEMBERS = 100  # of a scope: a page holds many tables


def head_view(
    folder: RunFolder,
    database: str,
    frozen: Plan | None,
    values: Mapping[str, Any],
    usual: Mapping[str, Any],
) -> Shown:
    """Return what the run is in four lines, and its settings folded.

    `usual` are the defaults of its settings: what differs from them is told at once.
    """
    named = frozen.scope.get("table") if frozen else values.get("table")
    where = [
        *([("puts back", f"run {frozen.reverts}")] if frozen and frozen.reverts else []),
        ("table", f"{named or 'those of the job'}, in {database}"),
        ("evidence", f"{folder.path.parent.name}/{folder.run_id}"),
    ]
    told = usual.keys() - {"run_id"}  # which stands above
    anew = [f"{n} = {_plain(v)}" for n, v in values.items() if n in told and _is_said(v, usual[n])]
    mode = "writes its plan" if values.get("apply") else "a dry run: nothing is written"
    first = table(
        f"Run {folder.run_id}",
        ["fact", "value"],
        [("what", mode), *where, ("settings", "; ".join(anew) or "all as they are by default")],
    )
    every = table(
        f"Settings ({len(values):,})",
        ["setting", "value", "by default"],
        [(n, _plain(v), _plain(usual[n]) if n in usual else "") for n, v in values.items()],
    )
    folded = f"<details><summary>All {len(values):,} settings</summary>{every.markup}</details>"
    return first + Shown(folded, "")


def preflight_view(preflight: Preflight, scope_name: str) -> Shown:
    """Return what is pending by member of the scope, what was found, and what to look out for."""
    pending = preflight.pending
    shown = table(
        f"By {scope_name}: {preflight.total}",
        [scope_name, preflight.what[1]],
        pending.items(),
        rest="All of them: plan.json in the run's folder (by_scope)",
        most=SHOWN_MEMBERS,
    )
    shown += table("What was found", ["fact", "value"], preflight.facts.items())
    for warning in preflight.warnings:
        shown += note(warning, "warning")
    return shown


def plan_view(frozen: Plan, scope_name: str) -> Shown:
    """Return what the frozen plan holds, in all and by member of the scope."""
    shown = table(
        f"Plan {frozen.plan_id[:12]}… of run {frozen.run_id}",
        ["what", "rows"],
        [("to write", frozen.changes), ("left alone", frozen.rows - frozen.changes)],
    )
    _total, by_scope = planned_counts(frozen)
    return shown + table(
        f"By {scope_name} ({len(by_scope):,})",
        [scope_name, "to write", "unchanged", "skipped", "drifted"],
        [
            (scope, part.updated, part.unchanged, part.skipped, part.drifted)
            for scope, part in by_scope.items()
        ],
        rest="All of them: plan.json, counts" if len(by_scope) > SHOWN_MEMBERS else "",
        most=SHOWN_MEMBERS,
    )


def verification_view(run_id: str, proof: Verification) -> Shown:
    """Return what was read back and computed again, and what does not agree."""
    shown = table(
        f"Verification of run {run_id}",
        ["chunks", "rows read back", "values computed again", "disagreements"],
        [(proof.chunks, proof.rows, proof.recomputed, proof.disagreements)],
    )
    for text in proof.notes:
        shown += note(text)
    shown = section("verification", shown)
    if proof.findings:
        shown += table(
            f"Disagreements ({len(proof.findings):,} shown)",
            ["what"],
            [[text] for text in proof.findings],
        )
    return shown


def summary_view(run_id: str, document: Mapping[str, Any]) -> Shown:
    return table(
        f"Summary of run {run_id}",
        ["key", "value"],
        [(k, v) for k, v in document.items() if not isinstance(v, list | dict)],
    )


def _is_said(value: Any, usual: Any) -> bool:
    """Tell whether a setting differs from its default; None, no text and no list say nothing."""
    return value not in (None, usual) and not (value in ("", []) and usual in (None, "", []))


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
