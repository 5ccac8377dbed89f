"""Zones: which names are accepted, where the rules come from, and what the files say."""

from __future__ import annotations

import struct
import zoneinfo
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from backfill.errors import PreflightError, UsageError
from backfill.utc.oracle import judge, to_wall
from backfill.utc.segments import GAP_CODE, segments_of
from backfill.utc.spelling import is_questionable, near_misses
from backfill.utc.tzif import expand_footer, parse_tzif
from backfill.utc.zone_names import is_zone, tzdata_version, zone_info, zone_names
from backfill.utc.zones import SECOND_US, build_rules, load_rules

HOUR = 3_600


def compile_zone(instants: list[int], offsets: list[int], footer: str) -> bytes:
    """A TZif file of version 2; `offsets` has one entry more than `instants`, in seconds."""
    types = b"".join(struct.pack(">lBB", offset, 0, 0) for offset in offsets)
    counts = struct.pack(">6l", 0, 0, 0, len(instants), len(offsets), 4)
    long_block = b"TZif2" + bytes(15) + counts + struct.pack(f">{len(instants)}q", *instants)
    short_block = b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + bytes(6) + b"AAA\0"
    indexes = bytes(range(1, len(offsets)))
    return short_block + long_block + indexes + types + b"AAA\0" + f"\n{footer}\n".encode()


@pytest.mark.parametrize(
    "name", ["Europe/Stockholm", "US/Eastern", "GMT", "EST", "UTC", "Etc/GMT+5"]
)
def test_names_and_aliases_of_the_list_are_accepted(name: str) -> None:
    assert is_zone(name)


@pytest.mark.parametrize(
    "name",
    [
        *("europe/london", "UTC+1", "+01:00", "localtime", "posixrules", "Factory", "Local"),
        *("", " ", " Europe/London", "Europe/London ", "Europe/Gothenburg", "../zones", "Europe"),
        *("posix/Europe/London", "right/Europe/London", "tzdata.zi", "zone.tab"),
    ],
)
def test_anything_else_is_refused(name: str) -> None:
    assert not is_zone(name)
    with pytest.raises(UsageError, match="is not in tzdata"):
        load_rules(name, 2030)
    with pytest.raises(UsageError, match="is not in tzdata"):
        zone_info(name)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("europe/london", "Europe/London"),
        (" Asia/Tokyo ", "Asia/Tokyo"),
        ("America/New York", "America/New_York"),
        ("Stockholm", "Europe/Stockholm"),
        ("Europe/Stokholm", "Europe/Stockholm"),
        *((utc, "UTC") for utc in ("Z", "z", "UT", "UTC+0", "GMT+00:00", "+00:00")),
        *((east, "Etc/GMT-2") for east in ("UTC+2", "GMT+02:00", "+0200", "UT+2")),
    ],
)
def test_likely_name_comes_first(written: str, meant: str) -> None:
    assert near_misses(written)[0] == meant


@pytest.mark.parametrize("name", ["Z", "UT", "UTC+0", "GMT", "GMT+02:00", "UTC+05:30"])
def test_offsets_and_letters_for_one_are_asked_about(name: str) -> None:
    assert is_questionable(name)


@pytest.mark.parametrize("name", ["", "   ", "%%%"])
def test_nothing_is_guessed_from_junk(name: str) -> None:
    assert near_misses(name) == []


def test_every_name_has_rules_in_order() -> None:
    for name in zone_names():
        rules = load_rules(name, 2100)

        assert rules.offsets.size == rules.instants.size + 1
        assert np.all(np.abs(rules.offsets) < 24 * HOUR * SECOND_US)


def test_version_is_the_installed_package() -> None:
    assert tzdata_version().startswith("20")


