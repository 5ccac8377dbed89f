"""The page of figures: every figure that was promised is on it, with the goal that it has."""

from __future__ import annotations

import re
from dataclasses import asdict

from tests.bench import tables
from tests.bench.figure import Figure
from tests.bench.figures import promised
from tests.bench.published import BEGIN, END, PAGE, with_figures

LINE = re.compile(r"^\| (?P<name>[^|]+?) \|[^|]*\| [^|]*? \| (?P<to_reach>[^|]+?) \|", re.MULTILINE)
#: What people wait for, each with the goal that was set for it.
GOALS = {
    "UTC compute with class ÷ zoneinfo with class": "≥ 54",
    "read into DuckDB ÷ server-side cursor": "≥ 2.5",
    "apply, chunk 500 ÷ executemany, 500": "≥ 1.2",
    "apply, chunk 500 ÷ bound": "≥ 0.6",
    "apply, chunk auto ÷ bound": "≥ 0.9",
    "apply, chunk auto, two workers ÷ one": "≥ 1.3, on free cores",
    "before-images, time, chunk 500": "≤ 5 % more",
    "before-images, time, chunk auto": "≤ 5 % more",
    "ours, chunk 500, behind a pooler ÷ without": "≥ 0.85",
    "ours, chunk auto, behind a pooler ÷ without": "≥ 0.85",
    "a dry run of 50 rows": "≤ 2.0 s",
    "an apply of 50 rows": "≤ 2.0 s",
    "a revert of 50 rows": "≤ 2.0 s",
    "whole run ÷ its apply": "≤ 1.5",
    "whole run of ten million rows, peak memory of all its processes": "≤ 512 MB",
    "cost per row, beside 100,000 rows: ours, chunk auto": "≤ 5 % more",
    "fill from Parquet, plan beyond reading": "≤ 15 s",
    "fill from Parquet, peak memory of all its processes": "≤ 600 MB",
    "fill from Parquet, its apply ÷ utc's": "≥ 0.95",
    "repair reads, beyond its start": "≥ 0.5 M rows/s",
    **{f"{shape} ÷ events, whole run": "≤ 1.3" for shape in tables.SHAPES},
}


def test_the_bench_judges_every_figure_by_the_goal_that_was_set() -> None:
    judged = promised() | tables.promised()

    assert {name: judged.get(name) for name in GOALS} == GOALS


def test_the_page_has_every_promised_figure_with_its_goal() -> None:
    text = PAGE.read_text(encoding="utf-8")
    told = text.partition(BEGIN)[2].partition(END)[0]
    on_page = {found["name"]: found["to_reach"] for found in LINE.finditer(told)}

    wanted = promised() | tables.promised()
    assert {name: on_page.get(name) for name in wanted} == wanted


def test_what_no_call_measured_is_listed_as_such_and_what_several_did_as_the_last_says() -> None:
    first, again = (
        Figure("a dry run of 50 rows", 60, told, "≤ 2.0 s", is_reached=True)
        for told in ("1.90 s", "1.40 s")
    )
    other = Figure("cached re-run", 48, "1400 images/s", "≥ 1000", is_reached=True)
    documents = [{"figures": [asdict(first), asdict(other)]}, {"figures": [asdict(again)]}]

    text = with_figures(f"above\n{BEGIN}\nold\n{END}\nbelow\n", documents)

    assert "| a dry run of 50 rows | 60 | 1.40 s | ≤ 2.0 s | yes |" in text and "1.90" not in text
    assert "| cached re-run | 48 | 1400 images/s | ≥ 1000 | yes |" in text
    assert "| whole run ÷ its apply |  | not measured | ≤ 1.5 |  |" in text
    assert text.startswith("above\n") and text.endswith("below\n") and "old" not in text
