"""A day as a web page in the look of a phone app, for a browser to draw: another hand than ours.

Nothing here is shared with `tests.drawn.draw`: fonts are shaped and smoothed by the
browser, cards grow with their text, portraits hold initials.
"""

from __future__ import annotations

import datetime as dt
import html
import random
from dataclasses import dataclass

from tests.drawn.days import Day, Row
from tests.drawn.draw import MONTHS, TABS, WEEKDAYS, WORDS


@dataclass(frozen=True, slots=True)
class PageLook:
    """One look of the page; sizes in CSS px, `density` device px for each of them."""

    name: str
    fonts: str
    width: int = 414
    height: int = 896
    density: float = 2.0
    columns: int = 1
    header_px: int = 135
    tabs_px: int = 83
    css: str = ""
    dark_css: str = ""
    separator: str = "•"
    is_android: bool = False
    #: Never looked at while the reader was changed; the others were, after a first measuring.
    is_held_out: bool = False


_RULES = (
    ".card{border-bottom:6px double #e3e6ea;padding:15px 17px 14px 19px}.bar{background:#43b070}"
)
_DARK = (
    "body,.tabs{background:#1c1c1e;color:#f2f2f4}.grey,.tabs{color:#9a9ca2}.times{color:#dedfe3}"
    ".card{border-color:#3a3a3e}.head{background:#0c1426}"
)
PAGE_LOOKS = (
    PageLook("page-phone", "Inter,'Liberation Sans',sans-serif", css=_RULES, dark_css=_DARK,
        is_held_out=True),
    PageLook(
        "page-android", "Roboto,'Noto Sans',sans-serif", width=393, height=873, density=2.75,
        header_px=104, tabs_px=72, is_android=True,
        css=".card{margin:10px 12px;border-radius:12px;border:1px solid #dfe3ea;padding:12px}"
        ".bar{background:#2f9e44;border-radius:3px}.title{font-weight:500;letter-spacing:.15px}"
        ".head{background:#f3f6fb;color:#1d2733}.times{width:62px;font-size:15px}",
        dark_css="body,.tabs{background:#121417;color:#e6e8ec}.grey,.tabs{color:#a2a7b0}"
        ".card{background:#1f2329;border-color:#2b3038}.head{background:#191c21;color:#dfe3ea}"
        ".times{color:#e0e3e8}",
    ),
    PageLook(
        "page-tablet", "'Open Sans',Lato,sans-serif", width=834, height=1112, density=1.5,
        columns=2, css=_RULES + ".card{width:382px;box-sizing:border-box}", dark_css=_DARK,
    ),
    PageLook(
        "page-tint", "Lato,Cantarell,sans-serif", separator="·",
        css=".card{background:#eef6f1;margin-bottom:8px;padding:14px 18px}.bar{background:#e0592a}"
        "body{letter-spacing:.3px}.grey{color:#5d6670}.title{font-size:17px}",
        dark_css="body,.tabs{background:#000;color:#fff}.grey,.tabs{color:#b6bac2}"
        ".card{background:#22303f}.times{color:#e8ecf2}.head{background:#10243c}",
    ),
    PageLook(
        "page-narrow", "'Liberation Sans','DejaVu Sans Condensed',sans-serif", width=375,
        height=812, density=3.0, header_px=128, tabs_px=80, separator="-",
        css=_RULES + ".title{font-size:15px;letter-spacing:-.25px}.grey{font-size:13px}"
        ".times{font-size:14px;line-height:18px}", dark_css=_DARK,
        is_held_out=True,
    ),
    PageLook(
        "page-pale", "'Noto Sans',Cantarell,sans-serif", width=430, height=932, density=3.0,
        header_px=142, tabs_px=88,
        css=".head{background:#fff;color:#2b3440;border-bottom:1px solid #e4e7ec}"
        ".card{border-bottom:9px solid #f0f2f5;padding:18px 20px}.bar{background:#7a4fd0;width:3px}"
        ".title{color:#2f3742;font-size:16px;font-weight:700}.times{font-size:16px;line-height:19px}",
        dark_css="body,.tabs{background:#16181d;color:#e9ebef}.grey,.tabs{color:#9aa1ac}"
        ".card{border-color:#0c0d10}.title,.times{color:#eceef2}.head{background:#1b1e25}",
    ),
    PageLook(
        "page-large", "Cantarell,'DejaVu Sans',sans-serif", width=412, height=915, density=2.625,
        header_px=110, tabs_px=70, is_android=True, is_held_out=True, separator="·",
        css=".card{border-bottom:1px solid #cfd4da;padding:13px 14px}.bar{background:#00897b}"
        ".title{font-size:18px;line-height:23px;max-width:215px}.grey{font-size:15.5px}"
        ".times{font-size:16.5px;width:64px;line-height:20px}.head{background:#00695c}",
        dark_css=_DARK,
    ),
    PageLook(
        "page-bare", "'Open Sans','Liberation Sans',sans-serif", width=402, height=874, density=3.0,
        header_px=131, tabs_px=78,
        css=".head{background:#fff;color:#111}.head .now{background:#ffd54f;color:#111}"
        ".card{margin:0 10px 10px;padding:14px;border-radius:10px;background:#f4f5f7}"
        ".bar{background:#1e88e5;width:4px}.title{font-size:16px}.times{font-size:15.5px;width:60px}",
        dark_css="body,.tabs,.head{background:#000;color:#f5f5f5}.grey,.tabs{color:#a0a4ab}"
        ".card{background:#1a1b1f}.times,.title{color:#f0f1f3}.head .now{background:#ffd54f}",
    ),
)  # fmt: skip

