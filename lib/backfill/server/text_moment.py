"""A date and a time out of a text, as SQL that never fails: one odd text must not stop a read.

What a pattern finds is put together in numbers; a text that it does not fit is no moment (NULL).
Hours beyond 24:00 count on; a day that its month does not have comes to the next month.
"""

from __future__ import annotations

#: ISO 8601, extended and basic, and the letters of its groups (those of strptime's directives).
ISO_PATTERN = (
    r"^(\d{4})-?(\d{2})-?(\d{2})(?:[Tt ]+(\d{1,3}):?(\d{2})(?::?(\d{2}))?)?",
    "YmdHMS",
)
_MONTHS = "ARRAY['jan','feb','mar','apr','may','jun','jul','aug','sep','oct','nov','dec']"
_PIVOT = 69  # two digits of a year: from there on they are of the last century


def moment_of_text(parts: str) -> str:
    """Return SQL with places for a text and a pattern, in the order of `str.format`.

    `parts` names each group of the pattern by its letter.
    """
    found = {letter: f"m[{place}]" for place, letter in enumerate(parts, start=1)}
    return (
        f"(SELECT {_day(found)} + make_interval(hours => {_hour(found)},"
        f" mins => {_number(found, 'M', 0)}, secs => {_number(found, 'S', 0)})"
        " FROM regexp_match({}, {}) AS m)"
    )


def _number(found: dict[str, str], letter: str, otherwise: int) -> str:
    if letter not in found:
        return f"{otherwise}"
    return f"coalesce(nullif({found[letter]}, ''), '{otherwise}')::int"


def _day(found: dict[str, str]) -> str:
    if "V" in found:
        week, day = _number(found, "V", 1), _number(found, "u", 1)
        monday = f"date_trunc('week', make_date({_year(found, 'G')}, 1, 4)::timestamp)::date"
        return f"({monday} + ({week} - 1) * 7 + ({day} - 1))"
    if "j" in found:
        return f"(make_date({_year(found, 'Y')}, 1, 1) + ({_number(found, 'j', 1)} - 1))"
    return f"(make_date({_year(found, 'Y')}, {_month(found)}, 1) + ({_number(found, 'd', 1)} - 1))"


def _year(found: dict[str, str], letter: str) -> str:
    if letter in found:
        return f"nullif({found[letter]}::int, 0)"
    short = f"{found['y']}::int"
    return f"({short} + CASE WHEN {short} >= {_PIVOT} THEN 1900 ELSE 2000 END)"


def _month(found: dict[str, str]) -> str:
    if "b" in found:
        return f"array_position({_MONTHS}, lower({found['b']}))"
    month = _number(found, "m", 1)
    return f"CASE WHEN {month} BETWEEN 1 AND 12 THEN {month} END"


def _hour(found: dict[str, str]) -> str:
    if "I" not in found:
        return _number(found, "H", 0)
    after = f"CASE WHEN lower({found['p']}) = 'p' THEN 12 ELSE 0 END" if "p" in found else "0"
    return f"({_number(found, 'I', 12)} % 12 + {after})"
