"""Days, moments and spans of Arrow as the text that PostgreSQL reads them from; nothing of them is
lost, and what microseconds do not reach is never another time."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from backfill.errors import UsageError

_EARLY = re.compile("-[0-9]|0000-")
#: What DuckDB has for a moment or day that is infinite: the largest number, and less than none.
_FOREVER = {pa.timestamp("us"): 2**63 - 1, pa.date32(): 2**31 - 1}


def dates(values: pa.Array) -> pa.Array:
    """Days, also those kept in milliseconds."""
    try:
        return _with_forever(values.cast(pa.date32()))
    except pa.ArrowInvalid:  # days in milliseconds, with a time of the day
        return timestamps(values.cast(pa.int64()).cast(pa.timestamp("ms")))


def timestamps(values: pa.Array, *, in_utc: bool = False) -> pa.Array:
    """Microseconds; where there is a zone, its wall time and offset, or UTC's.

    A column without a zone keeps the wall time, and of a moment that is the one that people see.
    """
    unit, zone = values.type.unit, values.type.tz
    numbers = values.cast(pa.int64())
    offsets: pa.Array | str = "+00"
    walls = numbers
    if zone and not in_utc:
        ahead = _seconds_ahead(values)
        walls = pc.add(numbers, pc.multiply(ahead, _OF_SECOND[unit]))
        offsets = _offsets(ahead)
    plain = walls.cast(pa.timestamp(unit))
    most = _MOST_OF_UNIT.get(unit)
    if most is not None:  # beyond what microseconds reach, it would wrap to some other time
        is_far = pc.greater(pc.abs(pc.max_element_wise(numbers, -most - 1)), most)
        plain = pc.if_else(is_far, None, plain)
    if unit == "ns" and _has_nanos(values):  # the server rounds them, and that is told
        texts = plain.cast(pa.string())
    else:
        texts = _with_forever(plain.cast(pa.timestamp("us"), safe=False))
    if zone:
        infinite = pc.ends_with(texts, "infinity")
        is_early = pc.ends_with(texts, _BC)
        zoned = pc.binary_join_element_wise(pc.replace_substring(texts, _BC, ""), offsets, "")
        zoned = pc.if_else(is_early, pc.binary_join_element_wise(zoned, _BC, ""), zoned)
        texts = pc.if_else(infinite, texts, zoned)
    if most is None:
        return texts
    far = pc.binary_join_element_wise("out of range:", numbers.cast(pa.string()), " ")
    return pc.if_else(is_far, far, texts)


def _seconds_ahead(values: pa.Array) -> pa.Array:
    """Return how many seconds the wall clocks of a column's zone are ahead of UTC's (int64).

    None outside of our calendar. Raises `UsageError` for a zone that nobody knows.
    """
    moments = values.cast(pa.timestamp("s", with_known_zone(values.type).tz), safe=False)
    seconds = moments.cast(pa.int64())
    first, last = _CALENDAR
    is_inside = pc.and_(pc.greater(seconds, first), pc.less(seconds, last))
    moments = pc.if_else(is_inside, seconds, 0).cast(moments.type)
    try:
        walls = pc.local_timestamp(moments)
    except pa.ArrowInvalid:  # a machine without a database of zones; Python brings one along
        naive = [None if m is None else m.replace(tzinfo=None) for m in moments.to_pylist()]
        walls = pa.array(naive, pa.timestamp("s"))
    ahead = pc.subtract(walls.cast(pa.int64()), moments.cast(pa.int64()))
    return pc.if_else(is_inside, ahead, 0)


def with_known_zone(kind: pa.DataType) -> pa.DataType:
    """Return a type of moments whose zone Python knows, in place of one as Java, Go or ISO 8601
    write it (Z, UTC+02:00); raise `UsageError` where nobody can know what clocks show there."""
    if not pa.types.is_timestamp(kind) or not kind.tz:
        return kind
    offset = _FIXED.fullmatch(kind.tz)
    zone = f"{offset[1]}:{offset[2] or '00'}" if offset else "UTC" if kind.tz in _ZULU else kind.tz
    try:
        pa.scalar(0, known := pa.timestamp(kind.unit, zone)).as_py()
        if zone not in _NOWHERE:
            return known
    except (pa.ArrowInvalid, LookupError, ValueError):
        pass
    raise UsageError(
        f"The values have moments of the zone {kind.tz!r}, and what clocks show there nobody "
        "can know. Give them UTC, one of IANA's zones like Europe/Paris, or an offset like +02:00."
    )


#: Of `UTC+2` nobody knows whether it is east of Greenwich, or west as POSIX has it.
_FIXED = re.compile("(?:(?:UTC|GMT|UT)(?=.{5}))?([+-][0-9]{2})(?::?([0-9]{2}))?")
_ZULU = ("Z", "z", "UT")
#: What names no zone, but whatever a machine is set to, or nothing yet.
_NOWHERE = ("localtime", "Factory", "posixrules")


def _offsets(ahead: pa.Array) -> pa.Array:
    """Return seconds ahead of UTC as PostgreSQL writes them: +02, -03:30."""
    coded = ahead.dictionary_encode()
    texts = []
    for seconds in coded.dictionary.to_pylist():
        minutes, second = divmod(abs(seconds), 60)
        parts = [minutes // 60, minutes % 60, second]
        while len(parts) > 1 and not parts[-1]:
            parts.pop()
        texts.append(("-" if seconds < 0 else "+") + ":".join(f"{part:02}" for part in parts))
    return pc.take(pa.array(texts, pa.string()), coded.indices)


def _has_nanos(values: pa.Array) -> bool:
    numbers = values.cast(pa.int64()).fill_null(0).to_numpy()
    return bool((numbers % 1000).any())


def durations(values: pa.Array) -> pa.Array:
    """Spans in nanoseconds; coarser ones are Python's."""
    counts = values.cast(pa.int64()).to_pylist()
    return pa.array([None if count is None else nanos(count) for count in counts], pa.string())


