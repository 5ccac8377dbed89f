"""An executed notebook as HTML: its text, its code in colours, and what each cell put out.

Of a cell's output the richest form counts that needs neither a script nor the network. Nothing of
the rest of the project is imported, and no converter of notebooks, which takes as long to load as a
small run takes.
"""

from __future__ import annotations

import base64
import functools
import html
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

_CODE_STYLES = (("light", "default"), ("dark", "monokai"))
_PLUGINS = ("strikethrough", "table", "url", "task_lists", "def_list")
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_HEADING = re.compile(r"<h([1-6])>(.*?)</h\1>", re.DOTALL)
_MARKUP = re.compile(r"<[^>]*>")
#: What only IPython understands: such a cell needs a lexer of its own.
_MAGIC = re.compile(r"^\s*(%|!)", re.MULTILINE)


def get_ready() -> None:
    """Load what a page takes before there is a notebook to render."""
    markdown, code = {"cell_type": "markdown", "source": "# 1"}, {"cell_type": "code"}
    rendered({"cells": [markdown, {**code, "source": "1", "outputs": []}]})
    code_style()


def rendered(document: Mapping[str, Any]) -> str:
    """Return a notebook's cells with their outputs, as the body of a page."""
    return "\n".join(_CELLS[cell["cell_type"]](cell) for cell in document["cells"])


def _text_cell(cell: Mapping[str, Any]) -> str:
    body = _markdown(joined(cell["source"]))
    for name, forms in (cell.get("attachments") or {}).items():
        kind, data = next(iter(forms.items()))
        body = body.replace(f"attachment:{html.escape(name)}", f"data:{kind};base64,{data}")
    return f'<div class="cell text_cell">{body}</div>'


def _code_cell(cell: Mapping[str, Any]) -> str:
    outputs = "".join(map(_output, cell.get("outputs") or ()))
    return f'<div class="cell code_cell">{_highlighted(joined(cell["source"]))}{outputs}</div>'


def _output(output: Mapping[str, Any]) -> str:
    kind = output["output_type"]
    if kind == "stream":
        return _plain(output["text"], f"output_{output['name']}")
    if kind == "error":
        return _plain("\n".join(output["traceback"]), "output_error")
    for wanted, form in _FORMS.items():
        if wanted in output["data"]:
            metadata = output.get("metadata") or {}
            return form(joined(output["data"][wanted]), metadata.get(wanted) or metadata)
    return ""


def _plain(text: str | list[str], kind: str) -> str:
    shown = html.escape(_ANSI.sub("", joined(text)), quote=False)
    return f'<div class="output {kind}"><pre>{shown}</pre></div>'


def _html(text: str, metadata: Mapping[str, Any]) -> str:
    if metadata.get("isolated"):  # a whole document, whose style is not ours
        text = f'<iframe sandbox title="output" srcdoc="{html.escape(text)}"></iframe>'
    return f'<div class="output output_html">{text}</div>'


def _image(kind: str) -> Callable[[str, Mapping[str, Any]], str]:
    def form(data: str, metadata: Mapping[str, Any]) -> str:
        if kind == "svg+xml":
            data = base64.b64encode(data.encode()).decode()
        said = {name: metadata[name] for name in ("width", "height") if name in metadata}
        said |= {"alt": metadata.get("alt", "output")}
        more = " ".join(f'{name}="{html.escape(str(value))}"' for name, value in said.items())
        return (
            f'<div class="output"><img src="data:image/{kind};base64,{data.strip()}" {more}></div>'
        )

    return form


#: By preference. Whoever shows a widget or a script has given a text in its place.
_FORMS: Mapping[str, Callable[[str, Mapping[str, Any]], str]] = {
    "text/html": _html,
    "text/markdown": lambda text, _metadata: _html(_markdown(text), {}),
    "image/svg+xml": _image("svg+xml"),
    "image/png": _image("png"),
    "image/jpeg": _image("jpeg"),
    "text/latex": lambda text, _metadata: _plain(text, "output_latex"),
    "text/plain": lambda text, _metadata: _plain(text, "output_text"),
}
_CELLS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "markdown": _text_cell,
    "code": _code_cell,
    "raw": lambda _cell: "",
}


def joined(text: str | list[str]) -> str:
    """Notebook files hold text as a list of lines, programs as one text."""
    return "".join(text) if isinstance(text, list) else str(text)


def _markdown(text: str) -> str:
    """Return markdown as HTML; headings can be linked to by their words, as in Jupyter."""

    def named(heading: re.Match[str]) -> str:
        words = html.unescape(_MARKUP.sub("", heading[2])).replace(" ", "-")
        return f'<h{heading[1]} id="{html.escape(words)}">{heading[2]}</h{heading[1]}>'

    return _HEADING.sub(named, _reader()(text))


@functools.cache
def _reader() -> Callable[[str], str]:
    import mistune

    # Attachments are put in place afterwards; a link that would run something is taken out.
    renderer = mistune.HTMLRenderer(escape=False, allow_harmful_protocols=["attachment:"])
    reader = mistune.create_markdown(renderer=renderer, plugins=_PLUGINS)
    return cast(Callable[[str], str], reader)


def _highlighted(source: str) -> str:
    from pygments import highlight
    from pygments.formatters.html import HtmlFormatter
    from pygments.lexers.python import PythonLexer

    lexer: Any = PythonLexer()
    if _MAGIC.search(source):
        from ipython_pygments_lexers import IPython3Lexer

        lexer = IPython3Lexer()
    return str(highlight(source, lexer, HtmlFormatter()))


@functools.cache
def code_style() -> str:
    """Return the style sheet of code, for light and dark screens."""
    from pygments.formatters.html import HtmlFormatter

    return "".join(
        f"@media (prefers-color-scheme: {scheme}) {{"
        f"{HtmlFormatter(style=name).get_style_defs('.highlight')}}}\n"
        for scheme, name in _CODE_STYLES
    )
