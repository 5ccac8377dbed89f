"""What there is to know of a fill run from its ledger row alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class FillRuns:
    """The parts that runs of fill have: its values came as they are, and no rule makes them."""

    reasons = ()
    uses_calendar = False

    def __init__(self, _target: Mapping[str, Any]) -> None:
        """The same for any run."""
