"""What a doubt about a reading is about, and what it says in words: data, in `doubts.toml`."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Collection
from importlib.resources import files
from typing import Any

#: A shift as a whole, an image as a whole: what a doubt can be about beside single fields.
SHIFT, IMAGE = "shift", "image"


@functools.cache
def _doubts() -> dict[str, dict[str, Any]]:
    return tomllib.loads(files("backfill.ocr").joinpath("doubts.toml").read_text(encoding="utf-8"))


def fields_of(doubt: str) -> tuple[str, ...]:
    """Return the fields that a doubt about a shift is about."""
    return tuple(_doubts().get(doubt, {}).get("about", (SHIFT,)))


def is_settled(doubt: str, looked_at: Collection[str]) -> bool:
    """Tell whether a person has looked at all that a doubt about a shift is about."""
    return SHIFT in looked_at or set(fields_of(doubt)) <= set(looked_at)


def explained(reason: str) -> str:
    """Return a reason for a review with what it means: `image 1: lone_time (a time stands …)`."""
    _where, _colon, doubt = reason.rpartition(": ")
    return f"{reason} ({_doubts()[doubt]['says']})" if doubt in _doubts() else reason


def image_doubt(sequence: int, doubt: str) -> str:
    """Return a session's reason for a review that is about one of its images."""
    return f"image {sequence}: {doubt}"
