"""Parts of what a notebook shows, found by the marks that `pages.part` sets around them.

A report puts them into its own order; where each stood, a line says where it went.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from backfill.display.pages import PART_END, escape

_PART = re.compile(rf"<!--part ([a-z]+)-->(.*?){re.escape(PART_END)}", re.DOTALL)


def parts_of(notebook: Mapping[str, Any]) -> dict[str, str]:
    """Return the markup of every part by its name; of a part shown twice, the last one."""
    found: dict[str, str] = {}
    for data in _outputs(notebook):
        found |= dict(_PART.findall(_html(data)))
    return found


def move_parts(notebook: Mapping[str, Any], moved: Mapping[str, str]) -> None:
    """Put a line with a link in the place of each part that was moved, to where it went; in place.

    `moved` maps a part's name to the anchor of its new place.
    """

    def line(part: re.Match[str]) -> str:
        name = part[1]
        if name not in moved:
            return part[2]
        link = f'<a href="#{escape(moved[name])}">{escape(name)}</a>'
        return f'<p class="backfill moved">Shown above: {link}</p>'

    for data in _outputs(notebook):
        data["text/html"] = _PART.sub(line, _html(data))


def _outputs(notebook: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for cell in notebook.get("cells", ()):
        for output in cell.get("outputs", ()):
            data = output.get("data")
            if isinstance(data, dict) and "text/html" in data:
                yield data


def _html(data: Mapping[str, Any]) -> str:
    """Notebook files hold text as a list of lines, programs as one text."""
    text = data["text/html"]
    return "".join(text) if isinstance(text, list) else str(text)
