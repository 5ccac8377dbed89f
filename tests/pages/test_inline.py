"""What is shown alone looks right without our style sheet: alignment, colours, lines."""

from __future__ import annotations

import re
from pathlib import Path

from backfill.display.explanation import Explanation
from backfill.display.inline import inlined
from backfill.display.pages import note, table
from backfill.folder import RunFolder
from backfill.notebook.run_views import head_view


def test_an_explanation_carries_its_style_in_each_tag() -> None:
    shown = table("Row 7", ["fact", "value"], [("wall time", "02:30"), ("rows", 7)]) + note(
        "Look again", "warning"
    )

    markup = Explanation({}, shown)._repr_html_()

    for tag in re.findall(r"<(?:table|caption|th|td|p|div)\b[^>]*>", markup):
        assert "style=" in tag, tag
    assert re.search(r'<td class="number"[^>]*text-align: right', markup)
    assert re.search(r'<td class="short"[^>]*text-align: left', markup)
    assert "#b5651d" in markup
    assert inlined(markup) == markup  # what has a style keeps it


def test_what_was_read_from_a_database_is_left_as_it_is() -> None:
    shown = table("Rows", ["text"], [("<td class='short'>&lt;p&gt;",)])

    assert "&lt;td class=&#x27;short&#x27;&gt;&amp;lt;p&amp;gt;" in inlined(shown.markup)
    assert (
        inlined('<div class="their own"><p>x</p></div>') == '<div class="their own"><p>x</p></div>'
    )


def test_the_head_of_a_run_tells_in_few_lines_what_differs_and_folds_the_rest(
    tmp_path: Path,
) -> None:
    folder = RunFolder(tmp_path / "runs" / "20261122T234000Z-utc-3f9c1a")
    usual = {"fold": "earlier", "chunk_size": 500, "apply": False, "household_id": []}
    values = {**usual, "fold": "later", "household_id": ["hh_1", "hh_2"]}

    shown = head_view(folder, "the yard", None, values, usual)

    first, folded = shown.markup.split("<details>")
    assert first.count("<tr>") == 1 + 4
    assert "a dry run: nothing is written" in first
    assert "those of the job, in the yard" in first
    assert "runs/20261122T234000Z-utc-3f9c1a" in first
    assert "fold = later; household_id = hh_1, hh_2" in first
    assert "chunk_size" not in first
    assert "chunk_size" in folded
