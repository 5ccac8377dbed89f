"""An executed notebook as one HTML file that needs nothing from outside: no script, no network."""

from __future__ import annotations

import html
import re
import warnings
from pathlib import Path
from typing import Any, cast

from backfill.folder import RunFolder
from backfill.pages import STYLE

_PAGE_STYLE = """
body { font-family: system-ui, sans-serif; line-height: 1.45; color: #111; background: #fff;
  max-width: 72em; margin: 0 auto; padding: 1em; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f6f6f6; padding: .6em; }
.anchor-link { display: none; }
.prompt, .input_prompt, .output_prompt { display: none; }
img { max-width: 100%; }
@media print { body { max-width: none; } pre { background: none; border: 1px solid #999; } }
"""
_XML_NAMESPACE = re.compile(r'\s+xmlns(?::\w+)?="[^"]*"')
_XML_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_XML_PREAMBLE = re.compile(r"<\?xml[^>]*\?>|<!DOCTYPE svg[^>]*>", re.DOTALL)
_SVG = re.compile(r"<svg\b.*?</svg>", re.DOTALL)


def write_page(folder: RunFolder, notebook: str, page: str) -> None:
    """Render `notebook` of the folder as `page`, readable offline."""
    body = _body(folder.file(notebook))
    title = html.escape(f"Run {folder.run_id}")
    folder.write_text(
        page,
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_PAGE_STYLE}{STYLE}{_code_style()}</style></head>\n"
        f"<body><main>{_offline(body)}</main></body></html>\n",
    )


def _body(path: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbconvert's and its parts', which are not ours to mend
        from nbconvert import HTMLExporter

        exporter: Any = cast(Any, HTMLExporter)(template_name="basic")
        body, _resources = exporter.from_filename(str(path))
    return str(body)


def _code_style() -> str:
    from pygments.formatters.html import HtmlFormatter

    return str(HtmlFormatter(style="default").get_style_defs(".highlight"))


def _offline(body: str) -> str:
    """Take out what names an address, and spell the rest so that none is named literally.

    Inline SVG needs no namespace in HTML; text that came from a database may hold an address.
    """
    body = _SVG.sub(lambda svg: _XML_NAMESPACE.sub("", _XML_METADATA.sub("", svg[0])), body)
    body = _XML_PREAMBLE.sub("", body)
    return re.sub(r"(https?):(//)", r"\1&#58;\2", body, flags=re.IGNORECASE)
