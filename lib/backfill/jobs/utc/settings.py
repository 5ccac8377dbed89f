"""The UTC job's choices: everything that decides a value, validated."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from backfill.errors import UsageError
from backfill.table import EVENTS, TableSpec
from backfill.utc.convert import Decision, FoldPolicy, GapPolicy
from backfill.utc.pairs import Policy
from backfill.utc.wall import Encoding
from backfill.utc.zone_choice import ZonePolicy
from backfill.utc.zones import is_zone, near_misses

_Choice = TypeVar("_Choice", bound=StrEnum)

_DECISIONS = {
    "earlier": Decision.FIRST,
    "shift_forward": Decision.FIRST,
    "later": Decision.SECOND,
    "first_valid": Decision.SECOND,
    "skip": Decision.SKIP,
}
_DECISION_COLUMNS = ("key", "column", "decision")


@dataclass(frozen=True, slots=True)
class UtcSettings:
    """`households` empty means all; `decisions` maps (key, wall column) to a word."""

    households: tuple[str, ...] = ()
    default_tz: str | None = None
    fold: FoldPolicy = FoldPolicy.EARLIER
    gap: GapPolicy = GapPolicy.SHIFT_FORWARD
    encoding: Encoding = Encoding.AUTO
    skip_deleted: bool = False
    strict: bool = False
    fallback_on_invalid_tz: bool = False
    table: TableSpec = EVENTS
    decisions: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.default_tz is not None and not is_zone(self.default_tz):
            close = near_misses(self.default_tz)
            hint = f" Near: {', '.join(close)}." if close else ""
            raise UsageError(
                f"--default-tz {self.default_tz!r} is not an IANA time zone name.{hint} "
                "Names are case-sensitive, like Europe/Stockholm."
            )

    def as_json(self) -> dict[str, Any]:
        """Return what is fingerprinted and recorded."""
        return {
            "household_id": sorted(set(self.households)) or None,
            "default_tz": self.default_tz,
            "fold": self.fold.value,
            "gap": self.gap.value,
            "encoding": self.encoding.value,
            "skip_deleted": self.skip_deleted,
            "strict": self.strict,
            "fallback_on_invalid_tz": self.fallback_on_invalid_tz,
            "table": self.table.as_json(),
            "decisions": sorted(
                [key, column, word] for (key, column), word in self.decisions.items()
            ),
        }

    @property
    def policy(self) -> Policy:
        return Policy(
            zones=ZonePolicy(self.default_tz, self.fallback_on_invalid_tz),
            fold=self.fold,
            gap=self.gap,
            is_strict=self.strict,
            decisions={place: _DECISIONS[word] for place, word in self.decisions.items()},
        )


def choice(flag: str, value: str, choices: type[_Choice]) -> _Choice:
    """Return the member that a word names; raise `UsageError` that lists the words."""
    try:
        return choices(value)
    except ValueError:
        raise UsageError(
            f"{flag} {value!r} is not known; use one of {', '.join(choices)}."
        ) from None


def load_decisions(path: Path) -> dict[tuple[str, str], str]:
    """Read a decisions CSV (key, column, decision); raise `UsageError` that names the line."""
    decisions: dict[tuple[str, str], str] = {}
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = set(_DECISION_COLUMNS) - set(reader.fieldnames or ())
            if missing:
                raise UsageError(
                    f"--decisions {path} lacks the column {', '.join(sorted(missing))}; "
                    f"it needs {', '.join(_DECISION_COLUMNS)}."
                )
            for row in reader:
                word = (row["decision"] or "").strip()
                if not word:
                    continue  # a question that nobody has answered yet
                if word not in _DECISIONS:
                    raise UsageError(
                        f"--decisions {path}, line {reader.line_num}: {word!r} is not one of "
                        f"{', '.join(_DECISIONS)}."
                    )
                decisions[(row["key"], row["column"])] = word
    except OSError as error:
        raise UsageError(f"--decisions {path}: {error.strerror}.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"--decisions {path} is not UTF-8 CSV: {error}.") from None
    return decisions
