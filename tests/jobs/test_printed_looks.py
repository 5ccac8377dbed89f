"""Commands that only look, wherever they are printed: messages, lists, pages; all are pasted."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engine.workshop import load_noons
from tests.jobs.command_line import Said
from tests.jobs.conftest import BenchFrom
from tests.jobs.printed import Typed
from tests.pasted import commands_in

pytestmark = pytest.mark.slow
GRANT = re.compile(r"GRANT [^;]+;")
LOOKS = ("status", "runs", "verify", "evidence", "compare", "explain", "grants", "check")
#: A run that was not applied is not proven (6), a gate has found something (8).
ALLOWED = {"verify": {0, 6}, "check": {0, 8}}


@pytest.fixture
def place(bench_from: BenchFrom, tmp_path: Path) -> Typed:
    bench = bench_from("noons", load_noons)
    bench.sql("INSERT INTO events (id, household_id, start_at, tz) VALUES ('odd', 'hh', 0, 'Mars')")
    return Typed(bench)


def paste_all(place: Typed, texts: list[str]) -> set[str]:
    """Paste every command that looks, and those that these print in their turn; return them."""
    pasted: set[str] = set()
    while texts:
        for command in set(commands_in(texts.pop(), *LOOKS)) - pasted:
            pasted.add(command)
            said = place.paste(command, *ALLOWED.get(command.split()[1], {0}))
            texts += texts_of(said)
    return pasted


def texts_of(said: Said) -> list[str]:
    """Return what a person reads; the summary, which is JSON, says nothing beside that."""
    lines = [line for line in said.out.splitlines() if not line.startswith("{")]
    return [said.err, "\n".join(lines)]


def codes(page: str) -> Iterator[str]:
    """Yield the commands of a page, each on a line of its own."""
    yield from (f"{html.unescape(text)}\n" for text in re.findall(r"<code>(.*?)</code>", page))


def verbs(commands: set[str]) -> set[str]:
    return {command.split()[1] for command in commands}


@pytest.mark.pastes(
    "archive.run_report:_how_to_check evidence check",
    "archive.run_report:_how_to_check status",
    "archive.run_report:_how_to_check verify",
)
def test_every_command_that_looks_does_so_wherever_it_is_printed(
    place: Typed, tmp_path: Path
) -> None:
    elsewhere = ("--runs-dir", str(tmp_path / "runs of 'mine'"))
    planned = place.type("utc", *elsewhere)
    written = place.type("utc", "--apply", *elsewhere)
    ids = [said.summary["run_id"] for said in (planned, written)]
    pages = [tmp_path / "runs of 'mine'" / run_id / "notebook.html" for run_id in ids]
    told: list[Said] = [
        planned,
        written,
        place.type("status"),
        *(place.type("status", run_id) for run_id in ids),
        place.type("runs", "--job", "ocr", *elsewhere),
        place.type("compare", *ids, *elsewhere),
        place.type("explain", ids[1], "e01", *elsewhere),
        place.type("explain", ids[1], "nobody", *elsewhere),
        place.type("resume", ids[0], *elsewhere),
        place.type("pause", ids[1]),
        place.type("cancel", ids[1]),
        place.type("verify", "nothing like it"),
        place.type("evidence", "check", "nothing like it", *elsewhere),
        place.type("check", "--job", "utc"),
    ]
    before = place.bench.filled()

    texts = [text for said in told for text in texts_of(said)]
    texts += [text for page in pages for text in codes(page.read_text(encoding="utf-8"))]
    pasted = paste_all(place, texts)

    assert {"status", "runs", "verify", "evidence"} <= verbs(pasted), pasted
    assert len(pasted) >= 8, pasted
    assert place.bench.filled() == before


@pytest.mark.pastes("steps.evidence_check:_database evidence check --without-database")
def test_whoever_has_the_folder_only_is_told_how_to_check_that(place: Typed) -> None:
    run_id = place.type("utc", "--apply").summary["run_id"]
    folder = place.bench.folder(run_id)
    place.bench.sql("DROP SCHEMA backfill CASCADE")

    refused = place.type("evidence", "check", str(folder.path))
    alone = place.paste(commands_in(refused.err, "evidence"))

    assert (refused.code, refused.summary["agrees"]) == (6, False)
    assert (alone.code, alone.summary["agrees"]) == (0, True)
    assert "agree. Its database was not asked." in alone.err
    with folder.file("summary.json").open("a") as changed:
        changed.write(" ")
    wrong = place.type("evidence", "check", str(folder.path), "--without-database")
    assert (wrong.code, "summary.json was changed after" in wrong.err) == (6, True)


def test_rights_that_a_refusal_names_let_the_same_command_pass_when_they_are_pasted(
    place: Typed,
) -> None:
    place.bench.sql("CREATE ROLE nobody_much LOGIN")
    dsn = place.bench.dsn.replace("postgres@", "nobody_much@")
    pasted: list[str] = []
    try:
        said = place.type("utc", "--database-url", dsn)
        while said.code == 3 and (grants := set(GRANT.findall(said.err)) - {*pasted}):
            pasted += grants
            for grant in grants:
                place.bench.connection.execute(grant.encode())
            said = place.type("utc", "--database-url", dsn)
    finally:
        place.bench.sql("DROP OWNED BY nobody_much")
        place.bench.sql("DROP ROLE nobody_much")

    assert pasted
    assert (said.code, said.summary["total_updated"]) == (0, 12), said.err
