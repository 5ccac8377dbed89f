"""The command line refuses what can not be meant: its code, and the words that mend it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from psycopg.conninfo import make_conninfo
from tests.engine.workshop import Bench, load_noons
from tests.jobs.command_line import Said
from tests.pasted import statements_in

from backfill import cli

if TYPE_CHECKING:
    from tests.jobs.conftest import BenchFrom

pytestmark = pytest.mark.slow


@pytest.fixture
def bench(bench_from: BenchFrom) -> Bench:
    """A bench with twelve pending events."""
    return bench_from("noons", load_noons)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> Said:
    """Run a command in this process that is refused before a notebook starts."""
    code = cli.main(arguments)
    said = capsys.readouterr()
    return Said(code, said.out, said.err)


def test_an_unknown_household_is_refused_with_near_misses(
    bench: Bench, main: None, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, "utc", "--household-id", "hh_nroth")

    assert said.code == 2
    assert "There is no household 'hh_nroth' in this database. Near: hh_north" in said.err
    assert said.summary["status"] == "refused"
    assert not bench.runs.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("utc", "--default-tz", "europe/london"),
        ("utc", "--fold", "perhaps"),
        ("utc", "--gap", "perhaps"),
        ("utc", "--chunk-size", "0"),
        ("utc", "--progress-interval", "-1"),
        ("apply", "20990101T000000Z-utc-000000"),
        ("pause", "latest"),
        ("evidence", "check", "nowhere"),
    ],
)
def test_a_bad_option_exits_with_2(
    bench: Bench, main: None, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert refused(capsys, *arguments).code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("utc", "--chunk-size", "2.5.1", "--progress-interval", "many"),
        ("utc", "--apply", "--dry-run"),
        ("nonsense",),
        ("utc", "--no-such-flag"),
    ],
)
def test_a_bad_command_line_exits_with_2_and_names_the_help(
    capsys: pytest.CaptureFixture[str], main: None, arguments: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)

    assert ended.value.code == 2
    assert "--help" in capsys.readouterr().err


def test_an_unknown_option_names_the_help_of_its_command(
    capsys: pytest.CaptureFixture[str], main: None
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["ocr", "--ocr-langs", "sv"])

    assert (
        "there is no --ocr-langs. Did you mean --ocr-lang?\nSee: backfill ocr --help"
        in capsys.readouterr().err
    )


def test_an_unreachable_database_exits_with_1_and_shows_no_password(
    tmp_path: Path,
    main: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(
        "DATABASE_URL", f"postgresql://me:hunter2secret@/calendar?host={tmp_path}/nowhere"
    )

    said = refused(capsys, "utc")

    assert said.code == 1
    assert "The database does not answer" in said.err
    assert "database calendar at" in said.err
    assert "hunter2secret" not in said.err + said.out


def test_a_password_on_the_command_line_reaches_no_message(
    tmp_path: Path,
    main: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "unused")
    url = f"host={tmp_path} password='hunter2 secret' dbname=calendar"

    said = refused(capsys, "status", "--database-url", url)

    assert said.code == 1
    assert "hunter2" not in said.err + said.out


def test_a_runs_folder_that_can_not_be_written_is_refused(
    bench: Bench, main: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")

    said = refused(capsys, "utc", "--apply", "--runs-dir", str(tmp_path / "file"))

    assert said.code == 1
    assert "can not be written" in said.err
    assert "--runs-dir DIR" in said.err
    assert set(bench.filled().values()) == {(None, None)}


def test_a_plan_edited_by_hand_exits_with_5(
    bench: Bench, main: None, capsys: pytest.CaptureFixture[str]
) -> None:
    book = bench.plan()
    path = book.folder.file("plan.json")
    path.write_text(path.read_text().replace("hh_demo", "hh_dema"))

    said = refused(capsys, "apply", book.run_id)

    assert said.code == 5
    assert "plan.json" in said.err


def test_what_the_preflight_refuses_exits_with_3(
    bench: Bench, main: None, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.sql("ALTER TABLE events DROP CONSTRAINT events_pkey")

    said = refused(capsys, "utc")

    assert said.code == 3
    (mend,) = statements_in(said.err)
    bench.sql(mend)
    assert cli.main(["utc", "--runs-dir", str(bench.runs)]) == 0


def test_a_tampered_run_exits_with_6(
    bench: Bench, main: None, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = bench.run().run_id
    bench.sql("UPDATE events SET end_at_utc = 1 WHERE id = 'e03'")

    said = refused(capsys, "verify", run_id)

    assert said.code == 6
    assert "Row e03 (chunk 1) is not as written" in said.err
    assert said.summary["disagreements"] == 1


def test_a_tampered_folder_exits_with_6(
    bench: Bench, main: None, capsys: pytest.CaptureFixture[str]
) -> None:
    book = bench.run()
    book.folder.file("skips.csv").write_text("")

    said = refused(capsys, "evidence", "check", str(book.folder.path))

    assert said.code == 6
    assert "skips.csv was changed after the folder was closed" in said.err


def test_a_folder_is_checked_where_no_database_is_and_none_is_made_for_it(
    bench: Bench,
    main: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    book = bench.run()
    home = tmp_path / "embedded"
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("BACKFILL_EMBEDDED_DIR", str(home))

    said = refused(capsys, "evidence", "check", str(book.folder.path))

    assert (said.code, said.summary["agrees"]) == (0, True)
    assert "Its database was not asked, since DATABASE_URL is not set." in said.err
    assert not home.exists()


def test_cancel_of_a_planned_run_keeps_it_from_being_forgotten(
    bench: Bench, main: None, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = bench.plan().run_id

    assert refused(capsys, "cancel", run_id).code == 0

    assert bench.status(run_id) == "cancelled"


def test_the_database_url_option_is_stronger_than_the_environment(
    bench: Bench, main: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_conninfo(bench.dsn)
    monkeypatch.setenv("DATABASE_URL", "host=/nowhere")

    said = refused(capsys, "check", "--database-url", url)

    assert (said.code, said.summary["total_pending"]) == (8, 12)
