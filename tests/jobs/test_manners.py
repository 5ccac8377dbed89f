"""What people expect of a command: a list, versions, completion, width, colour, a plain end."""

from __future__ import annotations

import json
import os
import pty
import re
import resource
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.deadline import DEADLINE_SECONDS
from tests.engine.workshop import Bench, load_noons
from tests.jobs.command_line import COMMAND, environment, run_here
from tests.nursery import Hatched

from backfill.cli import build_parser, main
from backfill.command.ending import readable
from backfill.command.options import command_parsers
from backfill.command.overview import WANTS, overview
from backfill.command.status_command import watch

if TYPE_CHECKING:
    from tests.jobs.conftest import BenchFrom

WIDTH = 80
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def bench(bench_from: BenchFrom) -> Bench:
    """A bench with twelve pending events."""
    return bench_from("noons", load_noons)


def on_a_terminal(bench: Bench, *arguments: str, **more: str) -> list[str]:
    """Run a command on a terminal of 80 columns; return its lines as they were printed."""
    ours, theirs = pty.openpty()
    process = Hatched(
        [*COMMAND, *arguments],
        env={**environment(bench.dsn, bench.runs), "COLUMNS": str(WIDTH), "TERM": "xterm", **more},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            seen += os.read(ours, 65536)
        except OSError:  # Linux says so when nobody writes any more
            break
    process.wait(DEADLINE_SECONDS)
    os.close(ours)
    return seen.decode().replace("\r\n", "\n").split("\n")


def test_backfill_alone_lists_every_command_by_what_one_wants(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    said = run_here(bench.dsn, bench.runs)

    assert said.code == 0
    listed = [name for names in WANTS.values() for name in names]
    assert sorted(listed) == sorted(command_parsers(build_parser()))
    for name in listed:
        assert f"\n  {name} " in said.out
    assert max(map(len, said.out.splitlines())) <= WIDTH
    assert overview(build_parser()) == said.out


def test_the_version_names_all_that_computes(bench: Bench) -> None:
    said = run_here(bench.dsn, bench.runs, "--version")

    assert said.out.startswith("backfill ")
    for name in ("python", "duckdb", "tzdata", "psycopg", "pyarrow"):
        assert f"\n  {name} " in said.out


@pytest.mark.parametrize("command", command_parsers(build_parser()))
def test_help_fits_80_columns_and_groups_its_options(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    told = command_parsers(build_parser())[command].format_help()

    assert max(map(len, told.splitlines())) <= WIDTH
    assert told.index("options of every command") > told.index("options:")
    if command in ("utc", "ocr"):
        assert told.index("which rows") < told.index("how values come about")
        assert told.index("how it is written") < told.index("when it waits for others")


@pytest.mark.slow
def test_on_a_terminal_a_run_ends_in_words_and_the_demanded_keys(bench: Bench) -> None:
    lines = [line for line in on_a_terminal(bench, "utc", "--apply") if line.strip()]

    last = json.loads(lines[-1])
    assert list(last) == [
        *("household_id", "total_scanned", "total_updated", "total_skipped", "elapsed_ms"),
    ]
    assert last["total_updated"] == 12
    assert len(lines[-1]) <= 2 * WIDTH
    words = "\n".join(lines[:-1])
    assert ": succeeded" in words
    assert "12  updated" in words
    assert "Traceback" not in words


@pytest.mark.slow
def test_on_a_terminal_verify_and_revert_end_in_words_as_well(bench: Bench) -> None:
    made = run_here(bench.dsn, bench.runs, "utc", "--apply").summary["run_id"]

    proof = [line for line in on_a_terminal(bench, "verify", made) if line]
    undone = [line for line in on_a_terminal(bench, "revert", made, "--apply") if line]

    assert proof[0] == f"Run {made} is proven"
    assert json.loads(proof[-1]) == {"run_id": made, "verified": True}
    assert "12  rows read back" in "\n".join(proof)
    assert "12  updated" in "\n".join(undone)
    assert json.loads(undone[-1])["total_updated"] == 12


def test_a_refusal_is_said_once_on_a_terminal_and_in_full_where_it_is_piped(bench: Bench) -> None:
    seen = [line for line in on_a_terminal(bench, "apply", "2099", NO_COLOR="1") if line]
    piped = run_here(bench.dsn, bench.runs, "apply", "2099")

    assert seen[0].startswith("This database has no runs yet.")
    assert json.loads(seen[-1]) == {"status": "refused", "exit_code": 2}
    assert len(seen) == 2
    assert piped.summary["error"] == seen[0]


def test_a_run_is_a_dry_run_in_words_whatever_its_job() -> None:
    fill = {
        **{"run_id": "20261129T100000Z-fill-000000", "job": "fill", "table": "shop.article"},
        **{"total_scanned": 1200, "total_updated": 3, "total_skipped": 0, "elapsed_ms": 1500},
        **{"dry_run": True, "status": "planned"},
    }

    assert list(readable(fill)) == [
        "Run 20261129T100000Z-fill-000000: a dry run, nothing was written",
        "         1,200  rows scanned",
        "             3  would be updated",
        "             0  skipped",
        "         1.5 s  in all",
    ]


@pytest.mark.slow
def test_a_run_can_be_watched_piped_measured_and_pruned(bench: Bench, tmp_path: Path) -> None:
    metrics = tmp_path / "backfill.prom"
    said = run_here(bench.dsn, bench.runs, "utc", "--apply", "--metrics-file", str(metrics))

    assert said.summary["status"] == "succeeded"  # in full where it is piped
    found = {
        (sample.name, sample.labels.get("result", "")): sample.value
        for family in text_string_to_metric_families(metrics.read_text())
        for sample in family.samples
    }
    assert found[("backfill_rows", "updated")] == 12
    assert found[("backfill_exit_code", "")] == 0
    assert found[("backfill_run_info", "")] == 1

    folder = bench.folder(said.summary["run_id"])
    sums = folder.file("SHA256SUMS").read_bytes()
    log = [json.loads(line) for line in folder.file("progress.jsonl").read_text().splitlines()]
    assert {"message", "progress"} <= {line["event"] for line in log}
    assert all({"ts", "level", "run_id", "event"} <= line.keys() for line in log)

    bench.add_event("trap", household_id="hh", start_at=0, tz="Mars/Olympus")
    skipping = run_here(bench.dsn, bench.runs, "utc")
    kept_log = bench.folder(skipping.summary["run_id"]).file("progress.jsonl").read_text()
    (kept_skip,) = (line for line in map(json.loads, kept_log.splitlines()) if "reason" in line)
    (said_skip,) = (line for line in skipping.events if line["event"] == "skip")
    assert said_skip.items() >= {**kept_skip, "ts": said_skip["ts"]}.items()
    assert said_skip["message"].startswith("skipped trap tz: invalid_timezone ('Mars/Olympus'")

    files = {path.name for path in folder.path.iterdir() if path.is_file()}
    assert {name for name in files if f"`{name}`" not in README} == set()

    kept = run_here(bench.dsn, bench.runs, "runs", "prune", "--keep-days", "1")
    assert folder.file("staging.duckdb").exists()
    assert kept.summary["files"] == 0
    shown = run_here(bench.dsn, bench.runs, "runs", "prune", "--keep-days", "0", "--dry-run")
    assert shown.summary["files"] >= 1
    assert folder.file("staging.duckdb").exists()
    assert run_here(bench.dsn, bench.runs, "runs", "prune", "--keep-days", "0").code == 0
    assert not folder.file("staging.duckdb").exists()
    assert folder.file("SHA256SUMS").read_bytes() == sums
    checked = run_here(bench.dsn, bench.runs, "evidence", "check", str(folder.path))
    assert checked.summary["agrees"] is True
    assert run_here(bench.dsn, bench.runs, "verify", folder.run_id).summary["verified"] is True


def test_metrics_that_could_be_written_nowhere_are_refused_before_a_run(
    bench: Bench, tmp_path: Path
) -> None:
    nowhere = tmp_path / "no such place" / "backfill.prom"

    said = run_here(bench.dsn, bench.runs, "utc", "--apply", "--metrics-file", str(nowhere))

    assert said.code == 2
    assert said.summary["error"].endswith(f"Make it: mkdir -p '{nowhere.parent}'")
    folder = run_here(bench.dsn, bench.runs, "utc", "--metrics-file", str(tmp_path))
    assert folder.code == 2 and "is a folder. Name a file in it." in folder.err
    assert not bench.runs.exists()


def test_metrics_that_fail_at_the_end_are_said_and_change_no_exit_code(
    bench: Bench, tmp_path: Path
) -> None:
    metrics = tmp_path / "backfill.prom"
    metrics.write_text("of yesterday")
    room = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (0, room[1]))
    try:
        said = run_here(bench.dsn, bench.runs, "check", "--metrics-file", str(metrics))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, room)

    assert (said.code, said.summary["total_pending"]) == (8, 12)
    assert "could not be written: File too large" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["backfill.prom"]
    assert metrics.read_text() == "of yesterday"


@pytest.mark.parametrize(
    "command",
    [
        ("init-table", "events", "--output"),
        ("check", "--deep", "--output"),
        ("check", "--metrics-file"),
        ("utc", "--metrics-file"),
        ("ocr", "--output-file"),
    ],
)
def test_what_can_be_no_file_is_refused_before_anything_is_done(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)

    for name, why in (("-", "on stdout stands the summary"), ("n" * 300, "File name too long")):
        said = run_here(bench.dsn, bench.runs, *command, name)

        assert said.code == 2 and why in said.err, said.err
        assert list(tmp_path.iterdir()) == []


def test_status_and_doctor_look_at_a_table_of_ones_own(bench: Bench, tmp_path: Path) -> None:
    spec = tmp_path / "table.toml"
    spec.write_text(
        'table = "trips"\nkey = "id"\nscope = "who"\nzone = "zone"\n'
        'pairs = [{ wall = "went", target = "went_utc" }]\n'
    )
    bench.sql(
        "CREATE TABLE trips (id int PRIMARY KEY, who text, zone text, went timestamp,"
        " went_utc timestamptz)"
    )
    bench.sql("INSERT INTO trips VALUES (1, 'ana', 'Asia/Tokyo', '2025-01-01 10:00', NULL)")

    status = run_here(bench.dsn, bench.runs, "status", "--table", str(spec), "--json")
    doctor = run_here(bench.dsn, bench.runs, "doctor", "--table", str(spec))

    assert status.summary["pending"]["utc"] == {"ana": 1}
    assert "ok   table: public.trips is as" in doctor.out

    bench.sql("ALTER TABLE events RENAME TO appointments")
    unnamed = run_here(bench.dsn, bench.runs, "status")
    assert "Of another table than events: status --table FILE." in unnamed.out


@pytest.mark.parametrize("plain", [True, False])
def test_errors_are_red_on_a_terminal_unless_nobody_wants_colour(
    bench: Bench, *, plain: bool
) -> None:
    more = {"NO_COLOR": "1"} if plain else {}

    said = "\n".join(on_a_terminal(bench, "verify", "20990101T000000Z-utc-000000", **more))

    assert ("\x1b[31m" in said) is not plain
    assert "no run" in said


def test_status_on_a_terminal_is_a_table_that_fits(bench: Bench) -> None:
    bench.run(max_skips=40)
    bench.add_event("late [bold]", household_id="hh_[red]", start_at=0, tz="UTC")

    printed = on_a_terminal(bench, "status", NO_COLOR="1")
    lines = [re.sub(r"\x1b\[\d*m", "", line).rstrip() for line in printed]

    assert max(map(len, lines)) <= WIDTH
    (heading,) = (line for line in lines if line.startswith("run "))
    assert heading.split() == ["run", "status", "rows", "updated", "skipped"]
    (run,) = (line for line in lines if "-utc-" in line)
    assert run.split()[1:] == ["succeeded", "12", "12", "0"]
    assert any(line.split() == ["hh_[red]", "1"] for line in lines)
    assert "\x1b[3" not in "".join(printed)  # bold is no colour


def plain(lines: list[str]) -> list[str]:
    return [re.sub(r"\x1b\[[\d;]*m", "", line).rstrip() for line in lines]


@pytest.mark.slow
def test_runs_on_a_terminal_are_a_table_whose_ids_are_whole(bench: Bench) -> None:
    first = bench.run(max_skips=40)
    undone = run_here(bench.dsn, bench.runs, "revert", first.run_id, "--apply").summary["run_id"]

    lines = plain(on_a_terminal(bench, "runs", NO_COLOR="1"))

    assert max(map(len, lines[:-2])) <= WIDTH  # the last names the page's path, to be copied
    assert lines[0].split() == ["run", "status", "rows", "updated", "skipped"]
    assert lines[1].split() == [undone, "succeeded", "apply", "12", "12", "0"]
    assert f"puts back {first.run_id}" in " ".join(" ".join(lines[2:4]).split())
    (reverted,) = (line for line in lines if line.startswith(first.run_id) and "apply" in line)
    assert reverted.split() == [first.run_id, "reverted", "apply", "12", "12", "0"]


@pytest.mark.slow
def test_a_comparison_on_a_terminal_fits_and_its_command_can_be_copied(bench: Bench) -> None:
    first, second = bench.plan(), bench.plan(gap="skip", chunk_size=7)
    bench.run(max_skips=40)
    third = bench.plan()

    same = plain(on_a_terminal(bench, "compare", first.run_id, second.run_id))
    gone = plain(on_a_terminal(bench, "compare", first.run_id, third.run_id))

    assert max(map(len, same)) <= WIDTH
    assert "gap" in {line.split(" ")[0] for line in same}
    whole = f"All of them: backfill compare {first.run_id} {third.run_id} --output differences.csv"
    assert whole in gone
    assert max(len(line) for line in gone if line != whole) <= WIDTH
    assert "key         e01" in gone  # too many columns for 80: a record a row


def test_a_doctors_table_fits_and_what_mends_can_be_copied(bench: Bench, tmp_path: Path) -> None:
    spec = tmp_path / "table.toml"
    spec.write_text('table = "nowhere"\nkey = "id"\npairs = [{ wall = "a", target = "b" }]\n')

    printed = on_a_terminal(bench, "doctor", "--table", str(spec))
    lines = plain(printed)

    mend = lines.index("table, its mend:") + 1
    assert "mend" in lines[mend]
    assert max(map(len, lines[: mend - 1])) <= WIDTH
    assert any(re.match(r"ok   *time zone data", line) for line in lines)
    assert "\x1b[1;31mBAD" in "".join(printed)
    assert json.loads([line for line in lines if line][-1])["healthy"] is False


def test_watching_ends_with_the_run_and_waits_between_two_looks() -> None:
    looks = iter([{"status": "running"}, {"status": "running"}, {"status": "succeeded"}])
    waited: list[float] = []
    options = build_parser().parse_args(["status", "R", "--watch", "7", "--json"])

    watch(options, lambda: next(looks), waited.append)

    assert waited == [7, 7]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("apply", "latest", "--chunk-sizes", "5"), "Did you mean --chunk-size?"),
        (("apply", "latest", "--table", "x"), "there is no --table."),  # like none of them
        (("staus",), "Did you mean status?"),
    ],
)
def test_a_near_word_is_named_and_a_far_one_is_not(
    words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)

    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert says in told
    assert ("Did you mean" in told) == ("Did you mean" in says)
