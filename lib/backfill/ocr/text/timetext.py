"""The grammar of times and durations as the app writes them and as OCR reads them."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from backfill.ocr.text.clock import DAY_MINUTES, minutes_between

NO_TIME = ""

_CLOCK = r"([0-2]?\d)\s?[:.;]\s?(\d{2})"
# The half of the day, of a clock of twelve hours: English, Swedish.
_HALF = r"(?:\s?([apAP])\s?\.?\s?[mM]\b\.?|\s?([feFE])\.?[mM]\b\.?)"
_HALF_WORD = re.compile(r"^\W*(?:[ap]\s?\.?\s?m|[fe]\.?m)\.?\W*$", re.IGNORECASE)
_AT = r"^\W*(?:[Kk][Ll]o?\.?\s*)?"
_UHR = r"(?:\s*[Uu]hr\b)?"
_SINGLE = re.compile(rf"{_AT}{_CLOCK}{_UHR}\W*$", re.IGNORECASE)
_SINGLE_HALF = re.compile(rf"{_AT}{_CLOCK}{_HALF}\W*$")
# The dash may be read as other signs, or lost: two times of day on one line are a range.
# An arrow is read as a 5, too, or as one before its point.
_DASH = (
    r"(?:\s*[-–—~=_»«>→+]+\s*)+|\s+(?:till?|to|bis|kl\.?)\s+(?:kl\.?\s*)?"
    r"|\s+[5Ss][»>]?\s+|\s+"
)
_HOURS = r"(?:h|hrs?|tim(?:mar|me)?|std|hours?)"
_MINUTES = r"m(?:ins?)?"
# Behind a time: no digit, or those of a length whose blank was lost (16:001h).
_ENDS = rf"(?!\d)|(?=\d{{1,2}}(?:[.,:]\d{{1,2}})?\s?(?:{_HOURS}|{_MINUTES})\b)"
_RANGE = re.compile(rf"{_AT}{_CLOCK}{_UHR}(?:{_DASH}){_CLOCK}(?:{_ENDS}){_UHR}\W*")
_HALF_RANGE = re.compile(rf"{_AT}{_CLOCK}(?:{_HALF})?(?:{_DASH}){_CLOCK}(?!\d)(?:{_HALF})?\W*")
# 7h30 – 9h15: only as a range, since 7h30 alone may be a length.
_HOUR_RANGE = re.compile(
    rf"{_AT}([0-2]?\d)\s?h\s?(\d{{2}})(?:{_DASH})([0-2]?\d)\s?h\s?(\d{{2}})(?!\d)(?!\s?m)\W*"
)
# 0930-1015, or one of the two so whose sign was not read.
_BARE_RANGE = re.compile(r"^\W*([0-2]\d)[:.;]?(\d{2})\s*[-–—]\s*([0-2]\d)[:.;]?(\d{2})(?!\d)\W*")
_DURATION = re.compile(
    rf"(?:^|(?<=\s))(?:(\d{{1,2}})\s*{_HOURS}\.?(?![a-zåäö]))?\s*(?:(\d{{1,2}})\s*{_MINUTES}\b)?\W*$"
)
# 1,5 h; 1:30 h: the unit says that it is no time of day.
_DECIMAL = re.compile(rf"\W*(\d{{1,2}})[.,](\d{{1,2}})\s?(?:{_HOURS}|t)\b\W*", re.IGNORECASE)
_COLON = re.compile(rf"\W*(\d{{1,2}}):([0-5]\d)\s?(?:{_HOURS}|t)\b\W*", re.IGNORECASE)
# 90 min, 150 min; "150 m" is a way.
_MINUTES_ALONE = re.compile(r"\W*(\d{2,4})\s?min(?:s|uter|utes)?\b\W*", re.IGNORECASE)
_UNIT = re.compile(rf"\W*{_HOURS}\b\W*", re.IGNORECASE)
_LENGTH_AT_END = re.compile(
    rf"\s[^\w•·]*((?:(?:\d{{1,2}}|[Il|])\s?{_HOURS})?(?:\s?\d{{1,2}}\s?{_MINUTES})?"
    rf"|\d{{1,2}}[.,:]\d{{1,2}}\s?{_HOURS})\W*$"
)
# What OCR makes of digits; applied only where nothing but a time can stand.
_LIKE_DIGITS = {"O": "0", "o": "0", "Q": "0", "l": "1", "I": "1", "|": "1", "i": "1"}
_LOOKALIKES = str.maketrans(_LIKE_DIGITS)
_WORN_DIGITS = str.maketrans({**_LIKE_DIGITS, "S": "5", "s": "5", "B": "8", "Z": "2"})


@dataclass(frozen=True, slots=True)
class ReadRange:
    """A range of times at the start of a text, and the text after it.

    `is_half_guessed`: of a clock of twelve hours, whose half stands at one of both times only.
    """

    start: str
    end: str
    rest: str
    is_half_guessed: bool = False


@functools.lru_cache(maxsize=4096)
def parse_clock(text: str) -> str:
    """Return `HH:MM` when the whole text is one time of day (24:00 included), else NO_TIME."""
    match = _SINGLE.match(text.translate(_LOOKALIKES))
    if match:
        return _clock(match[1], match[2])
    told = _SINGLE_HALF.match(text)
    return _half_clock(told[1], told[2], told[3] or told[4]) if told else NO_TIME


def holds_half(text: str) -> bool:
    """Whether a text, a time or not, tells the half of the day."""
    return any(tells_half(word) for word in text.split()) or bool(_SINGLE_HALF.match(text))


@functools.lru_cache(maxsize=4096)
def tells_half(text: str) -> bool:
    """Whether a word is the half of the day that a clock of twelve hours tells: AM, p.m."""
    return bool(_HALF_WORD.match(text))


@functools.lru_cache(maxsize=4096)
def parse_range(text: str) -> ReadRange | None:
    """Return the range that the text begins with, None when there is none or it cannot be."""
    if (halves := _HALF_RANGE.match(text)) and any(halves.group(3, 4, 7, 8)):
        return _half_range(text, halves)
    match = _RANGE.match(text) or _BARE_RANGE.match(text) or _HOUR_RANGE.match(text)
    if not match:
        return None
    start, end = _clock(match[1], match[2]), _clock(match[3], match[4])
    if not start or not end:
        return None
    return ReadRange(start, end, text[match.end() :].strip())


@functools.lru_cache(maxsize=4096)
def parse_duration(text: str) -> int | None:
    """Return the minutes of a text that is a duration and nothing else ("3h 15m", "1,5 h", "25m").

    A clock icon read as a letter or two before it is allowed.
    """
    if told := _DECIMAL.fullmatch(text):
        return round(60 * float(f"{told[1]}.{told[2]}"))
    if told := _COLON.fullmatch(text):
        return 60 * int(told[1]) + int(told[2])
    if told := _MINUTES_ALONE.fullmatch(text):
        return int(told[1]) if int(told[1]) <= DAY_MINUTES else None
    cleaned = re.sub(r"(?<=\d)[Oo](?=\s*[hm])", "0", text.strip())
    cleaned = re.sub(r"(?<![^\W_])(?:[iIl|](?=\d?\s?h\b)|[tT](?=h\b))", "1", cleaned)
    head = re.match(r"^[^\dA-Za-z]*(?:[A-Za-zÅÄÖåäö©@]{1,2}\W*\s+|[QOÖ©@]+\s*)?(?=\d)", cleaned)
    body = cleaned[head.end() :] if head else cleaned
    match = _DURATION.fullmatch(body)
    if not match or (match[1] is None and match[2] is None):
        return None
    hours, minutes = int(match[1] or 0), int(match[2] or 0)
    return hours * 60 + minutes if hours <= 24 and minutes < 60 else None


def is_unit(text: str) -> bool:
    """Whether a word is the unit of hours: what it stands behind is a length, no time of day."""
    return bool(_UNIT.fullmatch(text))


def parse_worn_duration(text: str) -> int | None:
    """Return the minutes of a text that stands where only a duration can ("SSm", "lh 1Om")."""
    return parse_duration(text.translate(_WORN_DIGITS))


def cut_duration(text: str) -> tuple[str, int | None]:
    """Return the text without a duration at its end, and that duration's minutes."""
    match = _LENGTH_AT_END.search(text)
    if not match or not match[1].strip():
        return text, None
    minutes = parse_duration(match[1])
    return (text[: match.start()].rstrip(), minutes) if minutes is not None else (text, None)


