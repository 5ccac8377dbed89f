"""`--max-skips REASON=N`: a reason as which no row is skipped limits nothing, so it is refused."""

from __future__ import annotations

from backfill.folder import RunFolder
from backfill.plans import plan
from backfill.plans.plan import Plan
from backfill.plans.staging import Staging
from backfill.settings import EngineSettings, check_reasons
from backfill.steps.kind import JobKind


def check_named(settings: EngineSettings, kind: JobKind, staging: Staging | None = None) -> None:
    """Raise `UsageError` for a reason that the job does not have, or that is near to one found."""
    if not settings.max_skips_of:
        return
    reasons: list[tuple[str]] = []
    if staging is not None and staging.has("skips"):
        reasons = staging.connection.execute("SELECT DISTINCT reason FROM skips").fetchall()
    check_reasons(settings.max_skips_of, kind.reasons({}), {reason for (reason,) in reasons})


def check_of_plan(
    settings: EngineSettings, kind: JobKind, frozen: Plan | None, folder: RunFolder
) -> None:
    """Raise `UsageError` for such a reason when a plan is applied or resumed."""
    if frozen is None or not settings.max_skips_of:
        return
    seen = {skip.reason.value for _place, skip in plan.read_skips(folder)}
    check_reasons(settings.max_skips_of, kind.reasons(frozen.target), seen)
