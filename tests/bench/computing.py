"""Converting wall times with gap and fold class: ours, and `zoneinfo` row by row."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from tests.bench.contender import Contender, Measured, Setup

from backfill.utc.convert import classify
from backfill.utc.oracle import judge
from backfill.utc.zone_names import zone_info

OURS = "ours, with class"
ZONEINFO = "zoneinfo row by row, with class"
ZONES = ["Europe/Stockholm", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]
SAMPLE_ROWS = 100_000


def ours(setup: Setup) -> Measured:
    walls, codes = _walls(setup.rows)
    classify(walls[:10], codes[:10], ZONES)  # the segments of these zones are made once a process
    measured = Measured(setup.rows)
    started = time.perf_counter()
    classify(walls, codes, ZONES)
    measured.seconds = time.perf_counter() - started
    return measured


def row_by_row(setup: Setup) -> Measured:
    walls, codes = _walls(min(setup.rows, SAMPLE_ROWS))
    infos = [zone_info(zone) for zone in ZONES]
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC).replace(tzinfo=None)
    locals_ = [epoch + dt.timedelta(microseconds=int(wall)) for wall in walls]
    measured = Measured(len(walls))
    started = time.perf_counter()
    for local, code in zip(locals_, codes, strict=True):
        judge(local, infos[code])
    measured.seconds = time.perf_counter() - started
    return measured


def _walls(rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rng = np.random.default_rng(7)
    walls = rng.integers(1_420_070_400_000_000, 1_900_000_000_000_000, rows)
    return walls, rng.integers(0, len(ZONES), rows)


CONTENDERS: Mapping[str, Contender] = {OURS: ours, ZONEINFO: row_by_row}
