"""Names of months in other languages, to read texts that are written with them. Pure.

A name is known by its beginning, as far as it tells the month: `sept`, `sept.` and `septembre`
are one. Loads no array library.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

ENGLISH = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
#: The beginnings of the twelve names, by language; a stroke parts what either may begin with.
LANGUAGES: Mapping[str, str] = {
    "cs": "led úno bře dub kvě červn|červen červenc|červenec srp zář říj lis pro",
    "da": "jan feb mar apr maj jun jul aug sep okt nov dec",
    "de": "jan|jän feb mär|mrz|maer apr mai jun jul aug sep okt nov dez",
    "es": "ene feb mar abr may jun jul ago sep|set oct nov dic",
    "fi": "tam hel maa huh tou kes hei elo syy lok mar jou",
    "fr": "jan fév|fev mar avr mai juin jui aoû|aou sep oct nov déc|dec",
    "it": "gen feb mar apr mag giu lug ago set ott nov dic",
    "nl": "jan feb maa|mrt apr mei jun jul aug sep okt nov dec",
    "no": "jan feb mar apr mai jun jul aug sep okt nov des",
    "pl": "sty lut mar kwi maj cze lip sie wrz paź|paz lis gru",
    "pt": "jan fev mar abr mai jun jul ago set out nov dez",
    "sv": "jan feb mar apr maj jun jul aug sep okt nov dec",
}


@cache
def english_patterns(language: str, form: str = "") -> tuple[tuple[str, str], ...]:
    """Return (expression, English name) of each month, the longest beginnings first.

    The first that fits counts, and no other: what is English already may begin another month.
    Where a format begins with the day of the week, that word is none.
    """
    names = [
        (start, ENGLISH[place])
        for place, starts in enumerate(LANGUAGES[language].split())
        for start in starts.split("|")
    ]
    names.sort(key=lambda name: -len(name[0]))
    before = r"^\pL+\PL(?:.*\PL)?" if form.lower().startswith("%a") else r"^|\PL"
    return tuple((rf"(?i)({before}){start}\pL*\.?", english) for start, english in names)


def in_english(text: str, language: str, form: str = "") -> str:
    """Return a text with the name of its month in English, by Python's own expressions."""
    for pattern, english in english_patterns(language, form):
        plain = pattern.replace(r"\PL", r"[\W\d_]").replace(r"\pL", r"[^\W\d_]")
        text, count = re.subn(plain, rf"\g<1>{english}", text, count=1)
        if count:
            return text
    return text
