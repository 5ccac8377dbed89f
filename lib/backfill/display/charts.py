"""Pictures as SVG text: data in, the same bytes out, whoever draws them and when.

No colour carries a meaning alone: a length, a hatching or a word says the same. Text takes the
page's own colour, so that a picture can be read in the dark, and in print. Each picture has a
title and a description for those who do not see it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backfill.display.pages import escape

WIDTH = 860
_LEFT = 190  # room for the labels of rows
_RIGHT = 90
_PLOT = WIDTH - _LEFT - _RIGHT
_BLUE = "#3b8bc4"  # on white and on black as clear
_ORANGE = "#d5761a"
_LINE = 16
_LONGEST_LABEL = 26
_MOST_BARS = 120  # of a run's chunks; more are drawn as groups
_HOUR = 60


@dataclass(frozen=True, slots=True)
class Strip:
    """A row of bars under one label; `values` has a number for each column.

    One that stands apart has a scale of its own: it would press the others flat.
    """

    label: str
    values: tuple[int, ...]
    is_apart: bool = False


@dataclass(frozen=True, slots=True)
class ClockChange:
    """Rows around one clock change, counted by half hours of wall time.

    `counts` begins at half hour `first` before or after the start of the gap or fold, which is
    `half_hours` long.
    """

    label: str
    kind: str  # gap | fold
    first: int
    counts: tuple[int, ...]
    half_hours: int


@dataclass(frozen=True, slots=True)
class Span:
    """A bar of a day from minute to minute; what ends before it began ends on the next day."""

    start: int
    end: int
    label: str
    state: str  # same | changed | added | removed


@dataclass(frozen=True, slots=True)
class DayLine:
    """One day of one person: what is stored above what was read."""

    label: str
    old: tuple[Span, ...]
    new: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """How values between 0 and 100 lie: fifth part from below, quartiles, highest."""

    label: str
    low: float
    lower_quartile: float
    median: float
    upper_quartile: float
    high: float
    note: str


def strips(title: str, says: str, columns: Sequence[str], rows: Sequence[Strip]) -> str:
    """Draw a row of bars for each strip, all on one scale; the highest of each is written out."""
    shared = max((value for row in rows if not row.is_apart for value in row.values), default=0)
    step = _PLOT / max(len(columns), 1)
    tall, pitch = 34, 44
    drawn = []
    for index, row in enumerate(rows):
        base = 8 + index * pitch + tall
        top = max(row.values, default=0)
        highest = (top if row.is_apart else shared) or 1
        drawn += [_label(row.label, base - 4), _rule(base)]
        drawn += _bars(row.values, step, base, tall, highest)
        drawn.append(_text(_LEFT + _PLOT + 6, base - 4, f"max {top:,}", size=11))
    bottom = 8 + len(rows) * pitch
    drawn += _axis(columns, step, bottom + 10)
    return _svg(title, says, bottom + 26, drawn)


def clock_changes(title: str, says: str, changes: Sequence[ClockChange]) -> str:
    """Draw the rows around each clock change; the gap or fold is hatched and named."""
    drawn = [_hatching("gap", "M0,0 L8,8 M8,0 L0,8"), _hatching("fold", "M0,8 L8,0")]
    tall, pitch = 30, 52
    for index, change in enumerate(changes):
        step = _PLOT / max(len(change.counts), 1)
        base = 18 + index * pitch + tall
        start = _LEFT - change.first * step
        inside = (start, change.half_hours * step)
        drawn += [
            _label(change.label, base - 6),
            _rule(base),
            f'<rect x="{_n(inside[0])}" y="{_n(base - tall)}" width="{_n(inside[1])}"'
            f' height="{tall}" fill="url(#{_MARK}{change.kind})" stroke="currentColor"'
            ' stroke-width="0.6"/>',
            _text(inside[0] + inside[1] / 2, base - tall - 3, change.kind, 10, "middle"),
        ]
        highest = max(change.counts, default=0) or 1
        drawn += _bars(change.counts, step, base, tall, highest, share=0.7)
        drawn.append(_text(_LEFT + _PLOT + 6, base - 4, f"max {highest:,}", size=11))
    bottom = 18 + len(changes) * pitch
    if changes:
        first, counts = changes[0].first, changes[0].counts
        names = [
            f"{(first + place) / 2:+g} h".replace("+0 h", "start") for place in range(len(counts))
        ]
        drawn += _axis(names, _PLOT / len(counts), bottom + 6)
    return _svg(title, says, bottom + 22, drawn)


def day_lines(title: str, says: str, days: Sequence[DayLine]) -> str:
    """Draw each day's shifts on a line of hours, the stored ones above those that were read."""
    last = max((_ends(span) for day in days for span in (*day.old, *day.new)), default=24 * _HOUR)
    hours = max(24, -(-last // _HOUR))
    scale = _PLOT / (hours * _HOUR)
    drawn = [_hatching("removed", "M0,8 L8,0")]
    pitch = 74
    for index, day in enumerate(days):
        top = 10 + index * pitch
        drawn += [_label(day.label, top + 27)]
        for name, spans, y in (("stored", day.old, top), ("read", day.new, top + 27)):
            drawn += [_text(_LEFT - 6, y + 15, name, 11, "end"), _rule(y + 24)]
            for span in spans:
                drawn += _span(span, scale, y)
    bottom = 10 + len(days) * pitch
    names = [f"{hour % 24:02d}:00" for hour in range(hours + 1)]
    drawn += _axis(names, _PLOT / hours, bottom - 4, centred=False)
    return _svg(title, says, bottom + 12, drawn)


def spreads(title: str, says: str, rows: Sequence[Spread]) -> str:
    """Draw for each row a line from low to high, a box of its quartiles and a tick: its median."""
    scale = _PLOT / 100
    drawn = []
    for index, row in enumerate(rows):
        y = 18 + index * 30
        low, high = _LEFT + row.low * scale, _LEFT + row.high * scale
        box = _LEFT + row.lower_quartile * scale
        width = max((row.upper_quartile - row.lower_quartile) * scale, 2)
        middle = _LEFT + row.median * scale
        drawn += [
            _label(row.label, y + 5),
            _stroke(low, y, high, y),
            f'<rect x="{_n(box)}" y="{y - 7}" width="{_n(width)}" height="14" fill="{_BLUE}"'
            ' fill-opacity="0.55" stroke="currentColor"/>',
            _stroke(middle, y - 10, middle, y + 10, 2.5),
            _text(_LEFT + _PLOT + 8, y + 4, row.note, size=11),
        ]
    bottom = 18 + len(rows) * 30
    names = [str(value) for value in range(0, 101, 10)]
    drawn += _axis(names, _PLOT / 10, bottom, centred=False)
    return _svg(title, says, bottom + 18, drawn)


def throughput(title: str, says: str, chunks: Sequence[tuple[int, int]]) -> str:
    """Draw a run's chunks, each given as (rows, ms): time above, rows a second below.

    Of more than 120 chunks, neighbours are drawn together by their mean.
    """
    size = -(-len(chunks) // _MOST_BARS) or 1
    groups = [chunks[start : start + size] for start in range(0, len(chunks), size)]
    times = [sum(ms for _rows, ms in group) / len(group) for group in groups]
    rates = [
        1000 * sum(rows for rows, _ms in group) / max(sum(ms for _rows, ms in group), 1)
        for group in groups
    ]
    step = _PLOT / max(len(groups), 1)
    drawn = []
    for label, unit, values, base, colour in (
        ("time of a chunk", "ms", times, 90, _BLUE),
        ("rows a second", "/s", rates, 190, _ORANGE),
    ):
        highest = max(values, default=0) or 1
        drawn += [_label(label, base - 30), _rule(base)]
        for place, value in enumerate(values):
            height = 76 * value / highest
            drawn.append(_bar(_LEFT + place * step, base - height, step * 0.8, height, colour))
        drawn.append(_text(_LEFT + _PLOT + 6, base - 68, f"{highest:,.0f} {unit}", size=11))
        drawn.append(_text(_LEFT + _PLOT + 6, base, "0", size=11))
    names = [str(1 + place * size) for place in range(len(groups))]
    drawn += [_label("chunk", 212), *_axis(names, step, 200)]
    return _svg(title, says, 220, drawn)


# -- pieces -------------------------------------------------------------------------------------

_MARK = "@mark@"  # becomes the picture's own: several may stand on one page


def _svg(title: str, says: str, height: float, drawn: Sequence[str]) -> str:
    body = "".join(drawn)
    mark = "p" + hashlib.sha256(f"{title}\n{says}\n{body}".encode()).hexdigest()[:10]
    return (
        f'<svg viewBox="0 0 {WIDTH} {_n(height)}" width="{WIDTH}" height="{_n(height)}" role="img"'
        f' aria-labelledby="{mark}t {mark}d" font-family="system-ui, sans-serif"'
        f' fill="currentColor">'
        f'<title id="{mark}t">{escape(title)}</title><desc id="{mark}d">{escape(says)}</desc>'
        f"{body.replace(_MARK, mark)}</svg>"
    )


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _text(x: float, y: float, text: str, size: int = 12, anchor: str = "start") -> str:
    return (
        f'<text x="{_n(x)}" y="{_n(y)}" font-size="{size}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )


def _label(text: str, y: float) -> str:
    """Write a row's label: on two lines where it is long."""
    lines = text.split("\n")
    short = [x if len(x) <= _LONGEST_LABEL else f"{x[: _LONGEST_LABEL - 1]}…" for x in lines]
    first = y - (len(short) - 1) * _LINE / 2
    return "".join(
        _text(0, first + place * _LINE, line, 12 if place == 0 else 11)
        for place, line in enumerate(short)
    )


def _rule(y: float) -> str:
    return _stroke(_LEFT, y, _LEFT + _PLOT, y, 0.6)


def _stroke(x: float, y: float, to_x: float, to_y: float, width: float = 1.2) -> str:
    return (
        f'<line x1="{_n(x)}" y1="{_n(y)}" x2="{_n(to_x)}" y2="{_n(to_y)}" stroke="currentColor"'
        f' stroke-width="{width:g}"/>'
    )


def _bar(x: float, y: float, width: float, height: float, colour: str = _BLUE) -> str:
    return (
        f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(max(width, 0.8))}" height="{_n(height)}"'
        f' fill="{colour}"/>'
    )


def _bars(
    values: Sequence[int], step: float, base: float, tall: float, highest: int, share: float = 0.8
) -> Iterator[str]:
    """Draw a bar for each value but 0, `tall` for the highest; none is too low to be seen."""
    for place, value in enumerate(values):
        if value:
            height = max(tall * value / highest, 1.5)
            yield _bar(_LEFT + place * step, base - height, step * share, height)


def _hatching(name: str, path: str) -> str:
    return (
        f'<pattern id="{_MARK}{name}" width="8" height="8" patternUnits="userSpaceOnUse">'
        f'<path d="{path}" stroke="currentColor" stroke-width="0.7" fill="none"/></pattern>'
    )


def _axis(names: Sequence[str], step: float, y: float, *, centred: bool = True) -> list[str]:
    """Name as many columns as there is room for, the first one always."""
    room = max((len(name) for name in names), default=1) * 7 + 8
    every = max(1, -(-room // max(int(step), 1)))
    shift = step * 0.4 if centred else 0
    return [
        _text(_LEFT + place * step + shift, y + 6, name, 10, "middle")
        for place, name in enumerate(names)
        if place % every == 0
    ]


_SIGNS = {"added": "+ ", "removed": "− ", "changed": "~ ", "same": ""}


def _ends(span: Span) -> int:
    return span.end if span.end > span.start else span.end + 24 * _HOUR


def _span(span: Span, scale: float, y: float) -> list[str]:
    """Draw a shift: its state is told by a sign, a hatching and the weight of its border."""
    x, width = _LEFT + span.start * scale, (_ends(span) - span.start) * scale
    fill = f"url(#{_MARK}removed)" if span.state == "removed" else _BLUE
    opacity = {"same": 0.18, "changed": 0.55, "added": 0.9, "removed": 1}[span.state]
    weight = 0.8 if span.state == "same" else 2
    dashes = ' stroke-dasharray="4 2"' if span.state == "removed" else ""
    says = f"{_SIGNS[span.state]}{span.label}"
    room = int((width - 4) / 6.6)
    short = says if len(says) <= room else f"{says[: room - 1]}…" if room > 3 else says[:1].strip()
    if room < 1 or (room <= 3 and span.state == "same"):
        short = ""
    return [
        f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(max(width, 2))}" height="22" fill="{fill}"'
        f' fill-opacity="{opacity:g}" stroke="currentColor" stroke-width="{weight:g}"{dashes}>'
        f"<title>{escape(f'{span.state}: {span.label}')}</title></rect>",
        _text(x + 3, y + 15, short, 11),
    ]
