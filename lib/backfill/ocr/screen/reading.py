"""What one image says, as a value: words, cards, date, doubts; and as JSON. Pure."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from backfill.ocr.screen.totals import NOTHING_TOLD, Told
from backfill.ocr.shift import Entry
from backfill.ocr.text.dates import DateEvidence
from backfill.ocr.words import Word, span_of

# Goes into the cache's key: raise it with every change that can change a reading.
READER_VERSION = "66"


class Tail(StrEnum):
    """How the cards of an image end."""

    FAREWELL = "farewell"
    ROOM = "room"  # below the last card another would have its place
    EDGE = "edge"  # the last card stands at the edge: others may follow


@dataclass(frozen=True, slots=True)
class SecondCost:
    """What the second reader was asked: lines that it read, and those whose doubt it settled."""

    lines: int = 0
    settled: int = 0


@dataclass(frozen=True, slots=True)
class Hidden:
    """Where a shape or a blank between two cards, which their times name, may hide another one.

    The name is empty where no card is; of a doubt without a place both are.
    """

    doubt: str
    above: str = ""
    below: str = ""


@dataclass(frozen=True, slots=True)
class ImageReading:
    """What one image says.

    `entries` carry their words and the checks that failed, `flags` are doubts about the image as
    a whole, `hidden` where some of them are, `tail` is how the cards end, `hours` are those of a
    scale beside them, and the times of a card that the lower edge cuts below them. `ocr_ms` and
    `is_cached` tell how it was got: no part of comparing.
    """

    sha256: str
    width: int
    height: int
    words: tuple[Word, ...]
    entries: tuple[Entry, ...]
    date: DateEvidence | None = None
    farewell: str = ""
    flags: tuple[str, ...] = ()
    tail: str = Tail.ROOM
    told: Told = NOTHING_TOLD
    second: SecondCost = SecondCost()
    hours: tuple[str, ...] = ()
    hidden: tuple[Hidden, ...] = ()
    ocr_ms: float = field(default=0.0, compare=False)
    is_cached: bool = field(default=False, compare=False)

    def shows(self, hidden: Hidden) -> bool:
        """Whether this image shows what another one hides: what follows there, or that nothing."""
        cards = sorted(self.entries, key=lambda entry: span_of(entry.words)[1])
        names = [name_of(card) for card in cards] + [""] * (self.tail != Tail.EDGE)
        if any(
            (h.above == hidden.above and h.above) or (h.below == hidden.below and h.below)
            for h in self.hidden
        ):
            return False
        return bool(hidden.above or hidden.below) and any(
            above == (hidden.above or above) and below == (hidden.below or below)
            for above, below in itertools.pairwise(names)
        )

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values; `reading_of_json` is the way back."""
        return asdict(self)


def name_of(card: Entry) -> str:
    """Return how a card is told from the others of its day."""
    return f"{card.start}–{card.end}"


def reading_of_json(value: dict[str, Any]) -> ImageReading:
    """Return the reading that `ImageReading.as_json` wrote; raises KeyError, TypeError."""
    date = value["date"]
    return ImageReading(
        **{
            **value,
            "words": _words(value["words"]),
            "entries": tuple(
                Entry(**{**entry, "words": _words(entry["words"]), "flags": tuple(entry["flags"])})
                for entry in value["entries"]
            ),
            "date": DateEvidence(**date) if date else None,
            "flags": tuple(value["flags"]),
            "second": SecondCost(**value["second"]),
            "told": Told(**value["told"]),
            "hours": tuple(value["hours"]),
            "hidden": tuple(Hidden(**hidden) for hidden in value["hidden"]),
        }
    )


def _words(values: list[dict[str, Any]]) -> tuple[Word, ...]:
    return tuple(Word(**word) for word in values)
