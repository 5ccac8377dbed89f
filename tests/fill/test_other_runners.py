"""A notebook of a person's own that fills, run by what Jupyter brings along."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.deadline import DEADLINE_SECONDS

if TYPE_CHECKING:
    from tests.fill.conftest import Tables

CELLS = (
    "import pandas as pd\nfrom backfill import workbook",
    "rows = pd.DataFrame({'id': [3], 'lid': ['cork']})\n"
    "run = workbook.fill(rows, table='jar', set='lid', dsn_env='TABLES_URL', runs_dir={runs!r})\n"
    "run",
    "run.apply()\nrun.verify()",
)


@pytest.mark.long
@pytest.mark.parametrize(
    "words",
    [("jupyter", "execute"), ("jupyter", "nbconvert", "--execute", "--to", "html")],
    ids=lambda words: words[1],
)
def test_a_plain_notebook_that_fills_is_run_by_jupyter_s_own_commands(
    tables: Tables, tmp_path: Path, words: tuple[str, ...]
) -> None:
    tables.make("CREATE TABLE jar (id int PRIMARY KEY, lid text)", "INSERT INTO jar VALUES (3)")
    path = tmp_path / "own.ipynb"
    cells: list[dict[str, object]] = [
        {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": text,
        }
        for text in (text.replace("{runs!r}", repr(str(tables.runs))) for text in CELLS)
    ]
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    path.write_text(json.dumps(document), encoding="utf-8")

    ended = subprocess.run(
        [sys.executable, "-m", *words, str(path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert tables.rows("TABLE jar") == [(3, "cork")]
