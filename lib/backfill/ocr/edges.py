"""Cards that the edge of the screen cuts: what is left of them."""

from __future__ import annotations

from dataclasses import replace

from backfill.ocr.checks import CUT_OFF, TITLE_MISSING
from backfill.ocr.sheet import Sheet
from backfill.ocr.shift import Entry
from backfill.ocr.words import Word

# Of a letter's height: nearer to an edge than this, without a rule between, a card may be cut.
NEAR_TOP = 3.0
NEAR_BOTTOM = 7.0


def check_edges(
    entries: tuple[Entry, ...], sheet: Sheet, letter_px: float, *, is_top: bool
) -> tuple[Entry, ...]:
    """Return the entries, those that an edge may cut flagged, those without any title left out.

    `is_top`: the date stands above the cards, so that nothing is hidden there.
    """
    kept = []
    for entry in entries:
        top = min(word.top for word in entry.words)
        bottom = max(word.bottom for word in entry.words)
        left = min(word.left for word in entry.words)
        rules = [rule.y for rule in sheet.dividers if rule.left <= left <= rule.right]
        ruled_above = any(sheet.top + letter_px < y <= top for y in rules)
        ruled_below = any(bottom <= y < sheet.bottom - 2 for y in rules)
        is_cut = (not is_top and not ruled_above and top - sheet.top < NEAR_TOP * letter_px) or (
            not ruled_below and sheet.bottom - bottom < NEAR_BOTTOM * letter_px
        )
        if is_cut and TITLE_MISSING in entry.flags:
            continue
        kept.append(replace(entry, flags=(*entry.flags, CUT_OFF)) if is_cut else entry)
    return tuple(kept)


def is_at_edge(word: Word, sheet: Sheet, letter_px: float) -> bool:
    """Whether a time without a partner belongs to a card that an edge cuts."""
    return (
        word.top - sheet.top < 6 * letter_px or sheet.bottom - word.bottom < NEAR_BOTTOM * letter_px
    )
