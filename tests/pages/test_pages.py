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


def test_a_text_of_megabytes_is_shown_by_its_beginning_and_its_length() -> None:
    shown = table("Letters", ["body", "pages"], [("<b>" + "å" * 3_000_000, 12)])

    assert len(shown.markup) < 5_000 and len(shown.text) < 5_000
    for text in (shown.markup, shown.text, str(shown.blocks[0])):
        assert "å… (3,000,003 characters)" in text
