"""Names of time zones and the bytes behind them: those of the pinned package `tzdata` alone.

Loads no array library: what only names a zone, or checks a name, starts at once.
"""

from __future__ import annotations

import importlib.metadata
import importlib.resources
from functools import cache
from io import BytesIO
from zoneinfo import ZoneInfo

from backfill.errors import UsageError

_PACKAGE = "tzdata"
# In the package's list, but a placeholder for "nobody has set the zone yet": a row that says so
# has no zone, and its offset of 0 must not be taken for one.
_PLACEHOLDERS = frozenset({"Factory"})


def tzdata_version() -> str:
    """Return the version of the package that every conversion rests on, such as 2026.6."""
    return importlib.metadata.version(_PACKAGE)


@cache
def zone_names() -> frozenset[str]:
    """Return every name that is accepted, aliases included, exactly as it must be written."""
    listed = importlib.resources.files(_PACKAGE).joinpath("zones").read_text(encoding="ascii")
    return frozenset(listed.split()) - _PLACEHOLDERS


def is_zone(name: str) -> bool:
    """Tell whether the name is accepted; upper and lower case and spaces count."""
    return name in zone_names()


@cache
def zone_info(name: str) -> ZoneInfo:
    """Return the standard library's own reading of the same bytes, to check ours against.

    `ZoneInfo(name)` would take the operating system's data before the package's.

    Raises:
        UsageError: the zone is not known.
    """
    return ZoneInfo.from_file(BytesIO(zone_bytes(name)), key=name)


def zone_bytes(name: str) -> bytes:
    if not is_zone(name):
        same = [known for known in sorted(zone_names()) if known.casefold() == name.casefold()]
        hint = f"Did you mean {same[0]}? " if same else ""
        raise UsageError(
            f"Time zone {name!r} is not in tzdata {tzdata_version()}. {hint}"
            "Names are case-sensitive IANA names, such as Europe/Stockholm; offsets such as UTC+1 "
            "are not zones."
        )
    return importlib.resources.files(_PACKAGE).joinpath("zoneinfo", *name.split("/")).read_bytes()
