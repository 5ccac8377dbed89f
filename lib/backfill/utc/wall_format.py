"""Formats of written dates and times: strptime's directives as one regular expression.

Each directive becomes a named group. Loads no array library: to check a format reads no value.
"""

from __future__ import annotations

import re
from functools import lru_cache

from backfill.errors import UsageError

ZONE = r"(?P<z>[Zz]|UTC|GMT|[+-]\d{2}(?::?\d{2})?)"
#: Extended and basic; a date alone is its midnight.
_ISO_CLOCK = (
    r"(?:[Tt ](?P<H>\d{2}):?(?P<M>\d{2})(?::?(?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?)?"
    rf"(?: ?{ZONE})?$"
)
_ISO = rf"^(?P<Y>\d{{4}})-?(?P<m>\d{{2}})-?(?P<d>\d{{2}}){_ISO_CLOCK}"
#: The rarer dates of ISO 8601: day of a week of a year, day of a year.
_ISO_WEEK = rf"^(?P<G>\d{{4}})-?W(?P<V>\d{{2}})-?(?P<u>[1-7]){_ISO_CLOCK}"
_ISO_DAY = rf"^(?P<Y>\d{{4}})-?(?P<j>\d{{3}}){_ISO_CLOCK}"
ISO_PATTERNS = (_ISO, _ISO_WEEK, _ISO_DAY)
#: What stands for a blank of a format: browsers write narrow ones before AM and PM.
BLANKS = "[\\s\u00a0\u202f]*"
#: Names of days in English, from Monday on: of other languages, and shorter, none is looked at.
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: How many digits a directive has at most.
_DIGITS = {**dict.fromkeys("mdeIMSyV", 2), **dict.fromkeys("Hj", 3), "u": 1, "C": 1}
_LONG = {"T": "%H:%M:%S", "R": "%H:%M", "F": "%Y-%m-%d", "D": "%m/%d/%y"}


def tokens_of(form: str) -> tuple[list[str], bool]:
    """Return directives and letters of a format, and whether they are all of it."""
    for short, spelt in _LONG.items():
        form = form.replace(f"%{short}", spelt)
    tokens = re.findall(r"%-?.|[^%]", form)
    return tokens, "".join(tokens) == form


@lru_cache(maxsize=256)
def pattern_of(form: str) -> str:
    """Return the regular expression of a format; raise `UsageError` for what it can not mean."""
    tokens, is_whole = tokens_of(form)
    if not is_whole:
        raise UsageError(f"format {form!r} ends in a percent sign.")
    parts = [_part(tokens, index, form) for index in range(len(tokens))]
    pattern = f"^{''.join(parts)}$"
    names = re.findall(r"\(\?P<(\w)>", pattern)
    if len(set(names)) < len(names):
        raise UsageError(f"format {form!r} names a part of the date twice.")
    has_day = {"m", "d"} <= set(names) or "j" in names or {"b", "d"} <= set(names)
    has_week = {"G", "V", "u"} <= set(names)
    if has_week and {"Y", "y", "m", "d", "b", "j"} & set(names):
        raise UsageError(f"format {form!r} tells the day twice: by its week, and otherwise.")
    if not has_week and not ({"Y", "y"} & set(names) and has_day):
        raise UsageError(
            f"format {form!r} must tell year, month and day, like %Y-%m-%d %H:%M; or year, week "
            "and day of the week, like %G-W%V-%u %H:%M."
        )
    return pattern


def check_halves(form: str) -> None:
    """Raise `UsageError` for an hour of twelve without its half of the day, or a half without."""
    names = {token.lstrip("%-") for token in tokens_of(form)[0] if token.startswith("%")}
    if "p" in names and "I" not in names:
        raise UsageError(
            f"format {form!r} has %p (AM or PM) and no %I: beside hours of 24 it would not count. "
            "Write %I for the hour."
        )
    if "I" in names and "p" not in names:
        raise UsageError(
            f"format {form!r} has %I, an hour of twelve, and no %p: nobody could tell morning from "
            "evening. Write %H for hours of 24, or add %p."
        )


#: Digits that a program kept as a number with a fraction, since some rows had none: 20260329.0.
WHOLE_ALL_THE_SAME = (r"^(\d+)\.0+$", r"\1")


@lru_cache(maxsize=256)
def width_of(form: str) -> int:
    """Return how many digits a format of digits alone has; 0 for any other, or any number."""
    widths = {"Y": 4, "G": 4, "j": 3, "u": 1, "C": 1} | dict.fromkeys("ymdeHIMSV", 2)
    names = re.findall(r"%-?(.)", form)
    if re.sub(r"%-?.", "", form) or any(name not in widths for name in names):
        return 0
    return sum(widths[name] for name in names)


def _part(tokens: list[str], index: int, form: str) -> str:
    token = tokens[index]
    if not token.startswith("%"):
        return BLANKS if token.isspace() else re.escape(token)
    name = token.lstrip("%-")
    # Digits that touch other digits have a fixed width.
    touches = any(
        0 <= near < len(tokens) and tokens[near].lstrip("%-") in {*_DIGITS, "Y", "G", "f"}
        and tokens[near].startswith("%")
        for near in (index - 1, index + 1)
    )  # fmt: skip
    if name in ("Y", "G"):
        return rf"(?P<{name}>\d{{4}})"
    if name in _DIGITS:
        group, most = "d" if name == "e" else name, _DIGITS[name]
        width = str(most) if name in "juC" else "2"
        return rf"(?P<{group}>\d{{{width}}})" if touches else rf"(?P<{group}>\d{{1,{most}}})"
    fixed = {
        "f": r"(?P<f>\d{1,9})",
        **dict.fromkeys("bBh", r"(?P<b>[A-Za-z]{3})[a-z]*\.?"),
        "p": rf"(?P<p>[AaPp])\.?{BLANKS}[Mm]\.?",
        "z": ZONE,
        **dict.fromkeys("aA", r"(?P<a>[A-Za-z]{2,9})\.?"),
        "%": "%",
    }
    if name in fixed:
        return fixed[name]
    raise UsageError(
        f"format {form!r}: {token} is not known here. Use %Y %y %C (centuries since 1900, before "
        "%y) %m %b %d %j %G %V %u %H %I %p %M %S %f %z."
    )
