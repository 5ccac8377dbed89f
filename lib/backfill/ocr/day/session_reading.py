"""From the readings of a session's images to its day: a date, its shifts, how sure they are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from backfill.ocr.day.aggregate import (
    DaySchedule,
    Source,
    aggregate_images,
    joined_at_edges,
    without_worse_twins,
)
from backfill.ocr.day.meaning import (
    DAY_GOES_ON,
    IMAGES_DIFFER,
    IMAGES_DO_NOT_MEET,
    doubts_of,
    doubts_of_order,
    have_one_word,
)
from backfill.ocr.day.session import (
    CaptureImage,
    CaptureSession,
    Crop,
    ImageDetail,
    SessionFailure,
    SessionReading,
    ShiftEvidence,
)
from backfill.ocr.doubts import image_doubt
from backfill.ocr.failure import ImageFailure, Stage
from backfill.ocr.screen.checks import (
    ADDRESS_UNSURE,
    CUT_ABOVE,
    CUT_BELOW,
    FAREWELL_MISMATCH,
    SUM_DIFFERS,
    TITLE_UNSURE,
    UNKNOWN_TEXT,
)
from backfill.ocr.screen.reading import ImageReading, Tail, name_of
from backfill.ocr.screen.totals import agrees
from backfill.ocr.shift import Entry, Shift
from backfill.ocr.text.clock import DAY_MINUTES, canonical_time, unroll_range
from backfill.ocr.text.dates import DateFailure, SessionDate, resolve_session_date
from backfill.ocr.text.normalise import normalise_entry
from backfill.ocr.text.vocabulary import Towns, known_towns
from backfill.ocr.words import BULLET, Word, span_of

DURATION_AGREES = "duration_agrees"
SEEN_TWICE = "seen_on_several_images"


@dataclass(frozen=True, slots=True)
class ReadImage:
    """One image of a session with its file's path under the local root, and what became of it."""

    image: CaptureImage
    local_path: str
    outcome: ImageReading | ImageFailure


def read_session(
    session: CaptureSession,
    images: Sequence[ReadImage],
    *,
    default_year: int | None = None,
    date: dt.date | None = None,
    towns: Towns | None = None,
    warnings: tuple[str, ...] = (),
) -> SessionReading | SessionFailure:
    """Return the session's day, or at which stage it failed; never raises for what was read.

    `date` is the day where a person knows it, whatever the images say.

    1. every image must be readable and hold text; 2. all dates must agree; 3. each image's cards
    become shifts; 4. overlapping images are joined; 5. doubts become reasons for a review.
    """
    if why := _why_unreadable(images):
        return _fail(session, images, why)
    readings = [image.outcome for image in images if isinstance(image.outcome, ImageReading)]
    try:
        resolved = _date_of(session, readings, date, default_year)
    except DateFailure as error:
        why = ImageFailure(Stage.DATE, "date_not_decided", str(error))
        return _fail(session, images, why)
    readings = joined_at_edges(readings)
    shown = [reading.entries for reading in readings]
    readings, rows = _cards_of(readings, towns)
    schedule = aggregate_images(rows)
    return SessionReading(
        session=session,
        schedule_date=resolved.date,
        shifts=schedule.shifts,
        resolved_image_dates=tuple(found or resolved.date for found in resolved.image_dates),
        inherited_image_count=resolved.inherited,
        contradictions=schedule.contradictions,
        review_reasons=(
            *(f"date: {doubt}" for doubt in resolved.doubts),
            *(
                image_doubt(*doubt)
                for doubt in (
                    *_image_doubts(images, readings, shown, schedule.shifts),
                    *_doubts_of_slices(images, readings, shown, schedule),
                )
            ),
        ),
        warnings=(*warnings, *resolved.warnings, *_empty_images(images, readings)),
        evidence=tuple(
            _evidence_of(shift, sources, images, readings, rows)
            for shift, sources in zip(schedule.shifts, schedule.sources, strict=True)
        ),
        image_details=_details(images, resolved),
    )


def _date_of(
    session: CaptureSession,
    readings: Sequence[ImageReading],
    date: dt.date | None,
    default_year: int | None,
) -> SessionDate:
    """Return the session's date, as a person knows it or the images say it; raises DateFailure."""
    if date:
        return SessionDate(date, 0, (date,) * len(readings))
    sent = session.created_at.astimezone(dt.UTC).date()
    return resolve_session_date(tuple(reading.date for reading in readings), sent, default_year)


