"""The figures that were promised, computed from what was measured: reached, to reach, yes or no."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from tests.bench import computing, fill, pooler, reading, screens, start, whole, writing
from tests.bench.contender import Measured
from tests.bench.figure import Figure

MEMORY_AT_10M_MB = 512
WHOLE_BY_APPLY = "whole run ÷ its apply"
WHOLE_AT_10M = "whole run of ten million rows, peak memory of all its processes"
GROWTH_TO_REACH = "≤ 5 % more"
#: Figures that are promised of tables of this size and larger ones only.
_FROM_ROWS = {WHOLE_BY_APPLY: 1_000_000, WHOLE_AT_10M: 10_000_000}


@dataclass(slots=True)
class Measures:
    """All rounds of one size: a list of what each contender took."""

    rows: int
    of: dict[str, list[Measured]] = field(default_factory=dict)

    def add(self, name: str, measured: Measured) -> None:
        self.of.setdefault(name, []).append(measured)

    def __contains__(self, name: object) -> bool:
        return name in self.of

    def seconds_per_row(self, name: str) -> float:
        return statistics.median(m.seconds / m.rows for m in self.of[name])

    def seconds(self, name: str) -> float:
        """Return the seconds for all rows; of a sample, scaled up."""
        rows = max(m.rows for m in self.of[name])
        return self.seconds_per_row(name) * (rows if self.is_small(name) else self.rows)

    def is_small(self, name: str) -> bool:
        """Whether it has a number of items of its own, like images."""
        return name in screens.CONTENDERS or name == start.COMMANDS

    def is_sample(self, name: str) -> bool:
        return not self.is_small(name) and self.of[name][0].rows < self.rows

    def wal_per_row(self, name: str) -> float:
        return statistics.median(m.wal_bytes / m.rows for m in self.of[name])

    def peak_mb(self, name: str) -> float:
        return statistics.median(m.peak_mb for m in self.of[name])

    def detail(self, name: str, key: str) -> float:
        return statistics.median(m.detail[key] for m in self.of[name])

    def times_as_fast(self, name: str, than: str) -> float:
        return self.seconds_per_row(than) / self.seconds_per_row(name)


Judge = Callable[[Measures], tuple[str, bool]]


def _at_least(value: float, limit: float) -> tuple[str, bool]:
    return f"{value:.2f}", value >= limit


def _at_most(value: float, limit: float, unit: str = "") -> tuple[str, bool]:
    return f"{value:.2f}{unit}", value <= limit


def _extra(value: float, limit: float) -> tuple[str, bool]:
    """Judge a ratio as percent more than one."""
    return f"{100 * (value - 1):+.1f} %", value <= 1 + limit


def _whole_run(of: Measures) -> tuple[str, bool]:
    total, apply = of.seconds(whole.RUN), of.detail(whole.RUN, "apply_s")
    return f"{total:.1f} s, apply {apply:.1f} s", total <= 1.3 * apply + 10


def _second_run(of: Measures) -> tuple[str, bool]:
    extra = of.detail(whole.RUN, "second_s") - of.detail(whole.RUN, "start_s")
    return f"{extra:.2f} s", extra <= 3


def _whole_by_apply(of: Measures) -> tuple[str, bool]:
    return _at_most(of.seconds(whole.RUN) / max(of.detail(whole.RUN, "apply_s"), 0.001), 1.5)


def _behind(behind: str, plain: str) -> Judge:
    return lambda of: _at_least(of.times_as_fast(behind, plain), 0.85)


def _started(command: str) -> Judge:
    """Judge what a command takes in all: its work on so few rows is next to nothing."""

    def judge(of: Measures) -> tuple[str, bool]:
        seconds = of.detail(start.COMMANDS, f"{command}_s")
        cpu = of.detail(start.COMMANDS, f"{command}_cpu")
        return f"{seconds:.2f} s, processors {cpu:.2f} s", seconds <= 2.0

    return judge


#: name, what it needs, to reach, judge.
_FIGURES: tuple[tuple[str, Sequence[str], str, Judge], ...] = (
    (
        "UTC compute with class ÷ zoneinfo with class",
        (computing.OURS, computing.ZONEINFO),
        "≥ 54",
        lambda of: _at_least(of.times_as_fast(computing.OURS, computing.ZONEINFO), 54),
    ),
    (
        "read into DuckDB ÷ server-side cursor",
        (reading.OURS, reading.CURSOR),
        "≥ 2.5",
        lambda of: _at_least(of.times_as_fast(reading.OURS, reading.CURSOR), 2.5),
    ),
    (
        "read into DuckDB, peak memory",
        (reading.OURS,),
        "≤ 512 MB",
        lambda of: _at_most(of.peak_mb(reading.OURS), MEMORY_AT_10M_MB, " MB"),
    ),
    (
        "apply, chunk 500 ÷ bound",
        (writing.OURS_500, writing.BOUND),
        "≥ 0.6",
        lambda of: _at_least(of.times_as_fast(writing.OURS_500, writing.BOUND), 0.6),
    ),
    (
        "apply, chunk 500 ÷ executemany, 500",
        (writing.OURS_500, writing.EXECUTEMANY),
        "≥ 1.2",
        lambda of: _at_least(of.times_as_fast(writing.OURS_500, writing.EXECUTEMANY), 1.2),
    ),
    (
        "apply, chunk auto, two workers ÷ one",
        (writing.OURS_AUTO_BY_TWO, writing.OURS_AUTO),
        "≥ 1.3, on free cores",
        lambda of: _at_least(of.times_as_fast(writing.OURS_AUTO_BY_TWO, writing.OURS_AUTO), 1.3),
    ),
    (
        "apply, chunk 500, two workers ÷ bound",
        (writing.OURS_500_BY_TWO, writing.BOUND),
        "≥ 0.6",
        lambda of: _at_least(of.times_as_fast(writing.OURS_500_BY_TWO, writing.BOUND), 0.6),
    ),
    (
        "apply, chunk 500 ÷ a statement per row",
        (writing.OURS_500, writing.STATEMENT_PER_ROW),
        "≥ 3",
        lambda of: _at_least(of.times_as_fast(writing.OURS_500, writing.STATEMENT_PER_ROW), 3),
    ),
    (
        "apply, chunk 500 ÷ a commit per row",
        (writing.OURS_500, writing.COMMIT_PER_ROW),
        "≥ 25",
        lambda of: _at_least(of.times_as_fast(writing.OURS_500, writing.COMMIT_PER_ROW), 25),
    ),
    (
        "apply, chunk auto ÷ bound",
        (writing.OURS_AUTO, writing.BOUND),
        "≥ 0.9",
        lambda of: _at_least(of.times_as_fast(writing.OURS_AUTO, writing.BOUND), 0.9),
    ),
    (
        "apply, chunk auto, two workers ÷ bound",
        (writing.OURS_AUTO_BY_TWO, writing.BOUND),
        "≥ 0.9",
        lambda of: _at_least(of.times_as_fast(writing.OURS_AUTO_BY_TWO, writing.BOUND), 0.9),
    ),
    (
        "before-images, WAL, chunk 500",
        (writing.OURS_500, writing.IMAGELESS_500),
        "≤ 5 % more",
        lambda of: _extra(
            of.wal_per_row(writing.OURS_500) / of.wal_per_row(writing.IMAGELESS_500), 0.05
        ),
    ),
    (
        "before-images, time, chunk 500",
        (writing.OURS_500, writing.IMAGELESS_500),
        "≤ 5 % more",
        lambda of: _extra(of.times_as_fast(writing.IMAGELESS_500, writing.OURS_500), 0.05),
    ),
    (
        "before-images, WAL, chunk auto",
        (writing.OURS_AUTO, writing.IMAGELESS_AUTO),
        "≤ 5 % more",
        lambda of: _extra(
            of.wal_per_row(writing.OURS_AUTO) / of.wal_per_row(writing.IMAGELESS_AUTO), 0.05
        ),
    ),
    (
        "before-images, time, chunk auto",
        (writing.OURS_AUTO, writing.IMAGELESS_AUTO),
        "≤ 5 % more",
        lambda of: _extra(of.times_as_fast(writing.IMAGELESS_AUTO, writing.OURS_AUTO), 0.05),
    ),
    *(
        (
            f"{behind} ÷ without",
            (behind, plain),
            "≥ 0.85",
            _behind(behind, plain),
        )
        for behind, plain in (
            (pooler.BEHIND_500, writing.OURS_500),
            (pooler.BEHIND_AUTO, writing.OURS_AUTO),
        )
    ),
    ("whole run", (whole.RUN,), "≤ 1.3 × apply + 10 s", _whole_run),
    (WHOLE_BY_APPLY, (whole.RUN,), "≤ 1.5", _whole_by_apply),
    (
        WHOLE_AT_10M,
        (whole.RUN,),
        "≤ 512 MB",
        lambda of: _at_most(of.peak_mb(whole.RUN), MEMORY_AT_10M_MB, " MB"),
    ),
    (
        "whole run, peak memory of all its processes",
        (whole.RUN,),
        "≤ 600 MB",
        lambda of: _at_most(of.peak_mb(whole.RUN), 600, " MB"),
    ),
    ("second run, beyond the start of a run", (whole.RUN,), "≤ 3 s", _second_run),
    (
        "fill from Parquet, plan beyond reading",
        (fill.PLAN, reading.OURS),
        "≤ 15 s",
        lambda of: _at_most(of.seconds(fill.PLAN) - of.seconds(reading.OURS), 15, " s"),
    ),
    (
        "fill from Parquet, peak memory of all its processes",
        (fill.FILL,),
        "≤ 600 MB",
        lambda of: _at_most(of.peak_mb(fill.FILL), 600, " MB"),
    ),
    (
        "fill from Parquet, its apply ÷ utc's",
        (fill.FILL, whole.RUN),
        "≥ 0.95",
        lambda of: _at_least(
            of.detail(whole.RUN, "apply_s") / max(of.detail(fill.FILL, "apply_s"), 0.001), 0.95
        ),
    ),
    ("a dry run of 50 rows", (start.COMMANDS,), "≤ 2.0 s", _started("dry")),
    ("an apply of 50 rows", (start.COMMANDS,), "≤ 2.0 s", _started("apply")),
    ("a revert of 50 rows", (start.COMMANDS,), "≤ 2.0 s", _started("revert")),
    (
        "backfill --help",
        (whole.HELP,),
        "≤ 0.3 s",
        lambda of: _at_most(of.seconds(whole.HELP), 0.3, " s"),
    ),
    (
        "backfill status",
        (whole.STATUS,),
        "≤ 0.6 s",
        lambda of: _at_most(of.seconds(whole.STATUS), 0.6, " s"),
    ),
    (
        "HTML of the whole run",
        (whole.RUN,),
        "≤ 5 MB",
        lambda of: _at_most(of.detail(whole.RUN, "html_mb"), 5, " MB"),
    ),
)


def needed_beside(names: Collection[str]) -> list[str]:
    """Return what else has to be measured so that these contenders give all their figures."""
    beside = [
        need
        for _name, needs, _to_reach, _judge in _FIGURES
        if needs[0] in names
        for need in needs
        if need not in names
    ]
    return [*dict.fromkeys(beside)]


def promised() -> dict[str, str]:
    """Return what is to be reached, by the name of each figure; the growth between sizes last."""
    growth = {_growth_of(writing.OURS_AUTO): GROWTH_TO_REACH}
    return {name: to_reach for name, _needs, to_reach, _judge in _FIGURES} | growth


def _growth_of(name: str, rows: int = 100_000) -> str:
    return f"cost per row, beside {rows:,} rows: {name}"


def figures(sizes: Iterable[Measures]) -> list[Figure]:
    """Return every figure that a call measured, size by size, and the growth between sizes."""
    found = []
    ordered = sorted(sizes, key=lambda measures: measures.rows)
    for of in ordered:
        for name, needs, to_reach, judge in _FIGURES:
            if of.rows >= _FROM_ROWS.get(name, 0) and all(need in of for need in needs):
                reached, is_reached = judge(of)
                found.append(Figure(name, of.rows, reached, to_reach, is_reached))
    return [*found, *_growth([of for of in ordered if writing.OURS_AUTO in of])]


def _growth(ordered: list[Measures]) -> list[Figure]:
    """Compare the cost per row of the largest size with that of 100,000 rows, ours and bound."""
    base = [of for of in ordered if of.rows >= 100_000][:1] or ordered[:1]
    if not base or ordered[-1] is base[0]:
        return []
    grown = []
    for name in (writing.OURS_AUTO, writing.BOUND):
        if name not in base[0] or name not in ordered[-1]:
            continue
        ratio = ordered[-1].seconds_per_row(name) / base[0].seconds_per_row(name)
        reached, is_reached = _extra(ratio, 0.05)
        rows = ordered[-1].rows
        grown.append(
            Figure(_growth_of(name, base[0].rows), rows, reached, GROWTH_TO_REACH, is_reached)
        )
    return grown