def test_the_systems_zone_files_are_not_looked_at(tmp_path: Path) -> None:
    lie = compile_zone([], [5 * HOUR], "<+05>-5")
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe" / "Lisbon").write_bytes(lie)
    zoneinfo.reset_tzpath([str(tmp_path)])
    try:
        offsets = load_rules("Europe/Lisbon", 2030).offsets
        offset = zone_info("Europe/Lisbon").utcoffset(to_wall(0))
        system_offset = zoneinfo.ZoneInfo.no_cache("Europe/Lisbon").utcoffset(to_wall(0))
    finally:
        zoneinfo.reset_tzpath()

    assert offsets[-1] == 0
    assert system_offset is not None
    assert offset is not None
    assert system_offset.total_seconds() == 5 * HOUR
    assert offset.total_seconds() == HOUR


@pytest.mark.parametrize("year", [0, 10_000])
def test_year_outside_the_calendar_is_refused(year: int) -> None:
    with pytest.raises(UsageError, match="outside"):
        load_rules("Asia/Tokyo", year)


def test_footer_is_spelt_out_through_the_year_asked_for() -> None:
    rules = load_rules("Europe/Stockholm", 2500)

    last_fold = int(np.datetime64("2500-10-31T01:00:00", "us").astype(np.int64))
    assert last_fold in rules.instants


@pytest.mark.parametrize(
    ("footer", "expected"),
    [
        ("EST5EDT,M3.2.0,M11.1.0", ["2024-03-10T07:00:00", "2024-11-03T06:00:00"]),
        ("IST-1GMT0,M10.5.0,M3.5.0/1", ["2024-03-31T01:00:00", "2024-10-27T01:00:00"]),
        ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", ["2024-03-31T01:00:00", "2024-10-27T01:00:00"]),
        ("AAA0BBB,J60/0,J365/23", ["2024-03-01T00:00:00", "2024-12-31T22:00:00"]),
        ("AAA0BBB,J59/0,365/0", ["2024-02-28T00:00:00", "2024-12-30T23:00:00"]),
        ("AAA-3:30BBB-4,59/0,J300/0:30", ["2024-02-28T20:30:00", "2024-10-26T20:30:00"]),
    ],
)
def test_posix_rules_are_understood(footer: str, expected: list[str]) -> None:
    expansion = expand_footer(footer, 2024, 2024)

    assert expansion.instants.astype("datetime64[s]").astype(str).tolist() == expected


@pytest.mark.parametrize("footer", ["", "EST", "EST5EDT", "EST5EDT,M3.6.0,M11.1.0", "5"])
def test_footer_outside_the_grammar_is_refused(footer: str) -> None:
    with pytest.raises(PreflightError, match="not understood"):
        expand_footer(footer, 2024, 2024)


@pytest.mark.parametrize("data", [b"", b"TZif", b"PK\x03\x04" + bytes(80), b"TZif\0" + bytes(80)])
def test_bytes_that_are_no_zone_file_are_refused(data: bytes) -> None:
    with pytest.raises(PreflightError, match="TZif"):
        parse_tzif(data)


def test_clock_changes_nearer_than_their_step_follow_zoneinfo() -> None:
    instants, offsets = [0, 1_800, 9_000], [0, HOUR, 0, -HOUR]
    data = compile_zone(instants, offsets, "AAA1")
    zone = zoneinfo.ZoneInfo.from_file(BytesIO(data))

    table = segments_of(build_rules("near", data, 2030))

    kinds = {"normal": 0, "gap": 0, "fold": 0}
    for second in range(-8_000, 12_000, 100):
        wall = to_wall(second * SECOND_US)
        verdict = judge(wall, zone)
        segment = np.searchsorted(table.starts, second + 62_135_596_800, side="right") - 1
        assert second * SECOND_US - table.offset0[segment] == verdict.fold0_us
        assert second * SECOND_US - table.offset1[segment] == verdict.fold1_us
        assert (table.kind[segment] == GAP_CODE) == (verdict.kind == "gap")
        kinds[verdict.kind] += 1
    assert min(kinds.values()) > 0
