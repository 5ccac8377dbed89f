"""One stored wall-clock value as a naive datetime, by another way than whole columns are read."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from backfill.utc.described import Reading, WallKind
from backfill.utc.wall_format import ISO_PATTERNS, pattern_of
from backfill.utc.zone_names import zone_info

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=None)  # noqa: DTZ001  a wall time has no zone
_PIVOT = 69  # as POSIX has it
_CLOCK = re.compile(r"(?:(\d+) days? ?)?(?:(\d{1,3}):?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?)?")


def local_time(values: Sequence[Any], reading: Reading) -> dt.datetime | None:
    """Return the wall time, None for NULL; an aware one where a text tells its offset.

    Raises:
        ValueError: text that is no date.
        OverflowError: a number beyond years 1 to 9999.
    """
    if any(value is None for value in values):
        return None
    value = values[0]
    if reading.kind is WallKind.DATE_AND_TIME and not reading.form:
        return _of_text(str(value).strip()) + _clock(str(values[1]).strip())
    if reading.form:
        return _in_format(" ".join(str(part).strip() for part in values), reading.form)
    if reading.kind is WallKind.NUMBER:
        return _of_number(value, reading.unit.per_second)
    if isinstance(value, dt.datetime):
        if reading.kind is WallKind.INSTANT:
            value = value.replace(tzinfo=dt.UTC).astimezone(zone_info(reading.read_in))
        return value.replace(tzinfo=None)
    return _of_text(str(value).strip())


def _of_number(value: Any, per_second: int) -> dt.datetime:
    try:
        seconds = Decimal(value) / per_second
        microseconds = int((seconds * 1_000_000).to_integral_value("ROUND_FLOOR"))
    except InvalidOperation as error:
        raise ValueError(f"{value} is no number") from error
    return _EPOCH + dt.timedelta(microseconds=microseconds)


def _of_text(text: str) -> dt.datetime:
    """Read ISO 8601, its weeks and days of the year included; 24:00 is the next day's midnight."""
    for pattern in ISO_PATTERNS:
        if found := re.match(pattern, text):
            return _of_groups(found)
    raise ValueError(f"{text!r} is not ISO 8601")


def _clock(text: str) -> dt.timedelta:
    found = _CLOCK.fullmatch(text)
    if not found or not text:
        raise ValueError(f"{text!r} is no time of day")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[:4])
    fraction = int(f"{found[5] or '':0<6}"[:6])
    return dt.timedelta(days, seconds, fraction, 0, minutes, hours)


def _in_format(text: str, form: str) -> dt.datetime:
    found = re.match(pattern_of(form), text)
    if not found:
        raise ValueError(f"{text!r} is not in the format {form}")
    return _of_groups(found)


def _of_groups(found: re.Match[str]) -> dt.datetime:
    part = {name: value or "" for name, value in found.groupdict().items()}
    hour, minute, second = (int(part.get(name) or 0) for name in ("H", "M", "S"))
    if "I" in part:
        hour = int(part["I"]) % 12 + (12 if part.get("p", "").lower() == "p" else 0)
    fraction = int(f"{part.get('f', ''):0<6}"[:6])
    midnight = dt.datetime.combine(_day_in(part), dt.time())
    local = midnight + dt.timedelta(0, second, fraction, 0, minute, hour)
    zone = part.get("z", "")
    if not zone:
        return local
    zone = "Z" if zone.isalpha() else zone + "00" * (len(zone) == len("+02"))
    return local.replace(tzinfo=dt.datetime.strptime(zone.upper(), "%z").tzinfo)


def _day_in(part: dict[str, str]) -> dt.date:
    if "V" in part:
        return dt.date.fromisocalendar(int(part["G"]), int(part["V"]), int(part["u"]))
    year = int(part.get("Y") or part["y"])
    if "Y" not in part:
        year += 1900 if year >= _PIVOT else 2000
    if "j" in part:
        return dt.datetime.strptime(f"{year:04} {part['j']}", "%Y %j").date()  # noqa: DTZ007
    month = dt.datetime.strptime(part["b"], "%b").month if "b" in part else int(part["m"])  # noqa: DTZ007
    return dt.date(year, month, int(part["d"]))
