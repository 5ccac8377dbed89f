"""A day in a look that nobody chose: sizes, colours, fonts, words and places drawn by chance.

A style fixes one rendering, and a reader that is mended until it reads the style knows the style.
Here every session looks otherwise, so that only what holds for all looks is of use.
"""

from __future__ import annotations

import datetime as dt
import html
import random
from dataclasses import dataclass

from tests.bench.any_day import ANY_MONTHS, ANY_WEEKDAYS, invent_any_day
from tests.bench.phone_page import CLOCK_SVG, ICON_SVG
from tests.drawn.days import Day, Row

#: Width, height and device px for a CSS px of phones, and of one tablet.
SCREENS = (
    (375, 667, 2.0), (375, 812, 3.0), (390, 844, 3.0), (393, 852, 3.0), (402, 874, 3.0),
    (414, 896, 2.0), (414, 896, 3.0), (430, 932, 3.0), (360, 800, 3.0), (412, 915, 2.625),
    (384, 832, 2.8125), (360, 740, 4.0), (820, 1180, 2.0),
)  # fmt: skip
FONTS = (
    "Inter", "Inter", "Inter Display", "Roboto", "Noto Sans", "Open Sans", "Lato",
    "Liberation Sans",
    "Nimbus Sans", "DejaVu Sans", "Carlito", "Cabin", "Karla", "Manrope", "Oxygen", "Clear Sans",
    "Roboto Condensed", "Go", "Cantarell",
)  # fmt: skip
SEPARATORS = ("•", "•", "•", "•", "·", "-", "–")
CARRIERS = (
    "", "", "", "Telia", "Tele2", "halebop", "Comviq", "Telenor SE", "3", "3 SE", "Vimla", "Fello",
    "hallon", "Telia 4G", "Telenor Sverige", "Chilimobil", "NOT BANKED",
)  # fmt: skip
DURATIONS = ("{h}h {m}m", "{h}h {m}m", "{h}h {m}m", "{h} h {m} min", "{h}h{m}m", "")
DATE_FORMS = (
    "{W} {d} {M}", "{W} {d} {M}", "{W} {d} {M}", "{w} {d} {m}", "{W}, {d} {M}", "{W3} {d} {M3}",
    "{W} {d} {M} {Y}",
)  # fmt: skip
WEEK_FORMS = ("{word} {n}", "{word} {n}", "{word} {n}", "v. {n}", "")
#: Background and ink of a header; none has those of the page.
HEADS = (
    ("#172b4d", "#fff"), ("#172b4d", "#fff"), ("#00695c", "#fff"), None, ("#fff", "#222"),
    ("#f3f6fb", "#1d2733"), ("#5b2a86", "#fff"), ("#ffcc33", "#222"),
)  # fmt: skip
WORDS = {
    "en": ("Week", "on time", "Collaborators", "Thank you for today!"),
    "sv": ("Vecka", "i tid", "Kollegor", "Tack för idag!"),
}
TABS = {
    "en": ("Schedule", "HelpHub", "Account"),
    "sv": ("Schema", "HelpHub", "Konto"),
}


@dataclass(frozen=True, slots=True)
class AnyLook:
    """What chance chose; lengths in CSS px, `text` times each size of type."""

    width: int
    height: int
    density: float
    header_px: int
    tabs_px: int
    text: float
    language: str
    is_dark: bool
    separator: str
    font: str
    css: str
    carrier: str
    is_range: bool
    duration: str
    date_form: str
    week_form: str
    strip: str
    back: str
    has_bye: bool
    columns: int = 1
    name: str = "page-any"
    is_held_out: bool = True


def any_page(rng: random.Random) -> tuple[Day, AnyLook, str]:
    """Return a day, its look and the page as one HTML document."""
    look = _any_look(rng)
    day = invent_any_day(
        rng, rng.choice((2, 3, 4, 5, 5, 7, 9, 11)), has_bullet=look.separator in "•·"
    )
    return day, look, _page(day, look, rng)


