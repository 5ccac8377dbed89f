"""A run as one HTML file that needs nothing from outside: no script, no network.

On top stands what happened, in five lines; then the report's sections; then the executed notebook.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from backfill.archive.run_facts import RunFacts, read_facts
from backfill.archive.run_report import MOVED_PARTS, report_sections
from backfill.display.eye import NotShown
from backfill.display.pages import PART_END, escape, note
from backfill.display.standalone import whole_page
from backfill.folder import RunFolder
from backfill.jobs.registry import kind_of
from backfill.next_command import next_command
from backfill.notebook.rendering import code_style, joined, rendered

_FIRST_NOTEBOOK = "notebook.ipynb"
#: Our style sheet as a notebook shows it, of this version or an earlier one: the page has its own.
_OWN_STYLE = re.compile(r"<style>[^<]*table\.backfill[^<]*</style>")
_HEADING = re.compile(r"<(/?)h([1-4])\b")


def write_page(folder: RunFolder, notebook: str, page: str) -> None:
    """Render the run, with `notebook` of its folder below it, as `page`, readable offline."""
    document = _read_notebook(folder, notebook)
    parts = {**_earlier_parts(folder, notebook), **parts_of(document)}
    facts = read_facts(folder)
    kind = kind_of(facts.job)
    sections = report_sections(
        facts,
        parts,
        lambda: kind.doubts(facts),
        lambda: kind.computed_by(facts),
        kind.set_on_writing,
    )
    _move_parts(document)
    page_text = whole_page(
        "run.html",
        f"Run {folder.run_id}",
        more_style=code_style(),
        run_id=folder.run_id,
        job=facts.job,
        kind=_kind(facts),
        scope=str(facts.planned("scope").get("table") or "no plan"),
        status=facts.status,
        sections=sections,
        notebook_name=notebook,
        notebook=_below(rendered(document)),
        script="",
    )
    folder.write_text(page, page_text)


def _kind(facts: RunFacts) -> str:
    what = "puts back a run" if facts.reverts else "dry run" if facts.is_dry_run else "applied"
    return "not applied yet" if facts.reverts and facts.is_dry_run else what


def write_empty_page(folder: RunFolder, page: str, missed: NotShown) -> None:
    """Write a page that says why there is none, and where the same can be read."""
    body = note(
        f"This page can not be shown ({missed.why}). What the run did is not touched by that: see "
        f"summary.json and the other files of its folder, or: "
        f"{next_command('status', folder.run_id)}",
        "warning",
    )
    title = f"Run {folder.run_id}"
    folder.write_text(page, whole_page("base.html", title, body=body, script=""))


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


def _below(body: str) -> str:
    """Put the notebook's headings below the page's, and leave out what the page has already."""
    body = _OWN_STYLE.sub("", body)
    return _HEADING.sub(lambda tag: f"<{tag[1]}h{int(tag[2]) + 2}", body)


_PART = re.compile(rf"<!--part ([a-z]+)-->(.*?){re.escape(PART_END)}", re.DOTALL)


def parts_of(notebook: Mapping[str, Any]) -> dict[str, str]:
    """Return the markup of every part by its name; of a part shown twice, the last one."""
    parts: dict[str, str] = {}
    for data in _outputs(notebook):
        parts |= dict(_PART.findall(joined(data["text/html"])))
    return parts


def _move_parts(notebook: Mapping[str, Any]) -> None:
    """Put a link to its new place where each part was that was moved; in place."""

    def line(part: re.Match[str]) -> str:
        name = part[1]
        if name not in MOVED_PARTS:
            return part[2]
        link = f'<a href="#{escape(MOVED_PARTS[name])}">{escape(name)}</a>'
        return f'<p class="backfill moved">Shown above: {link}</p>'

    for data in _outputs(notebook):
        data["text/html"] = _PART.sub(line, joined(data["text/html"]))


def _outputs(notebook: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for cell in notebook.get("cells", ()):
        for output in cell.get("outputs", ()):
            data = output.get("data")
            if isinstance(data, dict) and "text/html" in data:
                yield data
