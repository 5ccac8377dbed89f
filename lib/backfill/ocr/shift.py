"""A shift as it is read from a card (`Entry`) and as it is stored (`Shift`)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

from backfill.ocr.identity import customer_fingerprint, location_fingerprint
from backfill.ocr.words import Word

NO_TEXT = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One card of a screenshot, as text.

    `start` and `end` are HH:MM; `title` the bold line ("Client • Job"), `location` a town that
    stands on a line of its own, `address` everything else of the address. `duration_minutes` is
    what the card's own duration text says, None when none was read. `words` are the boxes that
    were read, `flags` the checks that failed (empty when all passed).
    """

    start: str
    end: str
    title: str
    location: str
    address: str
    duration_minutes: int | None = None
    words: tuple[Word, ...] = field(default=(), repr=False)
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shift:
    """The canonical shift; the fields, in this order, are what the database stores."""

    start: str
    end: str
    customer_name: str = NO_TEXT
    customer_fingerprint: str = NO_TEXT
    street: str = NO_TEXT
    street_number: str = NO_TEXT
    postal_code: str = NO_TEXT
    postal_area: str = NO_TEXT
    city: str = NO_TEXT
    location_fingerprint: str = NO_TEXT
    shift_type: str = NO_TEXT
    raw_type_label: str = NO_TEXT

    def as_json(self) -> dict[str, str]:
        """The twelve fields, in the order in which they are stored."""
        return asdict(self)

    def identified(self) -> Shift:
        """Return the shift with the fingerprints that its client and its place have."""
        return replace(
            self,
            customer_fingerprint=customer_fingerprint(
                self.customer_name, self.raw_type_label, self.shift_type
            ),
            location_fingerprint=location_fingerprint(
                self.street, self.street_number, self.postal_area, self.city
            ),
        )