def _any_look(rng: random.Random) -> AnyLook:
    width, height, density = rng.choice(SCREENS)
    is_dark = rng.random() < 0.35
    has_home = height > 700
    is_range = rng.random() < 0.2
    sizes = (0.88, 0.94, 1.0, 1.0, 1.0, 1.0, 1.06, 1.15, 1.25)
    return AnyLook(
        width=width,
        height=height,
        density=density,
        header_px=rng.choice((0, 88, 110, 135, 135, 150)) if rng.random() < 0.9 else 60,
        tabs_px=rng.choice((0, 50, 83, 83)) if has_home else rng.choice((0, 50)),
        text=rng.choice(sizes[:-2] if is_range else sizes),
        language=rng.choice(("en", "sv")),
        is_dark=is_dark,
        separator=rng.choice(SEPARATORS),
        font=rng.choice(FONTS),
        css=_any_css(rng, is_dark=is_dark),
        carrier=rng.choice(CARRIERS),
        is_range=is_range,
        duration=rng.choice(DURATIONS),
        date_form=rng.choice(DATE_FORMS),
        week_form=rng.choice(WEEK_FORMS),
        strip=rng.choice(("names", "names", "letters", "none")),
        back=rng.choice(("", "", "", "◀ Telegram", "◂ Messages", "◀ Sök", "◀ App Store")),
        has_bye=rng.random() < 0.75,
    )  # fmt: skip


def _any_css(rng: random.Random, *, is_dark: bool) -> str:
    pick = rng.choice
    if is_dark:
        sheet = pick(("#000", "#111214", "#1c1c1e", "#121a26", "#202124"))
        ink, grey = pick(("#fff", "#f2f2f4", "#e4e6ea")), pick(("#9a9ca2", "#a8acb4", "#8e8e93"))
        card = pick((sheet, sheet, "#26282c", "#1d2b3a"))
        head, head_ink = pick((sheet, "#0c1426", "#17324d", "#2b2b2e")), "#f4f4f6"
        rule = pick(("#3a3a3e", "#2c2e33", "#444"))
    else:
        sheet = pick(("#fff", "#fff", "#fafafa", "#f4f5f7", "#fdfaf4"))
        ink, grey = (
            pick(("#212529", "#000", "#2f3742", "#1a1a40")),
            pick(("#767c84", "#8a8f98", "#5d6670")),
        )
        card = pick((sheet, sheet, "#fff", "#eef6f1", "#f0f2f8"))
        head, head_ink = pick(HEADS) or (sheet, ink)
        rule = pick(("#dee2e6", "#cfd4da", "#e9ebee"))
    shape = pick((
        f"border-bottom:6px double {rule}", f"border-bottom:6px double {rule}",
        f"border-bottom:1px solid {rule}", f"border-bottom:8px solid {rule}",
        f"margin:0 10px 10px;border:1px solid {rule};border-radius:12px",
        "margin:0 12px 9px;border-radius:8px;box-shadow:0 1px 5px #0004",
    ))  # fmt: skip
    bar = pick(("#43b070", "#43b070", "#1e88e5", "#e0592a", "#7a4fd0", "#d93b5a", "#00897b"))
    bar_width = pick((0, 3, 4.5, 4.5, 6))
    spacing = pick((-0.3, -0.15, 0, 0, 0, 0.2, 0.35))
    now = pick((bar, "#fff", "#ffd54f"))
    return "".join((
        f"body{{background:{sheet};color:{ink};letter-spacing:{spacing}px}}.grey,.tabs{{color:{grey}}}",
        f".tabs{{background:{sheet};border-top:1px solid {rule}}}.title{{color:{ink}}}",
        f".card{{background:{card};{shape};padding:{pick((9, 13, 16, 20))}px",
        f" {pick((12, 16, 19))}px}}.bar{{background:{bar};width:{bar_width}px}}",
        f".bar{{border-radius:{pick((0, 3))}px}}.head{{background:{head};color:{head_ink}}}",
        f".now{{background:{now};color:#111}}.title{{font-weight:{pick((500, 600, 600, 700))};",
        f"max-width:{pick((210, 226, 250))}px}}.times b{{font-weight:{pick((400, 500, 600))}}}",
        f".date{{font-weight:{pick((500, 600, 700))};padding-top:{pick((8, 16, 24))}px}}",
    ))  # fmt: skip


