"""CSV that a person fills in: safe to open in a spreadsheet, and read back as it was. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence

from backfill.errors import UsageError

# A spreadsheet would run these as a formula; a quote in front shows them as text.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_QUOTED_FORMULA = re.compile(r"'+[=+\-@\t\r]")
_LONGEST_FIELD = 2**31 - 1


def write_sheet(header: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """Return rows as CSV, every cell quoted; absent cells are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(header)
    for row in rows:
        writer.writerow([_harmless(row.get(name, "")) for name in header])
    return text.getvalue()


def read_sheet(text: str, needed: Sequence[str], what: str) -> list[tuple[int, dict[str, str]]]:
    """Return (line, cells by column) of each row; a cell that is not there is absent.

    Raises UsageError that begins with `what` when a needed column is missing or it is no CSV.
    """
    csv.field_size_limit(_LONGEST_FIELD)
    # A spreadsheet may put a byte order mark first, and semicolons between.
    text = text.removeprefix("\ufeff")
    head = text.split("\n", 1)[0]
    separator = ";" if head.count(";") > head.count(",") else ","
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
        missing = set(needed) - set(reader.fieldnames or ())
        if missing:
            raise UsageError(
                f"{what} lacks the column {', '.join(sorted(missing))}; it needs "
                f"{', '.join(needed)}."
            )
        return [(reader.line_num, _cells(row)) for row in reader]
    except csv.Error as error:
        raise UsageError(f"{what} is not UTF-8 CSV: {error}.") from None


def _cells(row: Mapping[str | None, str | list[str] | None]) -> dict[str, str]:
    return {
        name: _plain(value)
        for name, value in row.items()
        if name is not None and isinstance(value, str)
    }


def _harmless(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


def _plain(text: str) -> str:
    return text[1:] if _QUOTED_FORMULA.match(text) else text
