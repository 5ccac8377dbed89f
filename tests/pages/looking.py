"""Look at a page as a machine can: is it well formed, has everything its text, is it alone?"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

_VOID = {"br", "img", "meta", "link", "input", "hr", "source", "wbr", "col"}


class Page(HTMLParser):
    """A parsed page: its tags in order, with attributes, and the text inside of each."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = {}
        self.ids: list[str] = []
        self._open: list[str] = []
        self.unclosed: list[str] = []
        self.tables: list[dict[str, int]] = []
        self.markup = markup
        self.feed(markup)
        self.close()
        self.unclosed += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.tags.append((tag, named))
        if "id" in named:
            self.ids.append(named["id"])
        if tag not in _VOID:
            self._open.append(tag)
        if tag == "table":
            self.tables.append({"caption": 0, "th": 0, "scoped": 0, "tr": 0})
        elif self.tables and tag in ("caption", "th", "tr"):
            self.tables[-1][tag] += 1
            self.tables[-1]["scoped"] += tag == "th" and "scope" in named

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()
        elif tag not in _VOID:
            self.unclosed.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts.setdefault(self._open[-1], []).append(data)

    @property
    def headings(self) -> list[int]:
        return [int(tag[1]) for tag, _ in self.tags if re.fullmatch(r"h[1-6]", tag)]

    @property
    def text(self) -> str:
        return " ".join(" ".join(texts) for texts in self.texts.values())


def check_tables(page: Page) -> None:
    """Each table has a caption, and header cells that say what they head."""
    for found in page.tables:
        assert found["caption"] == 1
        assert found["th"] == found["scoped"] > 0
        assert found["tr"] <= 1_001


def pictures(markup: str) -> list[ET.Element]:
    """Return every SVG of a page, parsed strictly."""
    return [ET.fromstring(svg) for svg in re.findall(r"<svg\b.*?</svg>", markup, re.DOTALL)]


def check_picture(svg: ET.Element) -> None:
    """A picture has a title and a description, and is named by them."""
    title, says = svg.find("title"), svg.find("desc")
    assert title is not None
    assert title.text
    assert says is not None
    assert says.text
    assert svg.get("role") == "img"
    assert svg.get("aria-labelledby") == f"{title.get('id')} {says.get('id')}"


def check_alone(markup: str) -> None:
    """Nothing of the page comes from, or leads to, outside."""
    assert "http://" not in markup
    assert "https://" not in markup
    assert not re.search(r"<(script|link|iframe|object|embed)[^>]*\b(src|href)=", markup)
    assert not re.search(r"@import|url\((?!#|data:)", markup)
    for source in re.findall(r'\bsrc="([^"]*)"', markup):
        assert source.startswith("data:")
