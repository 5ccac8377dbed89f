"""What chance chose for a screen of another look: device, colours, words, and their CSS."""

from __future__ import annotations

import colorsys
import datetime as dt
import random
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tests.bench.others_words import SIGNS, STOCKS, TONGUES, Tongue
from tests.bench.strange_words import Half

#: Width and height in CSS px, px of the screen for one of them.
_PHONES = (
    (320, 568, 2.0), (360, 640, 3.0), (360, 780, 3.0), (375, 812, 3.0), (390, 844, 3.0),
    (393, 873, 2.75), (412, 915, 2.625), (414, 896, 2.0), (430, 932, 3.0), (384, 854, 3.5),
)  # fmt: skip
_OTHER_DEVICES = (
    (768, 1024, 2.0), (820, 1180, 2.0), (844, 390, 3.0), (1024, 768, 1.5), (1280, 800, 1.5),
    (1440, 900, 1.0),
)  # fmt: skip
#: Background and card.
_THEMES = (
    ("#ffffff", "#ffffff"), ("#f2f2f7", "#ffffff"), ("#faf6ee", "#fffdf8"), ("#eef4ff", "#dde9ff"),
    ("#fef7ff", "#f3edf7"), ("#e8f5e9", "#ffffff"), ("#101418", "#1b2229"), ("#000000", "#1c1c1e"),
    ("#121212", "#121212"), ("#0f1b2d", "#1d2c44"), ("#263238", "#37474f"),
    ("linear-gradient(160deg,#e0f7fa,#fce4ec)", "#ffffff"),
    ("linear-gradient(#1a2980,#134e5e)", "#22305a"),
)  # fmt: skip
_WIDE_PX = 700
_ADDRESSES = ("street, town", "town, street", "street, code town", "two lines", "street / town")
_DURATIONS = ("", "", "{h}h {m}m", "{h} h {m} min", "{h}:{mm} {hours}", "{all} min")
_TIME_SEPARATORS = (" – ", "–", " - ", "-", " — ", " → ")


@dataclass(frozen=True, slots=True)
class Look:
    """A look; lengths in CSS px, colours as CSS writes them."""

    layout: str
    width: int
    height: int
    density: float
    font: str
    size: int
    tongue: Tongue
    background: str
    card: str
    text: str
    soft: str
    accent: str
    icons: dict[str, str]
    separator: str
    clock: str
    joiner: str
    address: str
    duration: str
    radius: int
    gap: int
    is_dark: bool
    is_tinted: bool
    is_zebra: bool
    has_bar: bool
    has_chevron: bool
    has_thumb: bool
    has_box: bool
    has_strip: bool
    has_week: bool
    has_total: bool
    has_tabs: bool
    has_button: bool
    has_pin: bool
    is_sticky: bool
    is_phone_of_apple: bool
    is_job_first: bool
    date_form: str

    def icon(self, sign: str, size: float = 1.0) -> str:
        """Return an icon of the set as an inline drawing, `size` letters wide."""
        return f'<i class=ic style="width:{size}em;height:{size}em">{self.icons[sign]}</i>'


