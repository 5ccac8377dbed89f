"""Tables and sentences on a terminal, as wide as it is; colour only where that is wanted.

rich measures, wraps and colours; `NO_COLOR` and a dumb terminal get none of its colours.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backfill.display.pages import Grid, Shown

if TYPE_CHECKING:
    from rich.console import Console

SHOWN_ROWS = 20  # the rest is counted: a terminal is no place for a thousand rows
MOST_BESIDE = 5  # so many columns stand beside each other though their texts must be broken
_GAP = 2


def is_watched() -> bool:
    """Return whether somebody sees what is printed: stdout is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def console_of() -> Console:
    """Return the terminal. Names and paths are no words to be coloured by chance."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def print_shown(shown: Shown) -> None:
    """Print tables as tables, and what is said between them, wrapped."""
    console = console_of()
    for number, block in enumerate(shown.blocks):
        if number:
            console.print()
        if isinstance(block, str):
            # A command in it can be copied whole.
            console.print(block, soft_wrap="backfill " in block)
        else:
            print_grid(console, block)


def print_grid(console: Console, grid: Grid, tones: Mapping[str, str] | None = None) -> None:
    """Print a table; a cell whose text is a key of `tones` has that colour.

    Where its columns do not fit beside each other and are many, each row is a record of its own:
    a line for each cell that holds something.
    """
    rows = [[_text(cell) for cell in row] for row in grid.rows[:SHOWN_ROWS]]
    if grid.caption:
        console.print(grid.caption, style="bold")
    if len(grid.header) > MOST_BESIDE and _width(grid.header, rows) > console.width:
        _print_records(console, grid.header, rows)
    else:
        _print_columns(console, grid, rows, tones or {})
    if (more := len(grid.rows) - len(rows)) > 0:
        console.print(f"… {more:,} more")
    if grid.rest:
        console.print(grid.rest, soft_wrap=True)


def _print_columns(
    console: Console, grid: Grid, rows: Sequence[Sequence[str]], tones: Mapping[str, str]
) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    for number, name in enumerate(grid.header):
        cells = [row[number] for row in grid.rows if number < len(row)]
        is_number = all(isinstance(c, int | float) and not isinstance(c, bool) for c in cells)
        table.add_column(Text(name), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style=tones.get(cell, "")) for cell in row))
    console.print(table)


def _print_records(console: Console, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    for row in rows:
        record = Table(box=None, pad_edge=False, show_header=False, padding=(0, _GAP, 0, 0))
        record.add_column(no_wrap=True, style="dim")
        record.add_column(overflow="fold")
        for name, cell in zip(header, row, strict=False):
            if cell:
                record.add_row(Text(name), Text(cell))
        console.print(record)
        console.print()


def _width(header: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    from rich.cells import cell_len

    widths = [
        max(map(cell_len, (name, *(row[number] for row in rows if number < len(row)))))
        for number, name in enumerate(header)
    ]
    return sum(widths) + _GAP * (len(widths) - 1)


def _text(cell: Any) -> str:
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}"
    return "NULL" if cell is None else str(cell)
