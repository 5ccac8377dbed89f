"""The one authority for time zones: the pinned package `tzdata`, read by its own bytes.

Never the operating system's zone files, nor the tables inside PostgreSQL, DuckDB or pandas: each
carries another version of the data, so the same wall time would become another instant.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from backfill.errors import PreflightError, UsageError
from backfill.rows.values import Int64Array
from backfill.utc.tzif import expand_footer, parse_tzif
from backfill.utc.zone_names import zone_bytes

MIN_YEAR = 1
MAX_YEAR = 9999
SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class ZoneRules:
    """One zone's transitions, in order; all values are microseconds.

    `instants` are in UTC since 1970. `offsets` are east of UTC, one more than `instants`: the
    first holds before every transition. `wall0` and `wall1` are the wall times at which the next
    offset begins to count for `fold=0` and `fold=1` (PEP 495): the later and the earlier reading
    of the transition.
    """

    name: str
    instants: Int64Array
    offsets: Int64Array
    wall0: Int64Array
    wall1: Int64Array

    def __post_init__(self) -> None:
        for times in (self.instants, self.wall0, self.wall1):
            if np.any(np.diff(times) < 0):
                raise PreflightError(
                    f"Zone {self.name} has transitions out of order. "
                    "Install the package tzdata that requirements.lock names."
                )


@lru_cache(maxsize=1024)
def load_rules(name: str, last_year: int) -> ZoneRules:
    """Return one zone's rules, good for every wall time up to the end of `last_year`.

    Raises:
        UsageError: the zone is not known, or the year is not 1..9999.
    """
    if not MIN_YEAR <= last_year <= MAX_YEAR:
        raise UsageError(f"Year {last_year} is outside {MIN_YEAR}..{MAX_YEAR}.")
    return build_rules(name, zone_bytes(name), last_year)


def build_rules(name: str, data: bytes, last_year: int) -> ZoneRules:
    """Return the rules that the bytes of a zone file state, through `last_year`."""
    listed = parse_tzif(data)
    # One year more than asked: a clock change on New Year's Day may reach back over midnight.
    later = expand_footer(listed.footer, _first_open_year(listed.instants), last_year + 1)
    is_new = later.instants > (listed.instants[-1] if listed.instants.size else later.instants - 1)
    instants = np.concatenate((listed.instants, later.instants[is_new])) * SECOND_US
    offsets = np.concatenate((listed.offsets, later.offsets[is_new])) * SECOND_US
    return ZoneRules(
        name=name,
        instants=instants,
        offsets=offsets,
        wall0=instants + np.maximum(offsets[:-1], offsets[1:]),
        wall1=instants + np.minimum(offsets[:-1], offsets[1:]),
    )


def _first_open_year(instants: Int64Array) -> int:
    """The year from which the footer may have more to say than the list of transitions."""
    if not instants.size:
        return MIN_YEAR
    years = instants[-1:].astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64)
    return int(years[0]) + 1970
