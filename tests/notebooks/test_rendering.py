"""An executed notebook on a page: every kind of cell and output that a person's notebook has."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from backfill.notebook.rendering import code_style, rendered


def page_of(*cells: dict[str, Any]) -> str:
    return rendered({"cells": list(cells)})


def code(source: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "outputs": list(outputs)}


def shown(**data: Any) -> dict[str, Any]:
    metadata = data.pop("metadata", {})
    forms = {name.replace("__", "/").replace("_plus_", "+"): value for name, value in data.items()}
    return {"output_type": "display_data", "data": forms, "metadata": metadata}


def test_text_is_markdown_with_tables_and_headings_that_can_be_linked_to() -> None:
    text = "# Hôtel & *Bar*\n\n| a | b |\n|---|---|\n| 1 | ~~2~~ |\n\n[up](#Hôtel-&-Bar)\n"

    page = page_of({"cell_type": "markdown", "source": text.splitlines(keepends=True)})

    assert '<h1 id="Hôtel-&amp;-Bar">Hôtel &amp; <em>Bar</em></h1>' in page
    assert "<td>1</td>" in page and "<del>2</del>" in page and "up</a>" in page


def test_a_picture_that_was_pasted_into_text_is_on_the_page() -> None:
    cell = {
        "cell_type": "markdown",
        "source": "![plan](attachment:plan.png)",
        "attachments": {"plan.png": {"image/png": "aGk="}},
    }

    assert 'src="data:image/png;base64,aGk="' in page_of(cell)


def test_code_is_in_colours_also_where_only_ipython_understands_it() -> None:
    page = page_of(code("x = 1 < 2"), code("%time rows = 3\n!ls <here>"))

    assert page.count('<div class="highlight">') == 2
    assert '<span class="o">&lt;</span>' in page and "&lt;here&gt;" in page
    assert 'class="err"' not in page
    assert ".highlight" in code_style() and "prefers-color-scheme: dark" in code_style()


def test_what_a_cell_printed_is_text_without_a_terminals_colours() -> None:
    printed = {"output_type": "stream", "name": "stdout", "text": ["\x1b[31m<b>&\x1b[0m\n", "2"]}
    traceback = ["\x1b[0;31mZeroDivisionError\x1b[0m", "division by <zero>"]
    failed = {"output_type": "error", "ename": "E", "evalue": "v", "traceback": traceback}

    page = page_of(code("1", printed, failed))

    assert "<pre>&lt;b&gt;&amp;\n2</pre>" in page
    assert "ZeroDivisionError\ndivision by &lt;zero&gt;</pre>" in page
    assert "\x1b" not in page


@pytest.mark.parametrize(
    ("output", "wanted"),
    [
        (shown(text__html=["<b>", "x</b>"], text__plain="x"), "<b>x</b>"),
        (shown(text__markdown="*x*", text__plain="x"), "<em>x</em>"),
        (shown(image__png="aGk=\n", text__plain="x"), 'src="data:image/png;base64,aGk="'),
        (shown(image__jpeg="aGk="), 'src="data:image/jpeg;base64,aGk="'),
        (shown(text__latex="$a<b$", text__plain="x"), "<pre>$a&lt;b$</pre>"),
        (shown(text__plain="a < b"), "<pre>a &lt; b</pre>"),
    ],
)
def test_the_richest_form_of_an_output_is_shown(output: dict[str, Any], wanted: str) -> None:
    page = page_of(code("1", output))

    assert wanted in page
    assert page.count('class="output') == 1


def test_a_drawing_is_a_picture_that_runs_nothing() -> None:
    drawing = '<svg onload="alert(1)"/>'
    form = "image/svg+xml"
    output = {"output_type": "display_data", "data": {form: drawing}, "metadata": {}}

    page = page_of(code("1", output))

    assert "onload" not in page and base64.b64encode(drawing.encode()).decode() in page


def test_a_widget_and_a_script_are_shown_as_the_text_that_stands_for_them() -> None:
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "Bar()"}
    script = {"application/javascript": "alert(1)"}
    outputs = [
        {"output_type": "display_data", "data": data, "metadata": {}} for data in (widget, script)
    ]

    page = page_of(code("1", *outputs))

    assert "<pre>Bar()</pre>" in page and "alert" not in page


def test_a_size_and_a_description_of_a_picture_are_kept() -> None:
    said = {"image/png": {"width": 40, "height": 30, "alt": 'a "plan"'}}

    page = page_of(code("1", shown(image__png="aGk=", metadata=said)))

    assert 'width="40" height="30" alt="a &quot;plan&quot;"' in page


def test_a_document_of_its_own_stays_apart() -> None:
    said = {"text/html": {"isolated": True}}

    page = page_of(code("1", shown(text__html="<style>p{}</style>", metadata=said)))

    assert "<iframe sandbox" in page and "&lt;style&gt;" in page and "<style>" not in page


def test_a_raw_cell_is_for_converters_and_not_for_readers() -> None:
    assert page_of({"cell_type": "raw", "source": "<script>"}) == ""