_CSS = """
*{box-sizing:border-box}body{margin:0}
.head{position:fixed;z-index:1;top:0;left:0;right:0;overflow:hidden;padding:13px 24px 0 28px}
.row{display:flex;justify-content:space-between;font-size:13px;align-items:center}
.clock{font-weight:600;font-size:15px}.back{font-size:11px;height:14px}
.now{border-radius:50%;width:28px;text-align:center;line-height:28px}
.battery{border-radius:4px;padding:0 4px;font-size:11px;background:#8c8;color:#111}
.card{display:flex}.ontime{color:#2d8a55}
.bar{align-self:stretch;flex:none;margin:0 13px 0 2px}.body{flex:1;min-width:0}
.top,.under{display:flex;justify-content:space-between}.length{white-space:nowrap;padding-left:8px}
.under{margin-top:7px}.who{padding-left:6px}.faces{display:flex;align-items:center;margin-top:3px}
.face{width:28px;height:28px;border-radius:50%;margin-right:-5px;border:1.5px solid #fff;color:#fff;
font-size:10px;text-align:center;line-height:26px}.more{margin-left:10px}
.bye{padding:18px 18px 40px;display:flex}
.tabs{position:fixed;z-index:1;bottom:0;left:0;right:0;display:flex;justify-content:space-around;
padding-top:8px;font-size:11px}.tabs svg{display:block;margin:0 auto 2px}
.cards{display:flex;flex-direction:column}
"""
_SIGNAL = (
    '<svg width="44" height="12"><path d="M1 11V8M5 11V6M9 11V3.5M13 11V1" stroke="currentColor" '
    'stroke-width="2.6"/><path d="M19 5Q25 0 31 5M22 8Q25 5 28 8" fill="none" '
    'stroke="currentColor" stroke-width="2"/></svg>'
)


def _sizes(look: AnyLook) -> str:
    sizes = {
        "date": 23, "week": 14, "times": 15, "title": 16.5, "grey": 14.5, "who": 12.5, "ontime": 11,
    }  # fmt: skip
    text = "".join(
        f".{name}{{font-size:{size * look.text:.1f}px;line-height:{1.25 * size * look.text:.1f}px}}"
        for name, size in sizes.items()
    )
    return (
        text + f".times{{width:{(118 if look.is_range else 56) * max(1, look.text)}px;flex:none}}"
    )


def _page(day: Day, look: AnyLook, rng: random.Random) -> str:
    icon = rng.choice((CLOCK_SVG, CLOCK_SVG, ""))
    cards = "".join(_card(row, look, icon, rng) for row in day.rows)
    end = day.rows[-1].end if day.rows else "16:00"
    bye = (
        f'<div class="bye"><div class="times">{end}</div>'
        f'<div class="title">{WORDS[look.language][3]} {rng.choice(("😊", "👋", ""))}</div></div>'
    )
    style = f"body{{font-family:'{look.font}',sans-serif}}{_CSS}{look.css}{_sizes(look)}"
    return (
        f"<!doctype html><meta charset=utf-8><style>{style}</style>"
        f'<div style="height:{look.header_px}px"></div>{_head(day.date, look, rng)}'
        f'{_date(day.date, look)}<div class="cards">{cards}</div>{bye if look.has_bye else ""}'
        f'<div style="height:{look.tabs_px + 12}px"></div>{_tabs(look)}'
    )


