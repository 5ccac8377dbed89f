"""What stands on the screens of other looks: languages, people, places, jobs, each half its own.

People, clients and streets are invented; jobs, towns and the apps' words are real words. Fonts are
those of Debian's packages, icons those that mkdocs-material brings.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.strange_words import Half


@dataclass(frozen=True, slots=True)
class Tongue:
    """The words of an interface, and how it writes a day; `{D}` is the weekday with a capital."""

    name: str
    weekdays: tuple[str, ...]
    months: tuple[str, ...]
    dates: tuple[str, ...]
    week: str
    today: str
    total: str
    tabs: tuple[str, ...]
    titles: tuple[str, ...]
    columns: tuple[str, ...]
    cancelled: str
    declined: str
    colleagues: str
    all_day: str
    nothing: str
    hours: str = "h"
    dot: str = ""


_NORDIC_DATES = ("{D} {d}. {M}", "{D} {d}. {M} {y}", "{day} {d}. {M}", "{D} {d}.{m}.{y}", "{iso}")
TONGUES = (
    Tongue(
        "sv", ("måndag", "tisdag", "onsdag", "torsdag", "fredag", "lördag", "söndag"),
        ("januari", "februari", "mars", "april", "maj", "juni", "juli", "augusti", "september",
         "oktober", "november", "december"),
        ("{D} {d} {M}", "{day} {d} {M} {y}", "{D} {d}/{m}", "{sd} {d} {sM}", "{Sd} {d} {sM} {y}",
         "{D} den {d} {M}", "{today}, {day} {d} {M}", "{iso}", "{D} {iso}"),
        "Vecka", "Idag", "Totalt", ("Hem", "Schema", "Meddelanden", "Profil", "Mer"),
        ("Mitt schema", "Arbetspass", "Kalender", "Dagens uppdrag"),
        ("Tid", "Kund", "Uppdrag", "Adress"), "Inställt", "Avböjt", "Kollegors pass", "Heldag",
        "Inga pass den här dagen", "tim",
    ),
    Tongue(
        "en", ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        ("January", "February", "March", "April", "May", "June", "July", "August", "September",
         "October", "November", "December"),
        ("{D} {d} {M}", "{D}, {M} {d}, {y}", "{Sd}, {d} {sM} {y}", "{D}, {d} {M}", "{Sd} {d} {sM}",
         "{today}, {D} {d} {M}", "{D}, {M} {d}", "{iso}"),
        "Week", "Today", "Total", ("Home", "Shifts", "Inbox", "Profile", "More"),
        ("My schedule", "Shifts", "Calendar", "Roster"), ("Time", "Client", "Job", "Address"),
        "Cancelled", "Declined", "Colleagues' shifts", "All day", "No shifts on this day", "hrs",
    ),
    Tongue(
        "de", ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
        ("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September",
         "Oktober", "November", "Dezember"),
        ("{D}, {d}. {M}", "{D}, {d}. {M} {y}", "{D}, {d}.{m}.{y}", "{today}, {d}. {M} {y}"),
        "Woche", "Heute", "Gesamt", ("Start", "Dienstplan", "Nachrichten", "Profil", "Mehr"),
        ("Dienstplan", "Meine Schichten", "Kalender"), ("Zeit", "Kunde", "Auftrag", "Adresse"),
        "Abgesagt", "Abgelehnt", "Schichten der Kollegen", "Ganztägig", "Keine Schichten", "Std",
    ),
    Tongue(
        "da", ("mandag", "tirsdag", "onsdag", "torsdag", "fredag", "lørdag", "søndag"),
        ("januar", "februar", "marts", "april", "maj", "juni", "juli", "august", "september",
         "oktober", "november", "december"), _NORDIC_DATES,
        "Uge", "I dag", "I alt", ("Hjem", "Vagtplan", "Beskeder", "Profil", "Mere"),
        ("Vagtplan", "Mine vagter", "Kalender"), ("Tid", "Kunde", "Opgave", "Adresse"),
        "Aflyst", "Afvist", "Kollegers vagter", "Hele dagen", "Ingen vagter", "t", ".",
    ),
    Tongue(
        "nb", ("mandag", "tirsdag", "onsdag", "torsdag", "fredag", "lørdag", "søndag"),
        ("januar", "februar", "mars", "april", "mai", "juni", "juli", "august", "september",
         "oktober", "november", "desember"), _NORDIC_DATES,
        "Uke", "I dag", "Totalt", ("Hjem", "Vakter", "Meldinger", "Profil", "Mer"),
        ("Vaktplan", "Mine vakter", "Kalender"), ("Tid", "Kunde", "Oppdrag", "Adresse"),
        "Avlyst", "Avslått", "Kollegers vakter", "Hele dagen", "Ingen vakter", "t", ".",
    ),
    Tongue(
        "fi", ("maanantai", "tiistai", "keskiviikko", "torstai", "perjantai", "lauantai",
               "sunnuntai"),
        ("tammikuuta", "helmikuuta", "maaliskuuta", "huhtikuuta", "toukokuuta", "kesäkuuta",
         "heinäkuuta", "elokuuta", "syyskuuta", "lokakuuta", "marraskuuta", "joulukuuta"),
        ("{D} {d}. {M}", "{day} {d}. {M} {y}", "{D} {d}.{m}.{y}", "{D} {d}.{m}."),
        "Viikko", "Tänään", "Yhteensä", ("Koti", "Vuorot", "Viestit", "Profiili", "Lisää"),
        ("Työvuorot", "Omat vuorot", "Kalenteri"), ("Aika", "Asiakas", "Tehtävä", "Osoite"),
        "Peruttu", "Hylätty", "Muiden vuorot", "Koko päivä", "Ei vuoroja", "t", ".",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stock:
    """What only one half draws with."""

    fonts: tuple[str, ...]
    icons: tuple[tuple[str, ...], ...]
    layouts: tuple[str, ...]
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    places: tuple[str, ...]
    odd_names: tuple[str, ...]
    streets: tuple[str, ...]
    towns: tuple[str, ...]


#: What an icon shows, in the order of the sets below.
SIGNS = ("clock", "place", "person", "calendar", "chevron", "bell", "home", "plus", "menu", "key")
_BOTH_LAYOUTS = ("agenda", "cards", "strip", "avatars", "right")
STOCKS = {
    Half.TUNE: Stock(
        ("Inter", "Roboto", "Open Sans", "DejaVu Sans", "Karla", "Liberation Sans", "Cabin",
         "Liberation Serif"),
        (("material/clock-outline", "material/map-marker", "material/account",
          "material/calendar", "material/chevron-right", "material/bell-outline",
          "material/home", "material/plus", "material/menu", "material/key-variant"),
         ("octicons/clock-16", "octicons/location-16", "octicons/person-16",
          "octicons/calendar-16", "octicons/chevron-right-16", "octicons/bell-16",
          "octicons/home-16", "octicons/plus-16", "octicons/three-bars-16", "octicons/key-16")),
        (*_BOTH_LAYOUTS, "groups", "timeline"),
        ("Berit", "Sanna", "Jörgen", "Malte", "Alva", "Hillevi", "Ove", "Runa", "Ylva", "Kerstin",
         "Leif", "Amina", "Tor", "Lo", "Carl-Axel", "Ulla-Karin"),
        ("Frisell", "Brolin", "Hedman", "Kjellgård", "Åslund", "Ernvik", "Wallby", "Tidlund",
         "Marsell", "Österdahl", "Lill", "Ekenstam", "Björnåker", "von Rosvik", "Li", "Ålgren"),
        ("Brf Måsen", "Tandhälsan Kvarnen", "Frisör Lockens AB", "Förskolan Grodan",
         "Bageriet Knuten", "Skolhuset Norra Paviljongen"),
        ("Café 24", "Maj Lind", "Anna 08", "Klockargården 7-9", "Juli Augustsson", "Studio 54",
         "Lunchbaren Eken", "Kontorshotellet Arken", "Söndagsskolan Linden"),
        ("Ekbacksvägen", "Tistelgatan", "Hamnplan", "Västra Bergsgatan", "Smedjebacken",
         "Ormvråksstigen", "Lilla Brogatan", "Kaptensgränd", "Gamla Sörängsvägen", "Solrosvägen"),
        ("Mölndal", "Göteborg", "Kungälv", "Lerum", "Onsala", "Växjö", "Uppsala", "Partille"),
    ),
    Half.BLIND: Stock(
        ("Lato", "Noto Sans", "Manrope", "Quicksand", "Cantarell", "Carlito", "B612", "Go",
         "Noto Serif"),
        (("fontawesome/regular/clock", "fontawesome/solid/location-dot", "fontawesome/solid/user",
          "fontawesome/regular/calendar", "fontawesome/solid/angle-right",
          "fontawesome/regular/bell", "fontawesome/solid/house", "fontawesome/solid/plus",
          "fontawesome/solid/bars", "fontawesome/solid/key"),
         ("material/clock-time-four", "material/map-marker-radius-outline",
          "material/account-circle-outline", "material/calendar-month-outline",
          "material/chevron-double-right", "material/bell-ring", "material/home-variant-outline",
          "material/plus-circle", "material/dots-vertical", "material/key-chain-variant")),
        (*_BOTH_LAYOUTS, "table", "chat"),
        ("Torun", "Sixten", "Ebba", "Göran", "Maj-Lis", "Noor", "Hedvig", "Stig", "Åsa", "Viggo",
         "Ellinor", "Jan-Erik", "My", "Rasmus", "Ingegärd", "Kaj"),
        ("Sköld", "Lövenborg", "Hultin", "Mårdh", "Ekeroth", "Tjäder", "Fällman", "Illman",
         "Junevik", "Askerlid", "Wirsén", "Al-Nouri", "Örnberg", "Dahlhammar", "Rask", "Bäcklin"),
        ("Brf Tallkotten", "Optikern Linsen AB", "Vårdcentralen Eneby", "Gymmet Kraftverket",
         "Blomsterboden Viola", "Norrängens Församlingshem"),
        ("Bar 33", "April Ståhl", "Lina 72", "Parkhuset 12-14", "Augusta Majgren", "Klubb 90",
         "Restaurang Rasten", "Skolmuseet Griffeln", "Fredagsklubben Viken"),
        ("Norra Kvarngatan", "Rågvägen", "Lotsgatan", "Torpåsvägen", "Prästgårdsliden",
         "Ejderstigen", "Stora Badhusgatan", "Fyrgränd", "Södra Ekeredsvägen", "Ljungvägen"),
        ("Kållered", "Askim", "Billdal", "Kungsbacka", "Borås", "Linköping", "Varberg", "Lindome"),
    ),
}  # fmt: skip
#: A job as an app writes it, and its type.
JOBS = (
    ("Städservice", "WORK"), ("Hemstädning", "WORK"), ("Storstädning", "WORK"),
    ("Fönsterputs", "WORK"), ("Ugnsrengöring", "WORK"), ("Kylskåpsrengöring", "WORK"),
    ("Inledande storstädning", "WORK"), ("Extra städtillfälle", "WORK"), ("Kontor", "WORK"),
    ("Omstädning", "WORK"),
)  # fmt: skip
ACTIVITIES = (
    ("Lunch", "BREAK"), ("Rast", "BREAK"), ("Restid", "TRAVEL"), ("Personalmöte", "MEETING"),
    ("Nyckelhantering", "ADMIN"), ("Intern tid", "ADMIN"), ("Utbildning", "TRAINING"),
)  # fmt: skip
LEAVES = (("Semester", "LEAVE"), ("Vård av barn", "LEAVE"))
NOTES = (
    "Ring kunden före 10:00", "Portkod 4471", "Nyckel nr 12", "Hund i bostaden",
    "OBS! Ta med fönsterskrapa", "Parkering på gården till 16:00",
)  # fmt: skip
