"""The pictures of a UTC run: what is pending by scope and month, and around clock changes."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from backfill.display.charts import ClockChange, Strip, clock_changes, strips
from backfill.display.pages import NOTHING, Shown, figure, note, table
from backfill.jobs.utc.shown_times import walls_in, walls_sql, why, zone_name
from backfill.plans.staging import Staging, quoted
from backfill.rows.values import Int64Array
from backfill.utc.described import Columns, Pair
from backfill.utc.segments import FOLD_CODE, MIN_SECOND, NORMAL_CODE, build_segments
from backfill.utc.zone_names import is_zone

SHOWN_HOUSEHOLDS = 12
SHOWN_CHANGES = 16
SHOWN_NUMBERS = 60
MOST_COLUMNS = 240  # months of twenty years; beyond that, years
MOST_YEARS = 60
AROUND_HALF_HOURS = 8  # of wall time, before and after a gap or fold
_HALF_HOUR_S = 1_800
_AROUND_S = AROUND_HALF_HOURS * _HALF_HOUR_S
_ZONE_STRIDE_S = 2**40  # more than all years: zones lie apart
_MONTHS_SCHEMA = pa.schema(
    [("scope", pa.string()), ("month", pa.timestamp("us")), ("rows", pa.int64())]
)
_OTHERS = " others\non a scale of their own"
_LAST_YEAR = 9_998


def pending_picture(
    staging: Staging, columns: Columns, filled: Sequence[tuple[str, int]], member: str
) -> Shown:
    """Return pending rows by scope and month, and beside them what is filled, by year."""
    first = columns.pairs[0]
    staging.create("pending_months", _MONTHS_SCHEMA)
    staging.append("pending_months", _pending_months(staging, columns))
    months = _of_fullest(staging, member)
    if not months:
        return _filled(filled, months, first)
    unit, periods = _periods(months)
    counts: dict[str, dict[str, int]] = {}
    for scope, month, rows in months:
        period = month[: len(periods[0])] if periods and month else ""
        household = counts.setdefault(scope, {})
        household[period] = household.get(period, 0) + rows
    svg = strips(
        f"Pending rows by {member} and {unit}",
        _says(staging, counts, unit, member),
        periods,
        [
            Strip(name, tuple(part.get(p, 0) for p in periods), name.endswith(_OTHERS))
            for name, part in counts.items()
        ],
    )
    total = sum(rows for _scope, _month, rows in months)
    drawn = sum(part.get(period, 0) for part in counts.values() for period in periods)
    beyond = f"; {total - drawn:,} of other times are in the table only" if total > drawn else ""
    caption = f"Pending rows by {member} and {unit} ({total:,} rows{beyond})"
    return figure(svg, caption, _by_month(staging, first.label, total, member)) + _filled(
        filled, months, first
    )


def _pending_months(staging: Staging, columns: Columns) -> pa.Table:
    """Return how many rows wait by scope (empty for none) and month (NULL for no date)."""
    first = columns.pairs[0]
    query = f"SELECT coalesce(scope, '') AS scope, {walls_sql(first, columns)} FROM extracted"
    counts: Counter[tuple[str, dt.datetime | None]] = Counter()
    for rows in staging.read(query):
        us, is_shown = walls_in(rows, first)
        months = us.astype("datetime64[us]").astype("datetime64[M]").astype("datetime64[us]")
        month = pa.array(months, mask=~is_shown)
        grouped = pa.table({"scope": rows.column("scope"), "month": month}).group_by(
            ["scope", "month"]
        )
        for part in grouped.aggregate([([], "count_all")]).to_pylist():
            counts[part["scope"], part["month"]] += part["count_all"]
    parts = [{"scope": s, "month": m, "rows": rows} for (s, m), rows in counts.items()]
    return pa.Table.from_pylist(parts, schema=_MONTHS_SCHEMA)


def _one(staging: Staging, query: str) -> int:
    """Return a number from `pending_months`, which no other connection sees."""
    return int(staging.connection.execute(query).fetchall()[0][0])


def _of_fullest(staging: Staging, member: str) -> list[tuple[str, str, int]]:
    """Return (household, month, rows), the fullest household first, the small ones together."""
    return staging.connection.execute(
        "WITH ranked AS (SELECT scope, row_number() OVER (ORDER BY sum(rows) DESC, scope) AS place,"
        " count(*) OVER () AS members FROM pending_months GROUP BY scope)"
        " SELECT CASE WHEN place > $shown THEN (members - $shown) || $others"
        " WHEN scope = '' THEN $nobody ELSE scope END,"
        " coalesce(strftime(month, '%Y-%m'), ''), sum(rows)::BIGINT"
        " FROM pending_months JOIN ranked USING (scope)"
        " GROUP BY least(place, $shown + 1), 1, 2 ORDER BY least(place, $shown + 1), 2",
        {"shown": SHOWN_HOUSEHOLDS, "others": _OTHERS, "nobody": f"(no {member})"},
    ).fetchall()


def _by_month(staging: Staging, wall: str, total: int, member: str) -> Shown:
    lines = _one(staging, "SELECT count(*) FROM pending_months")
    rows = staging.connection.execute(
        "SELECT CASE scope WHEN '' THEN $nobody ELSE scope END,"
        " coalesce(strftime(month, '%Y-%m'), 'no date'), rows FROM pending_months"
        f" ORDER BY scope, month LIMIT {SHOWN_NUMBERS}",
        {"nobody": f"(no {member})"},
    ).fetchall()
    return table(
        f"Pending rows by {member} and month of {wall} ({total:,} rows; {len(rows):,} of "
        f"{lines:,} lines)",
        [member, "month", "rows"],
        rows,
        rest="All of them: the table pending_months",
    )


def _periods(months: Sequence[tuple[str, str, int]]) -> tuple[str, list[str]]:
    """Return `month` or `year`, and the columns, without holes.

    A row of the year 9999 must not press the others to the edge: the columns reach from the first
    to the last month that hold more than a thousandth of the rows. Where even that is too wide,
    the picture shows the stretch of years in which most rows lie.
    """
    by_month: dict[int, int] = {}
    for _scope, month, rows in months:
        if month:
            number = _month_number(month)
            by_month[number] = by_month.get(number, 0) + rows
    if not by_month:
        return "month", []
    least = sum(by_month.values()) / 1000
    full = sorted(n for n, rows in by_month.items() if rows > least) or sorted(by_month)
    first, last = full[0], full[-1]
    if last - first < MOST_COLUMNS:
        return "month", [f"{n // 12:04d}-{n % 12 + 1:02d}" for n in range(first, last + 1)]
    by_year: dict[int, int] = {}
    for number in full:
        by_year[number // 12] = by_year.get(number // 12, 0) + by_month[number]
    begin, end = _fullest_stretch(by_year)
    return "year", [f"{year:04d}" for year in range(begin, end + 1)]


def _fullest_stretch(by_year: dict[int, int]) -> tuple[int, int]:
    """Return the first and last year of the rows' densest stretch that fits the picture."""

    def within(begin: int) -> list[int]:
        return [year for year in by_year if begin <= year < begin + MOST_COLUMNS]

    begin = max(by_year, key=lambda year: (sum(by_year[y] for y in within(year)), -year))
    return begin, max(within(begin))