def _cards_of(
    readings: Sequence[ImageReading], towns: Towns | None
) -> tuple[list[ImageReading], list[list[Shift]]]:
    """Return the readings with their cards, the better of twins, and the shifts of each."""
    whole = without_worse_twins(tuple(reading.entries for reading in readings))
    kept = [
        replace(reading, entries=entries) for reading, entries in zip(readings, whole, strict=True)
    ]
    rows = [[normalise_entry(entry, towns) for entry in reading.entries] for reading in kept]
    everything = [row for shown in rows for row in shown]
    doubted = [
        _doubted(reading, cards, everything, towns or known_towns())
        for reading, cards in zip(kept, rows, strict=True)
    ]
    return doubted, rows


def _lacks_town(row: Shift, rows: Sequence[Shift]) -> bool:
    """Whether a shift has a street and no town, as no other of two or more: it was not read."""
    towns = [bool(other.city) for other in rows if other is not row and other.street]
    return bool(row.street) and not row.city and len(towns) > 1 and all(towns)


def _has_odd_town(entry: Entry, row: Shift, day: Sequence[Shift]) -> bool:
    """Whether a town that nobody knows may be any other word: a state, a note.

    Another street has no town; or it is on a line of its own, the same on all cards.
    """
    others = [other.city for other in day if other.street and other is not row]
    is_alone = bool(entry.location) and {*others} <= {row.city}
    return bool(row.city) and (is_alone or not all(others))


def _lacks_number(row: Shift, rows: Sequence[Shift]) -> bool:
    """Whether a shift has a street and no house number, and another has one."""
    has_number = any(other.street_number for other in rows if other is not row)
    return bool(row.street) and not row.street_number and has_number


def _has_more_parts(entry: Entry, reading: ImageReading) -> bool:
    """Whether a title is divided more often than another of its image: a letter taken for a dot."""
    parts = entry.title.count(BULLET)
    return parts > 1 and any(other.title.count(BULLET) == 1 for other in reading.entries)


def _are_placed(rows: Sequence[Shift]) -> bool:
    """Whether all clients of a day but one at most have a place, so that one without is odd."""
    places = [bool(row.street or row.city) for row in rows if row.customer_name]
    return places.count(True) >= max(1, len(places) - 1)


def _doubted(
    reading: ImageReading, rows: Sequence[Shift], day: Sequence[Shift], towns: Towns
) -> ImageReading:
    """Return the reading, its entries with the doubts about what they mean on a day of shifts."""
    are_placed, is_captioned = _are_placed(day), have_one_word(day)
    entries = []
    for entry, row in zip(reading.entries, rows, strict=True):
        is_torn = is_captioned or _has_more_parts(entry, reading)
        is_nowhere = are_placed and bool(row.customer_name) and not (row.street or row.city)
        doubts = (
            *doubts_of(entry, row),
            *(TITLE_UNSURE,) * (is_torn and bool(row.customer_name)),
            *(UNKNOWN_TEXT,) * (not towns.find_town(row.city) and _has_odd_town(entry, row, day)),
            *(ADDRESS_UNSURE,) * (is_nowhere or _lacks_town(row, day) or _lacks_number(row, day)),
        )
        entries.append(replace(entry, flags=tuple(dict.fromkeys((*entry.flags, *doubts)))))
    return replace(reading, entries=tuple(entries))


