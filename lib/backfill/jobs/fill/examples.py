"""What the demo computes: a phone number as machines write it, a city as its people do.

They are examples to copy and change, not an authority on phone numbers.
"""

from __future__ import annotations

import re

_NO_DIGIT = re.compile(r"[\s().\u00a0/-]+")
_SWEDEN = "46"
_E164 = re.compile(r"\+[1-9]\d{7,14}")
_CITIES = {
    "goteborg": "Göteborg",
    "gothenburg": "Göteborg",
    "göteborg": "Göteborg",
    "malmo": "Malmö",
    "malmoe": "Malmö",
    "malmö": "Malmö",
    "umea": "Umeå",
    "umeå": "Umeå",
    "orebro": "Örebro",
    "örebro": "Örebro",
    "lund": "Lund",
    "visby": "Visby",
    "kiruna": "Kiruna",
}


def e164(text: object, country: str = _SWEDEN) -> str | None:
    """Return a phone number as +CC…, None where it is not one number."""
    if not isinstance(text, str) or text.count("/") or not text.strip():
        return None
    digits = _NO_DIGIT.sub("", text.replace("(0)", ""))
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    elif digits.startswith("0"):
        digits = f"+{country}{digits[1:]}"
    return digits if _E164.fullmatch(digits) else None


def city_name(text: object) -> str | None:
    """Return a city's name as it is written there, None for one that is not known."""
    if not isinstance(text, str):
        return None
    return _CITIES.get(text.replace("\u00ad", "").strip().casefold())
