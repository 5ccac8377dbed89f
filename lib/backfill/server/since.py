"""From which moment a row of another table counts, and up to which, as SQL.

A date and a time out of a text never fail: one odd text must not stop a read. What a pattern
finds is put together in numbers; a text that it does not fit is no moment (NULL). Hours beyond
24:00 count on; a day that its month does not have comes to the next month.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from psycopg import sql

#: ISO 8601, extended and basic, and the letters of its groups (those of strptime's directives).
ISO_PATTERN = (
    r"^(\d{4})-?(\d{2})-?(\d{2})(?:[Tt ]+(\d{1,3}):?(\d{2})(?::?(\d{2}))?)?",
    "YmdHMS",
)
_MONTHS = "ARRAY['jan','feb','mar','apr','may','jun','jul','aug','sep','oct','nov','dec']"
_PIVOT = 69  # two digits of a year: from there on they are of the last century


class Moment(StrEnum):
    """How columns of a row make a date and time that SQL can order."""

    TYPED = "typed"  # date, timestamp: compared as it is
    DATE_AND_TIME = "date_and_time"
    SECONDS = "seconds"  # divided by `per_second`
    TEXT = "text"  # in one column or two; ISO 8601, extended or basic, unless a pattern says else


@dataclass(frozen=True, slots=True)
class Since:
    """From which moment of the row on a row of the other table counts: its `column`.

    It counts up to the moment in `until`, if that names a column; a date there counts to its end.
    Where both are the same column, that is a range. Nothing in them is no bound.
    """

    column: str
    moment: Moment
    of: tuple[str, ...]  # columns of the row that tell the moment
    per_second: int = 1
    pattern: tuple[str, str] | None = None  # of texts: an expression, a letter for each group
    until: str = ""
    is_whole_day: bool = False  # `until` is a date

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the other table that it takes."""
        return (self.column, self.until) if self.until not in ("", self.column) else (self.column,)

    @property
    def is_range(self) -> bool:
        return self.until == self.column

    def moment_of(self, alias: str) -> sql.Composable:
        """Return the row's moment as a timestamp, NULL for a text that is none."""
        columns = [sql.Identifier(alias, name) for name in self.of]
        if self.moment is Moment.DATE_AND_TIME:
            return sql.SQL("({}::date + {}::text::interval)").format(*columns)
        if self.moment is Moment.SECONDS:
            return sql.SQL(
                "(timestamp '1970-01-01' + make_interval(secs => CASE WHEN abs({c}::numeric / {p})"
                " < 200000000000 THEN ({c}::numeric / {p})::float8 END))"
            ).format(c=columns[0], p=sql.Literal(self.per_second))
        if self.moment is Moment.TEXT:
            texts = [sql.SQL("btrim({}::text)").format(column) for column in columns]
            pattern, parts = self.pattern or ISO_PATTERN
            text = sql.SQL(" || ' ' || ").join(texts)
            return sql.SQL(_moment_of_text(parts)).format(text, sql.Literal(pattern))
        return sql.SQL("{}::timestamp").format(columns[0])

    def begins(self, alias: str) -> sql.Composable:
        """Return when a row of the other table begins to count, comparable with the moment."""
        column = sql.SQL("lower({})" if self.is_range else "{}").format(
            sql.Identifier(alias, self.column)
        )
        return sql.SQL("coalesce({}::timestamp, '-infinity')").format(column)

    def ends(self, alias: str) -> sql.Composable:
        """Return up to when a row of the other table counts, comparable with the moment."""
        shape = "upper({})" if self.is_range else "({} + 1)" if self.is_whole_day else "{}"
        column = sql.SQL(shape).format(sql.Identifier(alias, self.until))
        return sql.SQL("coalesce({}::timestamp, 'infinity')").format(column)

    def is_ever(self, alias: str) -> sql.Composable:
        """Return whether a row of the other table may count at all: an empty range never does."""
        if not self.is_range:
            return sql.SQL("true")
        return sql.SQL("isempty({}) IS NOT TRUE").format(sql.Identifier(alias, self.column))

    def counts(self, alias: str, row: str) -> sql.Composable:
        """Return whether a row of the other table counts at the moment of `row`."""
        begins, moment = self.begins(alias), self.moment_of(row)
        if not self.until:
            return sql.SQL("{} <= {}").format(begins, moment)
        counts = sql.SQL("{begins} <= {moment} AND {moment} < {ends}")
        if self.is_range:
            counts = sql.SQL(
                "{is_ever} AND {begins} <= {moment}"
                " AND ({begins} < {moment} OR lower_inc({column}) IS NOT FALSE)"
                " AND {moment} <= {ends} AND ({moment} < {ends} OR upper_inc({column}))"
            )
        return counts.format(
            begins=begins,
            moment=moment,
            ends=self.ends(alias),
            is_ever=self.is_ever(alias),
            column=sql.Identifier(alias, self.column),
        )


def _moment_of_text(parts: str) -> str:
    """Return SQL with places for a text and a pattern, in the order of `str.format`.

    `parts` names each group of the pattern by its letter.
    """
    groups = {letter: f"m[{place}]" for place, letter in enumerate(parts, start=1)}
    return (
        f"(SELECT {_day(groups)} + make_interval(hours => {_hour(groups)},"
        f" mins => {_number(groups, 'M', 0)}, secs => {_number(groups, 'S', 0)})"
        " FROM regexp_match({}, {}) AS m)"
    )


def _number(groups: dict[str, str], letter: str, otherwise: int) -> str:
    if letter not in groups:
        return f"{otherwise}"
    return f"coalesce(nullif({groups[letter]}, ''), '{otherwise}')::int"


def _day(groups: dict[str, str]) -> str:
    if "V" in groups:
        week, day = _number(groups, "V", 1), _number(groups, "u", 1)
        monday = f"date_trunc('week', make_date({_year(groups, 'G')}, 1, 4)::timestamp)::date"
        return f"({monday} + ({week} - 1) * 7 + ({day} - 1))"
    if "j" in groups:
        return f"(make_date({_year(groups, 'Y')}, 1, 1) + ({_number(groups, 'j', 1)} - 1))"
    return (
        f"(make_date({_year(groups, 'Y')}, {_month(groups)}, 1) + ({_number(groups, 'd', 1)} - 1))"
    )


def _year(groups: dict[str, str], letter: str) -> str:
    if letter in groups:
        return f"nullif({groups[letter]}::int, 0)"
    short = f"{groups['y']}::int"
    return f"({short} + CASE WHEN {short} >= {_PIVOT} THEN 1900 ELSE 2000 END)"


def _month(groups: dict[str, str]) -> str:
    if "b" in groups:
        return f"array_position({_MONTHS}, lower({groups['b']}))"
    month = _number(groups, "m", 1)
    return f"CASE WHEN {month} BETWEEN 1 AND 12 THEN {month} END"


def _hour(groups: dict[str, str]) -> str:
    if "I" not in groups:
        return _number(groups, "H", 0)
    after = f"CASE WHEN lower({groups['p']}) = 'p' THEN 12 ELSE 0 END" if "p" in groups else "0"
    return f"({_number(groups, 'I', 12)} % 12 + {after})"