_CSS = """
*{box-sizing:border-box}body{margin:0;background:#fff;color:#212529}
.head{position:fixed;z-index:1;top:0;left:0;right:0;background:#172b4d;color:#fff;
padding:14px 24px 0 30px}
.head .row{display:flex;justify-content:space-between;font-size:13px}
.head .clock{font-weight:600;font-size:15px;margin-bottom:22px}
.head .now{background:#fff;color:#172b4d;border-radius:50%;width:28px;text-align:center;
line-height:28px;margin-top:-6px}
.date{padding:19px 16px 2px;font-size:23px;font-weight:600}.week{padding:0 17px 8px;font-size:14px}
.card{display:flex;position:relative}.times{width:58px;font-size:15px;line-height:17px;color:#343a40}
.ontime{color:#2d8a55;font-size:11px}.bar{width:4.5px;margin:0 14px 0 2px;align-self:stretch}
.body{flex:1;min-width:0}.top{display:flex;justify-content:space-between}
.title{font-weight:600;font-size:16.5px;max-width:226px;line-height:21px}
.grey{color:#767c84;font-size:14.5px}.length{white-space:nowrap;padding-left:8px}
.under{display:flex;justify-content:space-between;margin-top:7px;line-height:19px}
.who{min-width:126px;padding-left:6px;font-size:12.5px}.faces{display:flex;align-items:center;margin-top:3px}
.face{width:28px;height:28px;border-radius:50%;margin-right:-5px;border:1.5px solid #fff;color:#fff;
font-size:10px;text-align:center;line-height:26px}.more{margin-left:10px}
.bye{padding:18px 18px 40px;display:flex}.bye .times{width:79px}
.cards{display:flex;flex-direction:column}
.two{flex-wrap:wrap;align-content:space-between}
.tabs{position:fixed;z-index:1;bottom:0;left:0;right:0;background:#fff;border-top:1px solid #dfe3e8;
display:flex;justify-content:space-around;padding-top:9px;font-size:11px;color:#767c84}
.tabs svg{display:block;margin:0 auto 3px}
"""
CLOCK_SVG = (
    '<svg width="13" height="13" viewBox="0 0 13 13" '
    'style="vertical-align:-1.5px;margin-right:5px">'
    '<circle cx="6.5" cy="6.5" r="5.6" fill="none" stroke="currentColor" stroke-width="1.4"/>'
    '<path d="M6.5 3.2V6.5L9 8" fill="none" stroke="currentColor" stroke-width="1.4"/></svg>'
)
ICON_SVG = (
    '<svg width="20" height="20"><rect x="2" y="2" width="16" height="16" rx="4" fill="none" '
    'stroke="currentColor" stroke-width="2"/></svg>'
)


