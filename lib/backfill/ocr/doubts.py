"""What a doubt about a reading is about, and what it says in words. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from backfill.ocr import checks, dates, meaning

#: A shift as a whole, an image as a whole: what a doubt can be about beside single fields.
SHIFT, IMAGE = "shift", "image"
_TIMES = ("start", "end")
_TITLE = ("customer_name", "raw_type_label")
_ADDRESS = ("street", "street_number", "city")

#: The fields that a doubt about a shift is about. It is settled when a person has looked at each.
DOUBTED: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(checks.TIME_FLAGS, _TIMES),
    **dict.fromkeys((checks.TITLE_MISSING, checks.TITLE_UNSURE), _TITLE),
    checks.ADDRESS_UNSURE: _ADDRESS,
    checks.HALF_OF_DAY: _TIMES,
    checks.TOO_LONG: _TIMES,
    checks.LABEL_UNKNOWN: ("raw_type_label",),
    checks.TEXT_CUT_SHORT: (*_TITLE, *_ADDRESS),
    **dict.fromkeys(
        (checks.CUT_OFF, checks.CANCELLED, checks.UNKNOWN_TEXT, checks.NAMELESS), (SHIFT,)
    ),
}
_SAYS = {
    checks.DURATION_MISMATCH: "the duration on the card is not end minus start",
    checks.TIME_UNSURE: "digits of its times are not sure",
    checks.OVERLAPS_NEXT: "it ends after the next one starts",
    checks.TITLE_MISSING: "no title was read",
    checks.TITLE_UNSURE: "words of its title are not sure",
    checks.ADDRESS_UNSURE: "words or digits of its address are not sure",
    checks.CUT_OFF: "the edge of the screen cuts it, and no other image shows it whole",
    checks.FAREWELL_MISMATCH: "the day's end is not the last shift's: one may be missing, write it",
    checks.CARD_COUNT_MISMATCH: "it shows more cards than shifts were read: write what lacks",
    checks.LONE_TIME: "a time stands alone: write the shift it is of, or confirm the image",
    checks.TIME_ABOVE_DATE: "a time stands above the date: write its shift, or confirm the image",
    checks.STRAY_TEXT: "text stands in no card: say whether a shift is missing or another's",
    checks.CANCELLED: "a word on it, or a line through it, says it is off: remove or confirm it",
    checks.TEXT_CUT_SHORT: "an ellipsis or the rim cuts its text: write what the app shows in full",
    checks.HALF_OF_DAY: "before or after noon is not told of each time: confirm its times",
    checks.TOO_LONG: "it lasts more than 16 hours: start and end may have changed places",
    checks.UNKNOWN_TEXT: "a text on it has no place in a shift: confirm the shift, or correct it",
    checks.LABEL_UNKNOWN: "its job is not known: write the label it stands for",
    checks.NAMELESS: "it is work for no client that was read: write who, or confirm it so",
    checks.SECOND_DAY: "it names more than one day: say which shifts are of the session's day",
    checks.FAINT_TEXT: "it shows text too faint to read: write the shift that stands there",
    checks.CUT_ABOVE: "its upper edge cuts a card that no other image shows: write that shift",
    checks.CUT_BELOW: "its lower edge cuts a card that no other image shows: write that shift",
    checks.COVERED: "something lies over the list: write the shift below it, or confirm the image",
    checks.ROOM_BETWEEN: "it has room for a card that was not read: write it, or confirm the image",
    checks.SUM_DIFFERS: "its number or sum of hours is not the shifts': write the one that lacks",
    meaning.IMAGE_MISSING: "it was never sent: find it, or confirm that nothing is missing",
    meaning.IMAGES_DO_NOT_MEET: "it shares no card with an earlier one: find one between",
    meaning.DAY_GOES_ON: "the day's last line is not shown: write what is below",
    dates.FAR_DATE: "it is far from the day the images were sent: write the date with its year",
    dates.WEEK_CONTRADICTS: "its week is not that of its date: write the date",
}


def fields_of(doubt: str) -> tuple[str, ...]:
    """Return the fields that a doubt about a shift is about."""
    return DOUBTED.get(doubt, (SHIFT,))


def is_settled(doubt: str, looked_at: Collection[str]) -> bool:
    """Tell whether a person has looked at all that a doubt about a shift is about."""
    return SHIFT in looked_at or set(fields_of(doubt)) <= set(looked_at)


def explained(reason: str) -> str:
    """Return a reason for a review with what it means: `image 1: lone_time (a time stands …)`."""
    _where, _colon, doubt = reason.rpartition(": ")
    return f"{reason} ({_SAYS[doubt]})" if doubt in _SAYS else reason


def image_doubt(sequence: int, doubt: str) -> str:
    """Return a session's reason for a review that is about one of its images."""
    return f"image {sequence}: {doubt}"
