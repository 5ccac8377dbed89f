"""One stored value, read by another way: the proof of a run must not refuse what the run read."""

from __future__ import annotations

import datetime as dt
import random

import numpy as np
import pyarrow as pa
import pytest
from tests.utc.test_wall_text import FORMS, ISO, written

from backfill.jobs.utc.wall_value import local_time
from backfill.utc.described import Reading, Unit, WallKind
from backfill.utc.wall import read_walls

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MORE = ("%d %b %Y:%H:%M", "%B %e, %Y at %I %p", "%A, %d %B %y %H:%M:%S", "%Y-%m-%d %H:%M %z")


def texts_in(form: str) -> list[str]:
    source = random.Random(form)
    found = [text for _ in range(400) if (text := written(source, (form,)))]
    return [*found, *(text.replace(" ", "") for text in found[:50])]


def check(texts: list[str], reading: Reading) -> int:
    read = read_walls([pa.array(texts)], reading)
    for text, us in zip(texts, np.where(read.is_valid, read.us, -1).tolist(), strict=True):
        try:
            value = local_time([text], reading)
        except (ValueError, OverflowError):
            continue
        if us != -1:
            assert value is not None
            since = value.replace(tzinfo=dt.UTC) - EPOCH
            assert since // dt.timedelta(microseconds=1) == us, text
    unread = [
        t for t, ok in zip(texts, read.is_valid, strict=True) if ok and not _is_read(t, reading)
    ]
    assert unread == []
    return int(read.is_valid.sum())


def _is_read(text: str, reading: Reading) -> bool:
    try:
        return local_time([text], reading) is not None
    except (ValueError, OverflowError):
        return False


@pytest.mark.parametrize("form", [*FORMS, *MORE])
def test_what_a_format_reads_the_proof_reads_alike(form: str) -> None:
    # A year of two digits is of our century or the last: of others the day of the week differs.
    assert check(texts_in(form), Reading(WallKind.TEXT, form=form)) > 40


@pytest.mark.parametrize("form", [*ISO, "%Y-%jT%H:%M", "%Y%m%d"])
def test_what_iso_8601_reads_the_proof_reads_alike(form: str) -> None:
    assert check(texts_in(form), Reading(WallKind.TEXT)) > 50


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns", "ticks"])
def test_counts_of_our_days_are_read_and_proven_alike_as_number_and_as_text(unit: str) -> None:
    source, reading = random.Random(unit), Reading(WallKind.NUMBER, Unit(unit))
    second = reading.unit.per_second
    counts = [source.randrange(-second * 10**9, second * 4 * 10**9) for _ in range(300)]
    first = -reading.unit.zero_us * second // 1_000_000
    counts = [first + count for count in [*counts, 0, 1, -1, 999, -999]]

    as_text = read_walls([pa.array([str(count) for count in counts])], reading)

    assert as_text.is_valid.all()
    assert as_text.us.tolist() == [(c - first) * 1_000_000 // second for c in counts]
    assert as_text.us.tolist() == read_walls([pa.array(counts)], reading).us.tolist()
    assert check([f"{count}.5" for count in counts], reading) == len(counts)
