"""Shifts as they were stored, by this program or an older one, read without trusting them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import lru_cache

from backfill.ocr.identity import fold_place
from backfill.ocr.shift import NO_TEXT, Shift
from backfill.ocr.text.address import Address, parse_address
from backfill.ocr.text.lettering import clean_words
from backfill.ocr.text.vocabulary import find_labels, known_towns

_FIELDS = tuple(field.name for field in fields(Shift))


def read_stored(payload: object) -> tuple[Shift, ...]:
    """Read a `snapshot_payload` of any shape; what is no shift is left out.

    Stored fingerprints are kept as they are; missing ones are computed from the fields.
    """
    if not isinstance(payload, Sequence) or isinstance(payload, str | bytes):
        return ()
    return tuple(_read_shift(item) for item in payload if isinstance(item, Mapping))


def is_same_place(stored: Shift, shift: Shift) -> bool:
    """Tell whether two shifts are at one place, though one address may have been read worse.

    The older worker left a town in the street ("Onsala Stenåsliden") or took a number's letter
    for a town ("B"). Read again by today's rules, street and number must be equal, and the
    towns too unless one is not known.
    """
    if stored.location_fingerprint == shift.location_fingerprint:
        return True
    one, other = _read_again(stored), _read_again(shift)
    if not one.street or _door(one) != _door(other):
        return False
    mine, yours = _town_keys(one), _town_keys(other)
    return not mine or not yours or not mine.isdisjoint(yours)


def _read_shift(item: Mapping[object, object]) -> Shift:
    shift = Shift(**{name: _read_text(item.get(name)) for name in _FIELDS})
    computed = shift.identified()
    return replace(
        shift,
        customer_fingerprint=shift.customer_fingerprint or computed.customer_fingerprint,
        location_fingerprint=shift.location_fingerprint or computed.location_fingerprint,
    )


def _read_text(value: object) -> str:
    if isinstance(value, str):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else NO_TEXT


@lru_cache(maxsize=4096)
def _read_again(shift: Shift) -> Address:
    """Take a stored address apart by today's rules."""
    towns = known_towns()
    street_line = f"{shift.street} {shift.street_number}"
    town = shift.postal_area or shift.city
    words = clean_words(town)
    label_words = sum(match.stop - match.start for match in find_labels(words))
    if label_words == len(words):
        town = NO_TEXT
    if towns.find_town(town) or not shift.street_number:
        return parse_address(street_line, town, towns)
    return parse_address(f"{street_line} {town}", NO_TEXT, towns)


def _door(address: Address) -> tuple[str, str]:
    return fold_place(address.street), fold_place(address.street_number)


def _town_keys(address: Address) -> set[str]:
    return {fold_place(town) for town in (address.postal_area, address.city) if town}
