"""The looks at an image's runs of text: the first at all, two more at what is in doubt then.

First numbers are read by a small network, the rest by a large. Half of a screen's runs are times,
durations and counters, which need no Swedish letters, and the small network (English) takes half
the time of a language's own. What it does not read as a number, or is not sure of, is read with
the texts. What is in doubt is cut otherwise and read again, and then by a second reader.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Mapping, Sequence

from backfill.ocr import limits
from backfill.ocr.engines.engine import EngineFailure, LineReader, Page, Script
from backfill.ocr.ink.accents import Marks
from backfill.ocr.ink.bands import Band
from backfill.ocr.ink.preprocess import Ink
from backfill.ocr.reader.candidates import Backing, Heard, differ, is_foreign, words_of_line
from backfill.ocr.reader.montage import Cut, Look, cut_lines, read_bands
from backfill.ocr.screen.checks import OVERLAPS_NEXT, TIME_FLAGS, is_doubtful, known_words
from backfill.ocr.screen.view import View
from backfill.ocr.shift import Entry
from backfill.ocr.text.cells import is_time_part
from backfill.ocr.text.day_names import index_of, weekday_of
from backfill.ocr.text.noise import is_noise, is_on_time, plain, words_of
from backfill.ocr.text.timetext import parse_clock, parse_duration, parse_range
from backfill.ocr.text.title_order import is_job
from backfill.ocr.words import Row, Rows, Word, span_of

SECOND = Cut(letter_px=32.0, squeeze=1.0, faint_squeeze=1.0, padding=0.6, is_all_spread=True)
LINE = Cut(letter_px=30.0, squeeze=1.0, faint_squeeze=1.0, padding=0.5, spread=0.0)
LINE_AGAIN = Cut(letter_px=36.0, squeeze=1.1, faint_squeeze=1.1, padding=0.7, spread=0.0)


def look_first(ink: Ink, bands: tuple[Band, ...]) -> Look:
    """Return the words of each band. Yields the pages that are to be read, is sent their words."""
    limit = limits.NUMBER_WIDE * ink.letter_px
    narrow = [index for index, band in enumerate(bands) if band.right - band.left < limit]
    numbers = yield from read_bands(ink, [bands[index] for index in narrow], Script.NUMBERS)
    rows = {index: row for index, row in zip(narrow, numbers, strict=True) if is_sure(row)}
    rest = [index for index in range(len(bands)) if index not in rows]
    texts = yield from read_bands(ink, [bands[index] for index in rest])
    rows.update(zip(rest, texts, strict=True))
    return tuple(rows[index] for index in range(len(bands)))


def is_sure(row: Row) -> bool:
    """Whether the small network's reading of a run stands.

    A duration is never stored: it is held against its card's times, and both are looked at again
    where they differ. A known label needs no letters of its own language.
    """
    text = " ".join(word.text for word in row)
    if not row or parse_duration(text) is not None or is_on_time(text):
        return bool(row)
    if any(word.confidence < limits.SURE_NUMBER or word.is_contradicted for word in row):
        return False
    return bool(parse_clock(text)) or _is_range(text) or is_noise(text) or is_job(text)


def _is_range(text: str) -> bool:
    found = parse_range(text)
    return found is not None and not found.rest


def doubtful_bands(rows: Rows, view: View) -> list[int]:
    """Return the indices of the rows that matter to a shift or the date and may be misread.

    Times and the duration beside them are looked at again where a check speaks against them, texts
    where a word is unsure, runs of which nothing was read, times of no card that their ink
    contradicts, and what names a day or a month where no date was read.
    """
    entries = view.entries
    contradicted = [
        entry
        for before, entry in itertools.pairwise((None, *entries))
        if entry and (TIME_FLAGS.intersection(entry.flags) or _overlaps(before))
    ]
    texts = {word for entry in entries for word in entry.words if not is_time_part(word.text)}
    times = {word for entry in contradicted for word in entry.words if is_time_part(word.text)}
    first = min((word.top for entry in entries for word in entry.words), default=float("inf"))
    return [
        index
        for index, row in enumerate(rows)
        if _says_nothing(row)
        or (row[0].top >= first and _is_unread_time(row))
        or (view.date is None and _is_unread_date(row))
        or _is_unread_sum(row)
        or any(word in times or (word in texts and is_doubtful(word)) for word in row)
        or any(_is_duration_of(row, entry) for entry in contradicted)
    ]


def rows_of_names(rows: Rows, view: View) -> list[int]:
    """Return the indices of the rows with words of cards that are no numbers and not known."""
    of_cards = {word for entry in view.entries for word in entry.words}
    return [
        index
        for index, row in enumerate(rows)
        if any(word in of_cards and _is_name(word) for word in row)
    ]


def holds_unsure_name(row: Row) -> bool:
    """Whether a name of a run may hide a letter that its reader lacks: it is not sure of it."""
    return any(
        _is_name(word) and (word.is_contradicted or word.confidence < limits.SURE) for word in row
    )


def _is_name(word: Word) -> bool:
    letters = sum(map(str.isalpha, word.text))
    return letters >= limits.FEWEST_LETTERS and plain(word.text) not in known_words()


def _overlaps(entry: Entry | None) -> bool:
    return entry is not None and OVERLAPS_NEXT in entry.flags


def look_again(
    ink: Ink, bands: Sequence[Band], doubtful: Sequence[int]
) -> Generator[Page, list[Word], Heard]:
    """Return what a second look makes of the doubtful rows.

    Yields the page that is to be read, and is sent its words.
    """
    rows = yield from read_bands(ink, [bands[index] for index in doubtful], cut=SECOND)
    return Heard(dict(zip(doubtful, rows, strict=True)))


def show(
    reader: LineReader, ink: Ink, bands: Sequence[Band], places: Sequence[int], cut: Cut = LINE
) -> dict[int, Row]:
    """Return what the second reader makes of the runs at these places: nothing where it fails."""
    shown = [bands[index] for index in places]
    try:
        texts = reader.lines(cut_lines(ink, shown, cut)) if shown else []
    except EngineFailure:
        return {}
    return dict(zip(places, map(words_of_line, texts, shown), strict=True))


def ask_second(
    reader: LineReader,
    ink: Ink,
    bands: Sequence[Band],
    rows: Rows,
    doubtful: Sequence[int],
    names: Sequence[int],
    said: Mapping[int, Row],
) -> Heard:
    """Return what the second reader makes of the doubtful rows, some of which it has `said`.

    Where it sees a letter that the first one lacks, it is shown all `names`: others may have been
    read as the letters that they look like. What it says otherwise, it is shown once more, cut
    otherwise.
    """
    heard = dict(said)
    heard |= show(reader, ink, bands, [index for index in doubtful if index not in heard])
    if any(is_foreign(row, reader.letters) for row in heard.values()):
        heard |= show(reader, ink, bands, [index for index in names if index not in heard])
    differing = [at for at, row in heard.items() if differ(rows[at], row)]
    again = show(reader, ink, bands, differing, LINE_AGAIN)
    backing = {
        at: Backing(again.get(at, ()), Marks.of(rows[at], bands[at], ink), reader.letters)
        for at in heard
    }
    return Heard(heard, backing)


def _is_duration_of(row: Row, entry: Entry) -> bool:
    """Whether a run is a duration as low on the screen as a card, or stands right of its title."""
    _left, top, _right, bottom = span_of(entry.words)
    first = [w for w in entry.words if w.top - top < w.height]
    is_beside = (
        row[0] not in entry.words
        and row[0].left > max(w.right for w in first)
        and row[0].middle < top + max(w.height for w in first)
    )
    is_duration = parse_duration(" ".join(word.text for word in row)) is not None
    return top <= row[0].middle <= bottom and (is_duration or is_beside)


def _is_unread_time(row: Row) -> bool:
    """Whether a run has a part of a time, not a whole one, and its ink contradicts a word of it."""
    texts = [word.text for word in row if is_time_part(word.text)]
    is_whole = any(parse_clock(text) or parse_range(text) for text in texts)
    return bool(texts) and not is_whole and any(word.is_contradicted for word in row)


def _is_unread_date(row: Row) -> bool:
    """Whether a run begins with the name of a day, or is a number and a month's, and more."""
    texts = [word.text for word in row]
    is_begun = bool(texts) and weekday_of(texts[0]) is not None
    is_month = any(index_of(text, "months") is not None for text in texts)
    return (is_begun or is_month) and any(char.isdigit() for text in texts for char in text)


def _is_unread_sum(row: Row) -> bool:
    """Whether a run begins as the sum of a day's hours does, of which no length was read."""
    length = parse_duration(" ".join(word.text for word in row[1:]))
    is_open = length is None or any(word.is_contradicted for word in row)
    return plain(row[0].text) in words_of("sum") and is_open


def _says_nothing(row: Row) -> bool:
    """Whether no word was read, or only signs that the engine doubts: a narrow 11 as quotes."""
    return not any(char.isalnum() for word in row for char in word.text) and all(
        word.confidence < limits.SURE for word in row
    )
