"""Days, moments and spans of Arrow as the text that PostgreSQL reads them from; nothing of them is
lost, and what microseconds do not reach is never another time."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

_EARLY = re.compile("-[0-9]|0000-")
#: What DuckDB has for a moment or day that is infinite: the largest number, and less than none.
_FOREVER = {pa.timestamp("us"): 2**63 - 1, pa.date32(): 2**31 - 1}


def dates(values: pa.Array) -> pa.Array:
    """Days, also those kept in milliseconds."""
    try:
        return _with_forever(values.cast(pa.date32()))
    except pa.ArrowInvalid:  # days in milliseconds, with a time of the day
        return timestamps(values.cast(pa.int64()).cast(pa.timestamp("ms")))


def timestamps(values: pa.Array) -> pa.Array:
    """Microseconds, in UTC where there is a zone: Arrow's own text of a zone needs a database."""
    zone = values.type.tz
    plain = values.cast(pa.timestamp(values.type.unit, "UTC" if zone else None))
    numbers = plain.cast(pa.int64())
    most = _MOST_OF_UNIT.get(values.type.unit)
    if most is not None:  # beyond what microseconds reach, it would wrap to some other time
        is_far = pc.greater(pc.abs(pc.max_element_wise(numbers, -most - 1)), most)
        plain = pc.if_else(is_far, None, plain)
    if values.type.unit == "ns" and _has_nanos(values):  # the server rounds them, and that is told
        texts = plain.cast(pa.timestamp("ns")).cast(pa.string())
    else:
        texts = _with_forever(plain.cast(pa.timestamp("us"), safe=False))
    if zone:
        infinite = pc.ends_with(texts, "infinity")
        zoned = pc.binary_join_element_wise(texts, "+00", "")
        texts = pc.if_else(infinite, texts, pc.replace_substring(zoned, " BC+00", "+00 BC"))
    if most is None:
        return texts
    far = pc.binary_join_element_wise("out of range:", numbers.cast(pa.string()), " ")
    return pc.if_else(is_far, far, texts)


def _has_nanos(values: pa.Array) -> bool:
    numbers = values.cast(pa.int64()).fill_null(0).to_numpy()
    return bool((numbers % 1000).any())


def durations(values: pa.Array) -> pa.Array:
    """Spans in nanoseconds; coarser ones are Python's."""
    counts = values.cast(pa.int64()).to_pylist()
    return pa.array([None if count is None else nanos(count) for count in counts], pa.string())


def nanos(count: int) -> str:
    """Return nanoseconds as an interval's text; whole microseconds are told as such."""
    if count % 1000 == 0:
        return f"{count // 1000} microseconds"
    seconds, rest = divmod(abs(count), 10**9)
    return f"{'-' if count < 0 else ''}{seconds}.{rest:09d} seconds"


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
