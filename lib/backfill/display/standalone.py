"""A page that stands alone: one file, nothing from outside, to be read anywhere and printed."""

from __future__ import annotations

import html
import re

from backfill.display.pages import STYLE

PAGE_STYLE = """
:root { color-scheme: light dark; }
body { font-family: system-ui, sans-serif; line-height: 1.45; color: #111; background: #fff;
  max-width: 72em; margin: 0 auto; padding: 1em; overflow-wrap: break-word; }
a { color: #0b5394; }
nav ul { padding-left: 0; } nav li { display: inline-block; margin-right: 1em; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f6f6f6; padding: .6em; }
.anchor-link { display: none; }
.prompt, .input_prompt, .output_prompt { display: none; }
img { max-width: 100%; height: auto; }
ul.happened { font-size: 110%; border: 2px solid #2a6f97; padding: .8em .8em .8em 2em; }
div.check { border: 2px solid #777; padding: .2em 1em; }
h2 { border-bottom: 1px solid #999; padding-bottom: .2em; margin-top: 2em; }
.moved { font-style: italic; }
@media (prefers-color-scheme: dark) {
  body { color: #eee; background: #161616; } a { color: #8ec5ff; }
  pre { background: #242424; } p.backfill { color: #eee; background: #22303a; }
}
@media print {
  body { max-width: none; color: #000; background: #fff; } a { color: #000; }
  pre { background: none; border: 1px solid #999; } nav { display: none; }
  p.backfill { color: #000; background: none; border: 1px solid #999; }
  figure, tr, li { break-inside: avoid; } h2, h3, caption { break-after: avoid; }
  div.backfill.scroll { overflow: visible; }
  table.backfill { font-size: 65%; }
  table.backfill.backfill.backfill td { min-width: 0; white-space: pre-wrap; }
  details::details-content { content-visibility: visible; display: block; }
}
"""
_XML_NAMESPACE = re.compile(r'\s+xmlns(?::\w+)?="[^"]*"')
_XML_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_XML_PREAMBLE = re.compile(r"<\?xml[^>]*\?>|<!DOCTYPE svg[^>]*>", re.DOTALL)
_SVG = re.compile(r"<svg\b.*?</svg>", re.DOTALL)


def whole_page(title: str, body: str, style_sheet: str = "", script: str = "") -> str:
    """Return a page of its own; whatever `body` holds, no address is named in it afterwards."""
    end = f"<script>{script}</script>" if script else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title>"
        f"<style>{STYLE}{PAGE_STYLE}{style_sheet}</style></head>\n"
        f"<body><main>{offline(body)}</main>{end}</body></html>\n"
    )


def offline(body: str) -> str:
    """Take out what names an address, and spell the rest so that none is named literally.

    Inline SVG needs no namespace in HTML; text that came from a database may hold an address.
    """
    body = _SVG.sub(lambda svg: _XML_NAMESPACE.sub("", _XML_METADATA.sub("", svg[0])), body)
    body = _XML_PREAMBLE.sub("", body)
    return re.sub(r"(https?):(//)", r"\1&#58;\2", body, flags=re.IGNORECASE)
