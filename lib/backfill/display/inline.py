"""What looks right wherever a notebook is opened: our markup with its style in each tag.

A style sheet is shown once, by a run's head. An explanation or a comparison may be the only thing
in a notebook, and some readers of notebooks leave style sheets out.
"""

from __future__ import annotations

import re

_TAG = re.compile(r"<(table|caption|th|td|p|div)\b([^>]*)>")
_CLASS = re.compile(r'class="([^"]*)"')
_CELL = "border-bottom: 1px solid #9994; padding: .3em .7em; vertical-align: top"
_STYLES = {
    "table": "border-collapse: collapse; margin: 1em 0; font-size: 90%",
    "caption": "text-align: left; font-weight: 600; padding: .3em 0; caption-side: top",
    "th": f"text-align: left; {_CELL}; border-bottom: 2px solid #999",
    "td": f"text-align: left; {_CELL}; white-space: pre-wrap; overflow-wrap: anywhere",
    "p": "padding: .5em .8em; border-left: 4px solid #2a6f97; background: #7f8f9f1a",
    "div": "overflow-x: auto",
}
_OF_CLASS = {
    ("td", "number"): f"text-align: right; {_CELL}",
    ("p", "warning"): _STYLES["p"].replace("#2a6f97", "#b5651d"),
    ("p", "error"): _STYLES["p"].replace("#2a6f97", "#a4161a"),
    ("p", "heading"): "font-weight: bold; margin: 1.5em 0 .3em",
}


def inlined(markup: str) -> str:
    """Return our markup with a style in each tag of a table and of a note that has none."""
    return _TAG.sub(_styled, markup)


def _styled(tag: re.Match[str]) -> str:
    name, attributes = tag[1], tag[2]
    class_name = _CLASS.search(attributes)
    classes = class_name[1].split() if class_name else []
    is_ours = name in ("caption", "th", "td") or "backfill" in classes
    if not is_ours or "style=" in attributes:
        return tag[0]
    styles = (_OF_CLASS[name, each] for each in classes if (name, each) in _OF_CLASS)
    return f'<{name}{attributes} style="{next(styles, _STYLES[name])}">'