def nanos(count: int) -> str:
    """Return nanoseconds as a clock shows them, which columns of intervals, times and texts take:
    26:00:00, or -00:00:00.000001500."""
    seconds, rest = divmod(abs(count), 10**9)
    fraction = f".{rest:09d}".removesuffix("000") if rest else ""
    hours, minutes = divmod(seconds // 60, 60)
    return f"{'-' if count < 0 else ''}{hours:02}:{minutes:02}:{seconds % 60:02}{fraction}"


_BC = " BC"
_OF_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
#: The seconds between which every zone's wall clocks show the years 1 to 9999.
_CALENDAR = (-62_135_500_000, 253_402_200_000)
#: How many of a unit there are in as many microseconds as int64 has.
_MOST_OF_UNIT = {"s": (2**63 - 1) // 1_000_000, "ms": (2**63 - 1) // 1_000}


def _with_forever(values: pa.Array) -> pa.Array:
    """Return moments or days as texts; the era of those before our first year is told at the end.

    Arrow writes the year 0 for 1 BC.
    """
    texts = values.cast(pa.string())
    most = _FOREVER[values.type]
    numbers = values.view(pa.int64() if most > 2**32 else pa.int32())
    texts = pc.if_else(pc.equal(numbers, most), "infinity", texts)
    texts = pc.if_else(pc.equal(numbers, -most), "-infinity", texts)
    early = pc.match_substring_regex(texts, f"^({_EARLY.pattern})")
    if not pc.any(early).as_py():
        return texts
    return pa.array([_with_era(text) for text in texts.to_pylist()], pa.string())


def _with_era(text: str | None) -> str | None:
    if text is None or not _EARLY.match(text):
        return text
    year, rest = text.removeprefix("-").split("-", 1)
    return f"{int(year) + 1:04d}-{rest} BC"
