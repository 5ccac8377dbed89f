"""Texts that Arrow reads come to what their expression says, or are left to it."""

from __future__ import annotations

import datetime as dt
import random

import numpy as np
import pyarrow as pa
import pytest

from backfill.utc import wall_text
from backfill.utc.wall_text import read_clock, read_day, read_iso

FORMS = (
    *("%d.%m.%Y %H:%M", "%m/%d/%y %I:%M %p", "%Y%m%d%H%M%S%f", "%d-%b-%Y %H:%M:%S.%f"),
    *("%G-W%V-%u %H:%M", "%Y/%j %H.%M", "%b %d, %Y, %I:%M:%S %p", "%H:%M %e.%m.%Y", "%F %T"),
)
ISO = ("%Y-%m-%d", "%Y%m%dT%H%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S,%f", "%G-W%V-%uT%H:%M")
ENDINGS = ("", "", "", "Z", "+02:00", " ", "x")


def written(source: random.Random, forms: tuple[str, ...]) -> str | None:
    """Return a date in one of some formats, now and then with a letter that is another."""
    if source.random() < 0.03:
        return None
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(
        seconds=source.randrange(-(10**10), 10**11)
    )
    text = moment.strftime(source.choice(forms)) + source.choice(ENDINGS)
    if source.random() < 0.3:
        text = text.replace("0", "", 1)
    if source.random() < 0.2:
        at = source.randrange(len(text))
        text = f"{text[:at]}{source.choice('0123456789aWT:. -é')}{text[at + 1 :]}"
    return text


@pytest.mark.long
def test_iso_8601_reads_the_same_by_arrow_and_by_its_expression(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = random.Random(7)
    texts = pa.array([written(source, ISO) for _ in range(5_000)], pa.string()).slice(3)

    by_arrow = [read_iso(texts.slice(at, 3)) for at in range(0, len(texts), 3)]
    monkeypatch.setattr(wall_text, "_USUAL", ())
    expected = read_iso(texts)

    for name in ("us", "is_valid", "offset_us", "has_offset"):
        read = np.concatenate([getattr(times, name) for times in by_arrow])
        assert np.array_equal(read, getattr(expected, name)), name
    assert expected.is_valid.sum() > 2_000


@pytest.mark.parametrize(
    "text", ["0999-12-31 10:00", "2026-02-30 10:00", "2025-12-31T24:00:00", "2026-01-01 09:60"]
)
def test_what_arrow_refuses_costs_no_other_text_its_time(text: str) -> None:
    read = read_iso(pa.array(["2026-03-29 02:30", text, "2026-03-29T02:30:00.5Z", None]))

    assert read.is_valid.tolist() == [True, text[:4] in ("0999", "2025"), True, False]
    assert read.us[[0, 2]].tolist() == [1_774_751_400_000_000, 1_774_751_400_500_000]
    assert read.has_offset.tolist() == [False, False, True, False]


def test_days_alone_and_times_of_day_are_read_whole_or_not_at_all() -> None:
    days = read_day(
        pa.array(["2026-02-28", "20260228", "2026-02-30", "2026-02-28T01:00", " x", None])
    )
    clocks, is_clock = read_clock(
        pa.array(["09:30", "0930", "093015", "24:00:00", "1 day 01:15:00", "61:00", "9:61", None])
    )

    assert days.is_valid.tolist() == [True, True, False, False, False, False]
    assert days.us[:2].tolist() == [20_512 * 86_400_000_000] * 2
    assert is_clock.tolist() == [True, True, True, True, True, True, False, False]
    assert (clocks[:6] // 60_000_000).tolist() == [570, 570, 570, 1440, 1515, 3660]


def test_nothing_is_no_time_of_day() -> None:
    clocks, is_clock = read_clock(
        pa.array(["", " ", "T09:30", "09:30 ", "23:59:60", "09:30:00.25"])
    )

    assert is_clock.tolist() == [False, False, False, True, False, True]
    assert clocks[[3, 5]].tolist() == [34_200_000_000, 34_200_250_000]
