"""What came from a database is shown as text, whatever it holds."""

from __future__ import annotations

from backfill.display.pages import NOTHING, figure, note, table

NASTY = "<script>alert(\"x\")</script><img src=x onerror=1> & 'quotes'"


def test_values_and_captions_are_escaped() -> None:
    shown = table(NASTY, [NASTY, "plain"], [(NASTY, 1), (None, 2)], rest=NASTY) + note(NASTY)

    html = shown._repr_html_()

    assert "<script" not in html
    assert "<img" not in html
    assert html.count("&lt;script&gt;") == 7  # a column is named in its cells too


def test_a_figures_caption_is_escaped() -> None:
    html = figure("<svg></svg>", NASTY, NOTHING)._repr_html_()

    assert "<script" not in html
    assert "<svg></svg>" in html
