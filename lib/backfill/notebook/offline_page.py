"""A run as one HTML file that needs nothing from outside: no script, no network.

On top stands what happened, in five lines; then the report's sections; then the executed notebook.
"""

from __future__ import annotations

import contextlib
import html
import re
from collections.abc import Sequence
from typing import Any, cast

from backfill.archive.run_facts import read_facts
from backfill.archive.run_report import MOVED_PARTS, Section, report_sections
from backfill.display.eye import NotShown
from backfill.display.pages import note, style
from backfill.display.standalone import whole_page
from backfill.folder import RunFolder
from backfill.next_command import next_command
from backfill.notebook.notebook_parts import move_parts, parts_of
from backfill.notebook.rendering import code_style, rendered

_FIRST_NOTEBOOK = "notebook.ipynb"
_HEADING = re.compile(r"<(/?)h([1-4])\b")


def write_page(folder: RunFolder, notebook: str, page: str) -> None:
    """Render the run, with `notebook` of its folder below it, as `page`, readable offline."""
    document = _read_notebook(folder, notebook)
    parts = {**_earlier_parts(folder, notebook), **parts_of(document)}
    sections = report_sections(read_facts(folder), parts)
    move_parts(document, MOVED_PARTS)
    body = _report(folder.run_id, sections) + _notebook(notebook, _below(rendered(document)))
    folder.write_text(page, whole_page(f"Run {folder.run_id}", body, code_style()))


def write_empty_page(folder: RunFolder, page: str, missed: NotShown) -> None:
    """Write a page that says why there is none, and where the same can be read."""
    told = note(
        f"This page can not be shown ({missed.why}). What the run did is not touched by that: see "
        f"summary.json and the other files of its folder, or: "
        f"{next_command('status', folder.run_id)}",
        "warning",
    )
    title = f"Run {folder.run_id}"
    folder.write_text(page, whole_page(title, f"<h1>{html.escape(title)}</h1>{told.markup}"))


def _earlier_parts(folder: RunFolder, notebook: str) -> dict[str, str]:
    """Return the parts that the plan's notebook showed: a later apply does not draw them again."""
    if notebook == _FIRST_NOTEBOOK:
        return {}
    with contextlib.suppress(OSError, ValueError):
        return parts_of(_read_notebook(folder, _FIRST_NOTEBOOK))
    return {}


def _read_notebook(folder: RunFolder, name: str) -> Any:
    import nbformat

    text = folder.file(name).read_text(encoding="utf-8")
    return cast(Any, nbformat).reads(text, as_version=4)


def _report(run_id: str, sections: Sequence[Section]) -> str:
    links = "".join(f'<li><a href="#{s.anchor}">{html.escape(s.title)}</a></li>' for s in sections)
    bodies = "".join(
        f'<section id="{section.anchor}" aria-labelledby="{section.anchor}-title">'
        f'<h2 id="{section.anchor}-title">{html.escape(section.title)}</h2>'
        f"{section.shown.markup}</section>\n"
        for section in sections
    )
    return (
        f"<h1>Run {html.escape(run_id)}</h1>"
        f'<nav aria-label="Contents"><ul>{links}<li><a href="#notebook">Notebook</a></li></ul>'
        f"</nav>\n{bodies}"
    )


def _notebook(name: str, body: str) -> str:
    return (
        '<section id="notebook" aria-labelledby="notebook-title">'
        f'<h2 id="notebook-title">The notebook, as it was executed ({html.escape(name)})</h2>'
        f"{body}</section>"
    )


def _below(body: str) -> str:
    """Put the notebook's headings below the page's, and leave out what the page has already."""
    body = body.replace(style().markup, "")
    return _HEADING.sub(lambda found: f"<{found[1]}h{int(found[2]) + 2}", body)
