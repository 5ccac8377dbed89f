"""Thousands of members of a scope: what is said of them stays short, and says how many."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.engine.workshop import NOON_MS, Bench

from backfill import cli


def _stays(bench: Bench, tmp_path: Path, guests: int) -> str:
    """Return the specification of a table of one stay a guest, and four of the last."""
    bench.sql("CREATE TABLE stays (id int PRIMARY KEY, guest int, wall bigint, utc bigint)")
    bench.sql(
        f"INSERT INTO stays SELECT n, least(n, {guests}), {NOON_MS}"
        f" FROM generate_series(1, {guests} + 3) AS n"
    )
    spec = tmp_path / "stays.toml"
    spec.write_text(
        'table = "stays"\nkey = "id"\nscope = "guest"\nzone = "=Asia/Kolkata"\n'
        'pairs = [{ wall = "wall", target = "utc" }]\n'
    )

    return str(spec)


def test_a_check_tells_the_fullest_hundred_and_how_many_there_are(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = _stays(bench, tmp_path, 20_000)

    code = cli.main(["check", "--table", spec])

    told = capsys.readouterr()
    last = json.loads(told.out.splitlines()[-1])
    assert (code, last["total_pending"], last["pending_scopes"]) == (8, 20_003, 20_000)
    assert (len(last["pending"]), last["pending"]["20000"]) == (100, 4)
    assert "19,900 more" in told.err
    assert len(told.err.splitlines()) < 110


def test_a_runs_last_line_tells_a_hundred_and_its_folder_has_all(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = _stays(bench, tmp_path, 300)

    code = cli.main(["utc", "--table", spec, "--runs-dir", str(bench.runs), "--apply"])

    told = capsys.readouterr().out
    last = json.loads(told.splitlines()[-1])
    assert (code, len(last["households"]), last["households_in_all"]) == (0, 100, 300)
    assert last["total_updated"] == 303
    whole = bench.summary_of(last["run_id"])
    assert len(whole["households"]) == 300


@pytest.mark.slow  # a specification of 600 pairs is looked up first
def test_more_pairs_than_a_statement_holds_are_refused_before_anything_is_read(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = ", ".join(f"w{n} bigint, u{n} bigint" for n in range(600))
    bench.sql(f"CREATE TABLE wide (id int PRIMARY KEY, {columns})")
    pairs = ", ".join(f'{{ wall = "w{n}", target = "u{n}" }}' for n in range(600))
    spec = tmp_path / "wide.toml"
    spec.write_text(
        f'table = "wide"\nkey = "id"\nscope = "id"\nzone = "=Asia/Kolkata"\npairs = [{pairs}]\n'
    )

    assert cli.main(["check", "--table", str(spec)]) == 3

    assert "1,802 values a row" in capsys.readouterr().err


def test_status_tells_the_fullest_hundred_and_how_many_there_are(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = _stays(bench, tmp_path, 5_000)

    code = cli.main(["status", "--table", spec, "--json"])

    told = capsys.readouterr().out
    pending = json.loads(told.splitlines()[-1])["pending"]
    assert (code, pending["utc_total"], pending["utc_scopes"]) == (0, 5_003, 5_000)
    assert (len(pending["utc"]), pending["utc"]["5000"]) == (100, 4)
    assert len(told) < 10_000
    cli.main(["status", "--table", spec])
    assert "… 4,900 more" in capsys.readouterr().out