def any_look(rng: random.Random, half: Half, number: int) -> Look:
    """Return a look; layouts take turns by the session's number."""
    stock = STOCKS[half]
    layout = stock.layouts[number % len(stock.layouts)]
    width, height, density = rng.choice(_PHONES * 3 + _OTHER_DEVICES)
    if layout == "table" and width < 390:
        width, height, density = 412, 915, 2.625
    tongue = rng.choice((*TONGUES[:2], *TONGUES))
    background, card = rng.choice(_THEMES)
    is_dark = _lightness(card) < 0.5
    hue = rng.random()
    rgb = colorsys.hls_to_rgb(hue, 0.72 if is_dark else 0.33, 0.7)
    clocks = (":", ":", ".") if tongue.name in ("sv", "da", "nb", "fi") else (":",)
    return Look(
        layout=layout, width=width, height=height, density=density,
        font=rng.choice(stock.fonts),
        size=rng.choice((14, 15, 16, 17)) + (2 if width > _WIDE_PX else 0),
        tongue=tongue, background=background, card=card,
        text="#f1f3f5" if is_dark else rng.choice(("#111111", "#1d2433", "#2d2a26")),
        soft=rng.choice(("#b4bac2", "#98a2ad") if is_dark else ("#5a6270", "#6d6d72")),
        accent="#" + "".join(f"{round(255 * part):02x}" for part in rgb),
        icons=_icons(rng.choice(stock.icons)),
        separator=rng.choice(_TIME_SEPARATORS + ((" till ",) if tongue.name == "sv" else ())),
        clock="12" if tongue.name == "en" and rng.random() < 0.25 else rng.choice(clocks),
        joiner=rng.choice(("bullet", "bullet", "lines", "lines", "chip", "dash")),
        address=rng.choice(_ADDRESSES), duration=rng.choice(_DURATIONS),
        radius=rng.choice((0, 6, 12, 18)), gap=rng.choice((0, 1, 8, 12)), is_dark=is_dark,
        is_tinted=rng.random() < 0.2, is_zebra=rng.random() < 0.3, has_bar=rng.random() < 0.4,
        has_chevron=rng.random() < 0.35, has_thumb=rng.random() < 0.12,
        has_box=rng.random() < 0.12, has_strip=layout == "strip" or rng.random() < 0.1,
        has_week=rng.random() < 0.4, has_total=rng.random() < 0.3, has_tabs=rng.random() < 0.6,
        has_button=rng.random() < 0.25, has_pin=rng.random() < 0.35,
        is_sticky=rng.random() < 0.5, is_phone_of_apple=rng.random() < 0.5,
        is_job_first=rng.random() < 0.3, date_form=rng.choice(tongue.dates),
    )  # fmt: skip


