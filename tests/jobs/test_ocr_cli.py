"""`backfill ocr` as a person meets it: flags, exit codes, files, the last line of stdout."""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from tests import nursery
from tests.deadline import DEADLINE_SECONDS
from tests.jobs.command_line import COMMAND, Said
from tests.jobs.ocr_bench import (
    FIRST,
    OcrBench,
    essentials,
    session_id,
    session_of,
    stored_json,
    truth,
)
from tests.reference.run_files import unlisted

from backfill import cli
from backfill.archive.evidence import evidence_files
from backfill.folder import project_root
from backfill.jobs.ocr.entry import OCR_PARAMETERS
from backfill.records.ledger import Ledger
from backfill.steps.evidence_check import disagreements
from backfill_lab.demo.stored import FOLDER

pytestmark = [pytest.mark.ocr, pytest.mark.slow]

DEMANDED_FLAGS = (
    "--database-url", "--db-schema", "--local-root", "--session-id", "--user-id", "--states",
    "--from-date", "--to-date", "--limit", "--output-file", "--output-dir", "--ocr-lang",
    "--ocr-default-year", "--apply", "--store-notifications",
)  # fmt: skip
SUMMARY_KEYS = (
    "sessions_total", "sessions_ok", "sessions_failed", "sessions_needing_review",
    "sessions_held", "planned_event_count", "persisted_event_count", "run_id", "plan_id",
    "dry_run", "status", "elapsed_ms",
)  # fmt: skip
NOT_IN_A_NOTEBOOK = (
    ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.Try, ast.ListComp, ast.Lambda,
)  # fmt: skip


def backfill(bench: OcrBench, folder: Path, *arguments: str) -> Said:
    """Run the command in `folder`, in a process of its own."""
    environment = {
        **os.environ,
        "DATABASE_URL": bench.dsn,
        "BACKFILL_RUNS_DIR": str(bench.runs),
        "BACKFILL_CACHE_DIR": str(bench.cache),
    }
    done = nursery.run(
        [*COMMAND, *arguments], cwd=folder, env=environment, timeout=DEADLINE_SECONDS
    )
    return Said(done.returncode, done.stdout, done.stderr)


def test_help_lists_the_demanded_flags(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["ocr", "--help"])

    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert [flag for flag in DEMANDED_FLAGS if flag not in said] == []


def test_a_dry_run_its_apply_and_its_revert(first: OcrBench, tmp_path: Path) -> None:
    before, captures = first.stored(), first.captures()

    planned = backfill(first, tmp_path, "ocr", "--local-root", str(FOLDER), "--user-id", "501")

    assert (planned.code, planned.summary["dry_run"]) == (0, True), planned.err
    assert [key for key in SUMMARY_KEYS if key not in planned.summary] == []
    assert (first.stored(), first.captures()) == (before, captures)
    report = stored_json(tmp_path / "backfill_report.json")
    assert (report["run_id"], report["apply"]) == (planned.summary["run_id"], False)
    file = tmp_path / "backfill_sessions" / f"{session_id(FIRST)}.json"
    assert stored_json(file)["applied"] is False

    run_id = planned.summary["run_id"]
    applied = backfill(first, tmp_path, "apply", run_id)

    assert (applied.code, applied.summary["status"]) == (0, "succeeded"), applied.err
    assert applied.summary["persisted_event_count"] == planned.summary["planned_event_count"]
    assert essentials(first.payload(FIRST)) == truth(FIRST)
    assert stored_json(file)["applied"] is True
    folder = first.folder(run_id)
    for name in ("notebook.ipynb", "notebook.html", "apply.html", "backfill_report.json"):
        assert folder.file(name).is_file()
    assert "http" not in folder.file("notebook.html").read_text(encoding="utf-8")
    assert "data:image/jpeg" in folder.file("notebook.html").read_text(encoding="utf-8")
    assert disagreements(folder, Ledger(first.connection)) == []
    assert unlisted(evidence_files(folder)) == []

    assert backfill(first, tmp_path, "verify", run_id).code == 0
    reverted = backfill(first, tmp_path, "revert", run_id, "--apply")
    assert reverted.code == 0, reverted.err
    assert (first.stored(), first.captures()) == (before, captures)


def test_apply_at_once_with_a_failed_session_ends_with_7(first: OcrBench, tmp_path: Path) -> None:
    first.add(session_of("lost", images=["nowhere/lost.png"], screen=FIRST, hours=1))
    arguments = ("ocr", "--local-root", str(FOLDER), "--apply")

    said = backfill(first, tmp_path, *arguments)

    assert said.code == 7
    assert "--max-failed" in said.err
    assert (said.summary["sessions_ok"], said.summary["sessions_failed"]) == (1, 1)
    assert said.summary["status"] == "succeeded"
    assert essentials(first.payload(FIRST)) == truth(FIRST)
    lost = stored_json(tmp_path / "backfill_sessions" / f"{session_id('lost')}.json")
    assert (lost["status"], lost["error_stage"]) == ("failed", "input")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--states", "gone"], 2, "is no state"),
        (["--from-date", "yesterday"], 2, "is not a date"),
        (["--store-notifications"], 2, "needs --apply"),
        (["--session-id", "00000000-0000-0000-0000-000000000001"], 2, "does not exist"),
        (["--ocr-lang", "klingon"], 2, "is not known"),
        (["--ocr-lang", "fi"], 3, "apt-get install tesseract-ocr-fin"),
        (["--db-schema", "elsewhere"], 3, "There is no schema"),
        (["--local-root", "not-there"], 2, "is not a folder"),
    ],
)
def test_a_refusal_names_its_reason_and_leaves_no_run(
    first: OcrBench,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    usual = [] if "--local-root" in arguments else ["--local-root", str(FOLDER)]

    ended = cli.main(["ocr", *usual, *arguments])

    said = capsys.readouterr()
    assert ended == code
    assert message in said.err
    assert json.loads(said.out.splitlines()[-1])["exit_code"] == code
    assert not first.runs.exists()


def _notebook() -> Any:
    root = project_root()
    assert root is not None
    path = root / "notebooks" / "02_ocr_backfill.ipynb"
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def test_the_notebooks_parameters_are_the_flags() -> None:
    cell = next(c for c in _notebook().cells if "parameters" in c.metadata.get("tags", []))

    declared = [node for node in ast.parse(cell.source).body if isinstance(node, ast.AnnAssign)]

    found = {ast.unparse(n.target): ast.literal_eval(n.value) for n in declared if n.value}
    assert found == {parameter.name: parameter.default for parameter in OCR_PARAMETERS}
    assert len(declared) == len(cell.source.splitlines())


def test_the_notebook_is_thin_and_has_no_outputs() -> None:
    cells = [cell for cell in _notebook().cells if cell.cell_type == "code"]

    nodes = [node for cell in cells for node in ast.walk(ast.parse(cell.source))]

    assert [node for node in nodes if isinstance(node, NOT_IN_A_NOTEBOOK)] == []
    assert [cell.outputs for cell in cells if cell.outputs] == []
