"""What a person corrects in a reading: one field of one shift of one image, as data. Pure.

A correction is tied to the content of the image and the place of the card on it, not to the engine
that read it, so it holds for any later reading of the same picture.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field as member

from backfill.errors import UsageError
from backfill.ocr.text.clock import canonical_time
from backfill.ocr.text.timetext import parse_clock
from backfill.ocr.text.vocabulary import ShiftType, Towns

FIELDS = (
    *("start", "end", "customer_name", "street", "street_number", "postal_code"),
    *("postal_area", "city", "shift_type", "raw_type_label"),
)
DATE = "date"
REMOVE, CONFIRM = "remove", "confirm"
#: What to write for a value that should be empty: an empty cell is a question.
EMPTY = "-"
NEW = "new"
_MAY_BE_EMPTY = frozenset(FIELDS) - {"start", "end", "shift_type"}
_SHIFT_WORDS = (CONFIRM, REMOVE)
_POSTAL_CODE = re.compile(r"(\d{3}) ?(\d{2})")

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Correction:
    """One line of corrections.

    `image_sha256`: the image it is about; without one, the session of `session_id`. `shift`: its
    times as read (`07:30–09:00`), or `new`, `new 2`, … for one that was not read; `box`: where its
    card stands on the image (left, top, width, height in pixels). `field`: one of the shift's
    fields, `shift` (`confirm` or `remove`), `image` (`confirm`) or `date`. `read` is what was read
    when it was corrected, `right` what is right. `at` is when, as text.
    """

    field: str
    right: str
    image_sha256: str = ""
    session_id: str = ""
    shift: str = ""
    box: Box | None = None
    read: str = ""
    by: str = ""
    at: str = ""
    note: str = ""
    line: int = member(default=0, compare=False)

    @property
    def is_new(self) -> bool:
        return self.shift.split(" ")[0] == NEW

    @property
    def place(self) -> tuple[str, str, str]:
        """What it is about; two corrections of one place must agree."""
        where = ",".join(map(str, self.box)) if self.box else self.shift
        return self.image_sha256 or self.session_id, where, self.field

    def as_json(self) -> dict[str, str]:
        """Return what a plan records of it."""
        told = {
            "image_sha256": self.image_sha256,
            "session_id": self.session_id,
            "shift": self.shift,
            "box": write_box(self.box),
            **{"field": self.field, "read": self.read, "right": self.right},
            **{"by": self.by, "at": self.at, "note": self.note},
        }
        return {name: value for name, value in told.items() if value}


@dataclass(frozen=True, slots=True)
class AppliedCorrection:
    """What a correction did to a reading: `read` is what is read now, in `shift`'s `field`."""

    correction: Correction
    shift: str
    read: str

    @property
    def is_as_expected(self) -> bool:
        """Whether still the same is read as when it was corrected."""
        return not self.correction.read or self.correction.read == self.read

    def as_json(self) -> dict[str, object]:
        told = self.correction
        return {
            "shift": self.shift,
            "field": told.field,
            "read": self.read,
            "right": told.right,
            "by": told.by,
            "at": told.at,
            "note": told.note,
            "image_sha256": told.image_sha256,
            "box": write_box(told.box),
            "read_when_corrected": told.read,
            "is_as_expected": self.is_as_expected,
        }


class Corrections:
    """All corrections of one run, checked."""

    def __init__(self, lines: Iterable[Correction] = ()) -> None:
        """Raises UsageError when two lines contradict each other, or a new shift lacks a time."""
        self.lines = tuple(lines)
        known: dict[tuple[str, str, str], Correction] = {}
        for line in self.lines:
            first = known.setdefault(line.place, line)
            if first.right != line.right:
                raise UsageError(
                    f"Lines {first.line} and {line.line} contradict each other: {line.field} of "
                    f"{line.shift or 'the session'} is {first.right!r} in one and {line.right!r} "
                    "in the other. Leave one of them."
                )
        for line in self.lines:
            missing = {"start", "end"} - self._fields_of(line) if line.is_new else set()
            if missing:
                raise UsageError(
                    f"Line {line.line}: the shift {line.shift!r} has no "
                    f"{' and no '.join(sorted(missing))}. Give it a line each."
                )

    def __bool__(self) -> bool:
        return bool(self.lines)

    def about(self, session_id: str, images: Iterable[str]) -> list[Correction]:
        """Return those about a session: about the content of its images, or about itself."""
        shas = {sha256 for sha256 in images if sha256}
        return [
            line
            for line in self.lines
            if (line.image_sha256 in shas if line.image_sha256 else line.session_id == session_id)
        ]

    def as_json(self) -> list[dict[str, str]]:
        return sorted((line.as_json() for line in self.lines), key=str)

    def _fields_of(self, new: Correction) -> set[str]:
        return {line.field for line in self.lines if line.place[:2] == new.place[:2]}


def check_right(field_name: str, text: str, towns: Towns) -> str:
    """Return a right value in the field's own form; raise `UsageError` when it can not be one."""
    text = text.strip()
    if text == EMPTY and field_name in _MAY_BE_EMPTY:
        return ""
    match field_name:
        case "start" | "end":
            value, what = canonical_time(parse_clock(text)), "a time (HH:MM)"
        case "date":
            value, what = _date(text), "a date (YYYY-MM-DD)"
        case "shift":
            value, what = text if text in _SHIFT_WORDS else "", " or ".join(_SHIFT_WORDS)
        case "image":
            value, what = text if text == CONFIRM else "", CONFIRM
        case "shift_type":
            value = text.upper() if text.upper() in set(ShiftType) else ""
            what = f"one of {', '.join(ShiftType)}"
        case "postal_code":
            found = _POSTAL_CODE.fullmatch(text)
            value, what = f"{found[1]} {found[2]}" if found else "", "a postal code (NNN NN)"
        case "city" | "postal_area":
            value, what = towns.find_town(text) or text, "a town"
        case _:
            value, what = text, "a text"
    if not value:
        raise UsageError(f"{text!r} is not {what}.")
    return value


def _date(text: str) -> str:
    try:
        return dt.date.fromisoformat(text).isoformat()
    except ValueError:
        return ""


def read_box(text: str) -> Box | None:
    """Return the box that a cell names, None for an empty cell; raise `UsageError`."""
    if not text.strip():
        return None
    try:
        left, top, width, height = (float(part) for part in re.split(r"[\s,;]+", text.strip()))
    except ValueError:
        raise UsageError(f"{text!r} is not a box (left top width height, in pixels).") from None
    return left, top, width, height


def write_box(box: Box | None) -> str:
    """Return a box as text."""
    return " ".join(f"{part:g}" for part in box) if box else ""
