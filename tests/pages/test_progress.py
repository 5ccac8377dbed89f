"""Progress where the person is: how fast, how long still, how sure that is, and why it waits."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import DatabaseFrom
from tests.deadline import DEADLINE_SECONDS
from tests.engine.workshop import load_noons
from tests.pages.conftest import Told

from backfill import report
from backfill.archive.runs_index import INDEX_FILE
from backfill.folder import RunFolder, project_root
from backfill.notebook.relay import SKIPS_ON_SCREEN, Terminal, aged, bar_line
from backfill.records.checkpoint import Counts
from backfill.report import PROGRESS_FILE, Reporter, progress_line
from backfill.skips import Skip, SkipReason
from backfill.time_left import TimeLeft, span_text

RUN_ID = "20261122T234000Z-utc-3f9c1a"
HALF: dict[str, Any] = {
    **{"type": "progress", "run_id": RUN_ID, "phase": "apply", "elapsed_ms": 10_000},
    **{"scanned": 5_000, "updated": 4_990, "unchanged": 0, "drifted": 0, "skipped": 10},
    **{"remaining": 5_000, "rows_per_s": 500.0},
    **{"seconds_left": 10.0, "seconds_left_low": 8.0, "seconds_left_high": 13.4},
}


def looks(*steps: tuple[float, int]) -> TimeLeft:
    time_left = TimeLeft()
    for seconds, done in steps:
        time_left.see(seconds, done)
    return time_left


# -- the forecast -------------------------------------------------------------------------------


def test_nothing_is_foretold_before_anything_was_seen() -> None:
    assert looks().forecast(100) is None
    assert looks((0.0, 0)).forecast(100) is None


def test_a_steady_run_is_foretold_to_the_second() -> None:
    found = looks((1, 0), (2, 100), (3, 200), (4, 300)).forecast(500)

    assert found is not None
    assert (found.rows_per_s, found.seconds, found.low, found.high) == (100, 5, 5, 5)
    assert str(found) == "about 5 s left"


def test_an_unsteady_run_says_how_sure_it_is() -> None:
    steady = looks((0, 0), (10, 100), (20, 200), (30, 300), (40, 400)).forecast(400)
    unsteady = looks((0, 0), (4, 100), (20, 200), (24, 300), (40, 400)).forecast(400)

    assert steady is not None
    assert unsteady is not None
    assert unsteady.seconds == pytest.approx(steady.seconds) == pytest.approx(40)
    # Each look is 6 s off the mean of 10: s² = 4·36/3 = 48; 2·√(48·(1·4 + 4)) = 39.2.
    assert unsteady.high - unsteady.seconds == pytest.approx(39.19, abs=0.01)
    assert unsteady.low == pytest.approx(0.81, abs=0.01)
    assert str(unsteady) == "about 40 s left (1 s to 80 s)"


def test_two_looks_are_half_to_double() -> None:
    found = looks((0, 0), (10, 100)).forecast(100)

    assert found is not None
    assert (found.low, found.seconds, found.high) == (5, 10, 20)


def test_rows_of_an_earlier_stretch_are_no_measure_of_this_one() -> None:
    found = looks((0, 900_000), (10, 900_100), (20, 900_200), (30, 900_300)).forecast(100)

    assert found is not None
    assert found.rows_per_s == pytest.approx(10)


def test_what_a_run_waited_on_purpose_is_no_time_of_work() -> None:
    time_left = looks((0, 0), (10, 100))
    time_left.pause(300)
    time_left.see(320, 200)
    time_left.see(330, 300)

    found = time_left.forecast(100)

    assert found is not None
    assert found.seconds == pytest.approx(10)


def test_a_run_that_became_slow_is_foretold_by_its_newest_looks() -> None:
    time_left = TimeLeft()
    for look in range(100):
        time_left.see(look * 0.1, look * 100)
    for look in range(30):
        time_left.see(10 + look * 10, 10_000 + look * 100)

    found = time_left.forecast(100)

    assert found is not None
    assert found.seconds == pytest.approx(10, rel=0.1)


def test_spans_are_told_as_people_say_them() -> None:
    spans = {0.2: "1 s", 89: "89 s", 90: "2 min", 5_000: "83 min", 12_600: "3.5 h"}

    assert {seconds: span_text(seconds) for seconds in spans} == spans


# -- events -------------------------------------------------------------------------------------


def test_a_progress_event_carries_rate_and_span_beside_the_promised_keys(tmp_path: Path) -> None:
    heard: list[Any] = []
    folder = RunFolder(tmp_path / RUN_ID)
    folder.create()
    reporter = Reporter(heard.append, folder)

    for done in range(5):
        reporter.progress(RUN_ID, Counts(updated=done * 100), 400 - done * 100)

    assert "rows_per_s" not in heard[0]
    last = heard[-1]
    assert last["rows_per_s"] > 0
    assert last["seconds_left_low"] <= last["seconds_left"] <= last["seconds_left_high"]
    kept = folder.file(PROGRESS_FILE).read_text(encoding="utf-8").splitlines()
    log = [json.loads(line) for line in kept]
    assert [{**event, **line} for event, line in zip(heard, log, strict=True)] == log
    assert {line["event"] for line in log} == {"progress"}
    assert {line["run_id"] for line in log} == {RUN_ID}
    assert all(line["ts"].endswith("+00:00") and line["level"] == "info" for line in log)


def test_a_line_says_counts_rate_time_left_and_why_it_waits() -> None:
    line = progress_line({**HALF, "waiting_for": "replay lag 40 s"})

    assert line == (
        "apply: 5,000 of 10,000 rows (4,990 updated, 10 skipped, 0 drifted), 500 rows/s, "
        "about 10 s left (8 s to 14 s), waiting: replay lag 40 s"
    )


def test_a_line_of_an_earlier_version_can_still_be_read() -> None:
    old = {n: v for n, v in HALF.items() if not n.startswith(("rows_per_s", "seconds_left"))}

    assert progress_line(old).endswith("0 drifted)")


# -- the bar ------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [30, 60, 80, 200])
def test_the_bar_fits_its_terminal_and_shows_the_share_first(width: int) -> None:
    line = bar_line(HALF, width, io.StringIO())

    assert len(line) == width
    assert "50% 5,000 of 10,000" in line
    if width >= 80:
        assert "about 10 s left (8 s to 14 s)" in line


@pytest.mark.parametrize("plain", [True, False])
def test_a_wide_bar_is_as_full_as_the_run_is_far_and_coloured_where_that_is_wanted(
    terminal: tuple[Terminal, int], monkeypatch: pytest.MonkeyPatch, *, plain: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if plain:
        monkeypatch.setenv("NO_COLOR", "1")

    line = bar_line(HALF, 200, terminal[0]._stream)

    bar = re.sub(r"\x1b\[[\d;]*m", "", line).split(" 50%")[0]
    assert len(bar) == 24
    assert bar[:12] == "━" * 12
    assert bar[12:] == (" " * 12 if plain else "╺" + "━" * 11)
    assert ("\x1b[38;" in line) is not plain


@pytest.mark.parametrize(("name", "bar"), [("ascii", "-" * 12), ("utf-8", "━" * 12)])
def test_a_bar_uses_no_letter_that_a_terminal_lacks(name: str, bar: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=name)

    assert bar_line(HALF, 200, stream).split(" 50%")[0].rstrip() == bar


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Terminal, int]]:
    """A terminal as programs see one, and what is shown on it."""
    shown, opened = pty.openpty()
    with os.fdopen(opened, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("COLUMNS", "120")
        yield Terminal(), shown
    os.close(shown)


def test_a_pause_shows_its_reason_in_the_bar_until_the_run_goes_on(
    terminal: tuple[Terminal, int],
) -> None:
    tell, shown = terminal
    pause = {"type": "pause", "level": "warning", "reason": "lock waiters", "text": "Waiting."}

    for event in (HALF, pause, {"type": "go_on", "paused_ms": 900, "text": "Going on."}):
        tell(event)
    tell.end()

    text = b""
    while b"\n" not in text:
        text += os.read(shown, 65_536)
    first, waiting, after = text.decode().split("\r")[1:4]
    assert "waiting" not in first
    assert waiting.rstrip().endswith("waiting: lock waiters")
    assert "50%" in waiting
    assert "waiting" not in after


def test_a_screen_names_some_skips_of_each_reason_and_counts_the_others(
    terminal: tuple[Terminal, int],
) -> None:
    tell, shown = terminal
    skip = {"type": "skip", "level": "warning"}

    for number in range(SKIPS_ON_SCREEN + 7):
        tell({**skip, "reason": "missing_timezone", "text": f"skipped m{number}"})
    tell({**skip, "reason": "invalid_timezone", "text": "skipped i0"})
    tell.count_skips()

    text = ""
    while "skips.csv" not in text:
        text += os.read(shown, 65_536).decode()
    assert text.count("skipped m") == SKIPS_ON_SCREEN
    assert "skipped i0" in text
    assert f"7 more: missing_timezone ({SKIPS_ON_SCREEN + 7} in all)" in text
    assert "more: invalid_timezone" not in text


def test_where_nobody_watches_every_skip_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    tell = Terminal()
    for number in range(SKIPS_ON_SCREEN + 7):
        event = {
            "type": "skip",
            "level": "warning",
            "reason": "no_value",
            "text": f"skipped {number}",
        }
        tell(event)
    tell.count_skips()

    assert len(capsys.readouterr().err.splitlines()) == SKIPS_ON_SCREEN + 7


def test_a_skip_without_a_detail_is_said_without_brackets() -> None:
    heard: list[Any] = []

    Reporter(heard.append).skips([Skip("7", "", "phone", SkipReason.NO_VALUE, "")])

    assert heard[0]["text"] == "skipped row 7 phone: no_value"


# -- the record ---------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.slow
def test_the_archived_notebook_keeps_progress_as_plain_lines(told: Told) -> None:
    document = json.loads((told.folder(told.rest) / "notebook.ipynb").read_text(encoding="utf-8"))

    printed = "".join(
        "".join(output["text"])
        for cell in document["cells"]
        for output in cell.get("outputs", ())
        if output["output_type"] == "stream" and output["name"] == "stdout"
    )
    lines = printed.splitlines()
    assert lines[0].startswith("apply: 0 of ")
    assert any(" rows/s" in line for line in lines)
    assert "\r" not in printed
    assert len(lines) <= 60


@pytest.mark.long
@pytest.mark.slow
def test_without_a_command_line_one_line_of_the_cell_is_updated_in_place(
    database_from: DatabaseFrom, tmp_path: Path
) -> None:
    root = project_root()
    assert root is not None
    out, runs = tmp_path / "out.ipynb", tmp_path / "runs"
    given = ("-p", "runs_dir", str(runs), "-p", "apply", "True", "-p", "progress_interval", "1")
    small = ("-p", "chunk_size", "2")

    ended = subprocess.run(
        [
            *(sys.executable, "-m", "papermill", "-k", "python3"),
            *(str(root / "notebooks" / "01_utc_backfill.ipynb"), str(out)),
            *("--cwd", str(root / "notebooks"), *given, *small),
        ],
        env={**os.environ, "DATABASE_URL": database_from("noons", load_noons)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr[-2_000:]
    cells = json.loads(out.read_text(encoding="utf-8"))["cells"]
    (apply,) = (c for c in cells if "run.apply()" in "".join(c["source"]))
    shown = [
        "".join(output["data"]["text/plain"])
        for output in apply["outputs"]
        if output["output_type"] == "display_data"
    ]
    assert len(shown) == 1
    assert shown[0].startswith("apply: 12 of 12 rows")
    assert (runs / INDEX_FILE).exists()


def test_between_two_reports_a_bar_moves_and_no_log_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Any] = []
    folder = RunFolder(tmp_path / RUN_ID)
    folder.create()
    reporter = Reporter(heard.append, folder)
    reporter.progress(RUN_ID, Counts(), 400)

    reporter.tick(RUN_ID, Counts(updated=1), 399)  # within the same second
    monkeypatch.setattr(report, "TICK_SECONDS", 0.0)
    reporter.tick(RUN_ID, Counts(updated=2), 398)

    assert [(event["type"], event["scanned"]) for event in heard] == [("progress", 0), ("tick", 2)]
    assert len(folder.file(PROGRESS_FILE).read_text(encoding="utf-8").splitlines()) == 1


def test_a_tick_is_no_line_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal()({**HALF, "type": "tick"})
    Terminal(as_json=True)({**HALF, "type": "tick"})

    assert capsys.readouterr().err == ""


def test_the_time_left_goes_down_while_nothing_is_reported() -> None:
    later = bar_line(aged(HALF, 4.0), 100)

    assert "about 6 s left (4 s to 10 s)" in later
    assert "5,000 of 10,000 rows" in later