def _date(date: dt.date, look: AnyLook) -> str:
    weekday = ANY_WEEKDAYS[look.language][date.weekday()]
    month = ANY_MONTHS[look.language][date.month - 1]
    text = look.date_form.format(
        W=weekday, w=weekday.lower(), W3=weekday[:3], M=month, m=month.lower(), M3=month[:3],
        d=date.day, Y=date.year,
    )  # fmt: skip
    week = look.week_form.format(word=WORDS[look.language][0], n=date.isocalendar().week)
    return (
        f'<div class="date" style="padding-left:16px;padding-bottom:2px">{text}</div>'
        f'<div class="week grey" style="padding:0 17px 10px">{week}</div>'
    )


def _head(date: dt.date, look: AnyLook, rng: random.Random) -> str:
    if not look.header_px:
        return ""
    monday = date - dt.timedelta(days=date.weekday())
    days = [monday + dt.timedelta(days=place) for place in range(7)]
    length = {"names": 3, "letters": 1, "none": 0}[look.strip]
    names = "".join(
        f"<span>{ANY_WEEKDAYS[look.language][d.weekday()][:length]}</span>" for d in days
    )
    numbers = "".join(f'<span class="{"now" if d == date else ""}">{d.day}</span>' for d in days)
    clock = f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}"
    state = rng.choice(("5G", "4G", "LTE", "", "58 %", "100%"))
    battery = rng.choice(("", f'<span class="battery">{rng.randint(5, 99)}</span>'))
    island = '<span style="background:#000;border-radius:12px;width:96px;height:25px"></span>'
    strip = (
        f'<div class="row" style="margin-top:6px"><span>&nbsp;&nbsp;</span>{names}</div>'
        '<div class="row" style="margin-top:8px">'
        f"<span>{date.isocalendar().week}</span>{numbers}</div>"
        if length and look.header_px > 100
        else ""
    )
    return (
        f'<div class="head" style="height:{look.header_px}px"><div class="row clock">'
        f"<span>{clock} {look.carrier}</span>{rng.choice(('', island))}"
        f"<span>{_SIGNAL}{state} {battery}</span></div>"
        f'<div class="back">{look.back}</div>{strip}</div>'
    )


def _card(row: Row, look: AnyLook, icon: str, rng: random.Random) -> str:
    _, state, heading, _ = WORDS[look.language]
    on_time = f'<div class="ontime">{state}</div>' if row.is_on_time else ""
    title = html.escape(row.title.format(sep=look.separator))
    hours, minutes = divmod(row.minutes, 60)
    parts = look.duration.replace("{h}h{m}", "{h}h {m}").split(" {m}")
    length = (f"{parts[0].format(h=hours)} " if hours else "") + (
        f"{minutes}{parts[1]}" if minutes and len(parts) > 1 else ""
    )
    shown = f"{icon}{length}" if look.duration else ""
    who = _colleagues(row.collaborators, heading, rng) if row.collaborators else ""
    under = f'<div class="under"><div class="grey">{html.escape(row.address)}</div>{who}</div>'
    join = f" {rng.choice('-–')} " if look.is_range else "<br>"
    return (
        f'<div class="card"><div class="times"><b>{row.start}</b>{join}{row.end}{on_time}</div>'
        f'<div class="bar"></div><div class="body"><div class="top"><div class="title">{title}'
        f'</div><div class="length grey">{shown}</div></div>{under if row.address else ""}'
        "</div></div>"
    )


def _colleagues(count: int, heading: str, rng: random.Random) -> str:
    faces = "".join(
        f'<div class="face" style="background:hsl({rng.randrange(360)},50%,45%)">'
        f"{rng.choice(('AB', 'EJ', 'HK', 'LÖ', 'MS', '', '🙂'))}</div>"
        for _ in range(min(count, 3))
    )
    more = f'<div class="more grey">+{count - 3}</div>' if count > 3 else ""
    return f'<div class="who grey">{heading}<div class="faces">{faces}{more}</div></div>'


def _tabs(look: AnyLook) -> str:
    if not look.tabs_px:
        return ""
    tabs = "".join(f"<div>{ICON_SVG}{text}</div>" for text in TABS[look.language])
    return f'<div class="tabs" style="height:{look.tabs_px}px">{tabs}</div>'
