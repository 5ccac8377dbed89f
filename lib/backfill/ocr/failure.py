"""Why an image, and with it its session, could not be read: a stage, a kind and a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """The step of a session's reading that failed; the value is the JSON's `error_stage`."""

    INPUT = "input"
    OCR = "ocr"
    LAYOUT = "layout"
    DATE = "date"
    DATABASE = "database"


@dataclass(frozen=True, slots=True)
class ImageFailure:
    """One image that failed its session: `kind` for scripts, `message` for people."""

    stage: Stage
    kind: str
    message: str


class UnreadableImage(Exception):
    """Carries an `ImageFailure` up to where it becomes the session's outcome."""

    def __init__(self, kind: str, message: str, stage: Stage = Stage.INPUT) -> None:
        super().__init__(message)
        self.failure = ImageFailure(stage, kind, message)
