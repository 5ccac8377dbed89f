"""The conversion agrees with the standard library on every kind of wall time of every zone."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from itertools import product
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.longer import longer

from backfill.utc.convert import (
    MAX_US,
    MIN_US,
    FoldPolicy,
    GapPolicy,
    LocalKind,
    classify,
    in_range,
    resolve,
)
from backfill.utc.oracle import judge, offset_at, to_us, to_wall
from backfill.utc.zone_names import zone_info, zone_names
from backfill.utc.zones import SECOND_US, load_rules

# Every sort of rule: half hours, three quarters, thirty-minute summer time, a lost day, negative
# summer time, Ramadan breaks, midnight changes, week 4 plus 24 hours, none at all.
TELLING_ZONES = (
    *("Africa/Cairo", "Africa/Casablanca", "America/Nuuk", "America/Santiago"),
    *("America/Sao_Paulo", "America/St_Johns", "Antarctica/Troll", "Asia/Gaza", "Asia/Kathmandu"),
    *("Asia/Tehran", "Australia/Lord_Howe", "Etc/GMT+12", "Europe/Dublin", "Europe/London"),
    *("Pacific/Apia", "Pacific/Chatham", "Pacific/Kiritimati", "US/Eastern"),
)
STEPS_US = (-1, 0, 1, *(minutes * 60 * SECOND_US for minutes in (-60, -30, 15, 30, 60)))

zones = st.sampled_from(sorted(zone_names()))
# A day's distance from either end, so that the instant stays inside the calendar.
walls = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30))  # noqa: DTZ001


def telling_walls(name: str, samples: int) -> list[int]:
    """Wall times around every clock change 1970-2037, found both ways, and some from anywhere."""
    zone = zone_info(name)
    rules = load_rules(name, 2037)
    changes = {second * SECOND_US for second in scan_transitions(zone, 1970, 2037)}
    changes |= set(rules.instants.tolist())
    around = {
        change + offset_at(change + side, zone) + step
        for change, side, step in product(changes, (-1, 0), STEPS_US)
    }
    draw = random.Random(name)
    day_us = 86_400 * SECOND_US
    anywhere = {draw.randrange(MIN_US + day_us, MAX_US - day_us) for _ in range(samples)}
    return sorted(around | anywhere)


def scan_transitions(zone: ZoneInfo, first_year: int, last_year: int) -> Iterator[int]:
    """Find the seconds at which the offset changes, looking every three days."""
    step = 3 * 86_400
    low, end = (
        to_us(dt.datetime(year, 1, 1)) // SECOND_US  # noqa: DTZ001
        for year in (first_year, last_year + 1)
    )
    offset = offset_at(low * SECOND_US, zone)
    for high in range(low + step, end, step):
        later = offset_at(high * SECOND_US, zone)
        if later != offset:
            yield bisect_change(high - step, high, zone)
            offset = later


def bisect_change(low: int, high: int, zone: ZoneInfo) -> int:
    before = offset_at(low * SECOND_US, zone)
    while high - low > 1:
        middle = (low + high) // 2
        if offset_at(middle * SECOND_US, zone) == before:
            low = middle
        else:
            high = middle
    return high


def assert_agrees(names: Sequence[str], samples: int) -> None:
    walls_of = {name: telling_walls(name, samples) for name in names}
    wall_us = np.concatenate([np.array(walls_of[name], dtype=np.int64) for name in names])
    sizes = [len(walls_of[name]) for name in names]
    found = classify(wall_us, np.repeat(np.arange(len(names)), sizes), names)
    rows = zip(
        wall_us.tolist(),
        np.repeat(np.array(names), sizes).tolist(),
        found.kind.tolist(),
        found.first_us.tolist(),
        found.second_us.tolist(),
        found.transition_us.tolist(),
        strict=True,
    )
    for wall, name, kind, first, second, transition in rows:
        verdict = judge(to_wall(wall), zone_info(name))
        assert (kind, first) == (verdict.kind.code, verdict.fold0_us), (name, to_wall(wall))
        if verdict.kind is not LocalKind.GAP:
            assert second == verdict.fold1_us, (name, to_wall(wall))
        if verdict.kind is not LocalKind.NORMAL:
            assert offset_at(transition - 1, zone_info(name)) == wall - verdict.fold0_us
            assert offset_at(transition, zone_info(name)) == wall - verdict.fold1_us
        if verdict.kind is LocalKind.GAP:
            assert second == transition


def test_falsehood_of_zoneinfo_at_the_end_of_its_list_is_not_repeated() -> None:
    # Nuuk kept its offset on that night; zoneinfo's fold=0 says -01:00, which began in 2024.
    wall = dt.datetime(2023, 10, 28, 23, 30)  # noqa: DTZ001

    found = classify(np.array([to_us(wall)]), np.array([0]), ["America/Nuuk"])

    assert zone_info("America/Nuuk").utcoffset(wall) == dt.timedelta(hours=-1)
    assert found.kind[0] == LocalKind.NORMAL.code
    assert found.first_us[0] == to_us(dt.datetime(2023, 10, 29, 1, 30))  # noqa: DTZ001


def test_telling_zones_agree_around_every_clock_change() -> None:
    assert_agrees(TELLING_ZONES, samples=200)


@pytest.mark.slow
@pytest.mark.parametrize("part", [0, *longer(*range(1, 12))])
def test_every_zone_agrees_around_every_clock_change(part: int) -> None:
    assert_agrees(sorted(zone_names())[part::12], samples=100)


@given(wall=walls, name=zones)
def test_kind_and_instants_are_those_of_zoneinfo(wall: dt.datetime, name: str) -> None:
    verdict = judge(wall, zone_info(name))

    found = classify(np.array([to_us(wall)]), np.array([0]), [name])

    assert found.kind[0] == verdict.kind.code
    assert found.first_us[0] == verdict.fold0_us


@given(wall=walls, name=zones)
def test_times_that_happened_come_back_to_the_microsecond(wall: dt.datetime, name: str) -> None:
    found = classify(np.array([to_us(wall)]), np.array([0]), [name])

    instants = [int(found.first_us[0]), int(found.second_us[0])]
    if found.kind[0] != LocalKind.GAP.code:
        for instant in instants:
            assert instant + offset_at(instant, zone_info(name)) == to_us(wall)
    else:
        assert instants[0] + offset_at(instants[0], zone_info(name)) > to_us(wall)


@settings(max_examples=50)
@given(rows=st.lists(st.tuples(walls, zones), min_size=1, max_size=40), data=st.data())
def test_a_row_converts_alike_in_any_company_and_order(
    rows: list[tuple[dt.datetime, str]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(rows))

    together = convert(shuffled)

    assert together == [convert([row])[0] for row in shuffled]


@given(rows=st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), zones), max_size=10))
def test_no_number_crashes_it_or_passes_for_an_instant(rows: list[tuple[int, str]]) -> None:
    wall_us = np.array([wall for wall, _ in rows], dtype=np.int64)

    found = classify(wall_us, np.arange(len(rows)), [name for _, name in rows])

    assert not np.any(found.is_in_range() & ~in_range(wall_us))


def convert(rows: list[tuple[dt.datetime, str]]) -> list[int]:
    names = sorted({name for _, name in rows})
    codes = np.array([names.index(name) for _, name in rows])
    wall_us = np.array([to_us(wall) for wall, _ in rows])
    found = classify(wall_us, codes, names)
    instants: list[int] = resolve(found, FoldPolicy.EARLIER, GapPolicy.SHIFT_FORWARD)[0].tolist()
    return instants