def _lightness(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return colorsys.rgb_to_hls(*parts)[1]


@cache
def _icons(names: tuple[str, ...]) -> dict[str, str]:
    found = find_spec("material")
    assert found and found.origin, "mkdocs-material, a dev dependency, brings the icons"
    folder = Path(found.origin).parent / "templates" / ".icons"
    return {
        sign: (folder / f"{name}.svg").read_text(encoding="utf-8")
        for sign, name in zip(SIGNS, names, strict=True)
    }


def written_date(look: Look, date: dt.date) -> str:
    """Return the heading of a day as the look writes it."""
    tongue, place = look.tongue, date.weekday()
    day, month = tongue.weekdays[place], tongue.months[date.month - 1]
    short = 2 if tongue.name == "fi" else 3
    return look.date_form.format(
        D=day.capitalize(), day=day, d=date.day, M=month, y=date.year, m=date.month,
        sd=day[:short], Sd=day[:short].capitalize(), sM=month[:3], iso=date.isoformat(),
        today=tongue.today,
    )  # fmt: skip


def written_time(look: Look, time: str) -> str:
    """Return HH:MM as the look writes it."""
    hour, minute = time.split(":")
    if look.clock.startswith("12"):
        return f"{int(hour) % 12 or 12}:{minute} {'AM' if int(hour) < 12 else 'PM'}"
    return f"{hour}{look.clock}{minute}"


def written_duration(look: Look, minutes: int) -> str:
    """Return a duration as the look writes it; empty where it writes none."""
    hours, rest = divmod(minutes, 60)
    text = look.duration.format(
        h=hours, m=rest, mm=f"{rest:02}", all=minutes, hours=look.tongue.hours
    )
    return text.removeprefix("0h ").removeprefix("0 h ").removesuffix(" 0m").removesuffix(" 0 min")


def css(look: Look) -> str:
    """Return the style of everything that the layouts draw."""
    inset = look.gap >= 8
    shade = "#ffffff14" if look.is_dark else "#0000000d"
    return f"""
*{{box-sizing:border-box;margin:0}}
body{{width:{look.width}px;height:{look.height}px;overflow:hidden;display:flex;
 flex-direction:column;font-family:'{look.font}';font-size:{look.size}px;line-height:1.35;
 color:{look.text};background:{look.background};position:relative}}
.ic{{display:inline-block;vertical-align:-.12em}}
.ic svg{{width:100%;height:100%;fill:currentColor}}
.status{{display:flex;justify-content:space-between;align-items:center;padding:0 18px;
 height:{44 if look.is_phone_of_apple else 26}px;font-size:{13 if look.width < _WIDE_PX else 15}px;
 font-weight:600;flex:none}}
.bar{{display:flex;align-items:center;gap:12px;padding:10px 16px;font-size:1.15em;font-weight:600;
 flex:none}} .bar b{{flex:1}}
.accent{{background:{look.accent};color:{"#000" if look.is_dark else "#fff"}}}
.strip{{display:flex;flex:none;padding:6px 8px}} .strip div{{flex:1;text-align:center}}
.strip div{{font-size:.78em;color:{look.soft}}} .strip span{{font-size:1.25em;color:{look.text}}}
.strip .on{{background:{look.accent};color:{"#000" if look.is_dark else "#fff"};
 border-radius:14px;padding:0 7px}}
.heading{{padding:14px 16px 8px;font-size:1.3em;font-weight:700}}
.heading small{{display:block;font-size:.62em;font-weight:400;color:{look.soft}}}
#list{{flex:1;overflow:hidden;position:relative}} #inner{{padding-bottom:84px;position:relative}}
.card{{display:flex;gap:12px;padding:12px 16px;background:{look.card};position:relative;
 margin:0 {12 if inset else 0}px {look.gap}px;border-radius:{look.radius if inset else 0}px;
 {"" if inset else f"border-bottom:1px solid {shade.replace('0d', '22').replace('14', '2a')};"}}}
.zebra .card:nth-child(even){{background-image:linear-gradient({shade},{shade})}}
.body{{flex:1;min-width:0}} .title{{font-weight:600;font-size:1.05em}}
.times{{font-weight:600;white-space:nowrap}} .left .end{{color:{look.soft};font-weight:400}}
.soft{{color:{look.soft};font-size:.9em}} .right{{text-align:right;white-space:nowrap}}
.line{{display:flex;justify-content:space-between;gap:10px}}
.side{{width:4px;border-radius:2px;background:{look.accent};align-self:stretch;flex:none}}
.chip{{display:inline-block;border-radius:99px;padding:1px 10px;font-size:.82em;
 background:{look.accent}2e;color:{look.text}}}
.badge{{display:inline-block;border-radius:5px;padding:1px 8px;font-size:.8em;font-weight:600;
 background:#c62828;color:#fff}}
.round{{width:40px;height:40px;border-radius:50%;background:{look.accent};flex:none;font-weight:600;
 color:{"#000" if look.is_dark else "#fff"};display:flex;align-items:center;justify-content:center}}
.box{{width:20px;height:20px;border:2px solid {look.soft};border-radius:4px;flex:none}}
.thumb{{width:64px;height:52px;border-radius:8px;flex:none}}
.cut{{white-space:nowrap;overflow:hidden;text-overflow:ellipsis;display:block}}
.crossed{{text-decoration:line-through}} .pale{{opacity:.22}}
.total{{padding:10px 16px;color:{look.soft};font-size:.95em}}
.group{{margin:0 14px 18px;border-radius:11px;background:{look.card};overflow:hidden}}
.pair{{display:flex;justify-content:space-between;gap:14px;padding:9px 14px;
 border-bottom:1px solid {shade}}} .pair span:first-child{{color:{look.soft};flex:none}}
.pair span:last-child{{text-align:right}}
.hour{{position:absolute;left:8px;right:0;border-top:1px solid {shade};font-size:.72em;
 color:{look.soft}}}
.block{{position:absolute;left:64px;right:12px;border-radius:7px;padding:3px 9px;overflow:hidden;
 background:{look.card};border-left:4px solid {look.accent};line-height:1.25;font-size:.92em}}
.bubble{{background:{look.card};border-radius:14px;margin:6px 60px 6px 12px;padding:8px 12px}}
.bubble em{{display:block;text-align:right;font-style:normal;font-size:.7em;color:{look.soft}}}
table{{width:100%;border-collapse:collapse;background:{look.card}}}
td,th{{text-align:left;padding:9px 8px;vertical-align:top;border-bottom:1px solid {shade}}}
th{{color:{look.soft};font-size:.85em}} td:first-child{{white-space:nowrap;font-weight:600}}
.tabs{{display:flex;flex:none;padding:7px 0 {22 if look.is_phone_of_apple else 8}px;
 border-top:1px solid {shade};color:{look.soft};font-size:.74em;text-align:center}}
.tabs div{{flex:1}} .over{{position:absolute;z-index:9}}
.fab{{right:18px;bottom:18px;width:56px;height:56px;border-radius:18px;font-size:24px;
 display:flex;align-items:center;justify-content:center;box-shadow:0 3px 9px #0006}}
.toast{{left:16px;right:16px;padding:14px 16px;border-radius:8px;background:#323232;color:#fff;
 box-shadow:0 3px 9px #0006}}
"""
