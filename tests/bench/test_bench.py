"""The benchmark runs, and what it leaves has the promised shape. No figure is asserted."""

from __future__ import annotations

import json

import pytest
from tests.bench import computing, contender, fill, pooler, reading, tried, whole, writing
from tests.bench.__main__ import main
from tests.bench.contender import Measured
from tests.bench.figures import Measures, figures, promised
from tests.bench.published import BEGIN, END, with_figures

pytestmark = pytest.mark.bench

WRITERS = [writing.BOUND, writing.OURS_500, writing.IMAGELESS_500, writing.COMMIT_PER_ROW]


def test_tiny_benchmark_leaves_figures_table_and_plots(capsys: pytest.CaptureFixture[str]) -> None:
    only = [*WRITERS, reading.OURS, reading.CURSOR, "with class"]

    folder = main(["--rows", "60", "120", "--rounds", "1", "--only", *only])

    document = json.loads((folder / "bench.json").read_text(encoding="utf-8"))
    assert [size["rows"] for size in document["sizes"]] == [60, 120]
    assert set(document["sizes"][0]["contenders"]) == {
        *WRITERS,
        writing.OURS_500_BY_TWO,
        pooler.BEHIND_500,
        reading.OURS,
        reading.CURSOR,
        computing.OURS,
        computing.ZONEINFO,
    }
    for size in document["sizes"]:
        for taken in size["contenders"].values():
            assert taken["seconds"] >= 0
            assert taken["peak_mb"] > 10
            assert len(taken["rounds"]) == 1
        assert size["contenders"][writing.OURS_500]["wal_bytes_per_row"] > 50
    for figure in document["figures"]:
        assert set(figure) == {"name", "rows", "reached", "to_reach", "is_reached"}
    assert "apply, chunk 500 ÷ bound" in {figure["name"] for figure in document["figures"]}
    table = (folder / "bench.md").read_text(encoding="utf-8")
    assert table.startswith("| figure | rows | reached | to reach |")
    assert table in capsys.readouterr().out
    for name in ("speed.svg", "cost_per_row.svg"):
        assert (folder / name).read_text(encoding="utf-8").rstrip().endswith("</svg>")


def test_figures_are_medians_of_rounds_judged_against_the_promise() -> None:
    of = Measures(1000)
    for seconds in (1.0, 9.0, 2.0):
        of.add(writing.BOUND, Measured(1000, seconds, 100_000, 50.0))
        of.add(writing.OURS_500, Measured(1000, 2 * seconds, 105_000, 60.0))
    of.add(writing.COMMIT_PER_ROW, Measured(10, 1.5, 5_000, 50.0))

    found = {figure.name: figure for figure in figures([of])}

    assert found["apply, chunk 500 ÷ bound"].reached == "0.50"
    assert not found["apply, chunk 500 ÷ bound"].is_reached
    assert found["apply, chunk 500 ÷ a commit per row"].reached == "37.50"
    assert found["apply, chunk 500 ÷ a commit per row"].is_reached
    assert of.seconds(writing.COMMIT_PER_ROW) == 150.0
    assert of.is_sample(writing.COMMIT_PER_ROW)


def test_growth_compares_the_largest_size_with_a_hundred_thousand_rows() -> None:
    sizes = []
    for rows, seconds in ((10_000, 5.0), (100_000, 1.0), (1_000_000, 11.2)):
        of = Measures(rows)
        of.add(writing.BOUND, Measured(rows, seconds))
        of.add(writing.OURS_AUTO, Measured(rows, seconds))
        sizes.append(of)

    (growth, _bound) = [f for f in figures(sizes) if f.name.startswith("cost per row")]

    assert (growth.rows, growth.reached, growth.is_reached) == (1_000_000, "+12.0 %", False)


def test_growth_of_one_writer_alone_is_told_alone() -> None:
    sizes = [Measures(100_000), Measures(10_000_000)]
    for of in sizes:
        of.add(writing.OURS_AUTO, Measured(of.rows, of.rows * 1e-5))

    (growth,) = figures(sizes)

    assert (growth.reached, growth.is_reached) == ("+0.0 %", True)


