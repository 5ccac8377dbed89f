"""Words → cells (one run of text on one line) → the columns of a screen."""

from __future__ import annotations

import re
import statistics
from dataclasses import dataclass, field

from backfill.ocr import limits
from backfill.ocr.text.noise import is_counter, is_on_time
from backfill.ocr.text.timetext import is_unit, parse_clock, parse_duration, parse_range, tells_half
from backfill.ocr.words import Word, span_of

_TIME_PART = re.compile(
    r"^(?:[\d:.;\-–—~=_»«>→+]+(?:[ap]\.?m\.?|[fe]m)?|[ap]\.?m\.?|[fe]\.?m\.?|kl\.?|till?|to|bis)"
    r"(?:[-–—]\d{1,2}[:.]\d{2}(?:[ap]\.?m\.?|[fe]m)?)?$",
    re.IGNORECASE,
)


# What the round ends of a chip are read as.
_QUOTES = "\"'`´‘’‚“”„|"


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of text on one line, with its words from left to right.

    What its words span is computed once: layout and dates ask for it thousands of times.
    """

    words: tuple[Word, ...]
    text: str = field(init=False, compare=False)
    left: float = field(init=False, compare=False)
    right: float = field(init=False, compare=False)
    top: float = field(init=False, compare=False)
    bottom: float = field(init=False, compare=False)
    height: float = field(init=False, compare=False)
    middle: float = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", " ".join(word.text for word in self.words))
        for name, side in zip(("left", "top", "right", "bottom"), span_of(self.words), strict=True):
            object.__setattr__(self, name, side)
        object.__setattr__(self, "height", self.bottom - self.top)
        object.__setattr__(self, "middle", (self.top + self.bottom) / 2)

    @property
    def confidence(self) -> float:
        return min(word.confidence for word in self.words)

    @property
    def contrast(self) -> float:
        return max(word.contrast for word in self.words)


def line_height(words: list[Word]) -> float:
    """Return the median height of the words, in pixels; 1 when there are none."""
    return statistics.median(word.height for word in words) if words else 1.0


def make_cells(words: list[Word]) -> list[Cell]:
    """Return the words joined where they stand close together on one line.

    The order of `words` does not matter; the cells come from top to bottom, left to right.
    """
    height = line_height(words)
    ordered = sorted(words, key=lambda word: (word.left, word.top, word.text))
    runs: list[list[Word]] = []
    rights: list[float] = []
    for word in ordered:
        place = _run_for(word, runs, rights, height)
        if place is None:
            runs.append([word])
            rights.append(word.right)
        else:
            runs[place].append(word)
            rights[place] = word.right
    cells = [Cell(tuple(run)) for run in runs]
    return sorted(cells, key=lambda cell: (cell.top, cell.left))


def is_time_part(text: str) -> bool:
    """Whether a word can be a time of day, a range, or the dash between two."""
    return bool(_TIME_PART.match(text)) and not text.isdigit() and not text.isalpha()


def _run_for(word: Word, runs: list[list[Word]], rights: list[float], height: float) -> int | None:
    """Return the place of the run that the word continues: same line, smallest gap."""
    least, most, left = -limits.OVERLAP * height, limits.GAP_IN_RANGE * height, word.left
    # The gap first: it rules out nearly all of thousands of pairs.
    near = [
        (gap, place) for place, right in enumerate(rights) if least <= (gap := left - right) < most
    ]
    for gap, place in sorted(near):
        run = runs[place]
        last = run[-1]
        overlap = min(word.bottom, last.bottom) - max(word.top, last.top)
        if overlap < 0.6 * min(word.height, last.height):
            continue
        is_apart = gap >= limits.GAP_IN_CELL * height
        if is_apart and not _goes_on(run, word):
            continue
        if not _is_whole(run, word):
            return place
    return None


def _goes_on(run: list[Word], word: Word) -> bool:
    """Whether a time stands beside another, the dash between perhaps unread, or its half does."""
    if not parse_clock(word.text):
        return tells_half(word.text) and bool(parse_clock(run[-1].text))
    before = [part.text for part in run if not re.fullmatch(r"\W+", part.text)]
    return bool(before) and bool(parse_clock(" ".join(before)) or parse_clock(before[-1]))


def _is_whole(run: list[Word], word: Word) -> bool:
    """Whether the run ends here: a time, a state below it or a counter, and then other text."""
    text = " ".join(part.text for part in run)
    if is_on_time(text) and not text.endswith(","):
        return True
    last = run[-1].text
    if parse_clock(last) or parse_range(last) or (len(run) > 1 and tells_half(last)):
        is_part = _TIME_PART.match(word.text.strip(_QUOTES)) or is_unit(word.text)
        # A time glued to its length, whose unit may stand apart: 16:001h, 16:001,0 h.
        is_end = not parse_range(text) and any(
            parse_range(f"{text} {word.text}{unit}") for unit in ("", "h")
        )
        return not (is_part or is_end)
    is_lone = is_counter(text) and len(text) == 1
    is_length = is_unit(word.text) or parse_duration(f"{text} {word.text}") is not None
    return is_lone and len(word.text) > 2 and not is_length
