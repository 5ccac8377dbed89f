"""A run's folder proves itself to a third party, and tells of one changed byte."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.engine.workshop import Bench, add_noons
from tests.longer import longer_behind

from backfill.archive import evidence
from backfill.errors import StorageError
from backfill.records.ledger import Ledger
from backfill.steps.evidence_check import disagreements

if TYPE_CHECKING:
    from backfill.workbook import Book

PASSWORD = "Tr0ub4dor-and-3"


@pytest.fixture
def book(bench: Bench) -> Book:
    """A run with a skip, applied and closed."""
    bench.sql("UPDATE events SET tz = 'Nowhere' WHERE id = 'e07'")
    return bench.run(chunk_size=5)


def found(bench: Bench, book: Book) -> list[str]:
    return disagreements(bench.folder(book.run_id), Ledger(bench.connection))


def covered(book: Book) -> list[str]:
    """Return the names of the files that the sums cover."""
    lines = book.folder.file("SHA256SUMS").read_text().splitlines()
    return [line.split("  ")[1] for line in lines]


def test_the_folder_holds_every_file_of_the_contract(book: Book) -> None:
    assert {
        "run.json",
        "plan.json",
        "changes.parquet",
        "skips.csv",
        "progress.jsonl",
        "checkpoints.csv",
        "drifted.csv",
        "summary.json",
        "manifest.json",
    } <= set(covered(book))


def test_sha256sum_accepts_the_folder(book: Book) -> None:
    checked = subprocess.run(
        ["sha256sum", "-c", "--strict", "--quiet", "SHA256SUMS"],
        cwd=book.folder.path,
        check=False,
        capture_output=True,
        text=True,
    )

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_an_untouched_folder_agrees(bench: Bench, book: Book) -> None:
    assert found(bench, book) == []


def test_one_changed_byte_in_any_file_is_named(bench: Bench, book: Book) -> None:
    for name in [*covered(book), "SHA256SUMS"]:
        path = book.folder.file(name)
        content = path.read_bytes()
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])

        said = found(bench, book)

        assert any(name in text for text in said), (name, said)
        alone = disagreements(book.folder, None)
        assert any(name in text for text in alone), (name, alone)
        path.write_bytes(content)
    assert found(bench, book) == disagreements(book.folder, None) == []


def test_of_a_line_of_the_sums_that_was_changed_no_file_is_accused(book: Book) -> None:
    sums = book.folder.file("SHA256SUMS")
    digest, _, name = sums.read_text().splitlines()[0].partition("  ")
    sums.write_text(sums.read_text().replace(digest, digest[::-1]))

    (said,) = disagreements(book.folder, None)

    assert said.startswith(f"SHA256SUMS was changed after the folder was closed: {name} is as")


def test_a_file_taken_away_or_added_is_named(bench: Bench, book: Book) -> None:
    book.folder.file("skips.csv").unlink()
    book.folder.file("extra.txt").write_text("hello")

    said = found(bench, book)

    assert "skips.csv is listed in SHA256SUMS but is not there." in said
    assert any(text.startswith("extra.txt is not listed in SHA256SUMS") for text in said)


def test_a_folder_that_was_never_closed_says_so(bench: Bench, book: Book) -> None:
    book.folder.file("SHA256SUMS").unlink()

    assert found(bench, book)[0].startswith("SHA256SUMS is not there: the run's folder was never")


def test_sums_made_anew_over_a_changed_file_do_not_fool_the_database(
    bench: Bench, book: Book
) -> None:
    book.folder.file("skips.csv").write_text("nothing\n")
    fresh = subprocess.run(
        ["sha256sum", *covered(book)],
        cwd=book.folder.path,
        check=True,
        capture_output=True,
        text=True,
    )
    book.folder.file("SHA256SUMS").write_text(fresh.stdout)

    said = found(bench, book)

    assert "The digest of SHA256SUMS is not the one that the database holds." in said
    assert any(text.startswith("skips.csv is not the file that manifest.json") for text in said)


@pytest.mark.parametrize(
    ("tampering", "says"),
    [
        ("UPDATE backfill.run SET status = 'failed'", "says succeeded, the database says failed"),
        ("UPDATE backfill.run SET plan_id = 'x'", "name different plans"),
        ("UPDATE backfill.checkpoint SET elapsed_ms = 99999", "backfill.checkpoint differ"),
    ],
)
def test_a_database_that_tells_another_story_is_named(
    bench: Bench, book: Book, tampering: str, says: str
) -> None:
    bench.sql(tampering)

    assert any(says in text for text in found(bench, book))


def test_a_run_that_was_reverted_later_still_agrees(bench: Bench, book: Book) -> None:
    bench.revert(book.run_id)

    assert found(bench, book) == []


def test_another_database_is_told_apart(bench: Bench, book: Book, empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as other:
        said = disagreements(book.folder, Ledger(other))

    (told,) = said
    assert f"The database has no run {book.run_id}. Is DATABASE_URL the run's database?" in told


def test_the_database_vouches_for_the_sums(bench: Bench, book: Book) -> None:
    digest = subprocess.run(
        ["sha256sum", "SHA256SUMS"],
        cwd=book.folder.path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()[0]

    assert bench.sql("SELECT sums_sha256 FROM backfill.run") == [(digest,)]


def test_the_manifest_is_an_in_toto_statement_over_every_file(book: Book) -> None:
    manifest = json.loads(book.folder.file("manifest.json").read_text())

    assert manifest["_type"] == "https://in-toto.io/Statement/v1"
    names = [subject["name"] for subject in manifest["subject"]]
    assert names == [name for name in covered(book) if name != "manifest.json"]
    sums = dict(
        line.split("  ")[::-1] for line in book.folder.file("SHA256SUMS").read_text().splitlines()
    )
    assert all(s["digest"]["sha256"] == sums[s["name"]] for s in manifest["subject"])
    predicate = manifest["predicate"]
    assert predicate["run_id"] == book.run_id
    assert predicate["outcome"] == {"status": "succeeded", "exit_code": 0}
    assert {"name": "tzdata", "version": book._frozen().tzdata_version} in predicate["materials"]


def test_everything_in_the_folder_is_private(book: Book) -> None:
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in [book.folder.path, *book.folder.path.iterdir()]
    }

    assert modes.pop(book.run_id) == 0o700
    assert set(modes.values()) == {0o600}


def test_the_folder_is_private_whatever_the_umask_is(bench: Bench) -> None:
    before = os.umask(0)
    try:
        book = bench.plan()
    finally:
        os.umask(before)

    files = list(book.folder.path.iterdir())
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in files} == {
        path.name: 0o600 for path in files
    }


def test_no_file_holds_the_password(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", make_conninfo(bench.dsn, password=PASSWORD))
    bench.sql("UPDATE events SET tz = 'Nowhere' WHERE id = 'e07'")

    book = bench.run()

    assert holding(book.folder.path, PASSWORD) == []
    assert PASSWORD not in bench.messages()


@pytest.mark.parametrize("piece_bytes", longer_behind(2, [16, 17, 23, 1_000_000]))
def test_a_password_that_got_into_a_log_is_taken_out_before_the_sums(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, piece_bytes: int
) -> None:
    monkeypatch.setattr(evidence, "_PIECE_BYTES", piece_bytes)  # it lies across two of them
    monkeypatch.setenv("DATABASE_URL", make_conninfo(bench.dsn, password=PASSWORD))
    planned = bench.plan()
    planned.folder.append_line("progress.jsonl", json.dumps({"leak": PASSWORD}))

    bench.apply(planned.run_id)

    assert holding(planned.folder.path, PASSWORD) == []
    assert '{"leak": "***"}' in planned.folder.file("progress.jsonl").read_text()
    assert found(bench, planned) == []


def test_a_password_in_the_plan_itself_stops_the_closing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", make_conninfo(bench.dsn, password=PASSWORD))
    bench.sql("UPDATE events SET tz = %s WHERE id = 'e07'", PASSWORD)

    with pytest.raises(StorageError, match=r"plan_skips\.csv holds the database's password"):
        bench.plan()


def test_no_row_of_another_household_is_in_the_folder(bench: Bench) -> None:
    add_noons(bench.connection, 3, household="hh_north", prefix="northern-row-")
    bench.sql("UPDATE events SET tz = 'Nowhere' WHERE id IN ('e07', 'northern-row-01')")
    bench.sql("UPDATE household SET tz = 'Asia/Kolkata' WHERE id = 'hh_north'")

    book = bench.run(household_id="hh_demo")
    book.picture()

    for text in ("hh_north", "hh_south", "northern-row", "Asia/Kolkata"):
        assert holding(book.folder.path, text) == []


def test_no_partial_file_is_left(book: Book) -> None:
    assert [path.name for path in book.folder.path.iterdir() if "partial" in path.name] == []


def test_a_disk_that_fills_leaves_the_run_safe_and_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = bench.plan()
    original = Path.write_text

    def full(self: Path, *args: object, **kwargs: object) -> int:
        if self.name.startswith("summary.json"):
            raise OSError(28, "No space left on device")
        return original(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(StorageError) as failed:
        bench.apply(planned.run_id)

    message = str(failed.value)
    assert "No space left on device" in message
    assert "What is committed in the database stays committed" in message
    assert f"Free some room, then: backfill apply {planned.run_id}" in message
    assert bench.status(planned.run_id) == "succeeded"
    monkeypatch.undo()


def test_a_runs_folder_that_can_not_be_made_is_refused_before_anything_is_done(
    bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StorageError, match="Nothing was done in the database"):
        bench.run(runs_dir=str(tmp_path / "file"))

    assert set(bench.filled().values()) == {(None, None)}


def holding(folder: Path, text: str) -> list[str]:
    """Return the names of the files that hold a text, compressed or not."""
    import pyarrow.parquet as pq

    names = [path.name for path in folder.iterdir() if text.encode() in path.read_bytes()]
    changes = folder / "changes.parquet"
    if changes.exists() and text in str(pq.read_table(changes).to_pylist()):
        names.append(changes.name)
    return names
