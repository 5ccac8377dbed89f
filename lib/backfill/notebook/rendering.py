"""An executed notebook as HTML: nbconvert's basic template, and the colours of its code.

Nothing of the project is imported, so that a process that waits can load it at little cost.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from typing import Any, cast

_CODE_STYLES = (("light", "default"), ("dark", "monokai"))


def get_ready() -> None:
    """Load what a page takes, a second's work, before there is a notebook to render."""
    import nbformat

    new = cast(Any, nbformat).v4
    rendered(new.new_notebook(cells=[new.new_markdown_cell("# 1"), new.new_code_cell("1")]))
    code_style()


def rendered(document: Mapping[str, Any]) -> str:
    """Return a notebook's cells with their outputs, as the body of a page."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbconvert's and its parts', which are not ours to mend
        body, _resources = _exporter().from_notebook_node(document)
    return str(body)


@functools.cache
def _exporter() -> Any:
    from nbconvert import HTMLExporter

    return cast(Any, HTMLExporter)(template_name="basic")


@functools.cache
def code_style() -> str:
    """Return the style sheet of code, for light and dark screens."""
    from pygments.formatters.html import HtmlFormatter

    return "".join(
        f"@media (prefers-color-scheme: {scheme}) {{"
        f"{HtmlFormatter(style=name).get_style_defs('.highlight')}}}\n"
        for scheme, name in _CODE_STYLES
    )
