"""Markdown tables, with everything in a cell that a table would take for its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def code(text: str) -> str:
    """Return inline code; empty stays empty."""
    return f"`{text}`" if text else ""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a line break or a bar in a cell is kept out of the table's way."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(_cell(text) for text in line) + " |\n" for line in lines)


def section(title: str, *parts: str, level: int = 2) -> str:
    """Return a heading and what stands below it."""
    return "\n".join((f"{'#' * level} {title}\n", *parts))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")