def _month_number(month: str) -> int:
    return int(month[:4]) * 12 + int(month[5:7]) - 1


def _says(staging: Staging, counts: dict[str, dict[str, int]], unit: str, member: str) -> str:
    members = _one(staging, "SELECT count(DISTINCT scope) FROM pending_months")
    most, part = next(iter(counts.items()))
    period = max(part, key=lambda name: (part[name], name))
    return (
        f"Of {members:,} ({member}), {most} has the most pending rows ({sum(part.values()):,}); "
        f"its fullest {unit} is {period or 'that of no date'} ({part[period]:,})."
    )


def _filled(
    filled: Sequence[tuple[str, int]], pending: Sequence[tuple[str, str, int]], pair: Pair
) -> Shown:
    waiting: dict[str, int] = {}
    for _scope, month, count in pending:
        year = str(int(month[:4])) if month else "no date"
        waiting[year] = waiting.get(year, 0) + count
    done = dict(filled)
    years = sorted({*waiting, *done}, key=lambda name: (not name.isdigit(), name.zfill(4)))
    if not years:
        return note("No row is pending, and none is filled.")
    rows = [(year, waiting.get(year, 0), done.get(year, 0)) for year in years]
    shown = rows[-MOST_YEARS:]
    svg = strips(
        "Pending and filled rows by year, before the run",
        f"{sum(r[1] for r in rows):,} rows are pending, {sum(r[2] for r in rows):,} are filled.",
        [row[0] for row in shown],
        [
            Strip("pending", tuple(row[1] for row in shown)),
            Strip("filled already", tuple(row[2] for row in shown)),
        ],
    )
    behind = table(
        f"Rows by year before the run: pending ones of {pair.label}, filled ones of "
        f"{pair.target.column.name} in UTC ({sum(r[1] + r[2] for r in rows):,} rows)",
        ["year", "pending", "filled already"],
        rows,
    )
    return figure(svg, "Pending and filled rows by year, before the run", behind)


