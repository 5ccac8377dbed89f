"""A page that stands alone: one file, nothing from outside, to be read anywhere and printed."""

from __future__ import annotations

import functools
import re
from importlib import resources
from typing import TYPE_CHECKING, Any

from backfill.display.pages import STYLE

if TYPE_CHECKING:
    import jinja2

#: How a status looks: the word says it as well.
TONES = {
    **dict.fromkeys(("succeeded",), "good"),
    **dict.fromkeys(("failed", "broken"), "bad"),
    **dict.fromkeys(("paused", "interrupted", "cancelled", "running", "not closed"), "open"),
}
_XML_NAMESPACE = re.compile(r'\s+xmlns(?::\w+)?="[^"]*"')
_XML_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_XML_PREAMBLE = re.compile(r"<\?xml[^>]*\?>|<!DOCTYPE svg[^>]*>", re.DOTALL)
_SVG = re.compile(r"<svg\b.*?</svg>", re.DOTALL)


def whole_page(template: str, title: str, *, more_style: str = "", **values: Any) -> str:
    """Return a page of its own; whatever the values hold, no address is named in it afterwards."""
    style_sheet = f"{STYLE}{page_part('page.css')}{more_style}"
    return offline(render(template, title=title, style_sheet=style_sheet, tone=tone_of, **values))


def render(template: str, **values: Any) -> str:
    """Return a template of `templates/`, filled in; text is escaped, a missing value an error."""
    return _templates().get_template(template).render(**values)


def page_part(name: str) -> str:
    """Return a file of `templates/` as it stands."""
    return str(_folder().joinpath(name).read_text(encoding="utf-8"))


def tone_of(status: str) -> str:
    return TONES.get(status, "plain")


def _folder() -> Any:
    return resources.files("backfill.display").joinpath("templates")


@functools.cache
def _templates() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(_folder())),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_as_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _as_shown(value: Any) -> Any:
    return f"{value:,}" if type(value) is int else value


def offline(body: str) -> str:
    """Take out what names an address, and spell the rest so that none is named literally.

    Inline SVG needs no namespace in HTML; text that came from a database may hold an address.
    """
    body = _SVG.sub(lambda svg: _XML_NAMESPACE.sub("", _XML_METADATA.sub("", svg[0])), body)
    body = _XML_PREAMBLE.sub("", body)
    return re.sub(r"(https?):(//)", r"\1&#58;\2", body, flags=re.IGNORECASE)
