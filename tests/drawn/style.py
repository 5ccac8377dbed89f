"""How a screenshot looks: fonts, sizes, colours and separators, all in px of an 828 px screen."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from PIL import ImageFont

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one appearance (light or dark)."""

    header: Colour = (23, 43, 77)
    header_text: Colour = (255, 255, 255)
    sheet: Colour = (255, 255, 255)
    title: Colour = (33, 37, 41)
    grey: Colour = (118, 124, 132)
    time: Colour = (52, 58, 64)
    rule: Colour = (222, 226, 230)
    gap: Colour = (245, 246, 248)
    bar: Colour = (67, 176, 112)
    on_time: Colour = (56, 158, 96)


LIGHT = Palette()
DARK = Palette(
    header=(12, 20, 38),
    sheet=(28, 28, 30),
    title=(240, 240, 242),
    grey=(160, 162, 168),
    time=(222, 224, 228),
    rule=(62, 62, 66),
    gap=(18, 18, 20),
    on_time=(92, 200, 130),
)
WARM = Palette(
    header=(70, 32, 64),
    sheet=(250, 247, 242),
    title=(48, 36, 30),
    grey=(132, 116, 104),
    rule=(214, 204, 190),
    gap=(240, 234, 226),
    bar=(214, 140, 40),
    on_time=(150, 110, 20),
)


@dataclass(frozen=True, slots=True)
class Style:
    """One look. `fonts` are (regular, bold) file names, tried in order; DejaVu is always there.

    `is_held_out` styles are never looked at while the reader is tuned.
    """

    name: str
    fonts: tuple[tuple[str, str], ...]
    separator: str = "•"
    title_px: int = 33
    grey_px: int = 29
    time_px: int = 30
    address_below: int = 54
    time_pitch: int = 34
    has_range_line: bool = False
    light: Palette = LIGHT
    dark: Palette = DARK
    is_held_out: bool = False

    @functools.cache  # noqa: B019 - styles are module constants and live as long as the cache
    def font(self, size_px: int, *, is_bold: bool = False) -> ImageFont.FreeTypeFont:
        """Return the first of the style's fonts that this machine has, at `size_px`."""
        for pair in self.fonts:
            try:
                return ImageFont.truetype(pair[is_bold], size_px)
            except OSError:
                continue
        fallback = "DejaVuSans-Bold.ttf" if is_bold else "DejaVuSans.ttf"
        return ImageFont.truetype(str(_matplotlib_fonts() / fallback), size_px)


def _matplotlib_fonts() -> Path:
    """Return matplotlib's font directory; a pinned dependency, so it is on every machine."""
    import matplotlib as mpl

    return Path(mpl.get_data_path()) / "fonts" / "ttf"


_DEJAVU = (("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),)

STYLES = (
    Style("app", (("Inter-Regular.otf", "Inter-SemiBold.otf"),)),
    Style("plain", _DEJAVU, title_px=29, grey_px=25, time_px=28),
    Style(
        "dash",
        (("Roboto-Regular.ttf", "Roboto-Medium.ttf"),),
        separator="-",
        title_px=34,
        address_below=50,
    ),
    Style(
        "range",
        (("OpenSans-Regular.ttf", "OpenSans-Semibold.ttf"),),
        title_px=31,
        grey_px=28,
        time_px=28,
        has_range_line=True,
    ),
    Style(
        "held-out-narrow",
        (("LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf"), *_DEJAVU),
        title_px=32,
        grey_px=30,
        address_below=60,
        time_pitch=38,
        light=WARM,
        is_held_out=True,
    ),
    Style(
        "held-out-soft",
        (("Lato-Regular.ttf", "Lato-Semibold.ttf"), *_DEJAVU),
        separator="·",
        title_px=35,
        grey_px=31,
        time_px=31,
        address_below=48,
        is_held_out=True,
    ),
)  # fmt: skip