def clock_change_picture(staging: Staging, columns: Columns) -> Shown:
    """Return the rows around each gap and fold of each zone: a map of the hours at risk."""
    changes = _clock_changes(staging, columns)
    if not changes:
        return NOTHING
    near = _around(staging, columns, changes)
    if not near:
        return note("No wall time lies near a clock change of its zone.")
    return _map(near)


def _clock_changes(staging: Staging, columns: Columns) -> pa.Table | None:
    """Return every gap and fold of the zones in the changes, of the years that occur there."""
    seen: set[str] = set()
    seconds: list[int] = []
    for zones, wall_s in _walls(staging, columns):
        seen.update(zones.dictionary.to_pylist())
        seconds += [int(wall_s.min()), int(wall_s.max())] if len(wall_s) else []
    named = sorted(zone for zone in seen if is_zone(zone))
    if not seconds or not named:
        return None
    low, high = (dt.date.fromisoformat(_clock(s)[:10]).year for s in (min(seconds), max(seconds)))
    return pa.concat_tables([_of_zone(zone, low, min(high, _LAST_YEAR)) for zone in named])


def _of_zone(zone: str, first_year: int, last_year: int) -> pa.Table:
    segments = build_segments((zone,), last_year)
    starts = segments.starts + MIN_SECOND
    ends = np.append(starts[1:], starts[-1:])
    first = np.datetime64(f"{first_year:04d}-01-01", "s").astype(np.int64) - 86_400
    last = np.datetime64(f"{last_year + 1:04d}-01-01", "s").astype(np.int64) + 86_400
    kept = (segments.kind != NORMAL_CODE) & (starts >= first) & (starts <= last)
    kinds = np.where(segments.kind[kept] == FOLD_CODE, "fold", "gap")
    return pa.table(
        {
            "zone": pa.array([zone] * int(kept.sum()), pa.string()),
            "kind": pa.array(kinds.tolist(), pa.string()),
            "start_s": pa.array(starts[kept]),
            "end_s": pa.array(ends[kept]),
            "from_s": pa.array(starts[kept] - _AROUND_S),
        }
    )


def _around(
    staging: Staging, columns: Columns, changes: pa.Table
) -> list[tuple[str, str, int, int, int, int, int]]:
    """Count wall times by clock change and half hour from its start, in all and inside.

    Returns (zone, kind, start, end, half hour, count, inside) in order. Each wall time belongs to
    the last change of its zone that it is not too early for. Memory: a batch.
    """
    zones, kinds = (changes.column(name).to_pylist() for name in ("zone", "kind"))
    places = {zone: place for place, zone in enumerate(dict.fromkeys(zones))}
    of_zone = np.array([places[zone] for zone in zones], dtype=np.int64)
    start, end, first = (changes.column(n).to_numpy() for n in ("start_s", "end_s", "from_s"))
    keys = of_zone * _ZONE_STRIDE_S + first
    counted: Counter[tuple[int, int, bool]] = Counter()
    for names, walls in _walls(staging, columns):
        codes = [places.get(name, len(places)) for name in names.dictionary.to_pylist()]
        zone = np.array(codes, dtype=np.int64)[names.indices.to_numpy()]
        change = np.searchsorted(keys, zone * _ZONE_STRIDE_S + walls, side="right") - 1
        is_near = (change >= 0) & (of_zone[change] == zone) & (walls < end[change] + _AROUND_S)
        change, wall = change[is_near], walls[is_near]
        half_hour = (wall - start[change]) // _HALF_HOUR_S
        is_inside = (wall >= start[change]) & (wall < end[change])
        counted.update(zip(change.tolist(), half_hour.tolist(), is_inside.tolist(), strict=True))
    return sorted(
        (zones[c], kinds[c], int(start[c]), int(end[c]), half, _both(counted, c, half), inside)
        for c, half in {(c, half) for c, half, _inside in counted}
        for inside in [counted[(c, half, True)]]
    )


