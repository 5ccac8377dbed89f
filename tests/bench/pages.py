"""Sessions of screenshots that a browser drew, and that a chat or a careless crop then spoiled."""

from __future__ import annotations

import io
import random
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol, Self

from PIL import Image, ImageFilter
from tests.bench.any_page import AnyLook, any_page
from tests.bench.phone_page import PageLook, page_of
from tests.drawn.days import invent_day
from tests.drawn.draw import Look
from tests.drawn.make import Session
from tests.drawn.style import Style

#: The style of which every session has another look.
ANY = "page-any"
CHAT_LONGEST_PX = 1280
OVERLAP = 0.24
# How a picture reached the folder; the first is as the phone stores it.
SPOILS = ("phone", "phone", "chat", "chat twice", "small", "large", "cropped", "blurred")


def has_browser() -> bool:
    """Whether there is a Chromium to draw with."""
    return shutil.which("chromium") is not None


@contextmanager
def open_browser() -> Iterator[Any]:
    """Yield a browser that draws pages; the network is never needed."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        try:
            yield browser
        finally:
            browser.close()


class Phone(Protocol):
    """What a page is drawn on: CSS pixels of its screen, and dots of each."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def density(self) -> float: ...


@contextmanager
def open_page(browser: Any, phone: Phone) -> Iterator[Any]:
    """Yield an empty page of a browser."""
    context = browser.new_context(
        viewport={"width": phone.width, "height": phone.height}, device_scale_factor=phone.density
    )
    try:
        yield context.new_page()
    finally:
        context.close()


class Browser:
    """The browser of all that draws in a process, started with the first page: no two can run."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._opened: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextmanager
    def page(self, html: str, phone: Phone) -> Iterator[Any]:
        """Yield a page with a document."""
        if self._opened is None:
            self._opened = self._stack.enter_context(open_browser())
        with open_page(self._opened, phone) as page:
            page.set_content(html)
            yield page


def make_page_sessions(browser: Any, look: PageLook, seeds: range) -> list[Session]:
    """Return a session for each seed; the same seed, browser and fonts give the same pictures."""
    with open_page(browser, look) as page:
        return [_make_session(page, look, seed) for seed in seeds]


def make_any_sessions(browser: Any, seeds: range) -> list[Session]:
    """Return a session for each seed, each in a look of its own that chance chose."""
    return [_make_any_session(browser, seed) for seed in seeds]


def _make_any_session(browser: Any, seed: int) -> Session:
    rng = random.Random(seed)
    day, look, html = any_page(rng)
    context = browser.new_context(
        viewport={"width": look.width, "height": look.height}, device_scale_factor=look.density
    )
    page = context.new_page()
    page.set_content(html)
    spoil = SPOILS[seed % len(SPOILS)]
    images = tuple(_spoil(view, spoil, look, rng) for view in _views(page, look))
    context.close()
    style = Style(ANY, (), separator=look.separator, is_held_out=True)
    name = f"{ANY}-{seed:04}-{spoil.replace(' ', '-')}"
    return Session(
        name, day, Look(style, look.language, look.is_dark), 1.0, "chat" in spoil, images
    )


def _make_session(page: Any, look: PageLook, seed: int) -> Session:
    rng = random.Random(seed)
    language, is_dark = rng.choice(("en", "sv")), rng.random() < 0.3
    day = invent_day(rng, rng.choice((3, 4, 5, 5, 7, 9)))
    page.set_content(page_of(day, look, language, rng, is_dark=is_dark))
    spoil = SPOILS[seed % len(SPOILS)]
    images = tuple(_spoil(view, spoil, look, rng) for view in _views(page, look))
    style = Style(look.name, (), separator=look.separator, is_held_out=look.is_held_out)
    name = f"{look.name}-{seed:04}-{spoil.replace(' ', '-')}"
    return Session(name, day, Look(style, language, is_dark), 1.0, "chat" in spoil, images)


def _views(page: Any, look: PageLook | AnyLook) -> Iterator[Image.Image]:
    """Yield the screens of a day from its top to its end."""
    whole = int(page.evaluate("document.documentElement.scrollHeight"))
    window = look.height - look.header_px - look.tabs_px
    last, scroll = max(0, whole - look.height), 0
    while True:
        page.evaluate(f"window.scrollTo(0, {scroll})")
        yield Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        if scroll >= last:
            return
        scroll = min(scroll + round(window * (1 - OVERLAP)), last)


def _spoil(view: Image.Image, spoil: str, look: PageLook | AnyLook, rng: random.Random) -> bytes:
    if spoil == "chat":
        return _jpeg(_fit(view), rng.choice((60, 75, 85)))
    if spoil == "chat twice":
        again = Image.open(io.BytesIO(_jpeg(_fit(view), 70)))
        return _jpeg(again, rng.choice((40, 50, 60)))
    if spoil in ("small", "large"):
        # Of the 2 device px for a CSS px that the measured phone has.
        view = _scaled(view, (0.75 if spoil == "small" else 1.5) * 2 / look.density)
    if spoil == "cropped":
        side, top = rng.randrange(1, 12), rng.randrange(0, 60)
        view = view.crop((side, top, view.width - side, view.height - rng.randrange(0, 30)))
    if spoil == "blurred":
        view = view.filter(ImageFilter.GaussianBlur(0.4 * look.density))
    buffer = io.BytesIO()
    view.save(buffer, "PNG")
    return buffer.getvalue()


def _fit(view: Image.Image) -> Image.Image:
    return _scaled(view, min(1.0, CHAT_LONGEST_PX / max(view.size)))


def _scaled(view: Image.Image, factor: float) -> Image.Image:
    size = (round(view.width * factor), round(view.height * factor))
    return view.resize(size, Image.Resampling.BICUBIC)


def _jpeg(view: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    view.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