def _image_doubts(
    images: Sequence[ReadImage],
    readings: Sequence[ImageReading],
    entries: Sequence[Sequence[Entry]],
    shifts: Sequence[Shift],
) -> list[tuple[int, str]]:
    """Return the doubts about single images, each with the image's number.

    A card that the lower edge cuts is shown by an image further down, one that the upper edge cuts
    by one further up, if the two have a card in common, or an hour of the scale beside the cards.
    Which one shows the day's end its cards tell, not the order in which they were sent.
    """
    numbers = [image.image.sequence for image in images]
    times = [[unroll_range(entry.start, entry.end) for entry in shown] for shown in entries]
    seen = [
        {*map(name_of, shown), *reading.hours}
        for shown, reading in zip(entries, readings, strict=True)
    ]
    meeting = [
        {other for other in range(len(images)) if other != place and seen[place] & seen[other]}
        for place in range(len(images))
    ]
    reach = [max(shown, default=(0, 0)) for shown in times]
    # An image within a long card shows none, and others begin before it.
    begin = [min(shown, default=(DAY_MINUTES, 0)) for shown in times]
    doubts = list(doubts_of_order(numbers))
    for place, (number, reading) in enumerate(zip(numbers, readings, strict=True)):
        is_shown_after = any(
            reach[other] > reach[place]
            or (reach[other] == reach[place] and _shows_foot(readings[other]))
            for other in meeting[place]
        )
        is_shown_before = any(begin[other] < begin[place] for other in meeting[place])
        shown_elsewhere = {CUT_BELOW} if is_shown_after else set[str]()
        shown_elsewhere |= {CUT_ABOVE} if is_shown_before else set()
        unseen = {h.doubt for h in reading.hidden if not any(o.shows(h) for o in readings)}
        shown_elsewhere |= {h.doubt for h in reading.hidden} - unseen
        doubts += [(number, flag) for flag in reading.flags if flag not in shown_elsewhere]
        if place and not any(other < place for other in meeting[place]):
            doubts.append((number, IMAGES_DO_NOT_MEET))
        doubts += [(number, doubt) for doubt in _doubts_of_whole(reading, shifts)]
    lowest = max(
        range(len(images)),
        key=lambda place: (reach[place], readings[place].tail != Tail.EDGE, place),
    )
    # A sum that the shifts make says that none is missing below.
    is_ended = any(
        reading.farewell or (reading.told.minutes and agrees(reading.told, shifts))
        for reading in readings
    )
    if not is_ended and readings[lowest].tail == Tail.EDGE:
        doubts.append((numbers[lowest], DAY_GOES_ON))
    return list(dict.fromkeys(doubts))


def _doubts_of_slices(
    images: Sequence[ReadImage],
    readings: Sequence[ImageReading],
    shown: Sequence[Sequence[Entry]],
    schedule: DaySchedule,
) -> list[tuple[int, str]]:
    """Return the images that lack a shift which others show amid theirs: lists of two days.

    A screen shows one part of a list in the order of its times, and all that begins within it.
    """
    found = []
    for place, (image, reading) in enumerate(zip(images, readings, strict=True)):
        starts = [unroll_range(entry.start, entry.end)[0] for entry in shown[place]]
        amid = [
            any(source.image == place for source in sources)
            for shift, sources in zip(schedule.shifts, schedule.sources, strict=True)
            if min(starts, default=0)
            < unroll_range(shift.start, shift.end)[0]
            < max(starts, default=0)
        ]
        if amid.count(False) > len(shown[place]) - len(reading.entries):
            found.append((image.image.sequence, IMAGES_DIFFER))
    return found


def _shows_foot(reading: ImageReading) -> bool:
    """Whether an image shows what stands below its last card."""
    return reading.tail != Tail.EDGE and CUT_BELOW not in reading.flags


def _doubts_of_whole(reading: ImageReading, shifts: Sequence[Shift]) -> tuple[str, ...]:
    """Return what an image says of the day's end or sum that the day's shifts do not bear out."""
    by_end = sorted(shifts, key=lambda shift: unroll_range(shift.start, shift.end)[1])
    # The shift that begins last may end before another that goes on beside it.
    lasts = {canonical_time(shift.end) for shift in (*shifts[-1:], *by_end[-1:])}
    is_other = bool(reading.farewell) and canonical_time(reading.farewell) not in lasts
    return (FAREWELL_MISMATCH,) * is_other + (SUM_DIFFERS,) * (not agrees(reading.told, shifts))


def _fail(
    session: CaptureSession, images: Sequence[ReadImage], why: ImageFailure
) -> SessionFailure:
    return SessionFailure(session, why.stage, why.kind, why.message, _details(images, None))