def _both(counted: Counter[tuple[int, int, bool]], change: int, half_hour: int) -> int:
    return counted[(change, half_hour, True)] + counted[(change, half_hour, False)]


def _walls(staging: Staging, columns: Columns) -> Iterator[tuple[pa.DictionaryArray, Int64Array]]:
    """Yield every wall time that was classified, in seconds, and its zone, a batch at a time."""
    for pair in columns.pairs:
        zone = f"why.{quoted(zone_name(pair, columns))}"
        query = (
            f"SELECT {zone} AS zone, {walls_sql(pair, columns)} FROM changes"
            f" WHERE {why(pair, 'kind')} IS NOT NULL AND {zone} IS NOT NULL"
        )
        for rows in staging.read(query):
            us, is_shown = walls_in(rows, pair)
            zones = rows.column("zone").filter(pa.array(is_shown)).combine_chunks()
            yield zones.dictionary_encode(), us[is_shown] // 1_000_000


def _map(near: Sequence[tuple[str, str, int, int, int, int, int]]) -> Shown:
    grouped: dict[tuple[str, str, int, int], dict[int, tuple[int, int]]] = {}
    for zone, kind, start, end, half_hour, count, inside in near:
        grouped.setdefault((zone, kind, start, end), {})[half_hour] = (count, inside)
    ranked = sorted(
        grouped,
        key=lambda c: (
            -sum(inside for _count, inside in grouped[c].values()),
            -sum(count for count, _inside in grouped[c].values()),
            c,
        ),
    )
    drawn = sorted(ranked[:SHOWN_CHANGES])
    inside = sum(row[6] for row in near)
    svg = clock_changes(
        "Wall times around clock changes, by zone",
        f"{len(grouped):,} clock changes have wall times near them; {inside:,} wall times lie "
        "inside a gap or fold. Half hours of wall time from the start of the gap or fold.",
        [_drawn(change, grouped[change]) for change in drawn],
    )
    caption = (
        f"Wall times around clock changes ({len(grouped):,} of them, {len(drawn):,} drawn): a gap "
        "is crossed, it never happened; a fold is hatched, it happened twice"
    )
    return figure(svg, caption, _numbers(ranked, grouped))


def _drawn(change: tuple[str, str, int, int], counts: dict[int, tuple[int, int]]) -> ClockChange:
    zone, kind, start, end = change
    inside = max(1, (end - start) // _HALF_HOUR_S)
    last = min(inside, 4) + AROUND_HALF_HOURS
    places = range(-AROUND_HALF_HOURS, last)
    return ClockChange(
        f"{zone}\n{_clock(start)[:16]}",
        kind,
        -AROUND_HALF_HOURS,
        tuple(counts.get(place, (0, 0))[0] for place in places),
        min(inside, 4),
    )


def _numbers(
    ranked: Sequence[tuple[str, str, int, int]],
    grouped: dict[tuple[str, str, int, int], dict[int, tuple[int, int]]],
) -> Shown:
    rows = []
    for zone, kind, start, end in ranked:
        counts = grouped[(zone, kind, start, end)]
        inside = sum(within for _count, within in counts.values())
        around = sum(count for count, _within in counts.values()) - inside
        rows.append((zone, kind, _clock(start), _clock(end), inside, around))
    hours = AROUND_HALF_HOURS // 2
    return table(
        f"Wall times in gaps and folds, and up to {hours} hours around them "
        f"({len(rows):,} clock changes)",
        ["zone", "kind", "from (wall time)", "to (wall time)", "inside", "around"],
        rows,
        rest="Every row: changes, by rule",
        most=SHOWN_NUMBERS,
    )


def _clock(second: int) -> str:
    return str(np.datetime64(second, "s").astype(dt.datetime))