def is_number(text: str) -> bool:
    """Whether a text is a time, a range or a duration: what a grammar proves."""
    return (
        bool(parse_clock(text)) or parse_range(text) is not None or parse_duration(text) is not None
    )


def _half_range(text: str, match: re.Match[str]) -> ReadRange | None:
    """Return a range of a clock of twelve hours.

    A half that is told once is that of both times, unless the shift would then be the longer one.
    """
    first, last = match[3] or match[4], match[7] or match[8]
    rest = text[match.end() :].strip()
    if first and last:
        start, end = _half_clock(match[1], match[2], first), _half_clock(match[5], match[6], last)
        return ReadRange(start, end, rest) if start and end else None
    told = first or last
    other = "P" if told.upper() in "AF" else "A"
    ways = [
        (
            _half_clock(match[1], match[2], first or half),
            _half_clock(match[5], match[6], last or half),
        )
        for half in (told, other)
    ]
    if not all(start and end for start, end in ways):
        return None
    start, end = min(ways, key=lambda way: minutes_between(*way))
    return ReadRange(start, end, rest, is_half_guessed=True)


def _half_clock(hours: str, minutes: str, half: str) -> str:
    """Return `HH:MM` of a clock of twelve hours, in its half (A or F: before noon)."""
    hour = int(hours)
    if not 1 <= hour <= 12:
        return NO_TIME
    return _clock(str(hour % 12 + (0 if half.upper() in "AF" else 12)), minutes)


def _clock(hours: str, minutes: str) -> str:
    hour, minute = int(hours), int(minutes)
    if minute > 59 or hour > 24 or (hour == 24 and minute > 0):
        return NO_TIME
    return f"{hour:02}:{minute:02}"
