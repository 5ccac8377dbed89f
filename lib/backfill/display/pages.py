"""HTML that a notebook shows and an archive keeps: tables with captions, nothing from outside.

Everything that came from a database is escaped. A table never shows more than 1,000 rows; its
caption says how many there are and how to get at the rest.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

MAX_SHOWN_ROWS = 1_000
PART_END = "<!--/part-->"  # nothing else has it: what came from a database is escaped
_PART = re.compile(rf"(<!--part [a-z]+-->.*?{re.escape(PART_END)})", re.DOTALL)
WIDE = 7  # more columns are set smaller, so that they fit
SHORT_TEXT = 24  # fits on a line
LONGEST_CELL = 2_000  # characters; a few texts of megabytes would make pages that none opens
SHORT_WORD = 12  # dates and the like, which a hyphen would break


@dataclass(frozen=True, slots=True)
class Grid:
    """A table as a terminal sets it: as wide as it is, whatever that is."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    rest: str = ""  # where all rows are


@dataclass(frozen=True)
class Shown:
    """Something to look at: HTML for a notebook, text for a pipe, grids for a terminal."""

    markup: str
    text: str
    made_of: tuple[Grid | str, ...] = field(default=(), compare=False)

    @property
    def blocks(self) -> tuple[Grid | str, ...]:
        """What a terminal shows, one below the other."""
        return self.made_of or ((self.text,) if self.text else ())

    def _repr_html_(self) -> str:
        return self.markup

    def __repr__(self) -> str:
        return self.text

    def __add__(self, other: Shown) -> Shown:
        text = f"{self.text}\n{other.text}".strip()
        return Shown(self.markup + other.markup, text, self.blocks + other.blocks)


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
    shown = [[*map(_to_look_at, row)] for row in listed[: min(most, MAX_SHOWN_ROWS)]]
    if len(listed) > len(shown):
        caption = f"{caption}; the first {len(shown):,} of {len(listed):,} are shown"
    grid = Grid(caption, header, shown, rest)
    caption = f"{caption}. {rest}" if rest else caption
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    labels = [*map(escape, header)]
    body = "".join(
        "<tr>"
        + "".join(_cell(name, cell) for name, cell in zip(labels, row, strict=False))
        + "</tr>"
        for row in shown
    )
    return Shown(
        framed(caption, head, body, len(header)), _as_text(caption, header, shown), (grid,)
    )


def framed(caption: str, head: str, body: str, columns: int = 0) -> str:
    """Return the markup of a table from that of its header cells and its rows.

    On a narrow screen it scrolls by itself, also by keyboard.
    """
    return (
        f'<div class="backfill scroll" tabindex="0">'
        f'<table class="backfill{" wide" if columns > WIDE else ""}">'
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
        behind.blocks,
    )


def section(name: str, shown: Shown) -> Shown:
    """Mark what is shown as a section that a run's report puts in its own place, like `diff`.

    What is a section already stays one of its own, beside this.
    """
    inner = "".join(_PART.findall(shown.markup))
    outer = _PART.sub("", shown.markup)
    mark = f"<!--part {name}-->{outer}{PART_END}" if outer else ""
    return Shown(inner + mark, shown.text, shown.blocks)


def escape(value: Any) -> str:
    """Return a value as text that HTML shows literally."""
    if value is None:
        return "NULL"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return html.escape(str(value), quote=True)


def _cell(label: str, value: Any) -> str:
    return f'<td{_align(value)} data-label="{label}">{escape(value)}</td>'


def _to_look_at(value: Any) -> Any:
    """Return the beginning of a text that nobody would read to its end, and how long it is."""
    if not isinstance(value, str) or len(value) <= LONGEST_CELL:
        return value
    return f"{value[:LONGEST_CELL]}… ({len(value):,} characters)"


def _align(cell: Any) -> str:
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return ' class="number"'
    text = str(cell)
    if len(text) <= SHORT_WORD and not any(map(str.isspace, text)):
        return ' class="short word"'
    return ' class="short"' if len(text) <= SHORT_TEXT else ""


def _as_text(caption: str, header: Sequence[str], rows: list[list[Any]]) -> str:
    cells = [[str(name) for name in header]]
    cells += [["NULL" if c is None else str(c) for c in row] for row in rows[:20]]
    widths = [max(len(row[index]) for row in cells) for index in range(len(header))]
    lines = [caption]
    lines += ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in cells]
    if len(rows) > 20:
        lines.append(f"… {len(rows) - 20:,} more")
    return "\n".join(lines)


#: Of tables, notes and figures, in notebooks and on pages.
STYLE = resources.files("backfill.display").joinpath("templates/tables.css").read_text("utf-8")


def style() -> Shown:
    """Return the style sheet, to be shown once in a notebook."""
    return Shown(f"<style>{STYLE}</style>", "")
