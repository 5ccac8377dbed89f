"""HTML that a notebook shows and an archive keeps: tables with captions, nothing from outside.

Everything that came from a database is escaped. A table never shows more than 1,000 rows; its
caption says how many there are and how to get at the rest.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

MAX_SHOWN_ROWS = 1_000
PART_END = "<!--/part-->"  # nothing else has it: what came from a database is escaped
SHORT_TEXT = 24  # fits on a line: dates and keys are not broken


@dataclass(frozen=True)
class Shown:
    """Something to look at: HTML for a notebook, text for a terminal."""

    markup: str
    text: str

    def _repr_html_(self) -> str:
        return self.markup

    def __repr__(self) -> str:
        return self.text

    def __add__(self, other: Shown) -> Shown:
        return Shown(self.markup + other.markup, f"{self.text}\n{other.text}".strip())


NOTHING = Shown("", "")


def table(
    caption: str,
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    rest: str = "",
    most: int = MAX_SHOWN_ROWS,
) -> Shown:
    """Return a table of at most `most` rows; `rest` says where all of them are.

    What is left out is counted in the caption.
    """
    listed = [list(row) for row in rows]
    shown = listed[: min(most, MAX_SHOWN_ROWS)]
    if len(listed) > len(shown):
        caption = f"{caption}; the first {len(shown):,} of {len(listed):,} are shown"
    caption = f"{caption}. {rest}" if rest else caption
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "".join(
        "<tr>" + "".join(f"<td{_align(cell)}>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in shown
    )
    return Shown(framed(caption, head, body), _as_text(caption, header, shown))


def framed(caption: str, head: str, body: str) -> str:
    """Return the markup of a table from that of its header cells and its rows.

    On a narrow screen it scrolls by itself, also by keyboard.
    """
    return (
        f'<div class="backfill scroll" tabindex="0"><table class="backfill">'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def note(text: str, level: str = "info") -> Shown:
    """Return a sentence or two; `level` is info, warning or error, told in words as well."""
    word = {"warning": "Warning: ", "error": "Error: "}.get(level, "")
    lines = "<br>".join(escape(line) for line in f"{word}{text}".split("\n"))
    return Shown(f'<p class="backfill {level}">{lines}</p>', f"{word}{text}")


def figure(svg: str, caption: str, behind: Shown) -> Shown:
    """Return a picture that carries its own title and description, and the table behind it."""
    return Shown(
        f'<figure class="backfill">{svg}<figcaption>{escape(caption)}</figcaption>'
        f"<details><summary>The numbers behind this picture</summary>{behind.markup}</details>"
        "</figure>",
        behind.text,
    )


def part(name: str, shown: Shown) -> Shown:
    """Mark what is shown as a part that a run's report puts in its own place, like `diff`."""
    if not shown.markup:
        return shown
    return Shown(f"<!--part {name}-->{shown.markup}{PART_END}", shown.text)


def escape(value: Any) -> str:
    """Return a value as text that HTML shows literally."""
    if value is None:
        return "NULL"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return html.escape(str(value), quote=True)


def _align(cell: Any) -> str:
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return ' class="number"'
    return ' class="short"' if len(str(cell)) <= SHORT_TEXT else ""


def _as_text(caption: str, header: Sequence[str], rows: list[list[Any]]) -> str:
    cells = [[str(name) for name in header]]
    cells += [["NULL" if c is None else str(c) for c in row] for row in rows[:20]]
    widths = [max(len(row[index]) for row in cells) for index in range(len(header))]
    lines = [caption]
    lines += ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in cells]
    if len(rows) > 20:
        lines.append(f"… {len(rows) - 20:,} more")
    return "\n".join(lines)


#: A class named three times is stronger than JupyterLab's own rule, which aligns cells right.
STYLE = """
div.backfill.scroll { overflow-x: auto; }
table.backfill { border-collapse: collapse; margin: 1em 0; font-size: 90%; min-width: 20em; }
table.backfill caption { text-align: left; font-weight: bold; padding: .3em 0; }
table.backfill.backfill.backfill :is(th, td) { border-bottom: 1px solid #999; padding: .2em .7em;
  text-align: left; vertical-align: top; white-space: pre-wrap; }
table.backfill.backfill.backfill td.short { white-space: pre; }
table.backfill.backfill.backfill td:not([class]) { min-width: 13em; }
table.backfill.backfill.backfill td.number { text-align: right;
  font-variant-numeric: tabular-nums; }
p.backfill { padding: .5em .8em; border-left: 4px solid #2a6f97; background: #f4f7f9;
  color: #111; }
p.backfill.warning { border-left-color: #b5651d; } p.backfill.error { border-left-color: #a4161a; }
p.backfill.heading { border: 0; background: none; color: inherit; font-weight: bold;
  padding: 0; margin: 1.5em 0 .3em; }
div.backfill.beside { display: flex; flex-wrap: wrap; gap: 1em; align-items: flex-start; }
div.backfill.beside > div.scroll { flex: 1 1 26em; min-width: 0; }
div.backfill.beside > .pictures { display: flex; flex-wrap: wrap; max-width: 480px; }
div.backfill.beside figure { margin: 0 .3em .5em 0; width: 234px; }
div.beside table.backfill.backfill.backfill :is(th, td) { min-width: 0; padding: .2em .4em; }
div.beside table.backfill.backfill.backfill td.short { white-space: pre-wrap; }
div.beside table.backfill.backfill.backfill td:first-child { white-space: pre; }
figure.backfill { margin: 1em 0; } figure.backfill svg { max-width: 100%; height: auto; }
figure.backfill figcaption { font-size: 90%; } figure.backfill details { margin: .3em 0; }
"""


def style() -> Shown:
    """Return the style sheet, to be shown once in a notebook."""
    return Shown(f"<style>{STYLE}</style>", "")
