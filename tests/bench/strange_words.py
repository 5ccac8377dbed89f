"""What strange screens are made of, in two halves: one to tune on, one to be measured by, blind.

Nothing is in both: fonts, icons, towns, streets, names, looks. People, clients and streets are
invented; fonts and icons are those of Debian's packages (`scripts/system-packages drawing`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Half(StrEnum):
    """Whether a drawing may be looked at while the reader is changed."""

    TUNE = "tune"
    BLIND = "blind"


@dataclass(frozen=True, slots=True)
class Icons:
    """An icon set: a font and its signs, or (without a font) drawings in SVG."""

    font: str
    clock: str
    person: str
    place: str


@dataclass(frozen=True, slots=True)
class Matter:
    """All that one half draws with."""

    fonts: tuple[str, ...]
    icons: tuple[Icons, ...]
    towns: tuple[str, ...]
    stems: tuple[str, ...]
    tails: tuple[str, ...]
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    companies: tuple[str, ...]
    emoji: tuple[str, ...]


_LINE_CLOCK = (
    '<svg width="15" height="15" viewBox="0 0 24 24" fill="none" stroke="currentColor" '
    'stroke-width="2" style="vertical-align:-2px"><circle cx="12" cy="12" r="10"/>'
    '<path d="M12 6v6l3 2"/></svg>'
)
_LINE_PERSON = (
    '<svg width="17" height="17" viewBox="0 0 24 24" fill="none" stroke="currentColor" '
    'stroke-width="2" style="vertical-align:-4px"><circle cx="12" cy="7.5" r="4"/>'
    '<path d="M5 21c0-8 14-8 14 0z"/></svg>'
)
_THIN_CLOCK = (
    '<svg width="14" height="14" viewBox="0 0 20 20" fill="none" stroke="currentColor" '
    'stroke-width="1.3" style="vertical-align:-2px"><circle cx="10" cy="10" r="8"/>'
    '<path d="M10 5v5H6"/></svg>'
)
_SOLID_PERSON = (
    '<svg width="16" height="16" viewBox="0 0 20 20" fill="currentColor" '
    'style="vertical-align:-3px"><circle cx="10" cy="6" r="4"/>'
    '<path d="M2 19c0-10 16-10 16 0z"/></svg>'
)

MATTER = {
    Half.TUNE: Matter(
        fonts=("Inter", "Roboto", "Open Sans", "DejaVu Sans", "Karla", "Liberation Sans", "Cabin"),
        icons=(
            Icons("FontAwesome", "\uf017", "\uf007", "\uf041"),
            Icons("", _LINE_CLOCK, _LINE_PERSON, ""),
        ),
        towns=(
            "Göteborg", "Mölndal", "Lindome", "Onsala", "Kungsbacka", "Askim", "Hovås", "Partille",
            "Västra Frölunda", "Kungälv",
        ),
        stems=(
            "Havre", "Linneå", "Korn", "Rågbrods", "Timmer", "Smedje", "Örn", "Fjäll", "Vinter",
            "Brunns",
        ),
        tails=("vägen", "gatan", "stigen", "backen", "gränd"),
        first_names=(
            "Ylva", "Torvald", "Ann-Mari", "Ebbe", "Åsa", "Majken", "Rut", "Jan-Erik", "Ömer",
            "Ilse", "Lars",
        ),
        last_names=(
            "Stenvall", "Björkhede", "Åkerlid", "Illersten", "Norrgård", "Öhmark", "Lindqvarn",
            "Sandhed", "Tillby", "Wedin-Falk",
        ),
        companies=("Bergslid Bygg AB", "BRF Nattviolen", "Kaffestugan Ugglan"),
        emoji=("🎉", "😊", "👋"),
    ),
    Half.BLIND: Matter(
        fonts=("Lato", "Noto Sans", "Manrope", "Quicksand", "Cantarell", "Carlito", "B612", "Go"),
        icons=(
            Icons("Material Design Icons", "\U000f0150", "\U000f0004", "\U000f034e"),
            Icons("", _THIN_CLOCK, _SOLID_PERSON, ""),
        ),
        towns=(
            "Kållered", "Billdal", "Särö", "Lerum", "Torslanda", "Landvetter", "Mölnlycke",
            "Hisings Kärra", "Alingsås", "Stenungsund",
        ),
        stems=(
            "Mandel", "Ljung", "Hägg", "Domar", "Klöver", "Älv", "Spinnar", "Munk", "Vessle",
            "Island",
        ),
        tails=("vägen", "gatan", "allén", "liden", "höjden"),
        first_names=(
            "Greta", "Sixten", "Eva-Karin", "Hjalmar", "Örjan", "Dagny", "Olov", "Britt-Inger",
            "Aziz", "Ulla", "Vera",
        ),
        last_names=(
            "Holmsjö", "Rosenäng", "Ågren-Dahl", "Illerbäck", "Västlid", "Kvarnsten", "Fältby",
            "Lövhag", "Djupdal", "Ekhult",
        ),
        companies=("Snickeri Tallkotten AB", "BRF Månskäran", "Salong Pärlan"),
        emoji=("🥳", "✨", "🌞"),
    ),
}  # fmt: skip

#: As written, as the canonical shift names it, and its type.
JOBS = (
    ("Städservice", "Städservice", "WORK"), ("Hemstädning", "Hemstädning", "WORK"),
    ("Storstädning", "Storstädning", "WORK"), ("Fönsterputs", "Fönsterputs", "WORK"),
    ("Inledande storstädning", "Inledande Storstädning", "WORK"), ("Kontor", "Kontor", "WORK"),
)  # fmt: skip
ACTIVITIES = (
    ("Restid", "Restid", "TRAVEL"), ("Lunch", "Lunch", "BREAK"), ("Rast", "Rast", "BREAK"),
    ("Personalmöte", "Personalmöte", "MEETING"), ("Semester", "Semester", "LEAVE"),
    ("Nyckelhantering", "Nyckelhantering", "ADMIN"), ("Utbildning", "Utbildning", "TRAINING"),
)  # fmt: skip
#: The words of the app in its two languages: week, state, colleagues, farewell.
APP_WORDS = {
    "en": ("Week", "on time", "Collaborators", "Thank you for today!"),
    "sv": ("Vecka", "i tid", "Kollegor", "Tack för idag!"),
}
