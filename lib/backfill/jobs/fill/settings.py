"""What a run of fill was told, which values go where; and what its ledger row alone tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NOTHING_PROPOSED = (
    "Nothing was proposed yet. Compute new values from run.extracted, then: "
    'run.propose(rows, reads=["…"])'
)


@dataclass(frozen=True, slots=True)
class FillSettings:
    """What decides which values go where. Without `reads` every column of the values that the
    table has as well, and that is neither key nor target, is a source."""

    table: str
    targets: tuple[str, ...]
    key: tuple[str, ...] = ()
    overwrite: bool = False
    allow_null: bool = False
    reads: tuple[str, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "set": list(self.targets),
            "key": list(self.key),
            "overwrite": self.overwrite,
            "allow_null": self.allow_null,
            "reads": None if self.reads is None else list(self.reads),
        }


class FillRuns:
    """The parts that runs of fill have: its values came as they are, and no rule makes them."""

    reasons = ()
    uses_calendar = False

    def __init__(self, _target: Mapping[str, Any]) -> None:
        """The same for any run."""
