"""What a notebook in JupyterLab shows while a step of a run goes on."""

from __future__ import annotations

import math
from typing import Any

import pytest
from tests.pages.test_progress import HALF

from backfill.notebook import show


def test_the_last_count_of_rows_left_alone_stands_when_a_step_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(show, "_has_notebook", lambda: True)
    monkeypatch.setattr(show, "TOLD_EVERY_SECONDS", math.inf)
    line = show.NotebookLine()
    monkeypatch.setattr(line, "_update", lambda _what, text: shown.append(text))

    for _ in range(3 * show.SKIPS_AT_ONCE):
        line({"type": "skip", "reason": "no_value", "text": "skipped"})
    line.end_step()
    line.end_step()

    assert len(shown) == show.SKIPS_AT_ONCE + 1
    assert shown[-1].startswith(f"{3 * show.SKIPS_AT_ONCE} rows are left alone so far")


def test_a_notebook_shows_rows_left_alone_in_one_line_and_nothing_in_red(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(show, "_has_notebook", lambda: True)
    line = show.NotebookLine()
    monkeypatch.setattr(line, "_update", lambda what, text: shown.append((what, text)))
    monkeypatch.setattr(line, "_show", shown.append)

    for number in range(3):
        line({"type": "skip", "reason": "missing_timezone", "text": f"skipped {number}"})
    line({"type": "message", "level": "warning", "text": "Two instants are far away."})
    line(HALF)

    assert shown[2] == (
        "skips",
        "3 rows are left alone so far (missing_timezone 3): run.skips has each of them.",
    )
    assert "Warning: Two instants are far away." in shown[3].markup
    assert shown[4][1].startswith("apply: 5,000 of 10,000 rows")
    assert capsys.readouterr().err == ""
