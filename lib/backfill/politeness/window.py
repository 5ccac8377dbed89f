"""A time of day, in a zone, in which a run may write. Pure: the clock is an argument."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from backfill.errors import UsageError
from backfill.utc.spelling import near_misses
from backfill.utc.zone_names import is_zone, zone_info

_FORM = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})\s+(\S+)")
_EXAMPLE = "22:00-05:00 Europe/Stockholm"


@dataclass(frozen=True, slots=True)
class Window:
    """From `opens` until before `closes` by the wall clock of `zone`; may span midnight."""

    opens: dt.time
    closes: dt.time
    zone: str

    def __str__(self) -> str:
        return f"{self.opens:%H:%M}-{self.closes:%H:%M} {self.zone}"

    def is_open(self, now: dt.datetime) -> bool:
        """Return whether the aware instant `now` lies in the window.

        On days of a clock change the wall clock decides: an hour that happens twice is open
        twice, one that is left out is not waited for.
        """
        wall = now.astimezone(zone_info(self.zone)).time()
        if self.opens < self.closes:
            return self.opens <= wall < self.closes
        return wall >= self.opens or wall < self.closes


def window_from(text: str) -> Window:
    """Return the window that a text like `22:00-05:00 Europe/Stockholm` means."""
    form = _FORM.fullmatch(text.strip())
    if form is None:
        raise UsageError(f"--window {text!r} is not two times and a zone, like {_EXAMPLE}.")
    *numbers, zone = form.groups()
    if not is_zone(zone):
        close = near_misses(zone)
        hint = f" Near: {', '.join(close)}." if close else ""
        raise UsageError(f"--window {text!r}: {zone!r} is not an IANA time zone name.{hint}")
    opens, closes = (_time(text, *numbers[at : at + 2]) for at in (0, 2))
    if opens == closes:
        raise UsageError(f"--window {text!r} opens and closes at once; leave it out for always.")
    return Window(opens, closes, zone)


def _time(text: str, hour: str, minute: str) -> dt.time:
    # 24:00 is how people write the end of a day.
    if (hour, minute) == ("24", "00"):
        return dt.time(0)
    try:
        return dt.time(int(hour), int(minute))
    except ValueError:
        raise UsageError(f"--window {text!r}: {hour}:{minute} is no time of a day.") from None
