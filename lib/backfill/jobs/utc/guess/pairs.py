"""Guess which columns of a table make pairs: a wall time, or a date and a time, and its target."""

from __future__ import annotations

import re
from enum import StrEnum

from backfill.jobs.utc.guess.forms import (
    CLOCK_NUMBERS,
    NUMBER_TYPES,
    TEXT_TYPES,
    GuessedPair,
    whole_texts,
)
from backfill.jobs.utc.resolve_columns import in_words
from backfill.rows.others_texts import dates_in_parts
from backfill.server.table_look import TableLook

_WALL_TYPES = ("timestamp without time zone", "date", *NUMBER_TYPES, *TEXT_TYPES)
_TARGET_TYPES = (
    *("timestamp with time zone", "timestamp without time zone", *NUMBER_TYPES),
    *("text", "character varying"),
)
_CLOCK_TYPES = ("time without time zone", "interval")
#: Words of a column's name that tell wall time from instant, and nothing of what is meant.
_SAYS_LOCAL = {"local", "wall", "naive", "lt", "lokal", "ortszeit", "locale", "localtime"}
_SAYS_UTC = {"utc", "instant", "gmt", "z", "zulu"}
_UNITS = {"ms", "s", "us", "ns", "sec", "secs", "seconds", "millis", "micros", "nanos"}
_SAYS_TIME = {"time", "clock", "hour", "zeit", "uhrzeit", "heure", "hora", "ora", "tid", "kl", "tm"}
_FILLERS = {
    *("at", "time", "ts", "on", "datetime", "stamp", "timestamp", "epoch", "unix", *_UNITS),
    *("dt", "dtm", "dttm", "tm", "ticks", "jd", "serial"),
    # `tid` and `ora` are ids and hours elsewhere, `data` is anything: not in this list.
    *("zeit", "uhrzeit", "zeitpunkt", "heure", "hora", "momento", "tidpunkt", "horodatage"),
}
_SILENT = _SAYS_LOCAL | _SAYS_UTC | _FILLERS
_DAYS = {"date", "day", "fecha", "datum", "tag", "jour", "dia", "giorno", "dag"}
#: What ends a word of several without a break, as in `pickuputc`, whatever stands before it.
_MARKS = ("utc", "gmt", "local", "lokal")
#: What is a word of its own where the rest is one that we know: `starttime`, and never `overtime`.
_PARTS = (*_MARKS, "datetime", "timestamp", "time", "zeit", "date", "datum", "on", "at")
#: Words for what happens, beside those for a start and an end.
_EVENTS = {
    *("started", "ended", "created", "updated", "modified", "changed", "booked", "recorded"),
    *("logged", "measured", "observed", "scheduled", "planned", "actual", "event", "visit"),
}
_LEAST_REST = 3
_TIME_OF_DAY = re.compile(
    r"\d{1,2}(:\d{2}){1,2}([.,]\d+)?(\s*[AaPp]\.?[Mm]\.?)?|\d{1,2}\s*[AaPp][Mm]"
)
_DAY = re.compile(r"\d{4}-?\d{2}-?\d{2}|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")


_CLOCK_DIGITS = re.compile(r"([01]?\d|2[0-4])[0-5]\d([0-5]\d)?")
_DAY_DIGITS = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")


class _Holds(StrEnum):
    """What a column can tell: a date and a time, or one of them."""

    MOMENT = "moment"
    DAY = "day"
    TIME = "time"


def guess_pairs(look: TableLook) -> tuple[GuessedPair, ...]:
    """Pair columns whose names say the same but for words like local, wall and utc.

    First those that say so, then any `timestamp` and `timestamptz` that are named alike; of
    targets first those that say UTC.
    """
    pairs: dict[str, GuessedPair] = {}
    used = {part for parts in dates_in_parts(look.columns) for part in parts}
    for find in (_walls_of, _walls_by_type):
        for target in sorted(look.columns, key=lambda name: not words_of(name) & _SAYS_UTC):
            column = look.columns[target]
            if column.plain_type not in _TARGET_TYPES or column.is_generated or target in used:
                continue
            walls = find(look, target, used)
            if not walls or target in walls:
                continue
            kinds = " and ".join(look.columns[name].type_name for name in (*walls, target))
            why = f"their names, and their types: {kinds}"
            pairs[target] = GuessedPair(walls, target, why)
            used |= {*(walls[1:] or walls), target}
    return tuple(pairs[name] for name in look.columns if name in pairs)


def _walls_of(look: TableLook, target: str, used: set[str]) -> tuple[str, ...]:
    free = [name for name in look.columns if name not in used]
    named = [name for name in free if _is_pair(look, name, target)]
    named.sort(key=lambda name: not words_of(name) & _SAYS_LOCAL)
    moment = next((name for name in named if _holds(look, name) is _Holds.MOMENT), None)
    both = _date_and_time(look, target, used)
    if moment and not (both and moment == both[0]):  # a day in numbers goes with its time
        return (moment,)
    day = next((name for name in named if _holds(look, name) is _Holds.DAY), None)
    return both or ((day,) if day else ())