def _why_unreadable(images: Sequence[ReadImage]) -> ImageFailure | None:
    """Return why a session can not be read, None where it can.

    A picture without text, or a session without a card, is no schedule of an empty day.
    """
    if not images:
        return ImageFailure(Stage.INPUT, "no_images", "The session has no image.")
    named = [f"image {image.image.sequence} ({image.image.r2_key})" for image in images]
    outcomes = [image.outcome for image in images]
    for name, outcome in zip(named, outcomes, strict=True):
        if isinstance(outcome, ImageFailure):
            return replace(outcome, message=f"{name}: {outcome.message}")
    readings = [outcome for outcome in outcomes if isinstance(outcome, ImageReading)]
    for name, reading in zip(named, readings, strict=True):
        if not reading.words:
            return ImageFailure(Stage.OCR, "no_text_found", f"{name} holds no text.")
    if any(reading.entries for reading in readings):
        return None
    no_cards = "No image of the session shows a shift. Look at the images."
    return ImageFailure(Stage.LAYOUT, "no_cards_found", no_cards)


def _empty_images(images: Sequence[ReadImage], readings: Sequence[ImageReading]) -> Iterable[str]:
    for image, reading in zip(images, readings, strict=True):
        if not reading.entries:
            yield f"image {image.image.sequence} shows no shift"


def _evidence_of(
    shift: Shift,
    sources: Sequence[Source],
    images: Sequence[ReadImage],
    readings: Sequence[ImageReading],
    rows: Sequence[Sequence[Shift]],
) -> ShiftEvidence:
    """Say how sure one shift is: a clean card of the same content vouches for a doubtful one."""
    entries = [readings[source.image].entries[source.row] for source in sources]
    cards = [
        (entry, rows[source.image][source.row])
        for entry, source in zip(entries, sources, strict=True)
    ]
    vouching = [entry for entry, row in cards if not entry.flags and row == shift]
    has_duration = any(entry.duration_minutes is not None for entry in vouching)
    checks = (DURATION_AGREES,) * has_duration + (SEEN_TWICE,) * (len(sources) > 1)
    confidences = [
        round(min((word.confidence for word in entry.words), default=0.0), 1)
        for entry in vouching or entries
    ]
    return ShiftEvidence(
        confidence=max(confidences, default=0.0),
        checks=checks,
        review_reasons=flags_of(shift, cards),
        crops=tuple(
            _crop(images[source.image].image.sequence, entry.words)
            for source, entry in zip(sources, entries, strict=True)
            if entry.words
        ),
    )


def flags_of(shift: Shift, cards: Sequence[tuple[Entry, Shift]]) -> tuple[str, ...]:
    """Return the doubts about a shift that was read from these cards, each with its own shift.

    None where a clean card says the very same, unless another clean one contradicts it.
    """
    clean = [row for entry, row in cards if not entry.flags]
    flags = () if shift in clean else tuple(flag for entry, _row in cards for flag in entry.flags)
    if any(_differ(clean, field) for field in ("street", "street_number", "city")):
        flags = (*flags, ADDRESS_UNSURE)
    if any(_differ(clean, field) for field in ("customer_name", "raw_type_label")):
        flags = (*flags, TITLE_UNSURE)
    return tuple(dict.fromkeys(flags))


def _differ(rows: Sequence[Shift], field: str) -> bool:
    """Whether rows of one shift tell different texts, or one with other marks: Gård, Gärd."""
    return len({getattr(row, field).casefold() for row in rows} - {""}) > 1


def _crop(sequence: int, words: Sequence[Word]) -> Crop:
    left, top, right, bottom = span_of(words)
    sides = (left, top, right - left, bottom - top)
    return Crop(sequence, *(round(side, 1) for side in sides))


def _details(images: Sequence[ReadImage], date: SessionDate | None) -> tuple[ImageDetail, ...]:
    dates: Sequence[dt.date | None] = date.image_dates if date else [None] * len(images)
    return tuple(_detail(image, found) for image, found in zip(images, dates, strict=True))


def _detail(image: ReadImage, date: dt.date | None) -> ImageDetail:
    outcome = image.outcome
    read = outcome if isinstance(outcome, ImageReading) else ImageReading("", 0, 0, (), ())
    return ImageDetail(
        image.image.sequence, image.image.r2_key, image.local_path, read.sha256, date,
        len(read.words), len(read.entries), read.ocr_ms, read.is_cached,
        read.second.lines, read.second.settled,
    )  # fmt: skip
