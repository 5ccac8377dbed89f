"""The pictures of an OCR run: each day before and after on a line of hours; how sure fields are.

A word belongs to a field of a shift when it lies in the shift's card and is a part of the field's
text; of several equal words in one card the least sure one counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from statistics import quantiles
from typing import Any

from backfill.display.charts import DayLine, Span, Spread, day_lines, spreads
from backfill.display.pages import NOTHING, Shown, figure, table
from backfill.jobs.ocr.crops import is_inside
from backfill.ocr import limits
from backfill.ocr.day.stored_shift import read_stored
from backfill.plans.staging import Staging

SHOWN_DAYS = 14
SHOWN_NUMBERS = 100
_FIELDS = ("start", "end", "customer_name", "street", "street_number", "city", "raw_type_label")
_TIME = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)")
_TOKEN = re.compile(r"\w+(?:[:.]\w+)*")
_LONGEST_LABEL = 40
_NAMES = ("start", "end", "customer_name", "raw_type_label")


def days_picture(staging: Staging) -> Shown:
    """Return the days that would change as timelines: what is stored above what was read."""
    days = [day for day in _days(staging) if any(s.state != "same" for s in (*day.old, *day.new))]
    if not days:
        return NOTHING
    drawn = days[:SHOWN_DAYS]
    spans = [span for day in days for span in (*day.old, *day.new)]
    counts = ", ".join(
        f"{sum(span.state == state for span in spans)} {state}"
        for state in ("added", "removed", "changed")
    )
    svg = day_lines(
        "The shifts of each day, stored above read",
        f"{len(days):,} days would change; spans that are {counts}. A plus marks what is new, a "
        "minus with a dashed border what goes, a tilde what changes.",
        drawn,
    )
    caption = (
        f"Shifts of the days that would change ({len(days):,} days, {len(drawn):,} drawn): "
        "+ added, − removed (dashed), ~ changed"
    )
    return figure(svg, caption, _numbers(days))


def _numbers(days: Sequence[DayLine]) -> Shown:
    rows = [
        (day.label.replace("\n", ", user "), side, _clock(s.start), _clock(s.end), s.label, s.state)
        for day in days
        for side, spans in (("stored", day.old), ("read", day.new))
        for s in spans
    ]
    return table(
        f"Shifts of these days ({len(rows):,})",
        ["day", "side", "start", "end", "shift", "state"],
        rows,
        rest="All of them: the tables shifts and snapshots, or the files of sessions/",
        most=SHOWN_NUMBERS,
    )


def _days(staging: Staging) -> Iterator[DayLine]:
    """Yield each day of each user, as its last session that was read leaves it."""
    stored = {
        (str(user), date): payload
        for user, date, payload in staging.rows(
            "SELECT user_id, schedule_date::text, payload FROM snapshots"
        )
    }
    documents = staging.rows(
        "SELECT scope, schedule_date::text, document FROM days WHERE schedule_date IS NOT NULL"
        " ORDER BY schedule_date, scope, position"
    )
    by_day: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for user, date, document in documents:
        by_day.setdefault((user, date), []).append(json.loads(document))
    for (user, date), sessions in by_day.items():
        before = read_stored(json.loads(stored.get((user, date)) or "[]"))
        events = [event for session in sessions for event in session.get("preview_events", ())]
        held = " (held)" if sessions[-1].get("status") == "held" else ""
        yield DayLine(
            f"{date}{held}\n{user}",
            _spans([shift.as_json() for shift in before], events, "old", "removed"),
            _spans(sessions[-1].get("shifts", ()), events, "new", "added"),
        )


def _spans(
    shifts: Sequence[Mapping[str, Any]],
    events: Sequence[Mapping[str, Any]],
    side: str,
    alone: str,
) -> tuple[Span, ...]:
    """Return shifts as spans; `alone` is the state of one that has no other side."""
    other = "new" if side == "old" else "old"
    states = {
        tuple(event[side].get(name, "") for name in _NAMES): "changed" if event[other] else alone
        for event in events
        if event[side]
    }
    spans = []
    for shift in shifts:
        start, end = (_minutes(str(shift.get(name, ""))) for name in ("start", "end"))
        if start is None or end is None:
            continue
        state = states.get(tuple(shift.get(name, "") for name in _NAMES), "same")
        words = [str(shift.get(name) or "") for name in ("customer_name", "raw_type_label")]
        label = " · ".join(text for text in words if text)[:_LONGEST_LABEL]
        spans.append(Span(start, end, label or f"{shift['start']}–{shift['end']}", state))
    return tuple(spans)


def _minutes(text: str) -> int | None:
    match = _TIME.fullmatch(text.strip())
    return int(match[1]) * 60 + int(match[2]) if match else None


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def confidence_picture(staging: Staging) -> Shown:
    """Return how sure the words of each field are, from 0 to 100."""
    confidences = field_confidences(staging)
    rows = [_spread(name, values) for name, values in confidences.items() if values]
    if not rows:
        return NOTHING
    least = min(rows, key=lambda row: row.low)
    svg = spreads(
        "Confidence of reading by field",
        f"Words of {len(rows)} fields. The least sure field is {least.label}: a twentieth of its "
        f"words are below {least.low:.0f}. Below {limits.SURE:.0f} a word is not sure.",
        rows,
    )
    behind = table(
        f"Confidence by field, 0 to 100 ({sum(map(len, confidences.values())):,} words)",
        ["field", "words", "not sure", "lowest twentieth", "lower quartile", "median", "highest"],
        [
            (
                *(row.label, len(confidences[row.label])),
                sum(value < limits.SURE for value in confidences[row.label]),
                *(round(row.low, 1), round(row.lower_quartile, 1), round(row.median, 1)),
                round(row.high, 1),
            )
            for row in rows
        ],
        rest="Every word: the table images, words",
    )
    caption = (
        "Confidence by field: a line from the lowest twentieth to the highest, a box of the "
        f"quartiles, a tick at the median; below {limits.SURE:.0f} a word is not sure"
    )
    return figure(svg, caption, behind)


def _spread(name: str, values: Sequence[float]) -> Spread:
    if len(values) == 1:
        only = values[0]
        return Spread(name, only, only, only, only, only, "1 word")
    twentieths = quantiles(values, n=20, method="inclusive")
    low, lower, middle, upper = (twentieths[place] for place in (0, 4, 9, 14))
    return Spread(name, low, lower, middle, upper, max(values), f"{len(values):,} words")


def field_confidences(staging: Staging) -> dict[str, list[float]]:
    """Return the confidences of the words of each field of all shifts that were read."""
    words = {
        (key, sequence): json.loads(text)
        for key, sequence, text in staging.rows(
            "SELECT key, sequence, words FROM images WHERE words IS NOT NULL"
        )
    }
    names = ", ".join(f'"{name}"' for name in _FIELDS)
    confidences: dict[str, list[float]] = {name: [] for name in _FIELDS}
    for key, crops, *values in staging.rows(f"SELECT key, crops, {names} FROM shifts"):
        in_card = [
            word
            for sequence, *box in json.loads(crops)
            for word in words.get((key, int(sequence)), ())
            if is_inside(word, box)
        ]
        for name, value in zip(_FIELDS, values, strict=True):
            confidences[name] += _confidences(str(value or ""), in_card)
    return confidences


def _confidences(value: str, words: Sequence[Sequence[Any]]) -> Iterator[float]:
    for token in _TOKEN.findall(value.casefold()):
        of_token = [float(w[5]) for w in words if token in _TOKEN.findall(str(w[0]).casefold())]
        if of_token:
            yield min(of_token)
