"""Wall times and instants of staged rows, to be shown: as compute reads them, and no others."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from backfill.plans.staging import field_of as path_of
from backfill.plans.staging import quoted
from backfill.rows.values import BoolArray, Int64Array, field_of
from backfill.utc.convert import in_range
from backfill.utc.described import Columns, Pair, Target
from backfill.utc.doubts import show_instant, show_time
from backfill.utc.instants import read_target
from backfill.utc.wall import read_walls


def why(pair: Pair, part: str) -> str:
    """Return the SQL of what is known of a pair: kind, offset_s, first, second, moved_s."""
    return f"why.{quoted(f'{pair.label}_{part}')}"


def zone_name(pair: Pair, columns: Columns) -> str:
    """Return the field of `why` that holds the zone which a pair was read in."""
    return f"{pair.label}_zone" if columns.own_chains[columns.pairs.index(pair)] else "zone"


def walls_sql(pair: Pair, columns: Columns) -> str:
    """Return the SQL of a pair's wall columns, for `walls_in`."""
    names = [*(column.name for column in columns.sources), *columns.looked_up]
    paths = (path_of("source", names, wall.name) for wall in pair.walls)
    return ", ".join(f"{path} AS {quoted(f'wall {n}')}" for n, path in enumerate(paths))


def walls_in(rows: pa.Table, pair: Pair) -> tuple[Int64Array, BoolArray]:
    """Return wall times in microseconds, and where there is one that a calendar shows."""
    places = range(len(pair.walls))
    return _walls([rows.column(f"wall {place}").combine_chunks() for place in places], pair)


def _walls(arrays: Sequence[pa.Array], pair: Pair) -> tuple[Int64Array, BoolArray]:
    walls = read_walls(arrays, pair.reading)
    return walls.us, walls.is_read & in_range(walls.us)


def wall_texts(rows: pa.Table, pair: Pair) -> list[str | None]:
    """Return the wall times of changes as people read them."""
    us, is_shown = _walls([field_of(rows, "source", wall.name) for wall in pair.walls], pair)
    shown = zip(us.tolist(), is_shown.tolist(), strict=True)
    return [show_time(time) if is_there else None for time, is_there in shown]


def target_texts(rows: pa.Table, target: Target, side: str = "after") -> list[str | None]:
    """Return the instants of a target column as people read them."""
    stored = read_target(field_of(rows, side, target.column.name), target)
    shown = zip(stored.us.tolist(), (stored.is_valid & in_range(stored.us)).tolist(), strict=True)
    return [show_instant(us) if is_there else None for us, is_there in shown]


def instant_texts(rows: pa.Table, name: str) -> list[str | None]:
    """Return instants that `why` names as people read them."""
    instants = field_of(rows, "why", name).cast(pa.int64()).to_pylist()
    return [None if us is None else show_instant(us) for us in instants]
