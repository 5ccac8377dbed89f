"""`backfill lab` before the browser: the database is asked, the kernel is our own.

What a person then sees is tested in tests/browser.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager

from backfill import cli
from backfill.notebook import lab
from backfill.notebook.lab import copy_notebooks


def test_a_database_that_does_not_answer_is_told_before_anything_opens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:s3cret-word@127.0.0.1:1/nowhere")

    assert cli.main(["lab"]) == 1

    said = capsys.readouterr()
    assert "backfill doctor" in said.err
    assert "Traceback" not in said.err
    assert "s3cret-word" not in said.err + said.out


def test_our_kernel_comes_before_another_of_that_name_in_the_users_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    theirs = home / "kernels" / "python3"
    theirs.mkdir(parents=True)
    other = {"argv": ["/bin/false"], "display_name": "theirs", "language": "python"}
    (theirs / "kernel.json").write_text(json.dumps(other), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(home))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    ours = tmp_path / "ours"
    ours.mkdir()

    lab.write_settings(ours, tmp_path)
    for name, value in lab.environment(str(ours)).items():
        monkeypatch.setenv(name, value)

    found = KernelSpecManager().get_kernel_spec("python3")
    assert found.argv[0] == sys.executable
    assert [path.name for path in home.iterdir()] == ["kernels"]


def test_kernels_keep_their_runs_where_the_command_was_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[dict[str, str]] = []

    def start(_command: object, given: dict[str, str], _held: int) -> int:
        started.append(given)
        return 0

    monkeypatch.setenv("BACKFILL_RUNS_DIR", "/elsewhere")
    monkeypatch.setattr(lab, "_database", lambda _terminal: contextlib.nullcontext())
    monkeypatch.setattr(lab, "_run", start)

    code = cli.main(
        ["lab", "--runs-dir", str(tmp_path / "mine"), "--notebooks-dir", str(tmp_path / "books")]
    )

    assert code == 0
    assert started[0]["BACKFILL_RUNS_DIR"] == str(tmp_path / "mine")


def test_paths_that_the_user_set_for_jupyter_still_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_PATH", "/theirs")

    assert lab.environment("/ours")["JUPYTER_PATH"] == "/ours:/theirs"
    assert lab.environment("/ours")["JUPYTER_CONFIG_PATH"] == "/ours"


def test_copies_follow_the_product_unless_their_owner_edited_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    product = tmp_path / "product"
    product.mkdir()
    for name in ("00_start.ipynb", "01_utc.ipynb", "02_ocr.ipynb"):
        (product / name).write_text(f"first {name}", encoding="utf-8")
    monkeypatch.setattr(lab, "notebooks_folder", lambda: product)
    folder = tmp_path / "mine"
    assert copy_notebooks(folder).edited == ()

    (folder / "01_utc.ipynb").write_text("an analyst's own", encoding="utf-8")
    (folder / "02_ocr.ipynb").unlink()
    (product / "00_start.ipynb").write_text("second", encoding="utf-8")
    (product / "01_utc.ipynb").write_text("second", encoding="utf-8")
    copies = copy_notebooks(folder)

    assert copies.edited == ("01_utc.ipynb",)
    assert (folder / "00_start.ipynb").read_text(encoding="utf-8") == "second"
    assert (folder / "01_utc.ipynb").read_text(encoding="utf-8") == "an analyst's own"
    assert (folder / "02_ocr.ipynb").read_text(encoding="utf-8") == "first 02_ocr.ipynb"
    assert (product / "01_utc.ipynb").read_text(encoding="utf-8") == "second"


def test_a_notebook_of_that_name_that_we_never_copied_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "01_utc_backfill.ipynb").write_text("theirs, before us", encoding="utf-8")

    copies = copy_notebooks(tmp_path)

    assert copies.edited == ("01_utc_backfill.ipynb",)
    assert (tmp_path / "01_utc_backfill.ipynb").read_text(encoding="utf-8") == "theirs, before us"
    assert (tmp_path / "00_start_here.ipynb").is_file()