def _walls_by_type(look: TableLook, target: str, used: set[str]) -> tuple[str, ...]:
    """A timestamp beside a timestamptz of the same name, as far as names tell anything."""
    if look.columns[target].plain_type != "timestamp with time zone":
        return ()
    meant = _stems(target) - _DAYS
    fitting = [
        name
        for name, column in look.columns.items()
        if name not in used and column.plain_type == "timestamp without time zone"
        if meant and _stems(name) - _DAYS == meant
    ]
    return (fitting[0],) if len(fitting) == 1 else ()


def _holds(look: TableLook, name: str) -> _Holds | None:
    kind = look.columns[name].plain_type
    is_clock = words_of(name) & _SAYS_TIME and kind in CLOCK_NUMBERS and _are_clocks(look, name)
    if kind in _CLOCK_TYPES or is_clock:
        return _Holds.TIME
    if kind == "date":
        return _Holds.DAY
    if kind not in _WALL_TYPES:
        return None
    sample = [text.strip() for text in look.samples.get(name, ()) if text.strip()]
    if kind in TEXT_TYPES and sample:
        for holds, pattern in ((_Holds.TIME, _TIME_OF_DAY), (_Holds.DAY, _DAY)):
            if sum(pattern.fullmatch(text) is not None for text in sample) * 2 > len(sample):
                return holds
        if all(re.fullmatch(r"\d{4}|\d{6}", text) for text in sample):
            return _Holds.TIME
    return _Holds.MOMENT


def _are_clocks(look: TableLook, name: str) -> bool:
    """Whether all numbers of a column read as hours and minutes, and seconds."""
    sample = whole_texts(look, name)
    return bool(sample) and all(_CLOCK_DIGITS.fullmatch(text.zfill(4)) for text in sample)


def _are_days(look: TableLook, name: str) -> bool:
    """Whether the digits of a column's numbers spell dates."""
    sample = [text for text in whole_texts(look, name) if text.strip("0")]
    return (
        look.columns[name].plain_type in NUMBER_TYPES
        and bool(sample)
        and all(_DAY_DIGITS.fullmatch(text) for text in sample)
    )


def _date_and_time(look: TableLook, target: str, used: set[str]) -> tuple[str, ...]:
    """A date and a time of day whose name goes with the target's."""
    target_words = words_of(target)
    is_instant = look.columns[target].plain_type == "timestamp with time zone"
    if not (target_words & _SAYS_UTC or is_instant):
        return ()
    days = [n for n in look.columns if _holds(look, n) is _Holds.DAY or _are_days(look, n)]
    clocks = [n for n in look.columns if n not in used and _holds(look, n) is _Holds.TIME]
    meant = _stems(target)
    fitting = [c for c in clocks if _stems(c) == meant]
    if not fitting:  # shift_start goes with starts_utc, where nothing else does
        wider = [c for c in clocks if meant and _stems(c) > meant]
        fitting = wider if len(wider) == 1 else []
    if not fitting and len(clocks) == 1 and target_words & _SAYS_UTC:
        fitting = clocks
    day = _day_of(days, fitting[0]) if fitting else ""
    return (day, fitting[0], *_days_to_add(look, fitting[0])) if day else ()


def _day_of(days: list[str], clock: str) -> str:
    """The date that a time of day is on: named like it, or by no more than `day`; the only one.

    Of several others nobody knows: a person is born on one, and due on the next.
    """
    meant = words_of(clock)
    shared = {d: (words_of(d) - _DAYS) & meant for d in days}
    # Of check_in_date and check_out_date the latter has check_out_time.
    rank = {d: (len(words), -len(words_of(d) - _DAYS - meant)) for d, words in shared.items()}
    near = [d for d in days if shared[d] and rank[d] == max(rank.values())]
    plain = [d for d in days if words_of(d) <= _DAYS | _FILLERS]
    for found in (near, days, plain):
        if len(found) == 1:
            return found[0]
    return ""


def _days_to_add(look: TableLook, clock: str) -> list[str]:
    """A column that counts how many days after its date a time of day is, of that end of a way."""
    ends = headed(words_of(clock)) & {"from", "to"}
    return [
        name
        for name, column in look.columns.items()
        if column.plain_type in ("smallint", "integer", "bigint")
        and {"day", "days"} & words_of(name)
        and {"offset", "plus", "add", "later"} & words_of(name)
        and headed(words_of(name)) & {"from", "to"} == ends
        and all(re.fullmatch(r"-?[0-7]", text) for text in look.samples.get(name, ()))
    ][:1]


