"""What plan, ledger and trace tell of a run alike: what it is to do, and for which database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The facts of a run that stay as they were planned."""

    run_id: str
    job: str
    scope: dict[str, Any]
    plan_id: str
    settings: dict[str, Any]
    target: dict[str, Any]
    settings_fingerprint: str
    database_fingerprint: str
    tzdata_version: str
    reverts: str | None = None

    def facts(self) -> dict[str, Any]:
        """Return them by name, whatever else tells of the run is made of."""
        return {name: getattr(self, name) for name in Planned.__dataclass_fields__}