def test_a_group_alone_measures_what_its_figures_stand_beside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = []

    def measured(_group: str, name: str, _dsn: str, rows: int) -> Measured:
        run.append(name)
        return Measured(
            rows, 1.0, 1, 1.0, {"apply_s": 1.0, "html_mb": 1, "second_s": 1, "start_s": 1}
        )

    monkeypatch.setattr(contender, "run", measured)

    folder = main(["--rows", "10", "--rounds", "1", "--groups", "fill"])

    assert run == [fill.PLAN, fill.FILL, reading.OURS, whole.RUN]
    document = json.loads((folder / "bench.json").read_text(encoding="utf-8"))
    names = {figure["name"] for figure in document["figures"] if "Parquet" in figure["name"]}
    assert names == {name for name in promised() if "Parquet" in name}


def test_whole_run_may_take_its_apply_phase_and_a_bit() -> None:
    of = Measures(1_000_000)
    detail = {"apply_s": 20.0, "html_mb": 0.2, "second_s": 8.5, "start_s": 5.0}
    of.add(whole.RUN, Measured(1_000_000, 36.1, 1, 700.0, detail))

    found = {figure.name: figure.is_reached for figure in figures([of])}

    assert found == {
        "whole run": False,
        "whole run ÷ its apply": False,
        "whole run, peak memory of all its processes": False,
        "second run, beyond the start of a run": False,
        "HTML of the whole run": True,
    }


def test_whole_run_by_the_command_line_tells_its_phases() -> None:
    folder = main(["--rows", "40", "--rounds", "1", "--only", whole.RUN])

    document = json.loads((folder / "bench.json").read_text(encoding="utf-8"))
    (measured,) = document["sizes"][0]["contenders"][whole.RUN]["rounds"]
    stages = {name: value for name, value in measured["detail"].items() if ":" in name}
    assert set(measured["detail"]) - set(stages) == {
        "apply_s",
        "html_mb",
        "second_s",
        "second_peak_mb",
        "start_s",
    }
    named = dict.fromkeys(name.split(":")[1] for name in stages)
    cells = ("preflight", "extract", "compute", "diff", "picture", "plan", "questions")
    assert [*named] == ["start", "open", *cells, "apply", "verify", "summary", "closing"]
    seconds = sum(value for name, value in stages.items() if name.endswith(":seconds"))
    assert seconds == pytest.approx(measured["seconds"], abs=0.1)
    assert sum(v for n, v in stages.items() if n.endswith(":kernel_steps")) > 0
    assert sum(v for n, v in stages.items() if n.endswith(":server")) > 0
    assert "| verify | " in (folder / "bench.md").read_text(encoding="utf-8")
    assert 0 < measured["detail"]["html_mb"] < 5


def test_commands_that_run_a_notebook_are_timed_as_a_whole() -> None:
    folder = main(["--rows", "60", "--rounds", "1", "--groups", "start"])

    document = json.loads((folder / "bench.json").read_text(encoding="utf-8"))
    names = [figure["name"] for figure in document["figures"]]
    assert names == ["a dry run of 50 rows", "an apply of 50 rows", "a revert of 50 rows"]
    published = (folder / "bench.md").read_text(encoding="utf-8")
    text = with_figures(f"before\n{BEGIN}\nold\n{END}\nafter\n", [document])
    lines = text.splitlines()[2:-2]
    assert all(line in published for line in lines if "not measured" not in line)
    assert sum("not measured" not in line for line in lines) == len(names) + len(["head", "rule"])
    assert text.startswith(f"before\n{BEGIN}\n| figure") and text.endswith(f"{END}\nafter\n")


def test_ways_that_were_tried_each_write_all_rows(capsys: pytest.CaptureFixture[str]) -> None:
    tried.main(["--rows", "1200", "--rounds", "1"])

    table = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0].removeprefix("| ") for line in table[2:]] == [*tried.WAYS]