def _is_pair(look: TableLook, wall: str, target: str) -> bool:
    wall_words, target_words = words_of(wall), words_of(target)
    holds = _holds(look, wall)
    if wall == target or look.columns[wall].plain_type not in _WALL_TYPES or holds is _Holds.TIME:
        return False
    if any(wall in dict(reference.parts) for reference in look.references):
        return False  # it names a row of another table
    if wall_words & _SAYS_UTC or _is_local(target_words):
        return False
    if not (wall_words & _SAYS_LOCAL or target_words & _SAYS_UTC):
        return False
    if look.columns[target].plain_type in TEXT_TYPES and not target_words & _SAYS_UTC:
        return False
    silent = _SILENT | (_DAYS if holds is _Holds.MOMENT else set())
    return wall_words - silent == target_words - silent


def _is_local(words: set[str]) -> bool:
    """Whether a name says wall time; `local_time_utc` is that of `local_time` in UTC."""
    return bool(words & _SAYS_LOCAL) and not words & _SAYS_UTC


#: Times that programs write where there is none: all zeros, the ends of a calendar, nothing.
_VOID = re.compile(r"-?infinity|9999-?12-?31.*|0001-?01-?01.*|[0:/.T -]*")


def void_walls(look: TableLook, pairs: tuple[GuessedPair, ...]) -> tuple[str, ...]:
    """Return the sampled values of wall columns that look as if they meant: no time."""
    voids = [
        text.strip()
        for name in dict.fromkeys(pair.walls[0] for pair in pairs)
        for text in look.samples.get(name, ())
        if _VOID.fullmatch(text.strip())
    ]
    return tuple(dict.fromkeys(voids))


#: Words for where a way begins, and for where it ends.
_FROM = {
    *("origin", "orig", "departure", "dep", "depart", "departs", "std", "etd", "atd", "pickup"),
    "source",
}
_TO = {"destination", "dest", "arrival", "arr", "arrive", "arrives", "sta", "eta", "ata", "dropoff"}
#: Words for the start of a span, and for its end: a way is one, and so is the time between arriving
#: somewhere and leaving it.
_STARTS = _FROM | {
    *("start", "begin", "since", "from", "first", "on", "in", "open", "sent", "arrive", "arrival"),
    *("dtstart", "checkin", "inicio", "comienzo", "beginn", "anfang", "debut", "inizio"),
}
_ENDS = _TO | {
    *("end", "finish", "until", "till", "to", "last", "off", "out", "close", "stop", "leave"),
    *("received", "dtend", "checkout", "fin", "ende", "slut"),
}


def is_span(pairs: tuple[GuessedPair, ...]) -> bool:
    """Whether the first pair is a start and the second its end, by their names; one is, too."""
    if len(pairs) < 2:
        return True
    start, end = ({*_stems(pair.target), *words_of(pair.target)} for pair in pairs[:2])
    return bool(start & _STARTS and end & _ENDS)


def likely_columns(look: TableLook) -> str:
    """Name the columns that a pair could be made of."""
    targets = [
        name
        for name, column in look.columns.items()
        if is_target(look, name) or column.plain_type == "timestamp with time zone"
    ]
    walls = [
        name
        for name, column in look.columns.items()
        if name not in targets
        and (column.plain_type in (*_CLOCK_TYPES, "date") or column.plain_type.startswith("timest"))
    ]
    return f"times: {', '.join(walls) or 'none'}; instants: {', '.join(targets) or 'none'}"


def is_target(look: TableLook, name: str) -> bool:
    """Whether a column's name says UTC, and its type has room for an instant."""
    column = look.columns[name]
    is_fit = column.plain_type in _TARGET_TYPES and not column.is_generated
    is_offset = bool(words_of(name) & {"offset", "diff", "delta"})
    return is_fit and not is_offset and bool(words_of(name) & (_SAYS_UTC - {"z"}))


def _stems(name: str) -> set[str]:
    """Return what a name means: start_time and starts_at mean start."""
    meant = words_of(name) - _SILENT
    return {word[:-1] if len(word) > 3 and word[-1] == "s" else word for word in meant}


def headed(words: set[str]) -> set[str]:
    """Return words with those for a way's two ends made one each."""
    ends = {end for end, end_words in (("from", _FROM), ("to", _TO)) if words & end_words}
    return (words - _FROM - _TO) | ends


def words_of(name: str) -> set[str]:
    """Return the words of a column's name, in small letters."""
    pieces = [word for word in re.split(r"\W+|_", in_words(name)) if word]
    return {part for word in pieces for part in _parts_of(word)}


def _parts_of(word: str) -> tuple[str, ...]:
    """Return the words that one without a break between them is surely made of."""
    vocabulary = _SILENT | _SAYS_TIME | _DAYS | _STARTS | _ENDS | _EVENTS
    if word in vocabulary:
        return (word,)
    for part in _PARTS:
        for rest in (word.removesuffix(part), word.removeprefix(part)):
            if rest == word or len(rest) < _LEAST_REST:
                continue
            parts = _parts_of(rest)
            if set(parts) <= vocabulary or (part in _MARKS and word.endswith(part)):
                return (*parts, part)
    return (word,)
