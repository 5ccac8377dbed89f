"""A compiled time zone file (TZif, RFC 8536) read into arrays of seconds."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from backfill.errors import PreflightError

IntArray: TypeAlias = NDArray[np.int64]

_HEADER_BYTES = 44
_COUNTS_AT = 20
_TYPE_BYTES = 6


@dataclass(frozen=True, slots=True, eq=False)
class ZoneFile:
    """What one file says: seconds since 1970 in UTC, offsets in seconds east of UTC.

    `offsets` has one entry more than `instants`: the first holds before every transition.
    `footer` is the POSIX rule that holds after the last one.
    """

    instants: IntArray
    offsets: IntArray
    footer: str


@dataclass(frozen=True, slots=True)
class _Counts:
    """The six counts of a header, in the file's order."""

    utc_flags: int
    standard_flags: int
    leap_seconds: int
    instants: int
    types: int
    characters: int

    def body_bytes(self, time_bytes: int) -> int:
        """The length of the block after this header; times take 4 or 8 bytes."""
        return (
            self.instants * (time_bytes + 1)
            + self.types * _TYPE_BYTES
            + self.characters
            + self.leap_seconds * (time_bytes + 4)
            + self.standard_flags
            + self.utc_flags
        )


def parse_tzif(data: bytes) -> ZoneFile:
    """Read the 64-bit block and the footer; the 32-bit block before it is passed over.

    Raises:
        PreflightError: the bytes are no TZif of version 2 or later, or count leap seconds.
    """
    short = _read_counts(data, 0)
    long_at = _HEADER_BYTES + short.body_bytes(time_bytes=4)
    counts = _read_counts(data, long_at)
    if counts.leap_seconds:
        raise PreflightError(
            "The time zone data counts leap seconds, which no event does. "
            "Install the package tzdata that requirements.lock names."
        )
    body_at = long_at + _HEADER_BYTES
    instants = np.frombuffer(data, ">i8", counts.instants, body_at).astype(np.int64)
    index_at = body_at + 8 * counts.instants
    type_index = np.frombuffer(data, np.uint8, counts.instants, index_at)
    types = [
        struct.unpack_from(">lBB", data, index_at + counts.instants + _TYPE_BYTES * number)
        for number in range(counts.types)
    ]
    type_offsets = np.array([offset for offset, _, _ in types], dtype=np.int64)
    # Before the first transition: the first standard time listed, as `zoneinfo` has it.
    before = next((offset for offset, is_dst, _ in types if not is_dst), types[0][0])
    return ZoneFile(
        instants=instants,
        offsets=np.concatenate(([before], type_offsets[type_index])).astype(np.int64),
        footer=data[body_at + counts.body_bytes(time_bytes=8) :].strip(b"\n").decode("ascii"),
    )


def _read_counts(data: bytes, at: int) -> _Counts:
    if data[at : at + 4] != b"TZif" or data[at + 4 : at + 5] < b"2":
        raise PreflightError(
            "The time zone data is not in the TZif format, version 2 or later. "
            "Install the package tzdata that requirements.lock names."
        )
    return _Counts(*struct.unpack_from(">6l", data, at + _COUNTS_AT))
