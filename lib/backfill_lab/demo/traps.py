"""The events that wrong engines get wrong, each with what must become of it by default: one on each
line of `traps.json`.

Default means: fold `earlier`, gap `shift_forward`, neither `--default-tz` nor
`--fallback-on-invalid-tz`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from operator import itemgetter
from typing import Any

from backfill.utc.reasons import UtcReason

HOUSEHOLD_DEMO = "hh_demo"
HOUSEHOLD_NORTH = "hh_north"
HOUSEHOLD_SOUTH = "hh_south"

# What both encodings can hold and no calendar of years 1..9999 can, in milliseconds.
BEYOND_MS = {
    "infinity": 2**63 - 1,
    "-infinity": -(2**63),
    "10000-01-01 00:00:00": 253_402_300_800_000,
    "294276-12-31 23:59:59": 9_224_318_015_999_000,
    "0044-03-15 12:00:00 BC": -63_517_780_800_000,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One event: wall times as text, None for NULL, and the UTC values it must end with.

    `has_start_utc` and `has_end_utc` say which of these are there before the run. A row with
    `skip` keeps what it has.
    """

    start: str | None = None
    end: str | None = None
    tz: str | None = None
    start_utc: str | None = None
    end_utc: str | None = None
    skip: UtcReason | None = None
    household_id: str = HOUSEHOLD_DEMO
    has_start_utc: bool = False
    has_end_utc: bool = False
    is_deleted: bool = False
    rrule: str | None = None
    exdates: str | None = None


@dataclass(frozen=True, slots=True)
class Trap:
    """Events with ids `<prefix>-01`, `<prefix>-02` …, and what they show."""

    prefix: str
    shows: str
    rows: tuple[Row, ...]

    def named_rows(self) -> list[tuple[str, Row]]:
        return [(f"{self.prefix}-{number:02d}", row) for number, row in enumerate(self.rows, 1)]


def _traps() -> tuple[Trap, ...]:
    text = resources.files("backfill_lab.demo").joinpath("traps.json").read_text(encoding="utf-8")
    entries: list[dict[str, Any]] = json.loads(text)
    groups = (list(group) for _prefix, group in groupby(entries, key=itemgetter("trap")))
    return tuple(Trap(g[0]["trap"], g[0]["shows"], tuple(map(_row, g))) for g in groups)


def _row(entry: dict[str, Any]) -> Row:
    own = {name: value for name, value in entry.items() if name not in ("trap", "shows")}
    return Row(**own | {"skip": UtcReason(own["skip"]) if "skip" in own else None})


TRAPS = _traps()
FRACTIONS = next(trap for trap in TRAPS if trap.prefix == "trap-fraction")
