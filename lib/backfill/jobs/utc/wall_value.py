"""One stored wall-clock value as a naive datetime, by another way than whole columns are read."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from backfill.utc.described import Reading, WallKind
from backfill.utc.zone_names import zone_info

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=None)  # noqa: DTZ001  a wall time has no zone
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
    """Read ISO 8601; 24:00 is the next day's midnight, digits beyond microseconds are cut."""
    text = re.sub(r"([.,]\d{6})\d+", r"\1", text)
    ordinal = re.fullmatch(r"(\d{4})-?(\d{3})(?:[Tt ](.*))?", text)
    if ordinal:
        day = dt.datetime.strptime(ordinal[1] + ordinal[2], "%Y%j").date()  # noqa: DTZ007
        text = f"{day}T{ordinal[3] or '00:00'}"
    midnight = re.fullmatch(r"(.{8,10}[Tt ])24(:?00(?::?00(?:[.,]0+)?)?)(.*)", text)
    if midnight:
        found = dt.datetime.fromisoformat(f"{midnight[1]}00{midnight[2]}{midnight[3]}")
        return found + dt.timedelta(days=1)
    return dt.datetime.fromisoformat(text)


def _clock(text: str) -> dt.timedelta:
    found = _CLOCK.fullmatch(text)
    if not found or not text:
        raise ValueError(f"{text!r} is no time of day")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[:4])
    fraction = int(f"{found[5] or '':0<6}"[:6])
    return dt.timedelta(days, seconds, fraction, 0, minutes, hours)


def _in_format(text: str, form: str) -> dt.datetime:
    text = re.sub(r"(\d{6})\d{1,3}(?!\d)", r"\1", text) if "%f" in form else text
    plain = re.sub(r"%-", "%", form).replace("%e", "%d").replace("%h", "%b")
    late = re.search(r"(?<!\d)(\d{2,3}):(\d{2})", text)
    if late and int(late[1]) > 23:
        hours = int(late[1])
        text = f"{text[: late.start(1)]}00{text[late.end(1) :]}"
        return dt.datetime.strptime(text, plain) + dt.timedelta(hours=hours)  # noqa: DTZ007
    return dt.datetime.strptime(text, plain)  # noqa: DTZ007  the caller adds the zone
