"""Client and job on lines, or sides of a separator, of their own: put in the order client • job.

Looks write the job below the client, above, behind or before it. A line that is wholly a known job
is one; what beside it is written as names are is the client, if the card says where.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from backfill.ocr import limits
from backfill.ocr.text.noise import is_around, is_cancelled, is_notice, is_of_others
from backfill.ocr.text.vocabulary import find_labels, known_towns
from backfill.ocr.words import BULLET

# The sign as it is written, or as it is read: — as "—-" or "=", • as "+".
_DIVIDED = re.compile(rf"(.+?)(?:\s*[{BULLET}·]\s*|\s+(?:[|Il]|[–—=+-]+)\s+|[:,]\s+)(.+)")
# Small words within a name: Ebba von Essen, Torvald & Söner.
PARTICLES = frozenset(("von", "af", "av", "de", "der", "van", "och", "i", "på", "&", "la", "el"))
_NUMBER_BEHIND = re.compile(r"(.+) \d{2,3}")
_NUMBERED = re.compile(r"[^\W\d_]{3,}\.? \d")
_NAME_WORD = re.compile(r"[^\W\d_][^\d,;:!?()]*")


def arrange(title: Sequence[str], rest: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the lines of title and address of a card, client and job divided by a bullet.

    Lines that say neither clearly stay as they are.
    """
    lines, below = [text for text in title if text], [text for text in rest if text]
    if not lines or not any(char.isdigit() for text in below for char in text):
        return lines, below
    return _job_below(lines, below) or _job_above(lines, below) or (lines, below)


def _job_below(lines: list[str], below: list[str]) -> tuple[list[str], list[str]] | None:
    """Return client • job where the job is a line of the address, or stands beside one.

    A chip holds it there, on the line of the street with its number; or a comma ends it.
    """
    if find_labels(" ".join(lines).split()):
        return None
    for at, text in enumerate(below):
        words = text.split()
        for cut in range(1, len(words) + 1):
            head, tail = " ".join(words[:cut]), " ".join(words[cut:])
            for job, rest in ((head.rstrip(","), tail), (tail, head)):
                is_own = not rest or (at == 0 and head == f"{job},")
                if is_job(job) and (is_own or _NUMBERED.search(rest)):
                    kept = [text for text in (*below[:at], rest, *below[at + 1 :]) if text]
                    return [f"{' '.join(lines)} {BULLET} {job}"], kept
    return None


def _job_above(lines: list[str], below: list[str]) -> tuple[list[str], list[str]] | None:
    """Return client • job where the title begins with the job, or is nothing else."""
    title = " ".join(lines)
    if is_job(title):
        if len(below) > 1 and _is_client(*below) and _is_told(*below):
            return [f"{below[0]} {BULLET} {title}"], below[1:]
        name, _comma, street = below[0].partition(",")
        has_town = "," in street.rstrip(" ,") or len(below) > 1
        # The street may go on below where a town stands before it on the line.
        text = " ".join((street, *below[1:])) if "," in street else street
        if is_name(name) and has_town and any(char.isdigit() for char in text):
            return [f"{name} {BULLET} {title}"], [street.strip(), *below[1:]]
        return None
    divided = _DIVIDED.fullmatch(title)
    parts = [(" ".join(lines[:at]), " ".join(lines[at:])) for at in range(1, len(lines))]
    for job, client in [divided.groups(), *parts] if divided else parts:
        if is_job(job) and is_name(client):
            return [f"{client} {BULLET} {job}"], below
    return None


def _is_client(name: str, *rest: str) -> bool:
    """Whether a line is a name, perhaps with a number at its end where a street has its own."""
    head, number = _NUMBER_BEHIND.fullmatch(name), any(map(_NUMBERED.search, rest))
    return is_name(name) or bool(head and number and is_name(head[1]))


def _is_told(name: str, *rest: str) -> bool:
    """Whether a line is a client's name, and not the town that the rest of an address lacks."""
    return len(name.split()) > 1 or len(rest) > 1 or "," in rest[0]


def is_job(text: str) -> bool:
    """Whether a text is a known label and nothing else."""
    words = text.split()
    return sum(m.stop - m.start for m in find_labels(words) if m.is_exact) == len(words) > 0


def is_name(text: str) -> bool:
    """Whether a text is written as a client's name is, and is nothing that is known."""
    words = text.split()
    if not 1 <= len(words) <= limits.NAME_WORDS or find_labels(words):
        return False
    if len(words) == 1 and known_towns().find_town(text):
        return False
    if is_notice(text) or is_cancelled(text) or is_of_others(text) or is_around(text):
        return False
    return words[0][:1].isupper() and all(
        word in PARTICLES or (word[:1].isupper() and _NAME_WORD.fullmatch(word)) for word in words
    )