def page_of(day: Day, look: PageLook, language: str, rng: random.Random, *, is_dark: bool) -> str:
    """Return the whole day as one HTML document; the browser scrolls it."""
    cards = "".join(_card(row, look, language, rng) for row in day.rows)
    end = day.rows[-1].end if day.rows else "16:00"
    bye = (
        f'<div class="bye"><div class="times">{end}</div>'
        f'<div class="title">{WORDS[language][3]} 😊</div></div>'
    )
    css = _CSS + look.css + (look.dark_css if is_dark else "")
    two = "two" if look.columns == 2 else ""
    half = f"height:{_column_height(day, look)}px" if two else ""
    return (
        f"<!doctype html><meta charset=utf-8><style>body{{font-family:{look.fonts}}}{css}</style>"
        f'<div style="height:{look.header_px}px"></div>{_head(day.date, language, rng, look)}'
        f"{_date(day.date, language)}"
        f'<div class="cards {two}" style="{half}">{cards}</div>{bye}'
        f'<div style="height:{look.tabs_px}px"></div>{_tabs(language, look)}'
    )


def _column_height(day: Day, look: PageLook) -> int:
    """Return a height into which half of the cards fit, in CSS px."""
    return 125 * ((len(day.rows) + 1) // 2) + 60


def _date(date: dt.date, language: str) -> str:
    weekday, month = WEEKDAYS[language][date.weekday()], MONTHS[language][date.month - 1]
    week = f"{WORDS[language][0]} {date.isocalendar().week}"
    return (
        f'<div class="date">{weekday} {date.day} {month}</div><div class="week grey">{week}</div>'
    )


def _head(date: dt.date, language: str, rng: random.Random, look: PageLook) -> str:
    monday = date - dt.timedelta(days=date.weekday())
    days = [monday + dt.timedelta(days=place) for place in range(7)]
    names = "".join(f"<span>{WEEKDAYS[language][d.weekday()][:3]}</span>" for d in days)
    numbers = "".join(f'<span class="{"now" if d == date else ""}">{d.day}</span>' for d in days)
    clock = f"{rng.randint(6, 22):02}:{rng.randint(0, 59):02}"
    state = f"{rng.randint(9, 99)} %" if look.is_android else "5G"
    return (
        f'<div class="head" style="height:{look.header_px}px"><div class="row clock">'
        f"<span>{clock}</span><span>{state}</span></div>"
        f'<div class="row"><span>&nbsp;&nbsp;</span>{names}</div>'
        f'<div class="row" style="margin-top:12px"><span>{date.isocalendar().week}</span>{numbers}'
        "</div></div>"
    )


def _card(row: Row, look: PageLook, language: str, rng: random.Random) -> str:
    _, state, heading, _ = WORDS[language]
    on_time = f'<div class="ontime">{state.lower()}</div>' if row.is_on_time else ""
    title = html.escape(row.title.format(sep=look.separator))
    hours, minutes = divmod(row.minutes, 60)
    length = " ".join(f"{n}{unit}" for n, unit in ((hours, "h"), (minutes, "m")) if n)
    who = _colleagues(row.collaborators, heading, rng) if row.collaborators else ""
    under = (
        f'<div class="under"><div class="grey">{html.escape(row.address)}</div>{who}</div>'
        if row.address
        else '<div style="height:18px"></div>'
    )
    return (
        f'<div class="card"><div class="times">{row.start}<br>{row.end}{on_time}</div>'
        '<div class="bar"></div><div class="body"><div class="top">'
        f'<div class="title">{title}</div>'
        f'<div class="length grey">{CLOCK_SVG}{length}</div></div>{under}</div></div>'
    )


def _colleagues(count: int, heading: str, rng: random.Random) -> str:
    faces = "".join(
        f'<div class="face" style="background:hsl({rng.randrange(360)},50%,45%)">'
        f"{rng.choice('ABEHKLMS')}{rng.choice('ABEJKLÖS')}</div>"
        for _ in range(min(count, 3))
    )
    more = f'<div class="more grey">+{count - 3}</div>' if count > 3 else ""
    return f'<div class="who grey">{heading}<div class="faces">{faces}{more}</div></div>'


def _tabs(language: str, look: PageLook) -> str:
    tabs = "".join(f"<div>{ICON_SVG}{text}</div>" for text in TABS[language])
    return f'<div class="tabs" style="height:{look.tabs_px}px">{tabs}</div>'
